/** @import { LaneData } from "./types.js" */
import { binarySearch } from "./columnar.js";

/**
 * Lane layout of the dependency graph: a column per track (place), a line per row (date).
 *
 * A position is the index of a tile in the columns. Tracks and rows without visible tiles have no column or line.
 */
export class Lanes {
  /** @param {LaneData} data */
  constructor(data) {
    this.data = data;
    this.rowOf = new Uint32Array(data.id.length);
    for (let row = 0; row < data.days.length; row += 1) this.rowOf.fill(row, data.first[row], data.first[row + 1]);
    /** @type {Map<number, number[]> | null} */
    this.successors = null;
    /** @type {Set<number> | null} */
    this.subset = null;
    /** Column of each track, or -1. */
    this.columnOf = new Int32Array();
    /**
     * Track of each column.
     *
     * @type {number[]}
     */
    this.columns = [];
    /** Line of each row, or -1. */
    this.lineOf = new Int32Array();
    /**
     * Row of each line.
     *
     * @type {number[]}
     */
    this.lines = [];
    this.show(null, false);
  }

  get length() {
    return this.data.id.length;
  }

  /**
   * Return the position of a tile, or -1.
   *
   * @param {number} id
   */
  find(id) {
    const { by_id, id: ids } = this.data;
    const rank = binarySearch(by_id, id, (index) => ids[by_id[index]]);
    return rank < 0 ? -1 : by_id[rank];
  }

  /**
   * Return the position of the previous tile, or -1.
   *
   * @param {number} position
   */
  previous(position) {
    return this.data.previous[position] - 1;
  }

  /**
   * Return the positions of the next tiles.
   *
   * @param {number} position
   * @returns {number[]}
   */
  next(position) {
    this.successors ??= this.groupSuccessors();
    return this.successors.get(position) ?? [];
  }

  groupSuccessors() {
    /** @type {Map<number, number[]>} */
    const successors = new Map();
    for (const [position, previous] of this.data.previous.entries()) {
      if (previous === 0) continue;
      const siblings = successors.get(previous - 1);
      if (siblings) siblings.push(position);
      else successors.set(previous - 1, [position]);
    }
    return successors;
  }

  /**
   * Return the tiles within a number of links from a tile, and the other tiles of its scene.
   *
   * @param {number} position
   * @param {number} maxLinks
   */
  neighborhood(position, maxLinks) {
    const tiles = new Set([position]);
    let border = [position];
    for (let link = 0; link < maxLinks && border.length > 0; link += 1) {
      border = border
        .flatMap((tile) => [this.previous(tile), ...this.next(tile)])
        .filter((neighbor) => neighbor >= 0 && !tiles.has(neighbor));
      for (const neighbor of border) tiles.add(neighbor);
    }
    const { scene, first } = this.data;
    const row = this.rowOf[position];
    for (let tile = first[row]; tile < first[row + 1]; tile += 1) if (scene[tile] === scene[position]) tiles.add(tile);
    return tiles;
  }

  /**
   * Restrict the layout.
   *
   * @param {Set<number> | null} subset positions to show; null for all
   * @param {boolean} hideCompleted omit tracks and rows in which all of these tiles are DONE
   */
  show(subset, hideCompleted) {
    const { track, status, statuses, tracks, days } = this.data;
    const done = statuses.indexOf("DONE");
    const showAll = subset === null && !hideCompleted;
    const visibleTracks = new Uint8Array(tracks).fill(showAll ? 1 : 0);
    const visibleRows = new Uint8Array(days.length).fill(showAll ? 1 : 0);
    if (!showAll) {
      for (let tile = 0; tile < this.length; tile += 1) {
        if ((subset !== null && !subset.has(tile)) || (hideCompleted && status[tile] === done)) continue;
        visibleTracks[track[tile]] = 1;
        visibleRows[this.rowOf[tile]] = 1;
      }
    }
    this.subset = subset;
    [this.columnOf, this.columns] = compact(visibleTracks);
    [this.lineOf, this.lines] = compact(visibleRows);
  }

  /**
   * Test whether the layout includes a tile.
   *
   * @param {number} position
   */
  isVisible(position) {
    return (
      this.columnOf[this.data.track[position]] >= 0 &&
      this.lineOf[this.rowOf[position]] >= 0 &&
      (this.subset === null || this.subset.has(position))
    );
  }

  /**
   * Return the tile of a row on a track, or -1.
   *
   * @param {number} row
   * @param {number} track
   */
  tileOn(row, track) {
    const { first, track: tracks } = this.data;
    const offset = binarySearch(tracks.subarray(first[row], first[row + 1]), track);
    return offset >= 0 && this.isVisible(first[row] + offset) ? first[row] + offset : -1;
  }

  /**
   * Return the tiles of a row on a range of tracks, as a range of positions.
   *
   * @param {number} row
   * @param {number} firstTrack
   * @param {number} lastTrack
   * @returns {[begin: number, end: number]}
   */
  tilesBetween(row, firstTrack, lastTrack) {
    const { first, track } = this.data;
    const lowerBound = (/** @type {number} */ minimum) => {
      let [low, high] = [first[row], first[row + 1]];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (track[middle] < minimum) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    return [lowerBound(firstTrack), lowerBound(lastTrack + 1)];
  }

  /**
   * Count the scenes of each row per status code.
   *
   * @returns {(number[] | undefined)[]}
   */
  scenesPerRow() {
    const { scene_row, scene_status, statuses, days } = this.data;
    /** @type {(number[] | undefined)[]} */
    const counts = new Array(days.length);
    for (const [scene, row] of scene_row.entries()) {
      const rowCounts = counts[row] ?? new Array(statuses.length).fill(0);
      rowCounts[scene_status[scene]] += 1;
      counts[row] = rowCounts;
    }
    return counts;
  }
}

/**
 * Number the visible entries consecutively.
 *
 * @param {Uint8Array} visible
 * @returns {[numbers: Int32Array<ArrayBuffer>, entries: number[]]} number of each entry or -1, and the visible entries
 */
function compact(visible) {
  const numbers = new Int32Array(visible.length).fill(-1);
  /** @type {number[]} */
  const entries = [];
  for (let entry = 0; entry < visible.length; entry += 1) if (visible[entry]) numbers[entry] = entries.push(entry) - 1;
  return [numbers, entries];
}
