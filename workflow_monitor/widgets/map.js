/** @import { Point } from "./box-select.js" */
/** @import { LatLngLiteral, LeafletMap } from "./leaflet-map.js" */
/** @import { FootprintData, FootprintGroup, Kind, RenderContext, Status, StatusStyle, Transition, WidgetModel, WorldView } from "./types.js" */
import { applyToItems } from "./actions.js";
import { BoxSelect } from "./box-select.js";
import { binarySearch, findNext, histogram } from "./columnar.js";
import { DataPanel } from "./data-panel.js";
import { DateFilter } from "./date-filter.js";
import { actionButton, h, setPressed, toggleButton } from "./dom.js";
import { paintFootprints } from "./footprint-painter.js";
import { Footprints } from "./footprints.js";
import { formatNumber, pluralize, remainderText } from "./format.js";
import { ItemCard } from "./item-card.js";
import { paintLandmass } from "./landmass.js";
import { createLeafletMap } from "./leaflet-map.js";
import { Legend, statusStyles } from "./legend.js";
import { MapCanvas } from "./map-canvas.js";
import { project, unproject } from "./mercator.js";
import { mountPanel } from "./panel.js";

const ITEMS_LISTED = 60;
/**
 * Drawing order: failures last, on top of the others.
 *
 * @type {Status[]}
 */
const MAP_ORDER = ["DONE", "NEW", "PENDING", "FAILED", "RETRY"];

/** @extends {DataPanel<FootprintData>} */
export class MapPanel extends DataPanel {
  /**
   * @param {WidgetModel} model
   * @param {HTMLElement} host
   */
  constructor(model, host) {
    super(model, host, "Map");
    /** @type {Kind} */
    this.kind = "scene";
    /** @type {Set<number>} */
    this.selection = new Set();
    /** @type {Footprints | null} */
    this.footprints = null;
    this.fitPending = true;
    /** @type {StatusStyle[] | null} */
    this.styles = null;
    this.legend = new Legend(this, [...MAP_ORDER].reverse(), () => this.schedulePaint());
    this.card = new ItemCard(this, (kind, id) => this.open(kind, id));
    this.mapHost = h("div", { class: "wm-map" });
    this.selectionList = h("div", { class: "wm-selection" });
    this.missing = h("details", { hidden: true });
    this.kindChoice = h(
      "select",
      { "aria-label": "Item type", onchange: () => this.onKindChange() },
      h("option", { value: "scene" }, "scenes"),
      h("option", { value: "tile" }, "tiles"),
    );
    this.boxButton = toggleButton("Box select", (pressed) => this.boxSelect?.enable(pressed));
    this.dateFilter = new DateFilter(() => this.schedulePaint());
    this.body.append(
      h(
        "p",
        { class: "wm-actions" },
        this.kindChoice,
        actionButton("Zoom to AOI", () => this.fit()),
        this.boxButton,
        actionButton("Next failed", () => this.openNextFailed()),
      ),
      this.legend.element,
      this.dateFilter.element,
      this.mapHost,
      this.selectionList,
      this.missing,
    );
  }

  /** @override */
  source() {
    return `${this.path}/footprints?of=${this.kind}s`;
  }

  /** @override */
  async start() {
    const map = await createLeafletMap(this.model, this.mapHost);
    /** @type {LeafletMap | null} */
    this.map = map;
    map.getContainer().setAttribute("aria-label", `Map of ${this.aoi}`);
    this.boxSelect = new BoxSelect(map, this.mapHost, (from, to) => this.selectBox(map, from, to));
    this.landmass = this.model.get("with_land")
      ? new MapCanvas(map, (context, view) => paintLandmass(context, view, getComputedStyle(this.root).color), 1)
      : null;
    this.canvas = new MapCanvas(map, (context, view) => this.paintItems(context, view), 2);
    this.landmass?.redraw();
    map.on("click", (event) => this.onClick(event.latlng));
    const stop = await super.start();
    const resizeObserver = new ResizeObserver(() => this.onResize());
    resizeObserver.observe(this.mapHost);
    return () => {
      resizeObserver.disconnect();
      this.canvas?.remove();
      this.landmass?.remove();
      map.off("click");
      stop();
    };
  }

  /** Fit a map that had no size before, in a hidden tab. */
  onResize() {
    this.map?.invalidateSize();
    if (this.fitPending) this.fit();
    this.schedulePaint();
  }

  /** @override */
  onColorsChange() {
    this.styles = null;
    this.landmass?.redraw();
    super.onColorsChange();
  }

