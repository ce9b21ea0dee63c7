/** @import { FailureGroup, RenderContext, Transition, WidgetModel } from "./types.js" */
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
    const key = `${group.kind} ${group.message_template}`;
    const summary = h(
      "summary",
      { "data-key": key },
      h("strong", {}, pluralize(group.count, group.kind)),
      group.retry ? this.statusLabel("RETRY", formatNumber(group.retry)) : "",
      group.failed ? this.statusLabel("FAILED", formatNumber(group.failed)) : "",
      h("code", {}, h("bdi", {}, group.message_template)),
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
    const label = `${action === "retry" ? "Retry" : "Fail"} ${formatNumber(group.retry)}…`;
    return actionButton(label, () => this.applyToGroup(group, action), {
      "aria-label": `${label} with message “${group.message_template.slice(0, 80)}”`,
      "data-key": `${action} ${key}`,
      disabled: group.retry === 0,
    });
  }

  /**
   * @param {FailureGroup} group
   * @param {"retry" | "fail"} action
   */
  async applyToGroup(group, action) {
    const ids = group.ids.slice(0, group.retry);
    this.actionRunning = true;
    try {
      if (!(await applyToItems(this, group.kind, ids, action, " with this message"))) return;
    } finally {
      this.actionRunning = false;
    }
    await this.refresh();
  }
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
