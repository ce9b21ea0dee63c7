import assert from "node:assert/strict";
import { test } from "node:test";
import { progressText } from "../../../workflow_monitor/widgets/aoi-list.js";
import { actionTarget, datesAndOrbits, groupTitle } from "../../../workflow_monitor/widgets/failures.js";
import {
  formatDuration,
  formatNumber,
  formatRate,
  formatUTC,
  pluralize,
  remainderText,
} from "../../../workflow_monitor/widgets/format.js";
import { ratePeriod, remainingText } from "../../../workflow_monitor/widgets/summary.js";

test("numbers have thousands separators", () => {
  assert.equal(formatNumber(1234567), "1,234,567");
});

test("nouns agree with their count", () => {
  assert.equal(pluralize(0, "tile"), "0 tiles");
  assert.equal(pluralize(1, "tile"), "1 tile");
  assert.equal(pluralize(2000, "retry", "retries"), "2,000 retries");
});

test("a complete list has no remainder", () => {
  assert.equal(remainderText(30, 30), "");
  assert.equal(remainderText(1032, 30), "and 1,002 more");
});

test("times are formatted in UTC from any offset", () => {
  assert.equal(formatUTC("2022-01-04T11:00:00.999+01:00"), "2022-01-04 10:00:00 UTC");
  assert.equal(formatUTC(0), "1970-01-01 00:00:00 UTC");
});

for (const [seconds, text] of /** @type {const} */ ([
  [0, "0 s"],
  [89.4, "89 s"],
  [90, "2 min"],
  [89 * 60, "89 min"],
  [90 * 60, "2 h"],
  [47 * 3600, "47 h"],
  [48 * 3600, "2 days"],
])) {
  test(`${seconds} seconds are formatted as ${text}`, () => assert.equal(formatDuration(seconds), text));
}

test("rates below ten per minute have one decimal", () => {
  assert.equal(formatRate(3, 60), "3.0");
  assert.equal(formatRate(1, 90), "0.7");
  assert.equal(formatRate(50, 2), "1,500");
});

test("the remaining time is estimated only while items are in progress and complete", () => {
  assert.equal(remainingText(0, 0, 7, 300), "nothing left");
  assert.equal(remainingText(1200, 0, 7, 300), "1,200 left, none in progress");
  assert.equal(remainingText(1200, 3, 0, 300), "1,200 left");
  assert.equal(remainingText(1200, 3, 300, 300), "1,200 left, about 20 min");
});

test("a group of tiles that failed with their scenes acts on the scenes", () => {
  const causes = { retry: 1, failed: 37, ids: Array.from({ length: 38 }, (_, id) => id) };
  const tiles = { kind: /** @type {const} */ ("tile"), count: 190, retry: 0, ids: [7, 8], causes };
  assert.equal(groupTitle(tiles), "190 tiles failed with 38 scenes");
  assert.deepEqual(actionTarget(tiles), { kind: "scene", ids: causes.ids, retry: 1 });
  const alone = { ...tiles, count: 1, causes: null };
  assert.equal(groupTitle(alone), "1 tile");
  assert.deepEqual(actionTarget(alone), { kind: "tile", ids: [7, 8], retry: 0 });
});

test("failures list their dates and most frequent orbits", () => {
  assert.equal(datesAndOrbits({ first_acquired: null, last_acquired: null, orbits: {} }), "");
  assert.equal(
    datesAndOrbits({ first_acquired: "2022-01-04", last_acquired: "2022-01-04", orbits: { 66: 1, 8: 3000 } }),
    "acquired 2022-01-04; relative orbit 8 (3,000), 66 (1)",
  );
  const orbits = Object.fromEntries(Array.from({ length: 9 }, (_, orbit) => [`R${orbit}`, 10 - orbit]));
  const text = datesAndOrbits({ first_acquired: "2022-01-04", last_acquired: "2022-02-04", orbits });
  assert.match(text, /^acquired 2022-01-04 to 2022-02-04; relative orbit R0 \(10\), .*R7 \(3\) …$/);
});

test("the rate of a new AOI is measured since its first dispatch", () => {
  assert.equal(ratePeriod(1_000_000, null), 300);
  assert.equal(ratePeriod(1_000_000, 0), 300);
  assert.equal(ratePeriod(1_000_000, 940_000), 60);
  assert.equal(ratePeriod(1_000_000, 1_005_000), 10);
});

test("an empty AOI has no progress", () => {
  assert.equal(progressText({ new: 0, pending: 0, done: 0, retry: 0, failed: 0, total: 0 }), "empty");
  assert.equal(progressText({ new: 1, pending: 0, done: 1, retry: 0, failed: 1, total: 3 }), "66 % of 3");
});
