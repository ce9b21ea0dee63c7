import { countedCodes, positionOf } from "./columns.js";
import { Drawn } from "./drawn.js";
import { counted, element, grouped } from "./elements.js";
import { paintLand } from "./ground.js";
import { ItemCard } from "./item.js";
import { coloursOf, Legend } from "./legend.js";
import { MapCanvas, onMap, Outlines, paintOutlines } from "./outlines.js";
import { shown } from "./panel.js";
import { repair } from "./repairs.js";

const DAY_MS = 86_400_000;
const NO_DAY = -(2 ** 31);
const SHOWN_AT_ONCE = 60;
/** Drawn in this order: what needs a person comes last and lies on top. */
const MAP_ORDER = ["DONE", "NEW", "PENDING", "FAILED", "RETRY"];
const MAP_START_MS = 20_000;
/** Parts of the globe's circumference in which footprints are looked for. */
const BINS = 72;

export class MapPanel extends Drawn {
  constructor(model, el) {
    super(model, el, "Map");
    this.kind = "scene";
    this.selected = new Set();
    this.legend = new Legend(this, MAP_ORDER.toReversed(), () => this.paintSoon());
    this.card = new ItemCard(this, (kind, id) => this.go(kind, id));
    this.host = element("div", { class: "wm-map" });
    this.chosen = element("div", { class: "wm-chosen" });
    this.missing = element("details", { hidden: true });
    this.body.append(this.tools(), this.legend.element, this.dates(), this.host, this.chosen, this.missing);
  }

  tools() {
    const button = (label, onclick) => element("button", { class: "wm-button", onclick }, label);
    this.kinds = element(
      "select",
      { "aria-label": "What is shown", onchange: () => this.choose(this.kinds.value) },
      element("option", { value: "scene" }, "scenes"),
      element("option", { value: "tile" }, "tiles"),
    );
    this.box = button("Select by a box", () => this.setBoxing(this.box.getAttribute("aria-pressed") !== "true"));
    this.box.setAttribute("aria-pressed", "false");
    const next = button("Next that failed", () => this.nextFailed());
    return element("p", { class: "wm-actions" }, this.kinds, button("Whole AOI", () => this.fit()), this.box, next);
  }

  dates() {
    const slider = (label) => element("input", { type: "range", min: 0, max: 0, value: 0, "aria-label": label, oninput: () => this.filterDates() });
    this.first = slider("First date");
    this.last = slider("Last date");
    this.told = element("span", {});
    return element("p", { class: "wm-dates" }, "Dates ", this.first, this.last, this.told);
  }

  source() {
    return `${this.path}/footprints?of=${this.kind}s`;
  }

  async start() {
    this.map = await leafletMap(this.model, this.host);
    this.map.getContainer().setAttribute("aria-label", `Map of ${this.aoi}`);
    this.ground = this.model.get("with_land") ? new MapCanvas(this.map, (context, view) => paintLand(context, view, this.root), 1) : null;
    this.canvas = new MapCanvas(this.map, (context, view) => this.paintFootprints(context, view), 2);
    this.ground?.redraw();
    this.map.on("click", (event) => this.clicked(event.latlng));
    const stop = await super.start();
    const resized = new ResizeObserver(() => this.sized());
    resized.observe(this.host);
    return () => {
      resized.disconnect();
      this.canvas.remove();
      this.ground?.remove();
      this.map.off("click");
      stop();
    };
  }

  /** In a tab that was hidden there was no room before. */
  sized() {
    this.map.invalidateSize();
    if (this.isToFit) this.fit();
    this.paintSoon();
  }

  choose(kind) {
    this.kind = kind;
    this.selected.clear();
    this.stale = true;
    this.data = null;
    this.map.closePopup();
    this.refresh();
  }

  heard(events) {
    super.heard(events);
    this.card.heard(events);
  }