  onKindChange() {
    this.kind = this.kindChoice.value === "tile" ? "tile" : "scene";
    this.selection.clear();
    this.stale = true;
    this.data = null;
    this.map?.closePopup();
    this.refresh();
  }

  // ---- data

  /**
   * @override
   * @param {Transition[]} events
   */
  applyEvents(events) {
    super.applyEvents(events);
    this.card.applyEvents(events);
  }

  /**
   * @override
   * @param {FootprintData} data
   * @param {Transition} event
   */
  applyEvent(data, { type, id, to }) {
    if (type !== this.kind) return;
    const index = binarySearch(data.id, id);
    if (index < 0 || to === null) this.stale = true;
    else data.status[index] = this.code(data, to);
  }

  /**
   * @override
   * @param {FootprintData} data
   */
  onData(data) {
    const isFirst = this.footprints === null;
    this.footprints = new Footprints(data);
    this.dateFilter.setDays(data.day);
    this.listMissing(data, this.footprints);
    if (isFirst) this.fit();
  }

  /**
   * List the items without a footprint.
   *
   * @param {FootprintData} data
   * @param {Footprints} footprints
   */
  listMissing(data, footprints) {
    const ids = [...data.id].filter((_, index) => !footprints.has(index));
    this.missing.hidden = ids.length === 0;
    this.missing.replaceChildren(
      h("summary", {}, `${pluralize(ids.length, this.kind)} without a footprint`),
      this.itemLinks(data, ids),
    );
  }

  /**
   * @param {FootprintData} data
   * @param {number[]} ids
   */
  itemLinks(data, ids) {
    const buttons = ids.slice(0, ITEMS_LISTED).map((id) => {
      const label = this.statusLabel(statusOf(data, binarySearch(data.id, id)), `${this.kind} ${id}`);
      return h("button", { class: "wm-link", onclick: () => this.open(this.kind, id) }, label);
    });
    return h("p", { class: "wm-links" }, buttons, remainderText(ids.length, ITEMS_LISTED));
  }

  /**
   * @param {FootprintData} data
   * @param {number} index
   */
  isVisible(data, index) {
    return this.dateFilter.includes(data.day[index]) && this.legend.visible.has(statusOf(data, index));
  }

  // ---- drawing

