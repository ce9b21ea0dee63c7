/** @import { LeafletMap } from "./leaflet-map.js" */
import { h } from "./dom.js";

/** @typedef {[x: number, y: number]} Point */

/** Selection of an area of a Leaflet map by dragging. */
export class BoxSelect {
  /**
   * @param {LeafletMap} map
   * @param {HTMLElement} host
   * @param {(from: Point, to: Point) => void} onSelect receives two corners in pixels of the map container
   */
  constructor(map, host, onSelect) {
    this.map = map;
    this.host = host;
    this.onSelect = onSelect;
    this.enabled = false;
  }

  /** @param {boolean} enabled */
  enable(enabled) {
    this.enabled = enabled;
    if (enabled) this.map.dragging.disable();
    else this.map.dragging.enable();
    this.host.classList.toggle("wm-box-select", enabled);
    this.host.onpointerdown = enabled ? (event) => this.drag(event) : null;
  }

  /** @param {PointerEvent} begin */
  drag(begin) {
    const container = this.map.getContainer();
    const frame = container.getBoundingClientRect();
    /** @type {(event: PointerEvent) => Point} */
    const position = (event) => [event.clientX - frame.left, event.clientY - frame.top];
    const from = position(begin);
    const box = h("div", { class: "wm-box" });
    container.append(box);
    this.host.setPointerCapture(begin.pointerId);
    this.host.onpointermove = (event) => {
      const to = position(event);
      const [left, top] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
      const [width, height] = [Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
      box.style.cssText = `left:${left}px;top:${top}px;width:${width}px;height:${height}px`;
    };
    this.host.onpointerup = (event) => {
      this.host.onpointermove = null;
      this.host.onpointerup = null;
      box.remove();
      this.onSelect(from, position(event));
    };
  }
}
