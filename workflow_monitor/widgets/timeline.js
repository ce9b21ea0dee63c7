import { duration, element, grouped, shape, utc } from "./elements.js";
import { Panel, shown } from "./panel.js";

/** From below: what is finished lies at the bottom, what waits on top. */
const STACK = ["DONE", "FAILED", "RETRY", "PENDING", "NEW"];
const RANGES = [["all", "since it began"], ["15", "15 minutes"], ["60", "hour"], ["1440", "day"]];
const MINUTE_MS = 60_000;
const TICK_MS = 10_000;
const TIME_STEPS = 100;
const [WIDTH, HEIGHT, BARS, LEFT, BELOW] = [800, 190, 60, 66, 20];

export class TimelinePanel extends Panel {
  constructor(model, el) {
    super(model, el, "Timeline");
    const choice = (label, options) =>
      element("select", { "aria-label": label, onchange: () => this.refresh() }, options.map(([value, text]) => element("option", { value }, text)));
    this.of = choice("Of what", [["tiles", "tiles"], ["scenes", "scenes"]]);
    this.range = choice("Range", RANGES);
    this.at = null;
    this.chart = element("div", { class: "wm-chart", tabindex: "0", role: "img" });
    this.told = element("p", { class: "wm-facts", "aria-live": "polite" });
    this.running = element("div", {});
    this.body.append(element("p", { class: "wm-actions" }, this.of, this.range), this.chart, this.told, this.running);
    this.chart.addEventListener("pointermove", (event) => this.point(event));
    this.chart.addEventListener("pointerleave", () => this.tell(null));
    this.chart.addEventListener("keydown", (event) => this.key(event));
  }

  async start() {
    const stop = await super.start();
    const ticking = setInterval(() => this.refreshSoon(), TICK_MS);
    return () => {
      clearInterval(ticking);
      stop();
    };
  }

  async show() {
    const parameters = new URLSearchParams({ steps: TIME_STEPS });
    if (this.range.value !== "all") parameters.set("since", new Date(Date.now() - this.range.value * MINUTE_MS).toISOString());
    const found = await this.get(`${this.path}/timeline?${parameters}`);
    if (found === null) return;
    this.found = found;
    const counts = found[this.of.value];
    this.total = Math.max(1, ...Array.from({ length: TIME_STEPS }, (_, step) => STACK.reduce((sum, name) => sum + counts[name.toLowerCase()][step], 0)));
    this.chart.replaceChildren(this.picture(counts, found.finished[this.of.value]));
    this.tell(this.at);
    this.showRunning(found.running);
  }

