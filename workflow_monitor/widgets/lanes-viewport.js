/** @import { Lanes } from "./lanes.js" */

/** Width of the dates beside the lanes. */
export const GUTTER = 92;
/** Height of the names above the lanes. */
export const HEADER = 20;
const MAX_CELL_SIZE = 40;
const MIN_CELL_SIZE = 0.001;
const REVEALED_CELL_SIZE = 18;

/** @typedef {{ width: number, height: number }} Size */

/** Visible part of the lanes: size of a cell and scroll position, in CSS pixels. */
export class LanesViewport {
  /** @param {Size} size size of the canvas */
  constructor(size) {
    this.size = size;
    this.cell = { width: 10, height: 10 };
    this.scroll = { x: 0, y: 0 };
  }

  get lanesWidth() {
    return this.size.width - GUTTER;
  }

  get lanesHeight() {
    return this.size.height - HEADER;
  }

  /**
   * Fit all columns and lines into the canvas.
   *
   * @param {Lanes} lanes
   */
  fit({ columns, lines }) {
    const fitted = (/** @type {number} */ extent, /** @type {number} */ count) =>
      Math.max(MIN_CELL_SIZE, Math.min(MAX_CELL_SIZE / 2, extent / Math.max(1, count)));
    this.cell = { width: fitted(this.lanesWidth, columns.length), height: fitted(this.lanesHeight, lines.length) };
    this.scroll = { x: 0, y: 0 };
  }

  /**
   * Zoom around a point of the canvas.
   *
   * @param {number} factor
   * @param {number} x
   * @param {number} y
   */
  zoom(factor, x = this.size.width / 2, y = this.size.height / 2) {
    const scaled = (/** @type {number} */ size) => Math.max(MIN_CELL_SIZE, Math.min(MAX_CELL_SIZE, size * factor));
    const { cell, scroll } = this;
    this.cell = { width: scaled(cell.width), height: scaled(cell.height) };
    this.scroll = {
      x: (scroll.x + x - GUTTER) * (this.cell.width / cell.width) - (x - GUTTER),
      y: (scroll.y + y - HEADER) * (this.cell.height / cell.height) - (y - HEADER),
    };
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  pan(dx, dy) {
    this.scroll.x += dx;
    this.scroll.y += dy;
  }

  /**
   * Limit the scroll position, so that some of the lanes stay visible.
   *
   * @param {Lanes} lanes
   */
  clamp({ columns, lines }) {
    const clamped = (/** @type {number} */ value, /** @type {number} */ extent, /** @type {number} */ visible) =>
      Math.max(Math.min(0, extent - visible), Math.min(value, Math.max(0, extent - visible)));
    this.scroll.x = clamped(this.scroll.x, columns.length * this.cell.width, this.lanesWidth);
    this.scroll.y = clamped(this.scroll.y, lines.length * this.cell.height, this.lanesHeight);
  }

  /**
   * Center a tile at a readable size.
   *
   * @param {Lanes} lanes
   * @param {number} position
   */
  reveal(lanes, position) {
    const { width, height } = this.cell;
    this.cell = { width: Math.max(width, REVEALED_CELL_SIZE), height: Math.max(height, REVEALED_CELL_SIZE) };
    const { x, y } = this.cellAt(lanes, position);
    this.pan(
      x + this.cell.width / 2 - GUTTER - this.lanesWidth / 2,
      y + this.cell.height / 2 - HEADER - this.lanesHeight / 2,
    );
  }

  /**
   * Return the top left corner of the cell of a tile.
   *
   * @param {Lanes} lanes
   * @param {number} position
   */
  cellAt(lanes, position) {
    return {
      x: GUTTER + lanes.columnOf[lanes.data.track[position]] * this.cell.width - this.scroll.x,
      y: HEADER + lanes.lineOf[lanes.rowOf[position]] * this.cell.height - this.scroll.y,
    };
  }

  /** @param {number} x */
  columnAt(x) {
    return Math.floor((x - GUTTER + this.scroll.x) / this.cell.width);
  }

  /** @param {number} y */
  lineAt(y) {
    return Math.floor((y - HEADER + this.scroll.y) / this.cell.height);
  }

  /**
   * Return the tile at a point of the canvas, or -1.
   *
   * @param {Lanes} lanes
   * @param {number} x
   * @param {number} y
   */
  tileAt(lanes, x, y) {
    if (x < GUTTER || y < HEADER) return -1;
    const row = lanes.lines[this.lineAt(y)];
    const track = lanes.columns[this.columnAt(x)];
    return row === undefined || track === undefined ? -1 : lanes.tileOn(row, track);
  }

  /**
   * Return the row at a point of the gutter.
   *
   * @param {Lanes} lanes
   * @param {number} x
   * @param {number} y
   * @returns {number | undefined}
   */
  rowAt(lanes, x, y) {
    return x < GUTTER && y >= HEADER ? lanes.lines[this.lineAt(y)] : undefined;
  }

  /** @param {Lanes} lanes */
  visibleRows({ lines }) {
    const begin = Math.max(0, this.lineAt(HEADER));
    return lines.slice(begin, Math.min(lines.length, this.lineAt(this.size.height) + 1));
  }

  /**
   * Return the visible tiles of a row, as a range of positions.
   *
   * @param {Lanes} lanes
   * @param {number} row
   * @returns {[begin: number, end: number]}
   */
  visibleTiles(lanes, row) {
    const { columns } = lanes;
    const firstTrack = columns[Math.max(0, this.columnAt(GUTTER))];
    if (firstTrack === undefined) return [0, 0];
    return lanes.tilesBetween(row, firstTrack, columns[Math.min(columns.length - 1, this.columnAt(this.size.width))]);
  }
}
