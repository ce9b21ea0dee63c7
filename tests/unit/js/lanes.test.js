import assert from "node:assert/strict";
import { test } from "node:test";
import { neighborInDirection } from "../../../workflow_monitor/widgets/graph.js";
import { Lanes } from "../../../workflow_monitor/widgets/lanes.js";
import { GUTTER, HEADER, LanesViewport } from "../../../workflow_monitor/widgets/lanes-viewport.js";

/** @import { LaneData } from "../../../workflow_monitor/widgets/types.js" */

const [NEW, DONE, RETRY] = [0, 2, 3];

/**
 * Three dates at four places; the second date misses place C.
 *
 *     row   A   B   C   D
 *      0   50  51  52  53    scene 1: 50 and 51; scene 2: 52 and 53
 *      1   40  41      43    scene 3
 *      2   30  31  32        scene 4; 31 follows 41, 32 follows 52
 *
 * @returns {LaneData}
 */
function graph() {
  return {
    statuses: ["NEW", "PENDING", "DONE", "RETRY", "FAILED"],
    seq: 1,
    days: ["2022-01-04", "2022-01-05", null],
    tracks: 4,
    names: ["A", "B", "C", "D"],
    id: Uint32Array.of(50, 51, 52, 53, 40, 41, 43, 30, 31, 32),
    status: Uint8Array.of(DONE, DONE, DONE, DONE, DONE, RETRY, DONE, NEW, NEW, NEW),
    track: Uint32Array.of(0, 1, 2, 3, 0, 1, 3, 0, 1, 2),
    first: Uint32Array.of(0, 4, 7, 10),
    previous: Uint32Array.of(0, 0, 0, 0, 1, 2, 4, 5, 6, 3),
    scene: Uint32Array.of(1, 1, 2, 2, 3, 3, 3, 4, 4, 4),
    by_id: Uint32Array.of(7, 8, 9, 4, 5, 6, 0, 1, 2, 3),
    scene_id: Uint32Array.of(1, 2, 3, 4),
    scene_status: Uint8Array.of(DONE, DONE, RETRY, NEW),
    scene_row: Uint32Array.of(0, 0, 1, 2),
  };
}

test("tiles are found by id", () => {
  const lanes = new Lanes(graph());
  assert.deepEqual(
    [50, 41, 32].map((id) => lanes.find(id)),
    [0, 5, 9],
  );
  assert.equal(lanes.find(42), -1);
});

