/** @import { Bounds, WorldView } from "./types.js" */

/** Latitude limit of Web Mercator. */
const MAX_LATITUDE = 85.0511;

/**
 * Project degrees to Web Mercator on a world of size 1: x grows eastwards, y southwards.
 *
 * @param {number} longitude
 * @param {number} latitude
 * @returns {[x: number, y: number]}
 */
export function project(longitude, latitude) {
  const sine = Math.sin((Math.max(-MAX_LATITUDE, Math.min(MAX_LATITUDE, latitude)) * Math.PI) / 180);
  return [longitude / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}

/**
 * Inverse of `project`.
 *
 * @param {number} x
 * @param {number} y
 */
export function unproject(x, y) {
  return { lat: (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI, lng: (x - 0.5) * 360 };
}

/**
 * Return the copies of the world within a view, as offsets in worlds: [-1, 0] for a view across the antimeridian.
 *
 * @param {WorldView} view
 */
export function worldOffsets({ scale, dx, width }) {
  const offsets = [];
  for (let offset = Math.floor(dx / scale); offset <= Math.floor((dx + width) / scale); offset += 1)
    offsets.push(offset);
  return offsets;
}

/**
 * Return the bounds of a view on the world of size 1.
 *
 * @param {WorldView} view
 * @returns {Bounds}
 */
export function viewBounds({ scale, dx, dy, width, height }) {
  return [dx / scale, dy / scale, (dx + width) / scale, (dy + height) / scale];
}
