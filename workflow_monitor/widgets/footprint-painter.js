/** @import { Footprints } from "./footprints.js" */
/** @import { Bounds, FootprintGroup, WorldView } from "./types.js" */
import { viewBounds, worldOffsets } from "./mercator.js";

/** Smaller footprints are drawn as dots. */
const MIN_OUTLINE_SIZE = 2.5;
const MIN_GLYPH_SIZE = 16;
/** Browsers fill one long path more slowly than several short ones. */
const ITEMS_PER_PATH = 60;
const FILL_OPACITY = 0.22;
const STROKE_OPACITY = 0.9;

/**
 * Draw groups of footprints in their order. Dashes and glyphs distinguish failures without colors.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {WorldView} view
 * @param {Footprints} footprints
 * @param {FootprintGroup[]} groups
 */
export function paintFootprints(context, view, footprints, groups) {
  for (const offset of worldOffsets(view)) {
    const world = { ...view, dx: view.dx - offset * view.scale };
    const bounds = viewBounds(world);
    for (const group of groups) paintGroup(context, world, bounds, footprints, group);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {WorldView} view
 * @param {Bounds} bounds
 * @param {Footprints} footprints
 * @param {FootprintGroup} group
 */
function paintGroup(context, view, bounds, footprints, { items, color, glyph, dashed }) {
  const { scale, dx, dy } = view;
  context.strokeStyle = color;
  context.fillStyle = color;
  context.lineWidth = dashed ? 1.6 : 1;
  context.setLineDash(dashed ? [5, 3] : []);
  context.font = "bold 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  let itemsInPath = 0;
  const drawPath = () => {
    if (itemsInPath === 0) return;
    context.globalAlpha = FILL_OPACITY;
    context.fill();
    context.globalAlpha = STROKE_OPACITY;
    context.stroke();
    itemsInPath = 0;
  };
  const glyphs = [];
  for (const item of items) {
    if (!footprints.intersects(item, ...bounds)) continue;
    const [west, north, east, south] = footprints.boundsOf(item);
    const size = Math.max(east - west, south - north) * scale;
    if (size < MIN_OUTLINE_SIZE) {
      context.fillRect(west * scale - dx, north * scale - dy, 2, 2);
      continue;
    }
    if (itemsInPath === 0) context.beginPath();
    footprints.trace(context, item, view);
    itemsInPath += 1;
    if (itemsInPath === ITEMS_PER_PATH) drawPath();
    if (glyph && size > MIN_GLYPH_SIZE) {
      glyphs.push([((west + east) / 2) * scale - dx, ((north + south) / 2) * scale - dy]);
    }
  }
  drawPath();
  context.setLineDash([]);
  if (glyph) for (const [x, y] of glyphs) context.fillText(glyph, x, y);
}
