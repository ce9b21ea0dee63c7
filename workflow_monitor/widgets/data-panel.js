/** @import { ColumnarData, Status, Transition } from "./types.js" */
import { decode } from "./columnar.js";
import { Panel } from "./panel.js";

/**
 * Panel that draws columnar data. It fetches the columns once and updates them from transitions.
 *
 * @template {ColumnarData} T
 */
export class DataPanel extends Panel {
  /** @type {T | null} */
  data = null;
  /** The columns must be fetched again. */
  stale = true;
  /**
   * Transitions received during a fetch.
   *
   * @type {Transition[] | null}
   */
  received = null;
  /** @type {number | null} */
  animationFrame = null;

  /**
   * Return the path of the columns.
   *
   * @returns {string}
   */
  source() {
    throw new Error("A subclass returns the path.");
  }

  /**
   * Process new columns.
   *
   * @param {T} _data
   */
  onData(_data) {}

  /**
   * Update the columns after a transition, or set `stale` if they cannot be updated.
   *
   * @param {T} _data
   * @param {Transition} _event
   */
  applyEvent(_data, _event) {}

  paint() {}

  /**
   * @override
   * @param {Transition[]} events
   */
  applyEvents(events) {
    this.received?.push(...events);
    if (!this.data) return;
    for (const event of events) this.applyEvent(this.data, event);
    if (!this.stale) {
      this.markFresh();
      this.schedulePaint();
    }
  }

  /** @override */
  onReconnect() {
    this.stale = true;
    super.onReconnect();
  }

  /** @override */
  onColorsChange() {
    this.schedulePaint();
  }

  /** @override */
  scheduleRefresh() {
    if (this.stale || this.disconnectedAt !== null) super.scheduleRefresh();
  }

  /** @override */
  async show() {
    if (!this.stale) return;
    this.stale = false;
    this.received = [];
    try {
      const buffer = await this.get(this.source(), true);
      // The source may have changed during the fetch.
      if (buffer === null || this.stale) return;
      const data = /** @type {T} */ (/** @type {unknown} */ (decode(buffer)));
      this.data = data;
      this.onData(data);
      for (const event of this.received) if (event.seq > data.seq) this.applyEvent(data, event);
      this.schedulePaint();
    } catch (error) {
      this.stale = true;
      throw error;
    } finally {
      this.received = null;
    }
  }

  /** Paint before the next frame, at most once per frame. */
  schedulePaint() {
    this.animationFrame ??= requestAnimationFrame(() => {
      this.animationFrame = null;
      this.paint();
    });
  }

  /**
   * Return the code of a status in the columns.
   *
   * @param {T} data
   * @param {Status} status
   */
  code(data, status) {
    return data.statuses.indexOf(status);
  }
}
