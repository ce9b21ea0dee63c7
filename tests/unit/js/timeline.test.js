import assert from "node:assert/strict";
import { test } from "node:test";
import { STACK_ORDER, stackCounts, stepAt, TIME_STEPS } from "../../../workflow_monitor/widgets/timeline-chart.js";

test("areas are stacked without gaps, up to the total", () => {
  const constant = (/** @type {number} */ count) => new Array(TIME_STEPS).fill(count);
  const counts = { done: constant(5), failed: constant(1), retry: constant(2), pending: constant(3), new: constant(4) };
  counts.done[7] = 50;
  const stack = stackCounts(counts);
  assert.deepEqual(
    stack.map(({ status }) => status),
    STACK_ORDER,
  );
  assert.deepEqual(
    stack.map(({ lower, upper }) => [lower[0], upper[0]]),
    [
      [0, 5],
      [5, 6],
      [6, 8],
      [8, 11],
      [11, 15],
    ],
  );
  assert.equal(stack[stack.length - 1].upper[7], 60);
});

test("positions of the pointer map to all steps", () => {
  assert.equal(stepAt(66 / 800 + 1e-9), 0);
  assert.equal(stepAt(1 - 1e-9), TIME_STEPS - 1);
  assert.ok(stepAt(0) < 0);
});
