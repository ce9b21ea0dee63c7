const TILE = 256;
/** Latitudes that Web Mercator can show. */
const LIMIT = 85.0511;
/** So much of the map's size is drawn beyond each of its sides, for panning. */
const MARGIN = 0.3;
const TINY = 2.5;
const ROOM_FOR_GLYPH = 16;
/** Outlines of so many items make one path: longer ones take canvases longer than many short ones. */
const IN_PATH = 60;

/** A longitude and a latitude in degrees on a map of the world of size 1. */
export function onMap(longitude, latitude) {
  const sine = Math.sin((Math.max(-LIMIT, Math.min(LIMIT, latitude)) * Math.PI) / 180);
  return [longitude / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}

/** Footprints on a map of size 1: for each ring its positions, for each item its bounds. */
export class Outlines {
  constructor({ first_ring, first_position, positions }) {
    const items = first_ring.length - 1;
    this.firstRing = first_ring;
    this.firstPosition = first_position;
    this.places = new Float64Array(positions.length);
    for (let at = 0; at < positions.length; at += 2) {
      [this.places[at], this.places[at + 1]] = onMap(positions[at], positions[at + 1]);
    }
    this.bounds = new Float64Array(4 * items);
    for (let item = 0; item < items; item += 1) this.bounds.set(this.boundsOf(item), 4 * item);
  }

  get length() {
    return this.firstRing.length - 1;
  }

  get rings() {
    return this.firstPosition.length - 1;
  }

  has(item) {
    return this.firstRing[item + 1] > this.firstRing[item];
  }

  /** West, north, east, south of an item. */
  boundsOf(item) {
    return this.boundsOfRings(this.firstRing[item], this.firstRing[item + 1]);
  }

  /** The same of some rings: the parts of an item may be on both sides of the antimeridian. */
  boundsOfRings(first, end) {
    const found = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = this.firstPosition[first]; at < this.firstPosition[end]; at += 1) {
      const x = this.places[2 * at];
      const y = this.places[2 * at + 1];
      if (x < found[0]) found[0] = x;
      if (y < found[1]) found[1] = y;
      if (x > found[2]) found[2] = x;
      if (y > found[3]) found[3] = y;
    }
    return found;
  }

  touches(item, west, north, east, south) {
    const at = 4 * item;
    const { bounds } = this;
    return bounds[at] <= east && bounds[at + 2] >= west && bounds[at + 1] <= south && bounds[at + 3] >= north;
  }

  /** Whether a place is within an item: its rings are crossed an odd number of times. */
  contains(item, x, y) {
    if (!this.touches(item, x, y, x, y)) return false;
    let inside = false;
    for (let ring = this.firstRing[item]; ring < this.firstRing[item + 1]; ring += 1) {
      const end = this.firstPosition[ring + 1];
      for (let at = this.firstPosition[ring], before = end - 1; at < end; before = at, at += 1) {
        const [ax, ay] = [this.places[2 * at], this.places[2 * at + 1]];
        const [bx, by] = [this.places[2 * before], this.places[2 * before + 1]];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      }
    }
    return inside;
  }

  trace(context, item, scale, dx, dy) {
    for (let ring = this.firstRing[item]; ring < this.firstRing[item + 1]; ring += 1) {
      const start = this.firstPosition[ring];
      const end = this.firstPosition[ring + 1];
      context.moveTo(this.places[2 * start] * scale - dx, this.places[2 * start + 1] * scale - dy);
      for (let at = start + 1; at < end; at += 1) {
        context.lineTo(this.places[2 * at] * scale - dx, this.places[2 * at + 1] * scale - dy);
      }
      context.closePath();
    }
  }
}

/** A canvas in a pane of a Leaflet map that moves and zooms with it; `paint(context, view)` fills it. */
export class MapCanvas {
  constructor(map, paint, order) {
    this.map = map;
    this.paint = paint;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "leaflet-zoom-animated";
    this.canvas.style.cssText = `position:absolute;transform-origin:0 0;pointer-events:none;z-index:${order}`;
    map.getPanes().overlayPane.append(this.canvas);
    this.listeners = { moveend: () => this.redraw(), resize: () => this.redraw(), zoomanim: (event) => this.follow(event) };
    map.on(this.listeners);
  }

