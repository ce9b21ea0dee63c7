/** @import { WorldView } from "./types.js" */
import { LAND, LAND_STEPS } from "./land.js";
import { project, worldOffsets } from "./mercator.js";

/** Distances between grid lines, in degrees. */
const GRID_STEPS = [30, 10, 5, 2, 1, 0.5, 0.25, 0.1];
const MAX_GRID_DISTANCE = 160;

/** @type {Float64Array[] | null} */
let cachedCoastlines = null;

/**
 * Draw the land and a grid of meridians and parallels, without network access.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {WorldView} view
 * @param {string} color
 */
export function paintLandmass(context, view, color) {
  context.strokeStyle = color;
  context.fillStyle = color;
  cachedCoastlines ??= decodeCoastlines(LAND);
  for (const offset of worldOffsets(view)) {
    const dx = view.dx - offset * view.scale;
    context.beginPath();
    for (const ring of cachedCoastlines) {
      context.moveTo(ring[0] * view.scale - dx, ring[1] * view.scale - view.dy);
      for (let i = 2; i < ring.length; i += 2) {
        context.lineTo(ring[i] * view.scale - dx, ring[i + 1] * view.scale - view.dy);
      }
      context.closePath();
    }
    context.globalAlpha = 0.1;
    context.fill();
    context.globalAlpha = 0.45;
    context.lineWidth = 0.7;
    context.stroke();
    paintGrid(context, { ...view, dx });
  }
}

/**
 * Decode delta-encoded rings into Web Mercator on a world of size 1.
 *
 * @param {string} text one ring per line
 */
export function decodeCoastlines(text) {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      let [x, y] = [0, 0];
      const deltas = line.split(" ").map(Number);
      const ring = new Float64Array(deltas.length);
      for (let i = 0; i < deltas.length; i += 2) {
        [x, y] = [x + deltas[i], y + deltas[i + 1]];
        [ring[i], ring[i + 1]] = project(x / LAND_STEPS, y / LAND_STEPS);
      }
      return ring;
    });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {WorldView} view
 */
function paintGrid(context, { scale, dx, dy, width, height }) {
  const step =
    GRID_STEPS.find((degrees) => (degrees / 360) * scale < MAX_GRID_DISTANCE) ?? GRID_STEPS[GRID_STEPS.length - 1];
  context.globalAlpha = 0.16;
  context.beginPath();
  for (let longitude = -180; longitude <= 180; longitude += step) {
    const x = project(longitude, 0)[0] * scale - dx;
    if (x < 0 || x > width) continue;
    context.moveTo(x, 0);
    context.lineTo(x, height);
  }
  for (let latitude = -80; latitude <= 80; latitude += step) {
    const y = project(0, latitude)[1] * scale - dy;
    if (y < 0 || y > height) continue;
    context.moveTo(0, y);
    context.lineTo(width, y);
  }
  context.stroke();
}
