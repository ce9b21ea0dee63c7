/** @import { AOISummary, RenderContext, Transition, WidgetModel } from "./types.js" */
import { actionButton, confirmDialog, h } from "./dom.js";
import { formatDuration, formatNumber, formatRate, pluralize } from "./format.js";
import { mountPanel, Panel } from "./panel.js";
import { BAR_ORDER, statusBar, statusKey } from "./status-bar.js";
import { errorText } from "./transport.js";

/** Longest period of the rate. */
const RATE_WINDOW_MS = 5 * 60 * 1000;
/** Shortest period of the rate. */
const MIN_RATE_MS = 10 * 1000;

export class SummaryPanel extends Panel {
  /**
   * @param {WidgetModel} model
   * @param {HTMLElement} host
   */
  constructor(model, host) {
    super(model, host, "Summary");
    /**
     * Times at which items became DONE within the window.
     *
     * @type {number[] | null}
     */
    this.completions = null;
    /**
     * Time of the first dispatch of the AOI, if it is known.
     *
     * @type {number | null}
     */
    this.started = null;
  }

  /**
   * @override
   * @param {Transition[]} events
   */
  applyEvents(events) {
    for (const event of events) {
      if (event.to === "PENDING") this.started ??= Date.now();
      if (isCompletion(event)) this.completions?.push(Date.now());
    }
  }

  /** @override */
  async show() {
    /** @type {AOISummary | null} */
    const summary = await this.get(`${this.path}?format=json`);
    if (summary === null) return;
    this.completions ??= await this.loadCompletions();
    const retryable = summary.scenes.retry + summary.tiles.retry;
    const label = retryable === 0 ? "Nothing to retry" : `Retry ${pluralize(retryable, "item")}…`;
    this.body.replaceChildren(
      h("p", { class: "wm-facts" }, this.facts(summary)),
      this.table(summary),
      h(
        "p",
        { class: "wm-actions" },
        actionButton(label, () => this.retryAll(retryable), { disabled: retryable === 0 }),
      ),
    );
  }

  async loadCompletions() {
    const since = new Date(Date.now() - RATE_WINDOW_MS).toISOString();
    /** @type {Transition[] | null} */
    const events = await this.get(`${this.path}/history?status=DONE&since=${since}`);
    /** @type {Transition[] | null} */
    const dispatches = await this.get(`${this.path}/history?status=PENDING&limit=1`);
    if (dispatches?.[0]) this.started = Date.parse(dispatches[0].time);
    return (events ?? []).filter(isCompletion).map((event) => Date.parse(event.time));
  }

  /** @param {AOISummary} summary */
  facts(summary) {
    const now = Date.now();
    this.completions = (this.completions ?? []).filter((time) => time >= now - RATE_WINDOW_MS);
    const completed = this.completions.length;
    const seconds = ratePeriod(now, this.started);
    const pending = summary.scenes.pending + summary.tiles.pending;
    const left = pending + summary.scenes.new + summary.tiles.new;
    const facts = [
      summary.from ? `${summary.from} to ${summary.to ?? "…"}` : "no dates",
      pluralize(summary.root_tiles, "root tile"),
      `${formatRate(completed, seconds)} done per minute`,
      remainingText(left, pending, completed, seconds),
    ];
    return [this.statusLabel(summary.status), ...facts.map((fact) => h("span", {}, fact))];
  }

  /** @param {AOISummary} summary */
  table(summary) {
    const headings = BAR_ORDER.map((status) => h("th", { scope: "col" }, this.statusLabel(status)));
    const rows = /** @type {const} */ (["scenes", "tiles"]).map((kinds) => {
      const counts = summary[kinds];
      const cells = BAR_ORDER.map((status) => h("td", {}, formatNumber(counts[statusKey(status)])));
      return [
        h("tr", {}, h("th", { scope: "row" }, kinds), h("td", {}, formatNumber(counts.total)), cells),
        h("tr", {}, h("td", { colspan: BAR_ORDER.length + 2 }, statusBar(kinds, counts))),
      ];
    });
    const head = h("tr", {}, h("td", {}), h("th", { scope: "col" }, "total"), headings);
    return h("table", {}, h("thead", {}, head), h("tbody", {}, rows));
  }

  /** @param {number} retryable */
  async retryAll(retryable) {
    const question = `Retry ${retryable === 1 ? "the item" : `all ${formatNumber(retryable)} items`} in RETRY?`;
    if (!(await confirmDialog(this.root, question, "Retry"))) return;
    const response = await this.put(`${this.path}/retry`);
    const { Scenes: scenes = 0, Tiles: tiles = 0 } = response.body ?? {};
    this.say(
      response.ok
        ? `Retried ${pluralize(scenes, "scene")} and ${pluralize(tiles, "tile")}.`
        : `Not retried: ${errorText(response)}`,
    );
    await this.refresh();
  }
}

/** @param {Transition} event */
function isCompletion(event) {
  return event.to === "DONE" && event.from !== "DONE";
}

/**
 * Describe the remaining items, with an estimate of the time if any item is in progress.
 *
 * @param {number} left
 * @param {number} pending
 * @param {number} completed
 * @param {number} seconds in which the items were completed
 */
export function remainingText(left, pending, completed, seconds) {
  if (left === 0) return "nothing left";
  if (pending === 0) return `${formatNumber(left)} left, none in progress`;
  if (completed === 0) return `${formatNumber(left)} left`;
  return `${formatNumber(left)} left, about ${formatDuration((left / completed) * seconds)}`;
}

/**
 * Return the seconds over which the rate is measured: the last minutes, or less for an AOI that started since then.
 *
 * @param {number} now
 * @param {number | null} started
 */
export function ratePeriod(now, started) {
  const age = started === null ? RATE_WINDOW_MS : now - started;
  return Math.min(RATE_WINDOW_MS, Math.max(MIN_RATE_MS, age)) / 1000;
}

export default {
  /** @param {RenderContext} context */
  render: (context) => mountPanel(SummaryPanel, context),
};
