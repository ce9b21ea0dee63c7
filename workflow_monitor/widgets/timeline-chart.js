/** @import { Status, TimelineCounts, TimelineDocument } from "./types.js" */
import { svgEl } from "./dom.js";
import { formatNumber, formatRate, formatUTC } from "./format.js";
import { statusKey } from "./status-bar.js";

export const TIME_STEPS = 100;
/**
 * Stacking order of the areas: finished items at the bottom, waiting items on top.
 *
 * @type {Status[]}
 */
export const STACK_ORDER = ["DONE", "FAILED", "RETRY", "PENDING", "NEW"];

const CHART_WIDTH = 800;
const AREA_HEIGHT = 190;
const BARS_HEIGHT = 60;
const LEFT_MARGIN = 66;
const BOTTOM_MARGIN = 20;

/**
 * Return the x coordinate of the end of a step.
 *
 * @param {number} step
 */
function xOf(step) {
  return LEFT_MARGIN + ((CHART_WIDTH - LEFT_MARGIN) * (step + 1)) / TIME_STEPS;
}

/**
 * @param {number} count
 * @param {number} maximum
 */
function yOf(count, maximum) {
  return AREA_HEIGHT - ((AREA_HEIGHT - 8) * count) / maximum;
}

/**
 * Return the step at a position of the pointer.
 *
 * @param {number} fraction 0 at the left edge of the chart, 1 at its right edge
 */
export function stepAt(fraction) {
  return Math.floor(((fraction * CHART_WIDTH - LEFT_MARGIN) / (CHART_WIDTH - LEFT_MARGIN)) * TIME_STEPS);
}

/**
 * Stack the counts per status.
 *
 * @param {TimelineCounts} counts
 * @returns {{ status: Status, lower: number[], upper: number[] }[]} limits of each area per step, from below
 */
export function stackCounts(counts) {
  let lower = new Array(TIME_STEPS).fill(0);
  return STACK_ORDER.map((status) => {
    const area = { status, lower, upper: lower.map((count, step) => count + counts[statusKey(status)][step]) };
    lower = area.upper;
    return area;
  });
}

/** Chart of counts per status over time, above bars of the completions. */
export class TimelineChart {
  /**
   * @param {TimelineDocument} timeline
   * @param {"tiles" | "scenes"} kinds
   */
  constructor(timeline, kinds) {
    this.timeline = timeline;
    this.stack = stackCounts(timeline[kinds]);
    this.maximum = Math.max(1, ...this.stack[this.stack.length - 1].upper);
    this.finished = timeline.finished[kinds];
    this.cursor = svgEl("line", { class: "wm-cursor", y1: 0, y2: AREA_HEIGHT + BARS_HEIGHT, visibility: "hidden" });
    this.element = svgEl(
      "svg",
      { viewBox: `0 0 ${CHART_WIDTH} ${AREA_HEIGHT + BARS_HEIGHT + BOTTOM_MARGIN}` },
      patterns(),
      this.areas(),
      this.bars(),
      this.axes(),
      this.cursor,
    );
  }

  areas() {
    return this.stack.flatMap(({ status, lower, upper }) => {
      const points = [...this.outline(upper), ...this.outline(lower).reverse()].join(" ");
      const area = svgEl("polygon", { class: `wm-area wm-${statusKey(status)}`, points });
      return status === "RETRY" || status === "FAILED"
        ? [area, svgEl("polygon", { points, fill: `url(#wm-pattern-${status})` })]
        : [area];
    });
  }

  /** @param {number[]} counts */
  outline(counts) {
    return counts.flatMap((count, step) => {
      const y = yOf(count, this.maximum);
      return [`${xOf(step - 1)},${y}`, `${xOf(step)},${y}`];
    });
  }

  bars() {
    const maximum = Math.max(1, ...this.finished);
    const width = Math.max(1, (CHART_WIDTH - LEFT_MARGIN) / TIME_STEPS - 1);
    return this.finished.map((count, step) => {
      const height = ((BARS_HEIGHT - 14) * count) / maximum;
      const y = AREA_HEIGHT + BARS_HEIGHT - height;
      return svgEl("rect", { class: "wm-finished wm-done", x: xOf(step - 1), y, width, height });
    });
  }

  axes() {
    const { since, until, seconds } = this.timeline;
    const [begin, end] = [Date.parse(since), Date.parse(until)];
    const base = AREA_HEIGHT + BARS_HEIGHT;
    const times = [0, 0.5, 1].map((fraction, index) => {
      const x = LEFT_MARGIN + (CHART_WIDTH - LEFT_MARGIN) * fraction;
      return label(x, base + 15, formatUTC(begin + (end - begin) * fraction), ["start", "middle", "end"][index]);
    });
    const levels = [0, this.maximum / 2, this.maximum].map((count) =>
      label(LEFT_MARGIN - 6, yOf(count, this.maximum) + 4, formatNumber(Math.round(count))),
    );
    const fastest = `${formatRate(Math.max(1, ...this.finished), seconds)}/min`;
    return [
      axis(AREA_HEIGHT),
      axis(base),
      ...levels,
      label(LEFT_MARGIN - 6, AREA_HEIGHT + 22, fastest),
      label(LEFT_MARGIN - 6, base, "done"),
      ...times,
    ];
  }

  /**
   * Show the cursor at the end of a step; null hides it.
   *
   * @param {number | null} step
   */
  moveCursor(step) {
    this.cursor.setAttribute("visibility", step === null ? "hidden" : "visible");
    if (step === null) return;
    for (const name of ["x1", "x2"]) this.cursor.setAttribute(name, String(xOf(step)));
  }
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} text
 */
function label(x, y, text, anchor = "end") {
  return svgEl("text", { x, y, "text-anchor": anchor }, text);
}

/** @param {number} y */
function axis(y) {
  return svgEl("line", { class: "wm-axis", x1: LEFT_MARGIN, x2: CHART_WIDTH, y1: y, y2: y });
}

/** Hatching that distinguishes failures without colors. */
function patterns() {
  const pattern = (/** @type {Status} */ status, /** @type {number} */ angle) =>
    svgEl(
      "pattern",
      {
        id: `wm-pattern-${status}`,
        width: 6,
        height: 6,
        patternUnits: "userSpaceOnUse",
        patternTransform: `rotate(${angle})`,
      },
      svgEl("line", { class: "wm-hatching", x1: 0, y1: 0, x2: 0, y2: 6 }),
    );
  return svgEl("defs", {}, pattern("RETRY", 45), pattern("FAILED", -45));
}
