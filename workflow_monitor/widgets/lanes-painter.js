/** @import { Lanes } from "./lanes.js" */
/** @import { Status, StatusStyle } from "./types.js" */
import { GUTTER, HEADER, LanesViewport } from "./lanes-viewport.js";

/** Smaller cells are drawn as pixels, without links. */
const MIN_DETAIL_SIZE = 6;
const MIN_CELL_FOR_GLYPH = 13;
const MIN_NAME_DISTANCE = 15;
const DATE_HEIGHT = 13;
const MAX_NAME_LENGTH = 40;
const SCENE_BAR_WIDTH = 18;
/**
 * Where several tiles share a pixel, the highest rank is drawn.
 *
 * @type {Record<Status, number>}
 */
const RANK = { DONE: 0, NEW: 1, PENDING: 2, FAILED: 3, RETRY: 4 };

/** Drawing of lanes on a canvas. */
export class LanesPainter {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {StatusStyle[]} styles in the order of the status codes
   * @param {Record<Status, string>} glyphs
   */
  constructor(canvas, styles, glyphs) {
    this.canvas = canvas;
    this.glyphs = glyphs;
    this.viewport = new LanesViewport({ width: 0, height: 0 });
    this.styles = styles;
    this.pixels = styles.map(({ color }) => pixelOf(color));
    this.resize();
  }

  /** @param {StatusStyle[]} styles */
  setStyles(styles) {
    this.styles = styles;
    this.pixels = styles.map(({ color }) => pixelOf(color));
  }