  note({ type, id, to }) {
    if (type !== this.kind) return;
    const at = positionOf(this.data.id, id);
    if (at < 0 || to === null) this.stale = true;
    else this.data.status[at] = this.code(to);
  }

  take() {
    const isFirst = !this.outlines;
    this.outlines = new Outlines(this.data);
    this.days = [...new Set(this.data.day)].filter((day) => day !== NO_DAY).sort((a, b) => a - b);
    const last = Math.max(0, this.days.length - 1);
    const wasWhole = this.last.value === this.last.max;
    this.first.max = this.last.max = last;
    if (isFirst || wasWhole) this.last.value = last;
    this.listMissing();
    this.filterDates();
    if (isFirst) this.fit();
  }

  /** What has no footprint is counted and listed. */
  listMissing() {
    const without = [...this.data.id].filter((_, at) => !this.outlines.has(at));
    this.missing.hidden = without.length === 0;
    const of = counted(without.length, this.kind);
    const more = without.length - SHOWN_AT_ONCE;
    this.missing.replaceChildren(
      element("summary", {}, `${of} without a footprint`),
      element("p", { class: "wm-links" }, without.slice(0, SHOWN_AT_ONCE).map((id) => this.itemButton(id)), more > 0 ? `and ${grouped(more)} more` : ""),
    );
  }

  itemButton(id) {
    const at = positionOf(this.data.id, id);
    const status = this.data.statuses[this.data.status[at]];
    return element("button", { class: "wm-link", onclick: () => this.go(this.kind, id) }, this.status(status, `${this.kind} ${id}`));
  }

  filterDates() {
    const [first, last] = [Number(this.first.value), Number(this.last.value)].sort((a, b) => a - b);
    this.range = [this.days[first] ?? NO_DAY, this.days[last] ?? NO_DAY];
    this.isWhole = first === 0 && last === this.days.length - 1;
    const day = (value) => new Date(value * DAY_MS).toISOString().slice(0, 10);
    this.told.textContent = this.days.length === 0 ? "none" : `${day(this.range[0])} to ${day(this.range[1])}`;
    for (const slider of [this.first, this.last]) slider.setAttribute("aria-valuetext", day(this.days[slider.value] ?? 0));
    this.paintSoon();
  }

  isShown(at) {
    const day = this.data.day[at];
    return this.isWhole || (day >= this.range[0] && day <= this.range[1]);
  }

  paint() {
    if (!this.data || !this.root.isConnected) return;
    this.canvas.redraw();
    const { statuses, status } = this.data;
    this.legend.tell(statuses, countedCodes(status, statuses.length));
    this.tellChosen();
  }

  paintFootprints(context, view) {
    if (!this.data) return;
    const { statuses, status } = this.data;
    this.colours ??= coloursOf(this.root, MAP_ORDER);
    const groups = MAP_ORDER.map((name, position) => ({
      items: [],
      colour: this.colours[position],
      glyph: name === "RETRY" || name === "FAILED" ? this.glyphs[name] : null,
      dash: name === "RETRY",
    }));
    const groupOf = statuses.map((name) => (this.legend.shown.has(name) ? groups[MAP_ORDER.indexOf(name)] : null));
    for (let at = 0; at < this.outlines.length; at += 1) if (this.isShown(at)) groupOf[status[at]]?.items.push(at);
    paintOutlines(context, view, this.outlines, groups);
    const ink = getComputedStyle(this.root).color;
    const items = [...this.selected].map((id) => positionOf(this.data.id, id)).filter((at) => at >= 0);
    paintOutlines(context, view, this.outlines, [{ items, colour: ink, glyph: null, dash: false }]);
  }

  visible(at) {
    return this.isShown(at) && this.legend.shown.has(this.data.statuses[this.data.status[at]]);
  }