  picture(counts, finished) {
    const label = `${this.of.value} per status from ${utc(this.found.since)} to ${utc(this.found.until)}`;
    this.cursor = shape("line", { class: "wm-cursor", y1: 0, y2: HEIGHT + BARS, visibility: "hidden" });
    this.chart.setAttribute("aria-label", `${label}. Arrow keys tell the numbers at a time.`);
    return shape(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT + BARS + BELOW}` },
      hatching(),
      this.areas(counts),
      this.bars(finished),
      this.axes(Math.max(1, ...finished)),
      this.cursor,
    );
  }

  x(step) {
    return LEFT + ((WIDTH - LEFT) * (step + 1)) / TIME_STEPS;
  }

  y(number) {
    return HEIGHT - ((HEIGHT - 8) * number) / this.total;
  }

  areas(counts) {
    let lower = new Array(TIME_STEPS).fill(0);
    return STACK.map((name) => {
      const upper = lower.map((number, step) => number + counts[name.toLowerCase()][step]);
      const steps = (numbers) => numbers.map((number, step) => [`${this.x(step - 1)},${this.y(number)}`, `${this.x(step)},${this.y(number)}`]).flat();
      const points = [...steps(upper), ...steps(lower).reverse()].join(" ");
      lower = upper;
      const area = shape("polygon", { class: `wm-area wm-${name.toLowerCase()}`, points });
      const needsHatching = name === "RETRY" || name === "FAILED";
      return needsHatching ? [area, shape("polygon", { points, fill: `url(#wm-hatch-${name})` })] : [area];
    }).flat();
  }

  bars(finished) {
    const most = Math.max(1, ...finished);
    return finished.map((number, step) => {
      const height = ((BARS - 14) * number) / most;
      const width = (WIDTH - LEFT) / TIME_STEPS;
      return shape("rect", { class: "wm-finished wm-done", x: this.x(step - 1), y: HEIGHT + BARS - height, width: Math.max(1, width - 1), height });
    });
  }

  axes(most) {
    const text = (x, y, words, anchor = "end") => shape("text", { x, y, "text-anchor": anchor }, words);
    const line = (y) => shape("line", { class: "wm-axis", x1: LEFT, x2: WIDTH, y1: y, y2: y });
    const perMinute = (number) => `${rate(number, this.found.seconds)}/min`;
    const times = [0, 0.5, 1].map((share, number) => {
      const [since, until] = [Date.parse(this.found.since), Date.parse(this.found.until)];
      const x = LEFT + (WIDTH - LEFT) * share;
      return text(x, HEIGHT + BARS + 15, utc(since + (until - since) * share), ["start", "middle", "end"][number]);
    });
    const levels = [0, this.total / 2, this.total].map((number) => text(LEFT - 6, this.y(number) + 4, grouped(Math.round(number))));
    return [line(HEIGHT), line(HEIGHT + BARS), ...levels, text(LEFT - 6, HEIGHT + 22, perMinute(most)), text(LEFT - 6, HEIGHT + BARS, "done"), ...times];
  }

  // ---- the numbers at a time

  point({ clientX }) {
    const frame = this.chart.getBoundingClientRect();
    const x = ((clientX - frame.left) / frame.width) * WIDTH;
    this.tell(Math.floor(((x - LEFT) / (WIDTH - LEFT)) * TIME_STEPS));
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (!step || !this.found) return;
    event.preventDefault();
    this.tell((this.at ?? TIME_STEPS - 1) + step);
  }

  tell(step) {
    this.at = step === null ? null : Math.max(0, Math.min(TIME_STEPS - 1, step));
    if (!this.found) return;
    const at = this.at ?? TIME_STEPS - 1;
    const counts = this.found[this.of.value];
    const when = Date.parse(this.found.since) + (at + 1) * this.found.seconds * 1000;
    const done = rate(this.found.finished[this.of.value][at], this.found.seconds);
    const numbers = STACK.toReversed().map((name) => this.status(name, `${name} ${grouped(counts[name.toLowerCase()][at])}`));
    this.told.replaceChildren(element("span", {}, utc(when)), ...numbers, element("span", {}, `${done} done per minute`));
    this.cursor?.setAttribute("visibility", this.at === null ? "hidden" : "visible");
    for (const end of ["x1", "x2"]) this.cursor?.setAttribute(end, this.x(at));
  }

  // ---- what is running now

  showRunning({ total, jobs }) {
    if (total === 0) {
      this.running.replaceChildren(element("p", {}, "Nothing is running."));
      return;
    }
    const leased = jobs.filter((job) => job.leased);
    const rows = jobs.map((job) =>
      element(
        "tr",
        {},
        element("td", {}, `${job.type} ${job.id}`),
        element("td", {}, element("bdi", {}, job.source_id)),
        element("td", {}, job.leased ? element("bdi", {}, job.worker || "a worker") : "waits for a worker"),
        element("td", {}, duration((Date.now() - Date.parse(job.since)) / 1000)),
        element("td", {}, job.attempt > 1 ? `attempt ${job.attempt}` : ""),
      ),
    );
    const title = `${grouped(total)} PENDING, ${grouped(leased.length)}${jobs.length < total ? " or more" : ""} with a worker`;
    const isOpen = this.running.querySelector("details")?.open ?? true;
    const table = element("div", { class: "wm-scroll", tabindex: "0" }, element("table", { class: "wm-running" }, element("tbody", {}, rows)));
    this.running.replaceChildren(element("details", { open: isOpen }, element("summary", {}, title), table));
  }
}

/** So many in so many seconds, as a number per minute. */
function rate(number, seconds) {
  const found = (number * 60) / seconds;
  return found < 10 ? found.toFixed(1) : grouped(Math.round(found));
}

/** Patterns that tell apart what colours do not for everybody. */
function hatching() {
  const pattern = (name, turn) =>
    shape(
      "pattern",
      { id: `wm-hatch-${name}`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${turn})` },
      shape("line", { x1: 0, y1: 0, x2: 0, y2: 6, stroke: "#fff", "stroke-width": 2, "stroke-opacity": 0.7 }),
    );
  return shape("defs", {}, pattern("RETRY", 45), pattern("FAILED", -45));
}

export default {
  render({ model, el }) {
    return shown(TimelinePanel, model, el);
  },
};
