import { LAND, LAND_STEPS } from "./land.js";
import { onMap, worldsIn } from "./outlines.js";

/** The land of the world, and a net of meridians and parallels; needs no internet. */
export function paintLand(context, view, root) {
  const style = getComputedStyle(root);
  context.strokeStyle = context.fillStyle = style.color;
  for (const shift of worldsIn(view)) {
    const dx = view.dx - shift * view.scale;
    context.beginPath();
    for (const ring of shores()) {
      context.moveTo(ring[0] * view.scale - dx, ring[1] * view.scale - view.dy);
      for (let at = 2; at < ring.length; at += 2) context.lineTo(ring[at] * view.scale - dx, ring[at + 1] * view.scale - view.dy);
      context.closePath();
    }
    context.globalAlpha = 0.1;
    context.fill();
    context.globalAlpha = 0.45;
    context.lineWidth = 0.7;
    context.stroke();
    paintNet(context, { ...view, dx });
  }
}

function shores() {
  shores.rings ??= LAND.trim()
    .split("\n")
    .map((line) => {
      let [x, y] = [0, 0];
      const steps = line.split(" ").map(Number);
      const ring = new Float64Array(steps.length);
      for (let at = 0; at < steps.length; at += 2) {
        [x, y] = [x + steps[at], y + steps[at + 1]];
        [ring[at], ring[at + 1]] = onMap(x / LAND_STEPS, y / LAND_STEPS);
      }
      return ring;
    });
  return shores.rings;
}

function paintNet(context, { scale, dx, dy, width, height }) {
  const step = [30, 10, 5, 2, 1, 0.5, 0.25, 0.1].find((size) => (size / 360) * scale < 160) ?? 0.1;
  context.globalAlpha = 0.16;
  context.beginPath();
  for (let longitude = -180; longitude <= 180; longitude += step) {
    const x = onMap(longitude, 0)[0] * scale - dx;
    if (x < 0 || x > width) continue;
    context.moveTo(x, 0);
    context.lineTo(x, height);
  }
  for (let latitude = -80; latitude <= 80; latitude += step) {
    const y = onMap(0, latitude)[1] * scale - dy;
    if (y < 0 || y > height) continue;
    context.moveTo(0, y);
    context.lineTo(width, y);
  }
  context.stroke();
}
