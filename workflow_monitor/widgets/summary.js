import { bar, BAR_ORDER } from "./bar.js";
import { confirmed, counted, duration, element, grouped } from "./elements.js";
import { Panel, shown } from "./panel.js";

const WINDOW_MS = 5 * 60 * 1000;

export class SummaryPanel extends Panel {
  constructor(model, el) {
    super(model, el, "Summary");
    /** When items were done, of the last minutes. */
    this.done = null;
  }

  heard(events) {
    for (const event of events) if (event.to === "DONE" && event.from !== "DONE") this.done?.push(Date.now());
  }

  async show() {
    const view = await this.get(`${this.path}?format=json`);
    if (view === null) return;
    this.done ??= await this.doneLately();
    const waiting = view.scenes.retry + view.tiles.retry;
    this.body.replaceChildren(
      element("p", { class: "wm-facts" }, this.status(view.status), ...this.facts(view)),
      this.table(view),
      element(
        "p",
        { class: "wm-actions" },
        element(
          "button",
          { class: "wm-button", disabled: waiting === 0, onclick: () => this.retryAll(waiting) },
          waiting === 0 ? "Nothing waits for a person" : `Retry all ${grouped(waiting)} …`,
        ),
      ),
    );
  }

  async doneLately() {
    const since = new Date(Date.now() - WINDOW_MS).toISOString();
    const events = await this.get(`${this.path}/history?status=DONE&since=${since}`);
    return (events ?? []).filter((event) => event.from !== "DONE").map((event) => Date.parse(event.time));
  }

  facts(view) {
    const from = Date.now() - WINDOW_MS;
    this.done = this.done.filter((moment) => moment >= from);
    const left = ["new", "pending"].reduce((sum, name) => sum + view.scenes[name] + view.tiles[name], 0);
    const perMinute = (this.done.length * 60_000) / WINDOW_MS;
    const facts = [
      view.from ? `${view.from} to ${view.to ?? "…"}` : "no dates",
      counted(view.root_tiles, "root tile"),
      `${perMinute < 10 ? perMinute.toFixed(1) : grouped(Math.round(perMinute))} done per minute`,
      left === 0 ? "nothing left" : this.timeLeft(left, view.scenes.pending + view.tiles.pending > 0),
    ];
    return facts.map((fact) => element("span", {}, fact));
  }

  timeLeft(left, moves) {
    const told = moves ? `${grouped(left)} left` : `${grouped(left)} left, none with a worker`;
    return this.done.length === 0 || !moves ? told : `${told}, about ${duration((left / this.done.length) * (WINDOW_MS / 1000))}`;
  }

  table(view) {
    const head = BAR_ORDER.map((name) => element("th", { scope: "col" }, this.status(name)));
    const rows = ["scenes", "tiles"].flatMap((part) => {
      const counts = view[part];
      const cells = BAR_ORDER.map((name) => element("td", {}, grouped(counts[name.toLowerCase()])));
      return [
        element("tr", {}, element("th", { scope: "row" }, part), element("td", {}, grouped(counts.total)), cells),
        element("tr", { class: "wm-bar-row" }, element("td", { colspan: BAR_ORDER.length + 2 }, bar(part, counts))),
      ];
    });
    const first = element("tr", {}, element("td", {}), element("th", { scope: "col" }, "total"), head);
    return element("table", {}, element("thead", {}, first), element("tbody", {}, rows));
  }

  async retryAll(waiting) {
    const question = `Send all ${grouped(waiting)} that wait for a person to the workers again?`;
    if (!(await confirmed(this.root, question, "Retry"))) return;
    const answer = await this.put(`${this.path}/retry`);
    const numbers = answer.body ?? { Scenes: 0, Tiles: 0 };
    this.say(
      answer.ok
        ? `Retried ${counted(numbers.Scenes, "scene")} and ${counted(numbers.Tiles, "tile")}.`
        : `Not retried: ${answer.body?.detail ?? answer.status}`,
    );
    await this.refresh();
  }
}

export default {
  render({ model, el }) {
    return shown(SummaryPanel, model, el);
  },
};