  /** @override */
  paint() {
    if (!this.data || !this.root.isConnected) return;
    this.canvas?.redraw();
    const { statuses, status } = this.data;
    this.legend.setCounts(statuses, histogram(status, statuses.length));
    this.showSelection(this.data);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {WorldView} view
   */
  paintItems(context, view) {
    const { data, footprints } = this;
    if (!data || !footprints) return;
    this.styles ??= statusStyles(this.root, MAP_ORDER);
    const styles = this.styles;
    /** @type {FootprintGroup[]} */
    const groups = MAP_ORDER.map((status, index) => ({
      items: [],
      color: styles[index].color,
      glyph: status === "RETRY" || status === "FAILED" ? this.glyphs[status] : null,
      dashed: status === "RETRY",
    }));
    const groupOfCode = data.statuses.map((status) =>
      this.legend.visible.has(status) ? groups[MAP_ORDER.indexOf(status)] : null,
    );
    for (let index = 0; index < footprints.length; index += 1) {
      if (this.dateFilter.includes(data.day[index])) groupOfCode[data.status[index]]?.items.push(index);
    }
    const selected = [...this.selection].map((id) => binarySearch(data.id, id)).filter((index) => index >= 0);
    const color = getComputedStyle(this.root).color;
    paintFootprints(context, view, footprints, [...groups, { items: selected, color, glyph: null, dashed: false }]);
  }

  // ---- selection

  /** @param {LatLngLiteral} position */
  onClick({ lat, lng }) {
    const { data, footprints } = this;
    if (!data || !footprints || this.boxSelect?.enabled) return;
    const [x, y] = project(lng - 360 * Math.floor((lng + 180) / 360), lat);
    const hits = [];
    for (let index = 0; index < footprints.length; index += 1) {
      if (this.isVisible(data, index) && footprints.contains(index, x, y)) hits.push(index);
    }
    const rank = (/** @type {number} */ index) => MAP_ORDER.indexOf(statusOf(data, index));
    hits.sort((a, b) => rank(b) - rank(a) || data.day[b] - data.day[a]);
    this.select(hits.map((index) => data.id[index]));
    if (hits.length > 0) this.openAt(this.kind, data.id[hits[0]], { lat, lng });
    else this.map?.closePopup();
  }

  /**
   * @param {LeafletMap} map
   * @param {Point} from
   * @param {Point} to
   */
  selectBox(map, from, to) {
    setPressed(this.boxButton, false);
    this.boxSelect?.enable(false);
    const { data, footprints } = this;
    if (!data || !footprints) return;
    const corners = [from, to]
      .map((point) => map.containerPointToLatLng(point))
      .map(({ lat, lng }) => project(lng, lat));
    const [west, east] = corners.map(([x]) => x).sort((a, b) => a - b);
    const [north, south] = corners.map(([, y]) => y).sort((a, b) => a - b);
    const ids = [];
    for (let index = 0; index < footprints.length; index += 1) {
      // A map across the antimeridian shows two copies of the world.
      const intersects = [-1, 0, 1].some((offset) =>
        footprints.intersects(index, west + offset, north, east + offset, south),
      );
      if (intersects && footprints.has(index) && this.isVisible(data, index)) ids.push(data.id[index]);
    }
    this.select(ids);
    this.say(`${pluralize(ids.length, this.kind)} selected.`);
  }

  /** @param {number[]} ids */
  select(ids) {
    this.selection = new Set(ids);
    this.schedulePaint();
  }

  /** @param {FootprintData} data */
  showSelection(data) {
    const ids = [...this.selection];
    if (ids.length === 0) {
      this.selectionList.replaceChildren();
      return;
    }
    const retryable = ids.filter((id) => statusOf(data, binarySearch(data.id, id)) === "RETRY");
    const disabled = retryable.length === 0;
    const button = (/** @type {string} */ label, /** @type {"retry" | "fail"} */ action) =>
      actionButton(
        `${label} ${formatNumber(retryable.length)}…`,
        () => applyToItems(this, this.kind, retryable, action, " of the selection"),
        { disabled },
      );
    this.selectionList.replaceChildren(
      h(
        "p",
        { class: "wm-actions" },
        h("strong", {}, `${pluralize(ids.length, this.kind)} selected`),
        button("Retry", "retry"),
        button("Fail", "fail"),
      ),
      this.itemLinks(data, ids),
    );
  }

  // ---- navigation

  /**
   * Center the map on an item, select it, and open its card.
   *
   * @param {Kind} kind
   * @param {number} id
   */
  open(kind, id) {
    const center = this.centerOf(kind, id);
    if (center && this.map) this.map.setView(center, this.map.getZoom(), { animate: false });
    if (kind === this.kind) this.select([id]);
    return this.openAt(kind, id, center);
  }

  /**
   * @param {Kind} kind
   * @param {number} id
   * @param {LatLngLiteral | null} position position of the card; null for the center of the map
   */
  async openAt(kind, id, position) {
    await this.card.show(kind, id);
    if (!this.map) return;
    const options = { maxWidth: 380, minWidth: 240, className: "wm-popup" };
    this.map.openPopup(this.card.element, position ?? this.map.getCenter(), options);
    this.card.element.focus({ preventScroll: true });
  }

  /**
   * @param {Kind} kind
   * @param {number} id
   * @returns {LatLngLiteral | null} null for an item without a footprint on the map
   */
  centerOf(kind, id) {
    const { data, footprints } = this;
    if (!data || !footprints || kind !== this.kind) return null;
    const index = binarySearch(data.id, id);
    if (index < 0 || !footprints.has(index)) return null;
    const [west, north, east, south] = footprints.boundsOf(index);
    return unproject((west + east) / 2, (north + south) / 2);
  }

  openNextFailed() {
    const { data } = this;
    if (!data) return;
    const current = this.selection.size === 1 ? binarySearch(data.id, [...this.selection][0]) : -1;
    const next = findNext(data.id.length, current, (index) => {
      const status = statusOf(data, index);
      return (status === "RETRY" || status === "FAILED") && this.isVisible(data, index);
    });
    if (next >= 0) this.open(this.kind, data.id[next]);
    else this.say(`No failed ${this.kind}s on the map.`);
  }

  fit() {
    this.fitPending = this.mapHost.clientWidth === 0;
    const bounds = this.fitPending ? null : this.footprints?.totalBounds();
    if (!bounds || !this.map) return;
    const [west, north, east, south] = bounds;
    const [southWest, northEast] = [unproject(west, south), unproject(east, north)];
    this.map.fitBounds(
      [
        [southWest.lat, southWest.lng],
        [northEast.lat, northEast.lng],
      ],
      { animate: false, padding: [10, 10] },
    );
  }
}

/**
 * @param {FootprintData} data
 * @param {number} index
 */
function statusOf({ statuses, status }, index) {
  return statuses[status[index]];
}

export default {
  /** @param {RenderContext} context */
  render: (context) => mountPanel(MapPanel, context),
};
