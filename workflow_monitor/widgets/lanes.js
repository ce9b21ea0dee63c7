import { positionOf } from "./columns.js";

const GUTTER = 92;
const HEADER = 20;
/** Below this size of a cell, in pixels, cells are dots of a picture. */
const SHAPE = 6;
const ROOM_FOR_NAME = 15;
const ROOM_FOR_GLYPH_IN_CELL = 13;
const MAX_CELL = 40;
/** Where several tiles share a dot, the one that most needs a person is seen. */
const RANK = { DONE: 0, NEW: 1, PENDING: 2, FAILED: 3, RETRY: 4 };

/** The dependency graph laid out by the server; which part of it is shown, and where on a canvas. */
export class Lanes {
  constructor(data) {
    this.data = data;
    this.rows = data.days.length;
    this.rowOf = new Uint32Array(data.id.length);
    for (let row = 0; row < this.rows; row += 1) this.rowOf.fill(row, data.first[row], data.first[row + 1]);
    this.show(null, false);
  }

  get length() {
    return this.data.id.length;
  }

  /** The position of a tile by its id; -1 if it is not there. */
  find(id) {
    const { by_id, id: ids } = this.data;
    const at = positionOf(by_id, id, (position) => ids[by_id[position]]);
    return at < 0 ? -1 : by_id[at];
  }

  /** Positions of the tiles that follow one. */
  after(at) {
    if (!this.followers) {
      this.followers = new Map();
      for (const [position, previous] of this.data.previous.entries()) {
        if (previous === 0) continue;
        if (this.followers.has(previous - 1)) this.followers.get(previous - 1).push(position);
        else this.followers.set(previous - 1, [position]);
      }
    }
    return this.followers.get(at) ?? [];
  }

  before(at) {
    return this.data.previous[at] - 1;
  }

  /** All that is linked with a tile by so many links at most, both ways, with its siblings of the same scene. */
  around(at, steps) {
    const found = new Set([at]);
    let border = [at];
    for (let step = 0; step < steps && border.length > 0; step += 1) {
      const next = [];
      for (const tile of border) {
        for (const other of [this.before(tile), ...this.after(tile)]) {
          if (other < 0 || found.has(other)) continue;
          found.add(other);
          next.push(other);
        }
      }
      border = next;
    }
    const { scene, first } = this.data;
    const row = this.rowOf[at];
    for (let sibling = first[row]; sibling < first[row + 1]; sibling += 1) if (scene[sibling] === scene[at]) found.add(sibling);
    return found;
  }

  /** Show some tiles, or all; folded, only tracks and dates with something that is not DONE. */
  show(only, folded) {
    const { track, status, statuses, tracks } = this.data;
    const done = statuses.indexOf("DONE");
    const isIn = (at) => (only === null || only.has(at)) && !(folded && status[at] === done);
    const whole = only === null && !folded;
    const keptTracks = new Uint8Array(tracks).fill(whole ? 1 : 0);
    const keptRows = new Uint8Array(this.rows).fill(whole ? 1 : 0);
    if (!whole) {
      for (let at = 0; at < this.length; at += 1) {
        if (!isIn(at)) continue;
        keptTracks[track[at]] = 1;
        keptRows[this.rowOf[at]] = 1;
      }
    }
    this.only = only;
    [this.column, this.columns] = compacted(keptTracks);
    [this.line, this.lines] = compacted(keptRows);
  }

  isKept(at) {
    return this.column[this.data.track[at]] >= 0 && this.line[this.rowOf[at]] >= 0 && (this.only === null || this.only.has(at));
  }
}

/** Where each of those that are kept goes, -1 for the others, and which there are. */
function compacted(kept) {
  const places = new Int32Array(kept.length).fill(-1);
  const there = [];
  for (let at = 0; at < kept.length; at += 1) if (kept[at]) places[at] = there.push(at) - 1;
  return [places, there];
}

