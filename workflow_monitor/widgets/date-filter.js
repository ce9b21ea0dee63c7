import { h } from "./dom.js";

const DAY_MS = 86_400_000;
/** Day of items without a date. */
const NO_DAY = -(2 ** 31);

/** Two sliders that restrict items to a range of acquisition dates. */
export class DateFilter {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    /**
     * Days of the items, ascending.
     *
     * @type {number[]}
     */
    this.days = [];
    this.range = [NO_DAY, NO_DAY];
    this.allDates = true;
    this.first = this.slider("First date");
    this.last = this.slider("Last date");
    this.text = h("span");
    this.element = h("p", { class: "wm-dates" }, "Dates ", this.first, this.last, this.text);
  }

  /** @param {string} label */
  slider(label) {
    const oninput = () => this.update();
    return h("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": label, oninput });
  }

  /**
   * Set the available dates. A range that ends at the last date is extended.
   *
   * @param {Iterable<number>} days days since 1970-01-01
   */
  setDays(days) {
    this.days = [...new Set(days)].filter((day) => day !== NO_DAY).sort((a, b) => a - b);
    const last = String(Math.max(0, this.days.length - 1));
    const endsAtLast = this.last.value === this.last.max;
    this.first.max = last;
    this.last.max = last;
    if (endsAtLast) this.last.value = last;
    this.update();
  }

  update() {
    const [first, last] = [Number(this.first.value), Number(this.last.value)].sort((a, b) => a - b);
    this.range = [this.days[first] ?? NO_DAY, this.days[last] ?? NO_DAY];
    this.allDates = first === 0 && last === this.days.length - 1;
    this.text.textContent = this.days.length === 0 ? "none" : this.range.map(formatDay).join(" to ");
    for (const slider of [this.first, this.last]) {
      slider.setAttribute("aria-valuetext", formatDay(this.days[Number(slider.value)] ?? 0));
    }
    this.onChange();
  }

  /**
   * Test whether a day is in the range. Items without a date are included unless the range is restricted.
   *
   * @param {number} day
   */
  includes(day) {
    return this.allDates || (day >= this.range[0] && day <= this.range[1]);
  }
}

/** @param {number} day */
function formatDay(day) {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}