test("each tile has a row, a previous tile and next tiles", () => {
  const lanes = new Lanes(graph());
  assert.deepEqual([...lanes.rowOf], [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);
  assert.equal(lanes.previous(0), -1);
  assert.equal(lanes.previous(8), 5);
  assert.deepEqual(lanes.next(1), [5]);
  assert.deepEqual(lanes.next(2), [9]);
  assert.deepEqual(lanes.next(9), []);
});

test("a tile may have several next tiles", () => {
  const data = graph();
  data.previous[6] = 2;
  assert.deepEqual(new Lanes(data).next(1), [5, 6]);
});

test("a neighborhood includes linked tiles and the tiles of the scene", () => {
  const lanes = new Lanes(graph());
  const sorted = (/** @type {number} */ links) => [...lanes.neighborhood(8, links)].sort((a, b) => a - b);
  assert.deepEqual(sorted(0), [7, 8, 9]);
  assert.deepEqual(sorted(1), [5, 7, 8, 9]);
  assert.deepEqual(sorted(2), [1, 5, 7, 8, 9]);
  assert.deepEqual(sorted(50), [1, 5, 7, 8, 9]);
});

test("all tracks and rows are visible at first", () => {
  const lanes = new Lanes(graph());
  assert.deepEqual(lanes.columns, [0, 1, 2, 3]);
  assert.deepEqual(lanes.lines, [0, 1, 2]);
  assert.ok(lanes.data.id.every((_, position) => lanes.isVisible(position)));
});

test("completed tracks and rows are hidden, completed tiles elsewhere are not", () => {
  const lanes = new Lanes(graph());
  lanes.show(null, true);
  assert.deepEqual(lanes.columns, [0, 1, 2]);
  assert.deepEqual(lanes.lines, [1, 2]);
  assert.equal(lanes.isVisible(4), true);
  assert.equal(lanes.isVisible(6), false);
  assert.equal(lanes.isVisible(0), false);
});

test("a subset hides the other tiles of its rows", () => {
  const lanes = new Lanes(graph());
  lanes.show(new Set([5, 8]), false);
  assert.deepEqual(lanes.columns, [1]);
  assert.deepEqual(lanes.lines, [1, 2]);
  assert.equal(lanes.isVisible(4), false);
  assert.deepEqual([...lanes.columnOf], [-1, 0, -1, -1]);
});

test("tiles are found by row and track", () => {
  const lanes = new Lanes(graph());
  assert.equal(lanes.tileOn(1, 3), 6);
  assert.equal(lanes.tileOn(1, 2), -1);
  assert.deepEqual(lanes.tilesBetween(1, 1, 2), [5, 6]);
  assert.deepEqual(lanes.tilesBetween(1, 0, 3), [4, 7]);
});

test("scenes are counted per row and status", () => {
  assert.deepEqual(new Lanes(graph()).scenesPerRow(), [
    [0, 0, 2, 0, 0],
    [0, 0, 0, 1, 0],
    [1, 0, 0, 0, 0],
  ]);
});

test("a graph without tiles has no columns", () => {
  const empty = new Uint32Array();
  const lanes = new Lanes({
    ...graph(),
    days: [],
    tracks: 0,
    names: [],
    id: empty,
    status: new Uint8Array(),
    track: empty,
    first: Uint32Array.of(0),
    previous: empty,
    scene: empty,
    by_id: empty,
    scene_row: empty,
  });
  assert.deepEqual([lanes.columns, lanes.lines, lanes.length], [[], [], 0]);
  const viewport = new LanesViewport({ width: 400, height: 300 });
  viewport.fit(lanes);
  viewport.clamp(lanes);
  assert.deepEqual(viewport.visibleRows(lanes), []);
  assert.equal(viewport.tileAt(lanes, 200, 100), -1);
});

test("arrow keys follow links vertically and the row horizontally", () => {
  const lanes = new Lanes(graph());
  assert.equal(neighborInDirection(lanes, -1, "ArrowDown"), 0);
  assert.equal(neighborInDirection(lanes, 5, "ArrowUp"), 1);
  assert.equal(neighborInDirection(lanes, 5, "ArrowDown"), 8);
  assert.equal(neighborInDirection(lanes, 0, "ArrowUp"), 0);
  assert.equal(neighborInDirection(lanes, 9, "ArrowDown"), 9);
  assert.equal(neighborInDirection(lanes, 4, "ArrowRight"), 5);
  assert.equal(neighborInDirection(lanes, 4, "ArrowLeft"), 4);
  assert.equal(neighborInDirection(lanes, 9, "ArrowRight"), 9);
  assert.equal(neighborInDirection(lanes, 5, "Tab"), null);
});

// ---- viewport

/** A viewport with 100 × 60 pixels for the lanes. */
function viewport() {
  return new LanesViewport({ width: GUTTER + 100, height: HEADER + 60 });
}

test("fitted lanes fill the canvas, up to a maximum size of cells", () => {
  const lanes = new Lanes(graph());
  const view = viewport();
  view.fit(lanes);
  assert.deepEqual(view.cell, { width: 20, height: 20 });
  assert.equal(view.tileAt(lanes, GUTTER + 25, HEADER + 25), 5);
  assert.equal(view.tileAt(lanes, GUTTER + 45, HEADER + 25), -1);
  assert.equal(view.tileAt(lanes, GUTTER - 1, HEADER + 25), -1);
  assert.equal(view.tileAt(lanes, GUTTER + 95, HEADER + 25), -1);
  assert.deepEqual(view.visibleRows(lanes), [0, 1, 2]);
});

test("the point under the pointer stays in place during a zoom", () => {
  const lanes = new Lanes(graph());
  const view = viewport();
  view.fit(lanes);
  view.zoom(1.5, GUTTER + 30, HEADER + 30);
  assert.deepEqual(view.cell, { width: 30, height: 30 });
  assert.equal(view.tileAt(lanes, GUTTER + 30, HEADER + 30), 5);
  assert.deepEqual(view.cellAt(lanes, 5), { x: GUTTER + 15, y: HEADER + 15 });
});

test("a zoom stops at the maximum size of cells without moving the lanes", () => {
  const lanes = new Lanes(graph());
  const view = viewport();
  view.fit(lanes);
  view.zoom(1000, GUTTER, HEADER);
  assert.deepEqual(view.cell, { width: 40, height: 40 });
  assert.deepEqual(view.scroll, { x: 0, y: 0 });
});

test("lanes cannot be scrolled out of view", () => {
  const lanes = new Lanes(graph());
  const view = viewport();
  view.cell = { width: 40, height: 40 };
  view.pan(1000, -1000);
  view.clamp(lanes);
  assert.deepEqual(view.scroll, { x: 60, y: 0 });
  view.cell = { width: 10, height: 10 };
  view.scroll = { x: -1000, y: 1000 };
  view.clamp(lanes);
  assert.deepEqual(view.scroll, { x: -60, y: 0 });
});

test("a revealed tile is in the middle of the lanes and large enough to read", () => {
  const lanes = new Lanes(graph());
  const view = viewport();
  view.cell = { width: 2, height: 25 };
  view.reveal(lanes, 9);
  assert.deepEqual(view.cell, { width: 18, height: 25 });
  assert.deepEqual(view.cellAt(lanes, 9), { x: GUTTER + 50 - 9, y: HEADER + 30 - 12.5 });
});

test("only visible rows and tiles are drawn", () => {
  const lanes = new Lanes(graph());
  const view = viewport();
  view.cell = { width: 40, height: 40 };
  view.scroll = { x: 50, y: 45 };
  assert.deepEqual(view.visibleRows(lanes), [1, 2]);
  assert.deepEqual(view.visibleTiles(lanes, 0), [1, 4]);
  assert.deepEqual(view.visibleTiles(lanes, 1), [5, 7]);
});

test("dates are found in the gutter, below the header", () => {
  const lanes = new Lanes(graph());
  const view = viewport();
  view.fit(lanes);
  assert.equal(view.rowAt(lanes, 10, HEADER + 25), 1);
  assert.equal(view.rowAt(lanes, 10, HEADER + 70), undefined);
  assert.equal(view.rowAt(lanes, 10, HEADER - 5), undefined);
  assert.equal(view.rowAt(lanes, GUTTER + 10, HEADER + 25), undefined);
});
