/** @import { WorldView } from "./types.js" */
/** @import { LeafletMap, ZoomAnimEvent } from "./leaflet-map.js" */

/** Size of the world in pixels at zoom 0. */
const TILE_SIZE = 256;
/** Area drawn beyond each side for panning, relative to the size of the map. */
const MARGIN = 0.3;

/** Canvas in a pane of a Leaflet map. It moves and zooms with the map. */
export class MapCanvas {
  /**
   * @param {LeafletMap} map
   * @param {(context: CanvasRenderingContext2D, view: WorldView) => void} paint
   * @param {number} zIndex
   */
  constructor(map, paint, zIndex) {
    this.map = map;
    this.paint = paint;
    this.zoom = 0;
    /** Top left corner of the canvas, in pixels of the world. */
    this.origin = { x: 0, y: 0 };
    this.canvas = document.createElement("canvas");
    this.canvas.className = "leaflet-zoom-animated";
    this.canvas.style.cssText = `position:absolute;transform-origin:0 0;pointer-events:none;z-index:${zIndex}`;
    map.getPanes().overlayPane.append(this.canvas);
    this.listeners = {
      moveend: () => this.redraw(),
      resize: () => this.redraw(),
      zoomanim: (/** @type {ZoomAnimEvent} */ event) => this.animateZoom(event),
    };
    map.on(this.listeners);
  }

  remove() {
    this.map.off(this.listeners);
    this.canvas.remove();
  }

  redraw() {
    const size = this.map.getSize();
    const context = this.canvas.getContext("2d");
    if (size.x === 0 || !context) return;
    const margin = { x: Math.round(size.x * MARGIN), y: Math.round(size.y * MARGIN) };
    const corner = this.map.containerPointToLayerPoint([-margin.x, -margin.y]);
    const pixelOrigin = this.map.getPixelOrigin();
    const [width, height] = [size.x + 2 * margin.x, size.y + 2 * margin.y];
    const ratio = globalThis.devicePixelRatio ?? 1;
    this.zoom = this.map.getZoom();
    this.origin = { x: pixelOrigin.x + corner.x, y: pixelOrigin.y + corner.y };
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.canvas.style.transform = `translate3d(${corner.x}px,${corner.y}px,0)`;
    context.scale(ratio, ratio);
    this.paint(context, { scale: TILE_SIZE * 2 ** this.zoom, dx: this.origin.x, dy: this.origin.y, width, height });
  }

  /**
   * Scale the drawing to the target of a zoom animation.
   *
   * @param {ZoomAnimEvent} event
   */
  animateZoom({ center, zoom }) {
    const scale = this.map.getZoomScale(zoom, this.zoom);
    const half = this.map.getSize().divideBy(2);
    const layerOffset = this.map.containerPointToLayerPoint([0, 0]);
    const target = this.map.project(center, zoom).subtract(half).subtract(layerOffset);
    const [x, y] = [this.origin.x * scale - target.x, this.origin.y * scale - target.y];
    this.canvas.style.transform = `translate3d(${Math.round(x)}px,${Math.round(y)}px,0) scale(${scale})`;
  }
}
