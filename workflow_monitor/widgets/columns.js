const ARRAYS = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int32: Int32Array, float32: Float32Array, float64: Float64Array };

/** What the server tells in columns: what it says of them, and each column as an array over the same bytes. */
export function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const { columns, ...about } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  for (const [name, { type, start, length: size }] of Object.entries(columns)) about[name] = new ARRAYS[type](buffer, start, size);
  return about;
}

/** Where a number is in an ascending array; -1 if it is not. */
export function positionOf(ascending, number, at = (position) => ascending[position]) {
  let low = 0;
  let high = ascending.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = at(middle);
    if (found === number) return middle;
    if (found < number) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** How many there are of each code. */
export function countedCodes(codes, kinds) {
  const counts = new Array(kinds).fill(0);
  for (const code of codes) counts[code] += 1;
  return counts;
}
