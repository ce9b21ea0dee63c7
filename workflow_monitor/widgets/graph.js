/** @import { Kind, LaneData, RenderContext, Transition, WidgetModel } from "./types.js" */
import { binarySearch, findNext, histogram } from "./columnar.js";
import { DataPanel } from "./data-panel.js";
import { actionButton, h, setPressed, toggleButton } from "./dom.js";
import { pluralize } from "./format.js";
import { GraphSearch } from "./graph-search.js";
import { GraphvizView } from "./graphviz-view.js";
import { ItemCard } from "./item-card.js";
import { Lanes } from "./lanes.js";
import { LanesPainter } from "./lanes-painter.js";
import { Legend, statusStyles } from "./legend.js";
import { mountPanel } from "./panel.js";

/** @type {import("./types.js").Status[]} */
const GRAPH_ORDER = ["RETRY", "FAILED", "PENDING", "NEW", "DONE"];
/** Links from the selected tile to the border of its neighborhood. */
const LANES_LINKS = 6;
const ZOOM_STEP = 1.5;
/** Movement of the pointer above which a click is a drag, in pixels. */
const DRAG_THRESHOLD = 4;
const SCENES_LISTED = 20;

/** @extends {DataPanel<LaneData>} */
export class GraphPanel extends DataPanel {
  /**
   * @param {WidgetModel} model
   * @param {HTMLElement} host
   */
  constructor(model, host) {
    super(model, host, "Dependency graph");
    /** @type {Lanes | null} */
    this.lanes = null;
    /** @type {LanesPainter | null} */
    this.painter = null;
    /** Position of the selected tile, or -1. */
    this.selected = -1;
    /**
     * Id of the tile to whose neighborhood the graph is restricted.
     *
     * @type {number | null}
     */
    this.centerId = null;
    this.hideCompleted = false;
    this.fitPending = true;
    this.legend = new Legend(this, GRAPH_ORDER, () =>
      this.graphviz.hidden ? this.schedulePaint() : this.graphviz.fadeHidden(),
    );
    this.card = new ItemCard(
      this,
      (kind, id) => this.open(kind, id),
      (id) => this.successorsOf(id),
    );
    this.card.element.append(
      h("p", { class: "wm-hint" }, "Select a tile by a click or with the arrow keys, or a date to list its scenes."),
    );
    this.search = new GraphSearch(this, (kind, id) => this.open(kind, id));
    this.completedButton = toggleButton("Hide completed", (pressed) => this.setHideCompleted(pressed));
    this.neighborsButton = toggleButton("Neighbours only", (pressed) => this.setNeighborsOnly(pressed));
    this.graphvizButton = toggleButton("Graphviz", (pressed) => this.showGraphviz(pressed));
    this.canvas = h("canvas", {
      class: "wm-lanes",
      tabindex: "0",
      role: "application",
      "aria-label": `Tiles of ${this.aoi} by place and date. The arrow keys follow the links.`,
    });
    this.graphviz = new GraphvizView(
      this,
      (kind, id) => this.open(kind, id),
      () => this,
      (kind, id) => this.isShown(kind, id),
    );
    this.body.append(
      this.toolbar(),
      this.legend.element,
      h(
        "div",
        { class: "wm-graph" },
        h("div", { class: "wm-view" }, this.canvas, this.graphviz.element),
        h("div", { class: "wm-sidebar" }, this.card.element),
      ),
    );
    this.canvas.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.onPointerDown(event));
    this.canvas.addEventListener("pointermove", (event) => this.onPointerMove(event));
    this.canvas.addEventListener("keydown", (event) => this.onKey(event));
  }

  toolbar() {
    return h(
      "p",
      { class: "wm-actions" },
      this.search.input,
      this.search.suggestions,
      actionButton("Next failed", () => this.openNextFailed()),
      this.completedButton,
      this.neighborsButton,
      this.graphvizButton,
      h(
        "span",
        { class: "wm-button-group" },
        actionButton("+", () => this.zoom(ZOOM_STEP), { "aria-label": "Zoom in", title: "Zoom in" }),
        actionButton("−", () => this.zoom(1 / ZOOM_STEP), { "aria-label": "Zoom out", title: "Zoom out" }),
        actionButton("Fit", () => this.fit()),
      ),
    );
  }

  /** @override */
  source() {
    return `${this.path}/lanes`;
  }

  /** @override */
  async start() {
    const stop = await super.start();
    const resizeObserver = new ResizeObserver(() => this.schedulePaint());
    resizeObserver.observe(this.canvas);
    return () => {
      resizeObserver.disconnect();
      this.graphviz.cancelDraw();
      stop();
    };
  }

  // ---- data

  /**
   * @override
   * @param {Transition[]} events
   */
  applyEvents(events) {
    super.applyEvents(events);
    this.card.applyEvents(events);
    if (!this.graphviz.hidden) this.graphviz.scheduleDraw();
  }

  /**
   * @override
   * @param {LaneData} data
   * @param {Transition} event
   */
  applyEvent(data, { type, id, to, PreviousID }) {
    if (type === "scene") {
      const index = binarySearch(data.scene_id, id);
      if (index < 0 || to === null) this.stale = true;
      else data.scene_status[index] = this.code(data, to);
    } else if (type === "tile") {
      const position = this.lanes?.find(id) ?? -1;
      // A relinked tile may have moved to another track.
      const isRelinked = position >= 0 && (PreviousID ?? 0) !== this.previousIdOf(position);
      if (position < 0 || to === null || isRelinked) this.stale = true;
      else data.status[position] = this.code(data, to);
    }
  }

  /** @param {number} position */
  previousIdOf(position) {
    const previous = this.lanes?.previous(position) ?? -1;
    return this.lanes && previous >= 0 ? this.lanes.data.id[previous] : 0;
  }

  /**
   * @override
   * @param {LaneData} data
   */
  onData(data) {
    const selectedId = this.lanes && this.selected >= 0 ? this.lanes.data.id[this.selected] : null;
    this.lanes = new Lanes(data);
    this.selected = selectedId === null ? -1 : this.lanes.find(selectedId);
    this.restrict(this.lanes);
  }

  /** @param {Lanes} lanes */
  restrict(lanes) {
    const center = this.centerId === null ? -1 : lanes.find(this.centerId);
    lanes.show(center < 0 ? null : lanes.neighborhood(center, LANES_LINKS), this.hideCompleted);
  }

  /**
   * Return the ids of the next tiles.
   *
   * @param {number} id
   */
  successorsOf(id) {
    const { lanes } = this;
    const position = lanes?.find(id) ?? -1;
    return lanes && position >= 0 ? lanes.next(position).map((successor) => lanes.data.id[successor]) : [];
  }

  // ---- view

  /** @override */
  paint() {
    const { lanes } = this;
    // In a hidden tab the canvas has no size.
    if (!lanes || this.canvas.clientWidth === 0) return;
    const { statuses, status } = lanes.data;
    this.painter ??= new LanesPainter(this.canvas, statusStyles(this.root, statuses), this.glyphs);
    this.painter.resize();
    if (this.fitPending) this.painter.viewport.fit(lanes);
    this.fitPending = false;
    this.painter.paint(lanes, this.legend.visible, this.selected);
    this.legend.setCounts(statuses, histogram(status, statuses.length));
  }

  /** @override */
  onColorsChange() {
    if (this.lanes) this.painter?.setStyles(statusStyles(this.root, this.lanes.data.statuses));
    super.onColorsChange();
  }

  /** @param {boolean} hideCompleted */
  setHideCompleted(hideCompleted) {
    this.hideCompleted = hideCompleted;
    this.updateLayout();
  }

  /** @param {boolean} neighborsOnly */
  setNeighborsOnly(neighborsOnly) {
    this.centerId = neighborsOnly && this.lanes && this.selected >= 0 ? this.lanes.data.id[this.selected] : null;
    if (neighborsOnly && this.centerId === null) {
      setPressed(this.neighborsButton, false);
      this.say("Select a tile first.");
    }
    this.updateLayout();
  }

  updateLayout() {
    if (!this.lanes) return;
    this.restrict(this.lanes);
    this.fitPending = true;
    this.schedulePaint();
    if (!this.graphviz.hidden) this.graphviz.draw();
  }

  fit() {
    this.graphviz.resetZoom();
    this.fitPending = true;
    this.schedulePaint();
  }

  /** @param {number} factor */
  zoom(factor) {
    if (this.graphviz.hidden) this.painter?.viewport.zoom(factor);
    else this.graphviz.zoom(factor);
    this.schedulePaint();
  }

  /** @param {boolean} visible */
  showGraphviz(visible) {
    this.graphviz.show(visible);
    this.canvas.hidden = visible;
    if (!visible) this.schedulePaint();
  }

  /**
   * Test whether the legend shows the status of an item.
   *
   * @param {Kind} kind
   * @param {number} id
   */
  isShown(kind, id) {
    const { lanes } = this;
    if (!lanes) return false;
    const { statuses, status, scene_id, scene_status } = lanes.data;
    const code = kind === "scene" ? scene_status[binarySearch(scene_id, id)] : status[lanes.find(id)];
    return this.legend.visible.has(statuses[code]);
  }

  // ---- selection

  /**
   * @param {Kind} kind
   * @param {number} id
   */
  async open(kind, id) {
    const position = kind === "tile" ? (this.lanes?.find(id) ?? -1) : -1;
    if (this.lanes && position >= 0) this.select(this.lanes, position, true);
    await this.card.show(kind, id);
  }

  /**
   * Select a tile, and describe it in the status line. Restrictions that hide the tile end.
   *
   * @param {Lanes} lanes
   * @param {number} position
   */
  select(lanes, position, reveal = false) {
    this.selected = position;
    if (!lanes.isVisible(position)) {
      this.centerId = null;
      this.hideCompleted = false;
      for (const button of [this.completedButton, this.neighborsButton]) setPressed(button, false);
      this.restrict(lanes);
    }
    if (reveal) this.painter?.viewport.reveal(lanes, position);
    const { id, status, statuses, track, names, days } = lanes.data;
    const place = names[track[position]] ?? "";
    const date = days[lanes.rowOf[position]] ?? "no date";
    this.say(`Tile ${id[position]}, ${statuses[status[position]]}, ${place} ${date}`);
    this.schedulePaint();
  }

  openNextFailed() {
    const { lanes } = this;
    if (!lanes) return;
    const { status, id, scene_status, scene_id } = lanes.data;
    const codes = [this.code(lanes.data, "RETRY"), this.code(lanes.data, "FAILED")];
    const tile = findNext(lanes.length, this.selected, (position) => codes.includes(status[position]));
    const scene = scene_status.findIndex((code) => codes.includes(code));
    if (tile >= 0) this.open("tile", id[tile]);
    else if (scene >= 0) this.open("scene", scene_id[scene]);
    else this.say("No failures.");
  }

  // ---- pointer and keyboard on the lanes

  /** @param {WheelEvent} event */
  onWheel(event) {
    if (!this.painter) return;
    event.preventDefault();
    this.painter.viewport.zoom(1.0015 ** -event.deltaY, event.offsetX, event.offsetY);
    this.schedulePaint();
  }

  /** @param {PointerEvent} begin */
  onPointerDown(begin) {
    this.canvas.setPointerCapture(begin.pointerId);
    let distance = 0;
    const onMove = (/** @type {PointerEvent} */ { movementX, movementY }) => {
      distance += Math.abs(movementX) + Math.abs(movementY);
      this.painter?.viewport.pan(-movementX, -movementY);
      this.schedulePaint();
    };
    const onUp = (/** @type {PointerEvent} */ event) => {
      this.canvas.removeEventListener("pointermove", onMove);
      if (distance < DRAG_THRESHOLD) this.onClick(event);
    };
    this.canvas.addEventListener("pointermove", onMove);
    this.canvas.addEventListener("pointerup", onUp, { once: true });
  }

  /** @param {PointerEvent} event */
  onClick({ offsetX, offsetY }) {
    const { lanes, painter } = this;
    if (!lanes || !painter) return;
    const position = painter.viewport.tileAt(lanes, offsetX, offsetY);
    if (position >= 0) {
      this.select(lanes, position);
      this.card.show("tile", lanes.data.id[position]);
      return;
    }
    const row = painter.viewport.rowAt(lanes, offsetX, offsetY);
    const { scene_id, scene_row, days } = lanes.data;
    const scenes = [...scene_id].filter((_, index) => scene_row[index] === row);
    if (row === undefined || scenes.length === 0) return;
    this.card.show("scene", scenes[0]);
    if (scenes.length > 1) {
      const list = scenes.slice(0, SCENES_LISTED).join(", ");
      this.say(`${pluralize(scenes.length, "scene")} on ${days[row] ?? "no date"}: ${list}`);
    }
  }

  /** @param {PointerEvent} event */
  onPointerMove({ offsetX, offsetY, buttons }) {
    const { lanes, painter } = this;
    if (!lanes || !painter || buttons) return;
    const position = painter.viewport.tileAt(lanes, offsetX, offsetY);
    const { id, status, statuses, days } = lanes.data;
    const date = days[lanes.rowOf[position]] ?? "no date";
    this.canvas.title = position < 0 ? "" : `tile ${id[position]}, ${statuses[status[position]]}, ${date}`;
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { lanes, painter } = this;
    if (!lanes || !painter || lanes.length === 0) return;
    if (event.key === "+" || event.key === "-") this.zoom(event.key === "+" ? ZOOM_STEP : 1 / ZOOM_STEP);
    else if (event.key === "Enter" && this.selected >= 0) this.openAndFocus(lanes.data.id[this.selected]);
    else {
      const target = neighborInDirection(lanes, this.selected, event.key);
      if (target === null) return;
      this.select(lanes, target, true);
    }
    event.preventDefault();
  }

  /** @param {number} id */
  async openAndFocus(id) {
    await this.card.show("tile", id);
    this.card.element.focus();
  }
}

/**
 * Return the tile that an arrow key leads to: vertically along the links, horizontally along the row.
 *
 * @param {Lanes} lanes
 * @param {number} position selected tile, or -1
 * @param {string} key
 * @returns {number | null} null for other keys; the position itself at an end
 */
export function neighborInDirection(lanes, position, key) {
  if (!["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"].includes(key)) return null;
  if (position < 0) return 0;
  if (key === "ArrowUp") return lanes.previous(position) >= 0 ? lanes.previous(position) : position;
  if (key === "ArrowDown") return lanes.next(position)[0] ?? position;
  const beside = position + (key === "ArrowLeft" ? -1 : 1);
  return lanes.rowOf[beside] === lanes.rowOf[position] ? beside : position;
}

export default {
  /** @param {RenderContext} context */
  render: (context) => mountPanel(GraphPanel, context),
};
