/** @import { WidgetModel } from "./types.js" */
import { showWidget } from "./widgets.js";

/** @typedef {import("leaflet").Map} LeafletMap */
/** @typedef {import("leaflet").ZoomAnimEvent} ZoomAnimEvent */
/** @typedef {import("leaflet").LatLngLiteral} LatLngLiteral */

const STARTUP_TIMEOUT_MS = 120_000;
const STARTUP_POLL_MS = 20;

/**
 * Show the ipyleaflet widget of a map panel, and return its Leaflet map.
 *
 * @param {WidgetModel} model
 * @param {HTMLElement} host
 * @returns {Promise<LeafletMap>}
 */
export async function createLeafletMap(model, host) {
  const view = await showWidget(model, model.get("map"), host);
  const begin = Date.now();
  // ipyleaflet has no event for the creation of the map.
  while (!view.obj) {
    if (Date.now() - begin > STARTUP_TIMEOUT_MS) throw new Error("ipyleaflet did not create a map.");
    await new Promise((resolve) => setTimeout(resolve, STARTUP_POLL_MS));
  }
  view.obj.invalidateSize();
  respectReducedMotion(view.obj);
  return view.obj;
}

/**
 * Move and zoom without animation while the user prefers reduced motion. The style sheet disables Leaflet's fading.
 *
 * The preference is read at each movement, because ipyleaflet resets the options of the map.
 *
 * @param {LeafletMap} map
 */
function respectReducedMotion(map) {
  const reduced = matchMedia("(prefers-reduced-motion: reduce)");
  const { inertia } = map.options;
  const panBy = map.panBy.bind(map);
  const setView = map.setView.bind(map);
  map.panBy = (offset, options) => panBy(offset, reduced.matches ? { ...options, animate: false } : options);
  map.setView = (center, zoom, options) =>
    setView(center, zoom, reduced.matches ? { ...options, animate: false } : options);
  map.on("dragstart", () => {
    map.options.inertia = !reduced.matches && inertia;
  });
}
