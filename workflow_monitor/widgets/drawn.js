import { unpacked } from "./columns.js";
import { Panel } from "./panel.js";

/** A panel that draws columns of an AOI: it fetches them once, and keeps them right by the events. */
export class Drawn extends Panel {
  /** Which columns are out of date. */
  stale = true;
  /** Events that arrive while columns are on their way. */
  late = null;

  heard(events) {
    this.late?.push(...events);
    if (this.data) for (const event of events) this.note(event);
    if (this.data && !this.stale) {
      this.isFresh();
      this.paintSoon();
    }
  }

  back() {
    this.stale = true;
    super.back();
  }

  refreshSoon() {
    if (this.stale || this.since !== null) super.refreshSoon();
  }

  async show() {
    if (!this.stale) return;
    this.stale = false;
    this.late = [];
    try {
      const buffer = await this.getBytes(this.source());
      // What is out of date when it arrives is asked for again.
      if (buffer === null || this.stale) return;
      this.data = unpacked(buffer);
      this.take();
      for (const event of this.late) if (event.seq > this.data.seq) this.note(event);
      this.paintSoon();
    } catch (error) {
      this.stale = true;
      throw error;
    } finally {
      this.late = null;
    }
  }

  /** Paint before the next frame; never before the last paint has ended. */
  paintSoon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
    });
  }

  /** The code of a status in the columns. */
  code(status) {
    return this.data.statuses.indexOf(status);
  }
}