/** A canvas that shows lanes, to be moved and zoomed. */
export class LanesView {
  constructor(canvas, colours, glyphs) {
    this.canvas = canvas;
    this.colours = colours;
    this.glyphs = glyphs;
    this.bytes = colours.map(rgb);
    this.cell = { width: 10, height: 10 };
    this.corner = { x: 0, y: 0 };
  }

  get size() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /** Show all in the room that there is. */
  fit(lanes) {
    const { width, height } = this.size;
    const fitted = (room, number) => Math.min(MAX_CELL / 2, room / Math.max(1, number));
    this.cell = { width: fitted(width - GUTTER, lanes.columns.length), height: fitted(height - HEADER, lanes.lines.length) };
    this.corner = { x: 0, y: 0 };
  }

  zoom(factor, x = this.size.width / 2, y = this.size.height / 2) {
    for (const [axis, side, at] of [["x", "width", x - GUTTER], ["y", "height", y - HEADER]]) {
      const before = this.cell[side];
      this.cell[side] = Math.max(0.001, Math.min(MAX_CELL, before * factor));
      this.corner[axis] = (this.corner[axis] + at) * (this.cell[side] / before) - at;
    }
  }

  move(dx, dy) {
    this.corner.x += dx;
    this.corner.y += dy;
  }

  /** Keep something of the lanes in sight. */
  hold(lanes) {
    const { width, height } = this.size;
    const held = (corner, extent, room) => Math.max(Math.min(0, extent - room), Math.min(corner, Math.max(0, extent - room)));
    this.corner.x = held(this.corner.x, lanes.columns.length * this.cell.width, width - GUTTER);
    this.corner.y = held(this.corner.y, lanes.lines.length * this.cell.height, height - HEADER);
  }

  /** Bring a tile to the middle, large enough to be seen. */
  reveal(lanes, at) {
    for (const side of ["width", "height"]) this.cell[side] = Math.max(this.cell[side], 18);
    const { width, height } = this.size;
    this.corner.x = (lanes.column[lanes.data.track[at]] + 0.5) * this.cell.width - (width - GUTTER) / 2;
    this.corner.y = (lanes.line[lanes.rowOf[at]] + 0.5) * this.cell.height - (height - HEADER) / 2;
  }

  place(lanes, at) {
    return {
      x: GUTTER + lanes.column[lanes.data.track[at]] * this.cell.width - this.corner.x,
      y: HEADER + lanes.line[lanes.rowOf[at]] * this.cell.height - this.corner.y,
    };
  }

  /** The tile at a point of the canvas; -1 if there is none. */
  tileAt(lanes, x, y) {
    if (x < GUTTER || y < HEADER) return -1;
    const row = lanes.lines[Math.floor((y - HEADER + this.corner.y) / this.cell.height)];
    const track = lanes.columns[Math.floor((x - GUTTER + this.corner.x) / this.cell.width)];
    if (row === undefined || track === undefined) return -1;
    const { first, track: tracks } = lanes.data;
    const at = positionOf(tracks.subarray(first[row], first[row + 1]), track);
    return at >= 0 && lanes.isKept(first[row] + at) ? first[row] + at : -1;
  }

  /** The scenes of the date at a point of the gutter. */
  rowAt(lanes, x, y) {
    return x < GUTTER ? lanes.lines[Math.floor((y - HEADER + this.corner.y) / this.cell.height)] : undefined;
  }

  paint(lanes, shown, selected) {
    const { width, height } = this.size;
    if (width === 0) return;
    this.hold(lanes);
    const ratio = globalThis.devicePixelRatio ?? 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const context = this.canvas.getContext("2d");
    const style = getComputedStyle(this.canvas);
    context.scale(ratio, ratio);
    const visible = this.visibleRows(lanes);
    context.save();
    context.beginPath();
    context.rect(GUTTER, HEADER, width, height);
    context.clip();
    if (this.cell.width >= SHAPE && this.cell.height >= SHAPE) this.paintShapes(context, lanes, visible, shown, style.color);
    else this.paintDots(context, lanes, visible, shown, ratio);
    if (selected >= 0 && lanes.isKept(selected)) this.mark(context, lanes, selected, style.color);
    context.restore();
    context.fillStyle = style.color;
    context.font = `11px ${style.fontFamily}`;
    this.paintDates(context, lanes, visible);
    this.paintNames(context, lanes);
  }

