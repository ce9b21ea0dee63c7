/** @import { Bounds, FootprintData } from "./types.js" */
import { project } from "./mercator.js";

/** Sections of the circle of longitude in the search for a gap without footprints. */
const SECTIONS = 72;

/** Polygons of items in Web Mercator on a world of size 1, with their bounds. */
export class Footprints {
  /** @param {Pick<FootprintData, "first_ring" | "first_position" | "positions">} data */
  constructor({ first_ring, first_position, positions }) {
    this.firstRing = first_ring;
    this.firstPosition = first_position;
    this.coordinates = new Float64Array(positions.length);
    for (let i = 0; i < positions.length; i += 2) {
      [this.coordinates[i], this.coordinates[i + 1]] = project(positions[i], positions[i + 1]);
    }
    /** West, north, east and south of each item. */
    this.bounds = new Float64Array(4 * this.length);
    for (let item = 0; item < this.length; item += 1) {
      this.bounds.set(this.boundsOfRings(first_ring[item], first_ring[item + 1]), 4 * item);
    }
  }

  get length() {
    return this.firstRing.length - 1;
  }

  get ringCount() {
    return this.firstPosition.length - 1;
  }

  /**
   * Test for a footprint.
   *
   * @param {number} item
   */
  has(item) {
    return this.firstRing[item + 1] > this.firstRing[item];
  }

  /**
   * @param {number} item
   * @returns {Bounds}
   */
  boundsOf(item) {
    const [west, north, east, south] = this.bounds.subarray(4 * item, 4 * item + 4);
    return [west, north, east, south];
  }

  /**
   * @param {number} begin
   * @param {number} end
   * @returns {Bounds} infinite and reversed if there are no rings
   */
  boundsOfRings(begin, end) {
    /** @type {Bounds} */
    const bounds = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = this.firstPosition[begin]; i < this.firstPosition[end]; i += 1) {
      const x = this.coordinates[2 * i];
      const y = this.coordinates[2 * i + 1];
      if (x < bounds[0]) bounds[0] = x;
      if (y < bounds[1]) bounds[1] = y;
      if (x > bounds[2]) bounds[2] = x;
      if (y > bounds[3]) bounds[3] = y;
    }
    return bounds;
  }

  /**
   * Test whether the bounds of an item intersect a rectangle.
   *
   * @param {number} item
   * @param {number} west
   * @param {number} north
   * @param {number} east
   * @param {number} south
   */
  intersects(item, west, north, east, south) {
    const i = 4 * item;
    const { bounds } = this;
    return bounds[i] <= east && bounds[i + 2] >= west && bounds[i + 1] <= south && bounds[i + 3] >= north;
  }

  /**
   * Test whether a point is inside an item, by the even-odd rule over all of its rings.
   *
   * @param {number} item
   * @param {number} x
   * @param {number} y
   */
  contains(item, x, y) {
    if (!this.intersects(item, x, y, x, y)) return false;
    let inside = false;
    for (let ring = this.firstRing[item]; ring < this.firstRing[item + 1]; ring += 1) {
      const end = this.firstPosition[ring + 1];
      for (let i = this.firstPosition[ring], previous = end - 1; i < end; previous = i, i += 1) {
        const [ax, ay] = [this.coordinates[2 * i], this.coordinates[2 * i + 1]];
        const [bx, by] = [this.coordinates[2 * previous], this.coordinates[2 * previous + 1]];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      }
    }
    return inside;
  }

  /**
   * Add the outline of an item to the current path.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {number} item
   * @param {{ scale: number, dx: number, dy: number }} view
   */
  trace(context, item, { scale, dx, dy }) {
    for (let ring = this.firstRing[item]; ring < this.firstRing[item + 1]; ring += 1) {
      const begin = this.firstPosition[ring];
      const end = this.firstPosition[ring + 1];
      context.moveTo(this.coordinates[2 * begin] * scale - dx, this.coordinates[2 * begin + 1] * scale - dy);
      for (let i = begin + 1; i < end; i += 1) {
        context.lineTo(this.coordinates[2 * i] * scale - dx, this.coordinates[2 * i + 1] * scale - dy);
      }
      context.closePath();
    }
  }

  /**
   * Return the smallest bounds of all footprints, or null without footprints.
   *
   * The east bound is above 1 if the footprints extend across the antimeridian.
   *
   * @returns {Bounds | null}
   */
  totalBounds() {
    if (this.ringCount === 0) return null;
    const occupied = new Array(SECTIONS).fill(false);
    const rings = Array.from({ length: this.ringCount }, (_, ring) => this.boundsOfRings(ring, ring + 1));
    for (const [west, , east] of rings) {
      const last = Math.min(SECTIONS - 1, east * SECTIONS);
      for (let section = Math.floor(west * SECTIONS); section <= last; section += 1) occupied[section] = true;
    }
    const start = endOfLargestGap(occupied) / SECTIONS;
    /** @type {Bounds} */
    const total = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [west, north, east, south] of rings) {
      const shift = west < start - 1e-9 ? 1 : 0;
      total[0] = Math.min(total[0], west + shift);
      total[1] = Math.min(total[1], north);
      total[2] = Math.max(total[2], east + shift);
      total[3] = Math.max(total[3], south);
    }
    return total;
  }
}

/**
 * Return the first section after the longest circular run of free sections.
 *
 * @param {boolean[]} occupied
 */
function endOfLargestGap(occupied) {
  let largest = 0;
  let end = 0;
  let run = 0;
  for (let i = 0; i < 2 * occupied.length; i += 1) {
    run = occupied[i % occupied.length] ? 0 : run + 1;
    if (run > largest && run <= occupied.length) {
      largest = run;
      end = i + 1;
    }
  }
  return end % occupied.length;
}
