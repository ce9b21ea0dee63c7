/**
 * @param {number} value
 */
export function formatNumber(value) {
  return value.toLocaleString("en");
}

/**
 * Return a count with its noun: `1 tile`, `2 tiles`.
 *
 * @param {number} count
 * @param {string} noun
 */
export function pluralize(count, noun, plural = `${noun}s`) {
  return `${formatNumber(count)} ${count === 1 ? noun : plural}`;
}

/**
 * Return the note below a list that is cut after `limit` entries; empty if the list is complete.
 *
 * @param {number} total
 * @param {number} limit
 */
export function remainderText(total, limit) {
  return total > limit ? `and ${formatNumber(total - limit)} more` : "";
}

/**
 * Format a time in UTC, to the second.
 *
 * @param {string | number} time ISO 8601, or milliseconds since 1970
 */
export function formatUTC(time) {
  return `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/**
 * Format a duration in the largest unit that keeps it readable.
 *
 * @param {number} seconds
 */
export function formatDuration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/**
 * Format a count within a period as a rate per minute.
 *
 * @param {number} count
 * @param {number} seconds
 */
export function formatRate(count, seconds) {
  const perMinute = (count * 60) / seconds;
  return perMinute < 10 ? perMinute.toFixed(1) : formatNumber(Math.round(perMinute));
}