  visibleRows(lanes) {
    const begin = Math.max(0, Math.floor(this.corner.y / this.cell.height));
    const end = Math.min(lanes.lines.length, Math.ceil((this.corner.y + this.size.height - HEADER) / this.cell.height));
    return lanes.lines.slice(begin, end);
  }

  /** The tiles of a row that are in sight, as a range of positions. */
  range(lanes, row) {
    const { first, track } = lanes.data;
    const begin = lanes.columns[Math.max(0, Math.floor(this.corner.x / this.cell.width))];
    if (begin === undefined) return [0, 0];
    const last = Math.min(lanes.columns.length - 1, Math.floor((this.corner.x + this.size.width - GUTTER) / this.cell.width));
    const bound = (wanted) => {
      let [low, high] = [first[row], first[row + 1]];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (track[middle] < wanted) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    return [bound(begin), bound(lanes.columns[last] + 1)];
  }

  paintDots(context, lanes, rows, shown, ratio) {
    const width = Math.max(1, Math.round((this.size.width - GUTTER) * ratio));
    const height = Math.max(1, Math.round((this.size.height - HEADER) * ratio));
    const picture = context.createImageData(width, height);
    const dots = new Uint32Array(picture.data.buffer);
    const ranks = new Int8Array(width * height).fill(-1);
    const { status, track, statuses } = lanes.data;
    const rankOf = statuses.map((name) => (shown.has(name) ? RANK[name] : -1));
    const [w, h] = [this.cell.width * ratio, this.cell.height * ratio];
    const [ox, oy] = [this.corner.x * ratio, this.corner.y * ratio];
    for (const row of rows) {
      const top = Math.max(0, Math.floor(lanes.line[row] * h - oy));
      const bottom = Math.min(height, Math.max(top + 1, Math.floor((lanes.line[row] + 1) * h - oy - (h > 3 ? 1 : 0))));
      const [begin, end] = this.range(lanes, row);
      for (let at = begin; at < end; at += 1) {
        const rank = rankOf[status[at]];
        const column = lanes.column[track[at]];
        if (rank < 0 || column < 0 || (lanes.only !== null && !lanes.only.has(at))) continue;
        const left = Math.max(0, Math.floor(column * w - ox));
        const right = Math.min(width, Math.max(left + 1, Math.floor((column + 1) * w - ox - (w > 3 ? 1 : 0))));
        const colour = this.bytes[status[at]];
        for (let y = top; y < bottom; y += 1) {
          for (let dot = y * width + left; dot < y * width + right; dot += 1) {
            if (rank < ranks[dot]) continue;
            ranks[dot] = rank;
            dots[dot] = colour;
          }
        }
      }
    }
    context.putImageData(picture, Math.round(GUTTER * ratio), Math.round(HEADER * ratio));
  }

  paintShapes(context, lanes, rows, shown, ink) {
    const { status, statuses } = lanes.data;
    const { width, height } = this.cell;
    const gap = Math.min(4, width / 5);
    const cells = [];
    for (const row of rows) {
      const [begin, end] = this.range(lanes, row);
      for (let at = begin; at < end; at += 1) if (lanes.isKept(at)) cells.push(at);
    }
    context.strokeStyle = ink;
    context.globalAlpha = 0.5;
    context.beginPath();
    for (const at of cells) this.traceLink(context, lanes, at);
    context.stroke();
    context.font = `bold ${Math.min(13, Math.round(height * 0.6))}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const at of cells) {
      const { x, y } = this.place(lanes, at);
      const name = statuses[status[at]];
      context.globalAlpha = shown.has(name) ? 1 : 0.12;
      context.fillStyle = this.colours[status[at]];
      context.fillRect(x + gap / 2, y + gap / 2, width - gap, height - gap);
      if (width < ROOM_FOR_GLYPH_IN_CELL || height < ROOM_FOR_GLYPH_IN_CELL) continue;
      context.fillStyle = "#fff";
      context.fillText(this.glyphs[name], x + width / 2, y + height / 2 + 0.5);
    }
    context.globalAlpha = 1;
  }

  traceLink(context, lanes, at) {
    const before = lanes.before(at);
    if (before < 0 || !lanes.isKept(before)) return;
    const [from, to] = [this.place(lanes, before), this.place(lanes, at)];
    const half = this.cell.width / 2;
    context.moveTo(from.x + half, from.y + this.cell.height);
    context.lineTo(to.x + half, to.y);
  }

  mark(context, lanes, at, ink) {
    const { x, y } = this.place(lanes, at);
    const [width, height] = [Math.max(7, this.cell.width), Math.max(7, this.cell.height)];
    context.strokeStyle = ink;
    context.lineWidth = 2.5;
    context.strokeRect(x + (this.cell.width - width) / 2, y + (this.cell.height - height) / 2, width, height);
  }

  /** Dates beside the rows, with a bar of their scenes' statuses. */
  paintDates(context, lanes, rows) {
    const every = Math.max(1, Math.ceil(13 / this.cell.height));
    const scenes = scenesByRow(lanes);
    context.textAlign = "left";
    context.textBaseline = "middle";
    for (const row of rows) {
      const line = lanes.line[row];
      const y = HEADER + line * this.cell.height - this.corner.y;
      if (y + this.cell.height / 2 < HEADER) continue;
      if (line % every === 0) context.fillText(lanes.data.days[row] ?? "no date", 2, Math.max(y + this.cell.height / 2, HEADER + 6));
      this.paintScenes(context, scenes[row], Math.max(y, HEADER), Math.max(1, this.cell.height - (this.cell.height > 3 ? 1 : 0)));
    }
  }

  paintScenes(context, counts, y, height) {
    if (!counts) return;
    const ink = context.fillStyle;
    const total = counts.reduce((sum, count) => sum + count, 0);
    let x = GUTTER - 22;
    for (const [code, count] of counts.entries()) {
      if (count === 0) continue;
      context.fillStyle = this.colours[code];
      context.fillRect(x, y, (18 * count) / total, height);
      x += (18 * count) / total;
    }
    context.fillStyle = ink;
  }

  /** The names of places above their tracks, as many as there is room for. */
  paintNames(context, lanes) {
    const { names } = lanes.data;
    if (names.length === 0) return;
    context.save();
    context.beginPath();
    context.rect(GUTTER, 0, this.size.width, HEADER);
    context.clip();
    context.textBaseline = "middle";
    const begin = Math.max(0, Math.floor(this.corner.x / this.cell.width));
    const end = Math.min(lanes.columns.length, Math.ceil((this.corner.x + this.size.width) / this.cell.width));
    let free = -Infinity;
    let last = null;
    for (let column = begin; column < end; column += 1) {
      const name = names[lanes.columns[column]].slice(0, 40);
      const x = GUTTER + column * this.cell.width - this.corner.x;
      if (name === last || x < free) continue;
      context.fillText(name, Math.max(x, GUTTER), HEADER / 2);
      free = x + Math.max(ROOM_FOR_NAME, context.measureText(name).width + 8);
      last = name;
    }
    context.restore();
  }
}

/** For each row how many of its scenes have each code. */
function scenesByRow({ rows, data }) {
  const counts = new Array(rows);
  for (const [at, row] of data.scene_row.entries()) {
    counts[row] ??= new Array(data.statuses.length).fill(0);
    counts[row][data.scene_status[at]] += 1;
  }
  return counts;
}

/** A colour as the four bytes of a dot, opaque. */
function rgb(colour) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0];
}
