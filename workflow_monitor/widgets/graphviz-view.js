/** @import { Panel } from "./panel.js" */
/** @import { Kind } from "./types.js" */
import { h } from "./dom.js";
import { interactiveGraph } from "./svg-graph.js";
import { errorText } from "./transport.js";

const REFRESH_INTERVAL_MS = 1000;
/** Links from the selected tile to the border of the drawn neighborhood. */
const GRAPHVIZ_LINKS = 3;

/**
 * @typedef {object} GraphSelection
 * @property {number | null} centerId tile to whose neighborhood the graph is restricted
 * @property {boolean} hideCompleted
 */

/** The graph as drawn by Graphviz on the server. */
export class GraphvizView {
  /**
   * @param {Panel} panel
   * @param {(kind: Kind, id: number) => void} onSelect
   * @param {() => GraphSelection} selection
   * @param {(kind: Kind, id: number) => boolean} isVisible whether the legend shows the status of an item
   */
  constructor(panel, onSelect, selection, isVisible) {
    this.panel = panel;
    this.onSelect = onSelect;
    this.selection = selection;
    this.isVisible = isVisible;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.element = h("div", { class: "wm-dot", hidden: true, tabindex: "0", "aria-label": "Graph drawn by Graphviz" });
  }

  get hidden() {
    return this.element.hidden;
  }

  /** @param {boolean} visible */
  show(visible) {
    this.element.hidden = !visible;
    if (visible) this.draw();
  }

  scheduleDraw() {
    this.timer ??= setTimeout(() => this.draw(), REFRESH_INTERVAL_MS);
  }

  cancelDraw() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  async draw() {
    this.cancelDraw();
    const { centerId, hideCompleted } = this.selection();
    const parameters = new URLSearchParams({ format: "svg" });
    if (centerId !== null) {
      parameters.set("around", `t${centerId}`);
      parameters.set("steps", String(GRAPHVIZ_LINKS));
    }
    if (hideCompleted) parameters.set("fold", "true");
    const transport = await this.panel.transport;
    const response = await transport.request("GET", `${this.panel.path}/dot?${parameters}`, true);
    if (response.ok) {
      this.element.replaceChildren(interactiveGraph(response.body, this.onSelect));
      this.fadeHidden();
    } else {
      const hint = "Hide completed items, or select a tile and show its neighbours only.";
      this.element.replaceChildren(h("p", {}, `${errorText(response)} ${hint}`));
    }
  }

  /** Fade the nodes of hidden statuses. Without them, links between the other nodes would be missing. */
  fadeHidden() {
    for (const node of this.element.querySelectorAll("[data-item]")) {
      const item = (node instanceof SVGElement && node.dataset.item) || "";
      const isVisible = this.isVisible(item[0] === "s" ? "scene" : "tile", Number(item.slice(1)));
      node.classList.toggle("wm-faint", !isVisible);
    }
  }

  /** @param {number} factor */
  zoom(factor) {
    const scale = Number(this.element.style.getPropertyValue("--wm-scale") || 1);
    this.element.style.setProperty("--wm-scale", String(scale * factor));
  }

  resetZoom() {
    this.element.style.removeProperty("--wm-scale");
  }
}
