import assert from "node:assert/strict";
import { test } from "node:test";
import { binarySearch, decode, findNext, histogram } from "../../../workflow_monitor/widgets/columnar.js";

/**
 * Encode a columnar response with an 8-byte alignment, as the server does.
 *
 * @param {object} header
 * @param {Uint8Array[]} columns
 */
function encode(header, columns) {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const buffer = new Uint8Array(512);
  new DataView(buffer.buffer).setUint32(0, text.length, true);
  buffer.set(text, 4);
  for (const [index, column] of columns.entries()) buffer.set(column, 256 + 64 * index);
  return buffer.buffer;
}

test("columns are decoded as typed arrays beside the metadata", () => {
  const buffer = encode(
    {
      seq: 7,
      statuses: ["NEW"],
      columns: {
        id: { type: "uint32", start: 256, length: 2 },
        day: { type: "int32", start: 320, length: 1 },
        empty: { type: "float64", start: 384, length: 0 },
      },
    },
    [new Uint8Array(Uint32Array.of(5, 4_000_000_000).buffer), new Uint8Array(Int32Array.of(-(2 ** 31)).buffer)],
  );
  const data = decode(buffer);
  assert.equal(data.seq, 7);
  assert.deepEqual(data.statuses, ["NEW"]);
  assert.deepEqual(data.id, Uint32Array.of(5, 4_000_000_000));
  assert.deepEqual(data.day, Int32Array.of(-(2 ** 31)));
  assert.deepEqual(data.empty, new Float64Array());
  assert.equal("columns" in data, false);
});

test("columns are views of the response, not copies", () => {
  const buffer = encode({ columns: { status: { type: "uint8", start: 256, length: 3 } } }, [Uint8Array.of(1, 2, 3)]);
  const { status } = /** @type {{ status: Uint8Array }} */ (decode(buffer));
  assert.equal(status.buffer, buffer);
});

test("binary search finds each value and no other", () => {
  const values = Uint32Array.of(2, 3, 5, 7, 11);
  assert.deepEqual(
    [2, 3, 5, 7, 11].map((value) => binarySearch(values, value)),
    [0, 1, 2, 3, 4],
  );
  for (const value of [0, 4, 12]) assert.equal(binarySearch(values, value), -1);
  assert.equal(binarySearch([], 1), -1);
});

test("binary search accepts an order instead of values", () => {
  const values = [30, 10, 20];
  const order = [1, 2, 0];
  assert.equal(
    binarySearch(order, 20, (index) => values[order[index]]),
    1,
  );
});

test("histograms count each code", () => {
  assert.deepEqual(histogram(Uint8Array.of(0, 2, 2), 4), [1, 0, 2, 0]);
});

test("the next match may be before the start, or at the start itself", () => {
  const matches = (/** @type {number} */ index) => index === 1 || index === 3;
  assert.equal(findNext(5, -1, matches), 1);
  assert.equal(findNext(5, 1, matches), 3);
  assert.equal(findNext(5, 3, matches), 1);
  assert.equal(
    findNext(5, 2, (index) => index === 2),
    2,
  );
  assert.equal(
    findNext(5, 2, () => false),
    -1,
  );
  assert.equal(findNext(0, -1, matches), -1);
});