  clicked({ lat, lng }) {
    if (!this.data || this.box.getAttribute("aria-pressed") === "true") return;
    const [x, y] = onMap(lng - 360 * Math.floor((lng + 180) / 360), lat);
    const found = [];
    for (let at = 0; at < this.outlines.length; at += 1) if (this.visible(at) && this.outlines.contains(at, x, y)) found.push(at);
    const rank = (at) => -MAP_ORDER.indexOf(this.data.statuses[this.data.status[at]]);
    found.sort((a, b) => rank(a) - rank(b) || this.data.day[b] - this.data.day[a]);
    this.select(found.map((at) => this.data.id[at]));
    if (found.length > 0) this.open(this.kind, this.data.id[found[0]], { lat, lng });
    else this.map.closePopup();
  }

  select(ids) {
    this.selected = new Set(ids);
    this.paintSoon();
  }

  tellChosen() {
    const ids = [...this.selected];
    if (ids.length === 0) {
      this.chosen.replaceChildren();
      return;
    }
    const waiting = ids.filter((id) => this.data.statuses[this.data.status[positionOf(this.data.id, id)]] === "RETRY");
    const act = (action, label) =>
      element(
        "button",
        { class: "wm-button", disabled: waiting.length === 0, onclick: () => repair(this, this.kind, waiting, action, " of those selected") },
        `${label} ${grouped(waiting.length)} …`,
      );
    const more = ids.length - SHOWN_AT_ONCE;
    this.chosen.replaceChildren(
      element("p", { class: "wm-actions" }, element("strong", {}, `${counted(ids.length, this.kind)} selected`), act("retry", "Retry"), act("fail", "Give up")),
      element("p", { class: "wm-links" }, ids.slice(0, SHOWN_AT_ONCE).map((id) => this.itemButton(id)), more > 0 ? `and ${grouped(more)} more` : ""),
    );
  }

  /** Open the card of an item, at a place on the map, or in its middle. */
  async open(kind, id, place) {
    const shownItem = this.card.show(kind, id);
    const at = this.positionOfItem(kind, id);
    const where = place ?? (at >= 0 && this.outlines.has(at) ? this.middle(at) : this.map.getCenter());
    await shownItem;
    this.map.openPopup(this.card.element, where, { maxWidth: 380, minWidth: 240, className: "wm-popup" });
    this.card.element.focus({ preventScroll: true });
  }

  go(kind, id) {
    const at = this.positionOfItem(kind, id);
    if (at >= 0 && this.outlines.has(at)) this.map.setView(this.middle(at), this.map.getZoom(), { animate: false });
    if (kind === this.kind) this.select([id]);
    return this.open(kind, id);
  }

  /** Where an item is in the columns; -1 if it is not among what is shown. */
  positionOfItem(kind, id) {
    return this.data && kind === this.kind ? positionOf(this.data.id, id) : -1;
  }

  middle(at) {
    const [west, north, east, south] = this.outlines.bounds.subarray(4 * at, 4 * at + 4);
    return degrees((west + east) / 2, (north + south) / 2);
  }

  nextFailed() {
    if (!this.outlines) return null;
    const wanted = ["RETRY", "FAILED"].map((name) => this.code(name));
    const start = this.selected.size === 1 ? positionOf(this.data.id, [...this.selected][0]) + 1 : 0;
    for (let step = 0; step < this.outlines.length; step += 1) {
      const at = (start + step) % this.outlines.length;
      if (wanted.includes(this.data.status[at]) && this.visible(at)) return this.go(this.kind, this.data.id[at]);
    }
    this.say("Nothing that is shown has failed.");
    return null;
  }

  fit() {
    this.isToFit = this.host.clientWidth === 0;
    const bounds = this.outlines && !this.isToFit ? boundsOfAll(this.outlines) : null;
    if (bounds) this.map.fitBounds(bounds, { animate: false, padding: [10, 10] });
  }

  setBoxing(on) {
    this.box.setAttribute("aria-pressed", String(on));
    this.map.dragging[on ? "disable" : "enable"]();
    this.host.classList.toggle("wm-boxing", on);
    this.host.onpointerdown = on ? (event) => this.drawBox(event) : null;
  }

