/** @import { FailureGroup, Kind, RenderContext, Transition, WidgetModel } from "./types.js" */
import { applyToItems } from "./actions.js";
import { actionButton, h, replaceKeepingFocus } from "./dom.js";
import { formatNumber, formatUTC, pluralize, remainderText } from "./format.js";
import { mountPanel, Panel } from "./panel.js";

const IDS_SHOWN = 30;
const ORBITS_SHOWN = 8;

export class FailuresPanel extends Panel {
  /**
   * @param {WidgetModel} model
   * @param {HTMLElement} host
   */
  constructor(model, host) {
    super(model, host, "Failures");
    /**
     * Keys of the expanded groups.
     *
     * @type {Set<string>}
     */
    this.expanded = new Set();
    this.actionRunning = false;
    this.stale = true;
  }

  /**
   * @override
   * @param {Transition[]} events
   */
  applyEvents(events) {
    this.stale ||= events.some(({ from, to }) =>
      [from, to].some((status) => status === "RETRY" || status === "FAILED"),
    );
  }

  /** @override */
  onReconnect() {
    this.stale = true;
    super.onReconnect();
  }

  /** @override */
  scheduleRefresh() {
    if (this.stale || this.disconnectedAt !== null) super.scheduleRefresh();
  }

  /** @override */
  async show() {
    // The groups must not change under an open dialog.
    if (this.actionRunning) return;
    this.stale = false;
    /** @type {FailureGroup[] | null} */
    const groups = await this.get(`${this.path}/failures`);
    if (groups === null) return;
    const rows = groups.map((group) => this.groupRow(group));
    replaceKeepingFocus(this.body, rows.length ? h("ul", { class: "wm-groups" }, rows) : h("p", {}, "No failures."));
  }

  /** @param {FailureGroup} group */
  groupRow(group) {
    const key = `${group.kind} ${group.shape}`;
    const summary = h(
      "summary",
      { "data-key": key },
      h("strong", {}, groupTitle(group)),
      group.retry ? this.statusLabel("RETRY", formatNumber(group.retry)) : "",
      group.failed ? this.statusLabel("FAILED", formatNumber(group.failed)) : "",
      h("code", {}, h("bdi", {}, group.shape)),
    );
    const details = h(
      "details",
      { open: this.expanded.has(key) },
      summary,
      h("p", {}, group.since ? `first ${formatUTC(group.since)}, last ${formatUTC(group.last)}` : ""),
      h("pre", {}, h("bdi", {}, group.example || "(no message)")),
      h("p", {}, datesAndOrbits(group)),
      h(
        "p",
        {},
        `${group.kind} ids: ${group.ids.slice(0, IDS_SHOWN).join(", ")} ${remainderText(group.ids.length, IDS_SHOWN)}`,
      ),
      h("p", { class: "wm-actions" }, this.groupButton(group, "retry", key), this.groupButton(group, "fail", key)),
    );
    details.addEventListener("toggle", () => (details.open ? this.expanded.add(key) : this.expanded.delete(key)));
    return h("li", {}, details);
  }

  /**
   * @param {FailureGroup} group
   * @param {"retry" | "fail"} action
   * @param {string} key
   */
  groupButton(group, action, key) {
    const { kind, retry } = actionTarget(group);
    const count = kind === group.kind ? formatNumber(retry) : pluralize(retry, kind);
    const label = `${action === "retry" ? "Retry" : "Fail"} ${count}…`;
    return actionButton(label, () => this.applyToGroup(group, action), {
      "aria-label": `${label} with message “${group.shape.slice(0, 80)}”`,
      "data-key": `${action} ${key}`,
      disabled: retry === 0,
    });
  }

  /**
   * @param {FailureGroup} group
   * @param {"retry" | "fail"} action
   */
  async applyToGroup(group, action) {
    const { kind, ids, retry } = actionTarget(group);
    this.actionRunning = true;
    try {
      if (!(await applyToItems(this, kind, ids.slice(0, retry), action, " with this message"))) return;
    } finally {
      this.actionRunning = false;
    }
    await this.refresh();
  }
}

/**
 * Return the items that the buttons of a group act on: the scenes if tiles failed with their scenes.
 *
 * @param {Pick<FailureGroup, "kind" | "ids" | "retry" | "causes">} group
 * @returns {{ kind: Kind, ids: number[], retry: number }}
 */
export function actionTarget({ kind, ids, retry, causes }) {
  return causes ? { kind: "scene", ids: causes.ids, retry: causes.retry } : { kind, ids, retry };
}

/**
 * Return the count of a group, and that of the scenes with which its tiles failed.
 *
 * @param {Pick<FailureGroup, "count" | "kind" | "causes">} group
 */
export function groupTitle({ count, kind, causes }) {
  const items = pluralize(count, kind);
  return causes ? `${items} failed with ${pluralize(causes.ids.length, "scene")}` : items;
}

/**
 * Describe the acquisition dates and the most frequent orbits of a group.
 *
 * @param {Pick<FailureGroup, "first_acquired" | "last_acquired" | "orbits">} group
 */
export function datesAndOrbits({ first_acquired: first, last_acquired: last, orbits }) {
  const dates = first === null ? "" : `acquired ${first === last ? first : `${first} to ${last}`}`;
  const byCount = Object.entries(orbits).sort((a, b) => b[1] - a[1]);
  const shown = byCount.slice(0, ORBITS_SHOWN).map(([orbit, count]) => `${orbit} (${formatNumber(count)})`);
  const ellipsis = byCount.length > ORBITS_SHOWN ? " …" : "";
  const orbitText = shown.length ? `relative orbit ${shown.join(", ")}${ellipsis}` : "";
  return [dates, orbitText].filter(Boolean).join("; ");
}

export default {
  /** @param {RenderContext} context */
  render: (context) => mountPanel(FailuresPanel, context),
};
