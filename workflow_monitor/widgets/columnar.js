const ARRAY_TYPES = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
};

/**
 * Decode a columnar response: a JSON header with its length, then one typed array per column.
 *
 * The arrays are views of the buffer, keyed by column name beside the metadata of the header.
 *
 * @param {ArrayBuffer} buffer
 * @returns {Record<string, unknown>}
 */
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const { columns, ...decoded } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  for (const [name, column] of Object.entries(columns)) {
    const ArrayType = ARRAY_TYPES[/** @type {keyof typeof ARRAY_TYPES} */ (column.type)];
    decoded[name] = new ArrayType(buffer, column.start, column.length);
  }
  return decoded;
}

/**
 * Return the index of a value in an ascending array, or -1.
 *
 * @param {ArrayLike<number>} ascending
 * @param {number} value
 * @param {(index: number) => number} [valueAt] value at an index, if the array only gives the order
 */
export function binarySearch(ascending, value, valueAt = (index) => ascending[index]) {
  let low = 0;
  let high = ascending.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const candidate = valueAt(middle);
    if (candidate === value) return middle;
    if (candidate < value) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/**
 * Count the occurrences of each code from 0 to `size` - 1.
 *
 * @param {Iterable<number>} codes
 * @param {number} size
 * @returns {number[]}
 */
export function histogram(codes, size) {
  const counts = new Array(size).fill(0);
  for (const code of codes) counts[code] += 1;
  return counts;
}

/**
 * Return the first index after `start` that matches, continuing at 0 after the last one; -1 if none matches.
 *
 * @param {number} length
 * @param {number} start
 * @param {(index: number) => boolean} matches
 */
export function findNext(length, start, matches) {
  for (let step = 1; step <= length; step += 1) {
    const index = (start + step) % length;
    if (matches(index)) return index;
  }
  return -1;
}