  drawBox(begin) {
    const frame = this.map.getContainer().getBoundingClientRect();
    const place = (event) => [event.clientX - frame.left, event.clientY - frame.top];
    const from = place(begin);
    const box = element("div", { class: "wm-box" });
    this.map.getContainer().append(box);
    this.host.setPointerCapture(begin.pointerId);
    this.host.onpointermove = (event) => {
      const to = place(event);
      const [left, top] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
      box.style.cssText = `left:${left}px;top:${top}px;width:${Math.abs(to[0] - from[0])}px;height:${Math.abs(to[1] - from[1])}px`;
    };
    this.host.onpointerup = (event) => {
      this.host.onpointermove = this.host.onpointerup = null;
      box.remove();
      this.selectWithin(from, place(event));
      this.setBoxing(false);
    };
  }

  selectWithin(from, to) {
    const corners = [from, to].map((point) => this.map.containerPointToLatLng(point)).map(({ lat, lng }) => onMap(lng, lat));
    const [west, east] = corners.map(([x]) => x).sort((a, b) => a - b);
    const [north, south] = corners.map(([, y]) => y).sort((a, b) => a - b);
    const found = [];
    for (let at = 0; at < this.outlines.length; at += 1) {
      const isWithin = [-1, 0, 1].some((shift) => this.outlines.touches(at, west + shift, north, east + shift, south));
      if (isWithin && this.outlines.has(at) && this.visible(at)) found.push(this.data.id[at]);
    }
    this.select(found);
    this.say(`${counted(found.length, this.kind)} selected.`);
  }
}

/** The Leaflet map of the ipyleaflet widget that a panel has, shown in a place of the panel. */
async function leafletMap(model, host) {
  const manager = model.widget_manager;
  const inner = await manager.get_model(model.get("map").replace("IPY_MODEL_", ""));
  const view = await manager.create_view(inner);
  host.append(view.el);
  view.trigger("displayed");
  const begun = Date.now();
  while (!view.obj) {
    if (Date.now() - begun > MAP_START_MS) throw new Error("ipyleaflet shows no map.");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  view.obj.invalidateSize();
  return view.obj;
}

/** From the map of size 1 to degrees. */
function degrees(x, y) {
  return { lat: (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI, lng: (x - 0.5) * 360 };
}

/** The least bounds of all footprints, which may go across the antimeridian; null if there are none. */
function boundsOfAll(outlines) {
  const isTaken = new Array(BINS).fill(false);
  let [north, south] = [Infinity, -Infinity];
  const rings = Array.from({ length: outlines.rings }, (_, ring) => outlines.boundsOfRings(ring, ring + 1));
  for (const [west, top, east, bottom] of rings) {
    for (let bin = Math.floor(west * BINS); bin <= Math.min(BINS - 1, east * BINS); bin += 1) isTaken[bin] = true;
    [north, south] = [Math.min(north, top), Math.max(south, bottom)];
  }
  if (rings.length === 0) return null;
  const [west, east] = extent(rings, (largestGap(isTaken).end % BINS) / BINS);
  return [degrees(west, south), degrees(east, north)];
}

/** The longest run of free bins around the globe. */
function largestGap(isTaken) {
  let best = { length: -1, end: 0 };
  let length = 0;
  for (let bin = 0; bin < 2 * isTaken.length; bin += 1) {
    length = isTaken[bin % isTaken.length] ? 0 : length + 1;
    if (length > best.length && length <= isTaken.length) best = { length, end: bin + 1 };
  }
  return best;
}

/** West and east of all rings, counted from a meridian on. */
function extent(rings, from) {
  let [west, east] = [Infinity, -Infinity];
  for (const [left, , right] of rings) {
    const shift = left < from - 1e-9 ? 1 : 0;
    [west, east] = [Math.min(west, left + shift), Math.max(east, right + shift)];
  }
  return [west, east];
}

export default {
  render({ model, el }) {
    return shown(MapPanel, model, el);
  },
};