  resize() {
    this.viewport.size = { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /**
   * @param {Lanes} lanes
   * @param {Set<Status>} statuses visible statuses
   * @param {number} selected position, or -1
   */
  paint(lanes, statuses, selected) {
    this.resize();
    const { viewport } = this;
    const { width, height } = viewport.size;
    const context = this.canvas.getContext("2d");
    if (width === 0 || !context) return;
    viewport.clamp(lanes);
    const ratio = globalThis.devicePixelRatio ?? 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const { color, fontFamily } = getComputedStyle(this.canvas);
    context.scale(ratio, ratio);
    const rows = viewport.visibleRows(lanes);
    context.save();
    context.beginPath();
    context.rect(GUTTER, HEADER, width, height);
    context.clip();
    if (Math.min(viewport.cell.width, viewport.cell.height) >= MIN_DETAIL_SIZE) {
      this.paintCells(context, lanes, rows, statuses, color);
    } else this.paintPixels(context, lanes, rows, statuses, ratio);
    if (selected >= 0 && lanes.isVisible(selected)) this.paintSelection(context, lanes, selected, color);
    context.restore();
    context.fillStyle = color;
    context.font = `11px ${fontFamily}`;
    this.paintDates(context, lanes, rows);
    this.paintNames(context, lanes);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Lanes} lanes
   * @param {number[]} rows
   * @param {Set<Status>} visible
   * @param {number} ratio device pixels per CSS pixel
   */
  paintPixels(context, lanes, rows, visible, ratio) {
    const { viewport } = this;
    const width = Math.max(1, Math.round(viewport.lanesWidth * ratio));
    const height = Math.max(1, Math.round(viewport.lanesHeight * ratio));
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const ranks = new Int8Array(width * height).fill(-1);
    const { status, track, statuses } = lanes.data;
    const rankOfCode = statuses.map((name) => (visible.has(name) ? RANK[name] : -1));
    const cell = { width: viewport.cell.width * ratio, height: viewport.cell.height * ratio };
    const offset = { x: viewport.scroll.x * ratio, y: viewport.scroll.y * ratio };
    for (const row of rows) {
      const [top, bottom] = pixelRange(lanes.lineOf[row], cell.height, offset.y, height);
      const [begin, end] = viewport.visibleTiles(lanes, row);
      for (let position = begin; position < end; position += 1) {
        const rank = rankOfCode[status[position]];
        if (rank < 0 || !lanes.isVisible(position)) continue;
        const [left, right] = pixelRange(lanes.columnOf[track[position]], cell.width, offset.x, width);
        const value = this.pixels[status[position]];
        for (let y = top; y < bottom; y += 1) {
          for (let pixel = y * width + left; pixel < y * width + right; pixel += 1) {
            if (rank < ranks[pixel]) continue;
            ranks[pixel] = rank;
            pixels[pixel] = value;
          }
        }
      }
    }
    context.putImageData(image, Math.round(GUTTER * ratio), Math.round(HEADER * ratio));
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Lanes} lanes
   * @param {number[]} rows
   * @param {Set<Status>} visible
   * @param {string} linkColor
   */
  paintCells(context, lanes, rows, visible, linkColor) {
    const { status, statuses } = lanes.data;
    const { width, height } = this.viewport.cell;
    const gap = Math.min(4, width / 5);
    const positions = [];
    for (const row of rows) {
      const [begin, end] = this.viewport.visibleTiles(lanes, row);
      for (let position = begin; position < end; position += 1) if (lanes.isVisible(position)) positions.push(position);
    }
    context.strokeStyle = linkColor;
    context.globalAlpha = 0.5;
    context.beginPath();
    for (const position of positions) this.traceLink(context, lanes, position);
    context.stroke();
    context.font = `bold ${Math.min(13, Math.round(height * 0.6))}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const position of positions) {
      const { x, y } = this.viewport.cellAt(lanes, position);
      const style = this.styles[status[position]];
      const name = statuses[status[position]];
      context.globalAlpha = visible.has(name) ? 1 : 0.12;
      context.fillStyle = style.color;
      context.fillRect(x + gap / 2, y + gap / 2, width - gap, height - gap);
      if (Math.min(width, height) < MIN_CELL_FOR_GLYPH) continue;
      context.fillStyle = style.onColor;
      context.fillText(this.glyphs[name], x + width / 2, y + height / 2 + 0.5);
    }
    context.globalAlpha = 1;
  }

  /**
   * Add the link from the previous tile to the current path.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {Lanes} lanes
   * @param {number} position
   */
  traceLink(context, lanes, position) {
    const previous = lanes.previous(position);
    if (previous < 0 || !lanes.isVisible(previous)) return;
    const { cell } = this.viewport;
    const from = this.viewport.cellAt(lanes, previous);
    const to = this.viewport.cellAt(lanes, position);
    context.moveTo(from.x + cell.width / 2, from.y + cell.height);
    context.lineTo(to.x + cell.width / 2, to.y);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Lanes} lanes
   * @param {number} position
   * @param {string} color
   */
  paintSelection(context, lanes, position, color) {
    const { cell } = this.viewport;
    const { x, y } = this.viewport.cellAt(lanes, position);
    const [width, height] = [Math.max(7, cell.width), Math.max(7, cell.height)];
    context.strokeStyle = color;
    context.lineWidth = 2.5;
    context.strokeRect(x + (cell.width - width) / 2, y + (cell.height - height) / 2, width, height);
  }

  /**
   * Draw the dates, and a bar of the scenes' statuses beside each.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {Lanes} lanes
   * @param {number[]} rows
   */
  paintDates(context, lanes, rows) {
    const { cell, scroll } = this.viewport;
    const interval = Math.max(1, Math.ceil(DATE_HEIGHT / cell.height));
    const scenes = lanes.scenesPerRow();
    const barHeight = Math.max(1, cell.height - (cell.height > 3 ? 1 : 0));
    context.textAlign = "left";
    context.textBaseline = "middle";
    for (const row of rows) {
      const line = lanes.lineOf[row];
      const y = HEADER + line * cell.height - scroll.y;
      if (y + cell.height / 2 < HEADER) continue;
      if (line % interval === 0) {
        context.fillText(lanes.data.days[row] ?? "no date", 2, Math.max(y + cell.height / 2, HEADER + 6));
      }
      this.paintSceneBar(context, scenes[row] ?? [], Math.max(y, HEADER), barHeight);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number[]} counts
   * @param {number} y
   * @param {number} height
   */
  paintSceneBar(context, counts, y, height) {
    const { fillStyle } = context;
    const total = counts.reduce((sum, count) => sum + count, 0);
    let x = GUTTER - SCENE_BAR_WIDTH - 4;
    for (const [code, count] of counts.entries()) {
      if (count === 0) continue;
      const width = (SCENE_BAR_WIDTH * count) / total;
      context.fillStyle = this.styles[code].color;
      context.fillRect(x, y, width, height);
      x += width;
    }
    context.fillStyle = fillStyle;
  }

  /**
   * Draw the names of places above their tracks, without overlap.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {Lanes} lanes
   */
  paintNames(context, { columns, data: { names } }) {
    if (names.length === 0) return;
    const { viewport } = this;
    context.save();
    context.beginPath();
    context.rect(GUTTER, 0, viewport.size.width, HEADER);
    context.clip();
    context.textBaseline = "middle";
    const end = Math.min(columns.length, viewport.columnAt(viewport.size.width) + 1);
    let freeFrom = -Infinity;
    let previousName = null;
    for (let column = Math.max(0, viewport.columnAt(GUTTER)); column < end; column += 1) {
      const name = names[columns[column]].slice(0, MAX_NAME_LENGTH);
      const x = GUTTER + column * viewport.cell.width - viewport.scroll.x;
      if (name === previousName || x < freeFrom) continue;
      context.fillText(name, Math.max(x, GUTTER), HEADER / 2);
      freeFrom = x + Math.max(MIN_NAME_DISTANCE, context.measureText(name).width + 8);
      previousName = name;
    }
    context.restore();
  }
}

/**
 * Return the pixels of a line or column, at least one, with a gap to the next one where there is space.
 *
 * @param {number} index
 * @param {number} size
 * @param {number} offset
 * @param {number} limit
 * @returns {[begin: number, end: number]}
 */
function pixelRange(index, size, offset, limit) {
  const begin = Math.max(0, Math.floor(index * size - offset));
  const end = Math.floor((index + 1) * size - offset - (size > 3 ? 1 : 0));
  return [begin, Math.min(limit, Math.max(begin + 1, end))];
}

/**
 * Return a color as an opaque pixel of image data.
 *
 * @param {string} color
 */
function pixelOf(color) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  if (!context) throw new Error("The browser provides no 2D canvas.");
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0];
}
