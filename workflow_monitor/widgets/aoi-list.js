/** @import { AOIListEntry, Counts, WidgetModel } from "./types.js" */
import { h, replaceKeepingFocus } from "./dom.js";
import { formatNumber, pluralize } from "./format.js";
import { Panel } from "./panel.js";
import { statusBar } from "./status-bar.js";

/** Longer lists have a search field. */
const SEARCH_THRESHOLD = 8;

/** List of all AOIs with their progress, to select one. */
export class AOIListPanel extends Panel {
  /**
   * @param {WidgetModel} model
   * @param {HTMLElement} host
   * @param {(name: string) => void} onSelect
   */
  constructor(model, host, onSelect) {
    super(model, host, "AOIs", "");
    this.onSelect = onSelect;
    /** @type {AOIListEntry[]} */
    this.entries = [];
    this.search = h("input", {
      type: "search",
      class: "wm-search",
      placeholder: "Search AOIs",
      "aria-label": "Search AOIs",
      hidden: true,
      oninput: () => this.list(),
    });
    this.rows = h("tbody");
    this.total = h("span");
    this.body.append(
      h("p", { class: "wm-actions" }, this.search, this.total),
      h("div", { class: "wm-aois" }, h("table", {}, this.rows)),
    );
  }

  /** @override */
  async show() {
    /** @type {AOIListEntry[] | null} */
    const entries = await this.get("aoi/?counts=true");
    if (entries === null) return;
    this.entries = entries;
    this.search.hidden = entries.length <= SEARCH_THRESHOLD;
    this.total.textContent = entries.length === 0 ? "No AOIs yet." : pluralize(entries.length, "AOI");
    this.list();
  }

  list() {
    const text = this.search.value.toLowerCase();
    const selected = this.model.get("aoi");
    const matches = this.entries.filter((entry) => entry.ID.toLowerCase().includes(text));
    replaceKeepingFocus(this.rows, ...matches.map((entry) => this.row(entry, selected)));
  }

  /**
   * @param {AOIListEntry} entry
   * @param {string} selected
   */
  row({ ID: name, status, scenes, tiles }, selected) {
    const counts = addCounts(scenes, tiles);
    const select = h(
      "button",
      { class: "wm-link", "data-key": name, onclick: () => this.onSelect(name) },
      h("bdi", {}, name),
    );
    return h(
      "tr",
      { "aria-current": name === selected ? "true" : null },
      h("td", {}, select),
      h("td", {}, this.statusLabel(status)),
      h("td", {}, statusBar(name, counts)),
      h("td", {}, progressText(counts)),
    );
  }
}

/**
 * Format the share of finished items.
 *
 * @param {Counts} counts
 */
export function progressText({ done, failed, total }) {
  if (total === 0) return "empty";
  return `${Math.floor((100 * (done + failed)) / total)} % of ${formatNumber(total)}`;
}

/**
 * @param {Counts} a
 * @param {Counts} b
 * @returns {Counts}
 */
function addCounts(a, b) {
  return {
    new: a.new + b.new,
    pending: a.pending + b.pending,
    done: a.done + b.done,
    retry: a.retry + b.retry,
    failed: a.failed + b.failed,
    total: a.total + b.total,
  };
}
