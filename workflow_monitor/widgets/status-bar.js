/** @import { Counts, Status } from "./types.js" */
import { h } from "./dom.js";
import { formatNumber } from "./format.js";

/**
 * Order of a bar from left to right: finished items first.
 *
 * @type {Status[]}
 */
export const BAR_ORDER = ["DONE", "FAILED", "RETRY", "PENDING", "NEW"];

/**
 * @template {Status} S
 * @param {S} status
 * @returns {Lowercase<S>} key of the status in documents and class names
 */
export function statusKey(status) {
  return /** @type {Lowercase<S>} */ (status.toLowerCase());
}

/**
 * Create a bar with the share of each status.
 *
 * @param {string} label
 * @param {Counts} counts
 */
export function statusBar(label, counts) {
  const statuses = BAR_ORDER.map(statusKey).filter((key) => counts[key] > 0);
  const description = statuses.map((key) => `${formatNumber(counts[key])} ${key}`).join(", ") || "none";
  const segments = statuses.map((key) =>
    h("span", { class: `wm-segment wm-${key}`, style: `flex-grow:${counts[key]}` }),
  );
  return h(
    "div",
    { class: "wm-bar", role: "img", "aria-label": `${label}: ${description}`, title: description },
    segments,
  );
}
