import assert from "node:assert/strict";
import { test } from "node:test";
import { Footprints } from "../../../workflow_monitor/widgets/footprints.js";
import { LAND } from "../../../workflow_monitor/widgets/land.js";
import { decodeCoastlines } from "../../../workflow_monitor/widgets/landmass.js";
import { project, unproject, viewBounds, worldOffsets } from "../../../workflow_monitor/widgets/mercator.js";

/** @typedef {[longitude: number, latitude: number][]} Ring */

/**
 * @param {...Ring[]} items rings of each item
 */
function footprints(...items) {
  const firstRing = [0];
  const firstPosition = [0];
  /** @type {number[]} */
  const positions = [];
  for (const rings of items) {
    for (const ring of rings) {
      positions.push(...ring.flat());
      firstPosition.push(positions.length / 2);
    }
    firstRing.push(firstPosition.length - 1);
  }
  return new Footprints({
    first_ring: Uint32Array.from(firstRing),
    first_position: Uint32Array.from(firstPosition),
    positions: Float32Array.from(positions),
  });
}

/**
 * @param {number} west
 * @param {number} south
 * @param {number} east
 * @param {number} north
 * @returns {Ring}
 */
function box(west, south, east, north) {
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
}

/**
 * @param {readonly number[] | null} actual
 * @param {readonly number[]} expected
 */
function assertClose(actual, expected) {
  assert.ok(actual);
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries())
    assert.ok(Math.abs(value - expected[i]) < 1e-6, `${actual} is not ${expected}`);
}

test("projection and inverse agree", () => {
  assertClose(project(0, 0), [0.5, 0.5]);
  for (const [longitude, latitude] of [
    [-180, 0],
    [12.5, 55.7],
    [179.9, -84],
  ]) {
    const { lat, lng } = unproject(...project(longitude, latitude));
    assertClose([lng, lat], [longitude, latitude]);
  }
});

test("latitudes beyond the limit of Web Mercator are cut", () => {
  assert.deepEqual(project(0, 90), project(0, 85.0511));
  assert.ok(project(0, 90)[1] >= 0);
  assert.ok(project(0, -90)[1] <= 1);
});

test("a view across the antimeridian contains two copies of the world", () => {
  const view = { scale: 256, dx: -100, dy: 0, width: 200, height: 100 };
  assert.deepEqual(worldOffsets(view), [-1, 0]);
  assert.deepEqual(worldOffsets({ ...view, dx: 10 }), [0]);
  assert.deepEqual(viewBounds({ ...view, scale: 100 }), [-1, 0, 1, 1]);
});

test("a point is inside a polygon but not inside its hole", () => {
  const shapes = footprints([box(0, 0, 10, 10), box(4, 4, 6, 6)], [box(20, 0, 30, 10)]);
  assert.equal(shapes.contains(0, ...project(2, 2)), true);
  assert.equal(shapes.contains(0, ...project(5, 5)), false);
  assert.equal(shapes.contains(0, ...project(25, 5)), false);
  assert.equal(shapes.contains(1, ...project(25, 5)), true);
});

test("an item without rings has no footprint and intersects nothing", () => {
  const shapes = footprints([], [box(0, 0, 10, 10)]);
  assert.equal(shapes.length, 2);
  assert.equal(shapes.has(0), false);
  assert.equal(shapes.has(1), true);
  assert.equal(shapes.intersects(0, 0, 0, 1, 1), false);
  assert.equal(shapes.intersects(1, 0, 0, 1, 1), true);
  assert.equal(shapes.contains(0, 0.5, 0.5), false);
});

test("bounds are west, north, east, south", () => {
  const shapes = footprints([box(-10, 40, 10, 50)]);
  assertClose(shapes.boundsOf(0), [...project(-10, 50), ...project(10, 40)]);
});

test("the total bounds of no footprints are null", () => {
  assert.equal(footprints([]).totalBounds(), null);
});

test("the total bounds enclose all footprints", () => {
  const shapes = footprints([box(-10, 40, 10, 50)], [], [box(20, 30, 25, 35)]);
  assertClose(shapes.totalBounds(), [...project(-10, 50), ...project(25, 30)]);
});

test("the total bounds cross the antimeridian instead of enclosing the world", () => {
  const shapes = footprints([box(178, -18, 180, -16), box(-180, -18, -178, -16)]);
  const [west, north] = project(178, -16);
  const [east, south] = project(-178, -18);
  assertClose(shapes.totalBounds(), [west, north, east + 1, south]);
});

test("outlines are traced as closed rings in pixels of the view", () => {
  const shapes = footprints([box(0, 0, 10, 10), box(4, 4, 6, 6)]);
  /** @type {string[]} */
  const calls = [];
  const context = /** @type {CanvasRenderingContext2D} */ (
    /** @type {unknown} */ ({
      moveTo: (/** @type {number} */ x, /** @type {number} */ y) => calls.push(`M${Math.round(x)},${Math.round(y)}`),
      lineTo: () => calls.push("L"),
      closePath: () => calls.push("Z"),
    })
  );
  shapes.trace(context, 0, { scale: 1000, dx: 400, dy: 300 });
  assert.deepEqual(calls, ["M100,200", "L", "L", "L", "L", "Z", "M111,189", "L", "L", "L", "L", "Z"]);
});

test("the coastlines of the package are within the world", () => {
  const rings = decodeCoastlines(LAND);
  assert.ok(rings.length > 100);
  for (const ring of rings) {
    assert.ok(ring.length >= 6);
    assert.ok(ring.every((value) => value >= 0 && value <= 1));
  }
});
