import { element, grouped } from "./elements.js";

/** From what is finished to what has not begun. */
export const BAR_ORDER = ["DONE", "FAILED", "RETRY", "PENDING", "NEW"];

/** A bar of the shares of the statuses; `counts` by their names in lower case. */
export function bar(label, counts) {
  const parts = BAR_ORDER.filter((name) => counts[name.toLowerCase()] > 0);
  const told = parts.map((name) => `${grouped(counts[name.toLowerCase()])} ${name.toLowerCase()}`).join(", ");
  const segments = parts.map((name) => {
    const style = `flex-grow:${counts[name.toLowerCase()]}`;
    return element("span", { class: `wm-segment wm-${name.toLowerCase()}`, style });
  });
  return element("div", { class: "wm-bar", role: "img", "aria-label": `${label}: ${told || "none"}`, title: told }, segments);
}
