/** @import { Panel } from "./panel.js" */
/** @import { Status, StatusStyle } from "./types.js" */
import { h } from "./dom.js";
import { formatNumber } from "./format.js";
import { statusKey } from "./status-bar.js";

/** Checkboxes that show or hide statuses, with the count of each. */
export class Legend {
  /**
   * @param {Panel} panel
   * @param {Status[]} statuses
   * @param {() => void} onChange
   */
  constructor(panel, statuses, onChange) {
    /** @type {Set<Status>} */
    this.visible = new Set(statuses);
    /** @type {Map<Status, HTMLElement>} */
    this.counts = new Map();
    const choices = statuses.map((status) => {
      const count = h("span", { class: "wm-count" });
      this.counts.set(status, count);
      const checkbox = h("input", {
        type: "checkbox",
        checked: true,
        onchange: () => {
          if (checkbox.checked) this.visible.add(status);
          else this.visible.delete(status);
          onChange();
        },
      });
      return h("label", { class: "wm-choice" }, checkbox, panel.statusLabel(status), count);
    });
    this.element = h("fieldset", { class: "wm-legend" }, h("legend", {}, "Show"), choices);
  }

  /**
   * @param {Status[]} statuses
   * @param {number[]} counts in the order of `statuses`
   */
  setCounts(statuses, counts) {
    for (const [index, status] of statuses.entries()) {
      const count = this.counts.get(status);
      if (count) count.textContent = formatNumber(counts[index]);
    }
  }
}

/**
 * Read the colors of statuses from the style sheet, as resolved by the browser: system colors in forced-colors mode.
 *
 * @param {HTMLElement} root
 * @param {Status[]} statuses
 * @returns {StatusStyle[]}
 */
export function statusStyles(root, statuses) {
  return statuses.map((status) => {
    const probe = h("span", { class: `wm-probe wm-${statusKey(status)}` });
    root.append(probe);
    const { backgroundColor, color } = getComputedStyle(probe);
    probe.remove();
    return { color: backgroundColor, onColor: color };
  });
}
