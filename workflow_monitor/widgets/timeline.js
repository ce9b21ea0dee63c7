/** @import { RenderContext, RunningJob, TimelineDocument, WidgetModel } from "./types.js" */
import { h } from "./dom.js";
import { formatDuration, formatNumber, formatRate, formatUTC } from "./format.js";
import { mountPanel, Panel } from "./panel.js";
import { statusKey } from "./status-bar.js";
import { STACK_ORDER, stepAt, TIME_STEPS, TimelineChart } from "./timeline-chart.js";

/** Periods in minutes. */
const RANGES = [
  ["all", "entire ingestion"],
  ["15", "last 15 minutes"],
  ["60", "last hour"],
  ["1440", "last day"],
];
const MINUTE_MS = 60_000;
/** Without transitions the time axis moves on at this interval. */
const TICK_MS = 10_000;

export class TimelinePanel extends Panel {
  /**
   * @param {WidgetModel} model
   * @param {HTMLElement} host
   */
  constructor(model, host) {
    super(model, host, "Timeline");
    this.kindChoice = this.choice("Item type", [
      ["tiles", "tiles"],
      ["scenes", "scenes"],
    ]);
    this.rangeChoice = this.choice("Time range", RANGES);
    /** @type {TimelineDocument | null} */
    this.timeline = null;
    /** @type {TimelineChart | null} */
    this.chart = null;
    /**
     * Step under the cursor; null for the last step, without a cursor.
     *
     * @type {number | null}
     */
    this.step = null;
    this.chartHost = h("div", {
      class: "wm-chart",
      tabindex: "0",
      role: "img",
      onpointermove: (/** @type {PointerEvent} */ event) => this.onPointer(event),
      onpointerleave: () => this.selectStep(null),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.onKey(event),
    });
    this.details = h("p", { class: "wm-facts", "aria-live": "polite" });
    this.running = h("div");
    this.body.append(
      h("p", { class: "wm-actions" }, this.kindChoice, this.rangeChoice),
      this.chartHost,
      this.details,
      this.running,
    );
  }

  /**
   * @param {string} label
   * @param {string[][]} options
   */
  choice(label, options) {
    return h(
      "select",
      { "aria-label": label, onchange: () => this.refresh() },
      options.map(([value, text]) => h("option", { value }, text)),
    );
  }

  get kinds() {
    return this.kindChoice.value === "scenes" ? "scenes" : "tiles";
  }

  /** @override */
  async start() {
    const stop = await super.start();
    const interval = setInterval(() => this.scheduleRefresh(), TICK_MS);
    return () => {
      clearInterval(interval);
      stop();
    };
  }

  /** @override */
  async show() {
    const parameters = new URLSearchParams({ steps: String(TIME_STEPS) });
    if (this.rangeChoice.value !== "all") {
      const since = Date.now() - Number(this.rangeChoice.value) * MINUTE_MS;
      parameters.set("since", new Date(since).toISOString());
    }
    /** @type {TimelineDocument | null} */
    const timeline = await this.get(`${this.path}/timeline?${parameters}`);
    if (timeline === null) return;
    this.timeline = timeline;
    this.chart = new TimelineChart(timeline, this.kinds);
    this.chartHost.replaceChildren(this.chart.element);
    const period = `from ${formatUTC(timeline.since)} to ${formatUTC(timeline.until)}`;
    this.chartHost.setAttribute(
      "aria-label",
      `${this.kinds} per status ${period}. Use the arrow keys to read the counts at a time.`,
    );
    this.selectStep(this.step);
    this.showRunning(timeline.running.total, timeline.running.jobs);
  }

  // ---- counts at a time

  /** @param {PointerEvent} event */
  onPointer({ clientX }) {
    const frame = this.chartHost.getBoundingClientRect();
    this.selectStep(stepAt((clientX - frame.left) / frame.width));
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (!step || !this.timeline) return;
    event.preventDefault();
    this.selectStep((this.step ?? TIME_STEPS - 1) + step);
  }

  /** @param {number | null} step */
  selectStep(step) {
    this.step = step === null ? null : Math.max(0, Math.min(TIME_STEPS - 1, step));
    if (!this.timeline) return;
    const { since, seconds, finished } = this.timeline;
    const index = this.step ?? TIME_STEPS - 1;
    const counts = this.timeline[this.kinds];
    const labels = [...STACK_ORDER]
      .reverse()
      .map((status) => this.statusLabel(status, `${status} ${formatNumber(counts[statusKey(status)][index])}`));
    this.details.replaceChildren(
      h("span", {}, formatUTC(Date.parse(since) + (index + 1) * seconds * 1000)),
      ...labels,
      h("span", {}, `${formatRate(finished[this.kinds][index], seconds)} done per minute`),
    );
    this.chart?.moveCursor(this.step);
  }

  // ---- running jobs

  /**
   * @param {number} total
   * @param {RunningJob[]} jobs first jobs, longest running first
   */
  showRunning(total, jobs) {
    if (total === 0) {
      this.running.replaceChildren(h("p", {}, "No running jobs."));
      return;
    }
    const leased = jobs.filter((job) => job.leased).length;
    const atLeast = jobs.length < total ? "at least " : "";
    const title = `${formatNumber(total)} PENDING, ${atLeast}${formatNumber(leased)} leased`;
    const open = this.running.querySelector("details")?.open ?? true;
    const table = h("table", { class: "wm-running" }, h("tbody", {}, jobs.map(runningRow)));
    this.running.replaceChildren(
      h("details", { open }, h("summary", {}, title), h("div", { class: "wm-scroll", tabindex: "0" }, table)),
    );
  }
}

/** @param {RunningJob} job */
function runningRow({ type, id, source_id: name, leased, worker, since, attempt }) {
  return h(
    "tr",
    {},
    h("td", {}, `${type} ${id}`),
    h("td", {}, h("bdi", {}, name)),
    h("td", {}, leased ? h("bdi", {}, worker || "a worker") : "queued"),
    h("td", {}, formatDuration((Date.now() - Date.parse(since)) / 1000)),
    h("td", {}, attempt > 1 ? `attempt ${attempt}` : ""),
  );
}

export default {
  /** @param {RenderContext} context */
  render: (context) => mountPanel(TimelinePanel, context),
};