  remove() {
    this.map.off(this.listeners);
    this.canvas.remove();
  }

  redraw() {
    const size = this.map.getSize();
    if (size.x === 0) return;
    const margin = [Math.round(size.x * MARGIN), Math.round(size.y * MARGIN)];
    const corner = this.map.containerPointToLayerPoint([-margin[0], -margin[1]]);
    const origin = this.map.getPixelOrigin();
    const [width, height] = [size.x + 2 * margin[0], size.y + 2 * margin[1]];
    const ratio = globalThis.devicePixelRatio ?? 1;
    this.zoom = this.map.getZoom();
    this.corner = { x: origin.x + corner.x, y: origin.y + corner.y };
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.canvas.style.transform = `translate3d(${corner.x}px,${corner.y}px,0)`;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const scale = TILE * 2 ** this.zoom;
    this.paint(context, { scale, dx: this.corner.x, dy: this.corner.y, width, height });
  }

  /** Stretch what is drawn to where a zoom is going. */
  follow({ center, zoom }) {
    const scale = this.map.getZoomScale(zoom, this.zoom);
    const half = this.map.getSize().divideBy(2);
    const moved = this.map.containerPointToLayerPoint([0, 0]);
    const origin = this.map.project(center, zoom).subtract(half).subtract(moved);
    const [x, y] = [this.corner.x * scale - origin.x, this.corner.y * scale - origin.y];
    this.canvas.style.transform = `translate3d(${Math.round(x)}px,${Math.round(y)}px,0) scale(${scale})`;
  }
}

/** The copies of the world that a view shows, as shifts of the map of size 1. */
export function worldsIn({ scale, dx, width }) {
  const shifts = [];
  for (let shift = Math.floor(dx / scale); shift <= Math.floor((dx + width) / scale); shift += 1) shifts.push(shift);
  return shifts;
}

/** Draw the items that are wanted, status by status; failed ones are dashed or crossed, which needs no colour. */
export function paintOutlines(context, view, outlines, groups) {
  for (const shift of worldsIn(view)) {
    const dx = view.dx - shift * view.scale;
    const bounds = [dx / view.scale, view.dy / view.scale, (dx + view.width) / view.scale, (view.dy + view.height) / view.scale];
    for (const group of groups) paintGroup(context, { ...view, dx }, bounds, outlines, group);
  }
}

function paintGroup(context, { scale, dx, dy }, bounds, outlines, { items, colour, glyph, dash }) {
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.lineWidth = dash ? 1.6 : 1;
  context.setLineDash(dash ? [5, 3] : []);
  context.font = "bold 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  let inPath = 0;
  const finish = () => {
    if (inPath === 0) return;
    context.globalAlpha = 0.22;
    context.fill();
    context.globalAlpha = 0.9;
    context.stroke();
    inPath = 0;
  };
  const glyphs = [];
  for (const item of items) {
    if (!outlines.touches(item, ...bounds)) continue;
    const [west, north, east, south] = outlines.bounds.subarray(4 * item, 4 * item + 4);
    const size = Math.max(east - west, south - north) * scale;
    if (size < TINY) {
      context.fillRect(west * scale - dx, north * scale - dy, 2, 2);
      continue;
    }
    if (inPath === 0) context.beginPath();
    outlines.trace(context, item, scale, dx, dy);
    inPath += 1;
    if (inPath === IN_PATH) finish();
    if (glyph && size > ROOM_FOR_GLYPH) glyphs.push([((west + east) / 2) * scale - dx, ((north + south) / 2) * scale - dy]);
  }
  finish();
  context.setLineDash([]);
  for (const [x, y] of glyphs) context.fillText(glyph, x, y);
}
