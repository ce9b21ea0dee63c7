/** @import { RenderContext, WidgetModel, WidgetView } from "./types.js" */
import { AOIListPanel } from "./aoi-list.js";
import { h } from "./dom.js";
import { referencedModel, showWidget } from "./widgets.js";

/** Panel above the tabs. */
const PANEL_ABOVE = "summary";
/** @type {Record<string, string>} */
const TAB_LABELS = { map: "Map", graph: "Graph", failures: "Failures", timeline: "Timeline" };

/**
 * @typedef {object} Tab
 * @property {string} name
 * @property {string} reference
 * @property {HTMLButtonElement} button
 * @property {HTMLElement} page
 */

/** All panels of an AOI: the summary above, the others in tabs; optionally with a list of all AOIs. */
class Dashboard {
  /**
   * @param {WidgetModel} model
   * @param {HTMLElement} host
   */
  constructor(model, host) {
    this.model = model;
    /** @type {Map<string, WidgetView | null>} */
    this.views = new Map();
    /** @type {Tab[]} */
    this.tabs = [];
    /** @type {AOIListPanel | null} */
    this.aoiList = null;
    this.list = h("div");
    this.above = h("div");
    this.tabList = h("div", { class: "wm-tabs", role: "tablist" });
    this.pages = h("div");
    this.root = h(
      "section",
      { class: "wm-dashboard", "data-lm-suppress-shortcuts": "true", "aria-label": "Dashboard" },
      this.list,
      this.above,
      this.tabList,
      this.pages,
    );
    host.append(this.root);
  }

  /** @returns {Promise<() => void>} function that removes the dashboard */
  async start() {
    let stopList = () => {};
    if (this.model.get("has_aoi_list")) {
      this.aoiList = new AOIListPanel(this.model, this.list, (name) => this.select(name));
      stopList = await this.aoiList.start();
    }
    const panels = this.model.get("panels");
    for (const [name, reference] of Object.entries(panels)) if (name !== PANEL_ABOVE) this.addTab(name, reference);
    if (panels[PANEL_ABOVE]) await this.load(PANEL_ABOVE, panels[PANEL_ABOVE], this.above);
    if (this.tabs.length > 0) await this.open(0);
    return () => {
      stopList();
      for (const view of this.views.values()) view?.remove();
      this.root.remove();
    };
  }

  /**
   * @param {string} name
   * @param {string} reference
   */
  addTab(name, reference) {
    const index = this.tabs.length;
    const label = TAB_LABELS[name] ?? name;
    const page = h("div", { role: "tabpanel", hidden: true, "aria-label": label });
    const button = h(
      "button",
      {
        role: "tab",
        "aria-selected": "false",
        tabindex: "-1",
        onclick: () => this.open(index),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.onKey(event, index),
      },
      label,
    );
    this.tabs.push({ name, reference, button, page });
    this.tabList.append(button);
    this.pages.append(page);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {number} index
   */
  onKey(event, index) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0;
    const target = this.tabs[index + step];
    if (step === 0 || !target) return;
    event.preventDefault();
    this.open(index + step);
    target.button.focus();
  }

  /**
   * Show a tab. Its panel is created when the tab opens for the first time.
   *
   * @param {number} index
   */
  async open(index) {
    for (const [position, { button, page }] of this.tabs.entries()) {
      const isOpen = position === index;
      button.setAttribute("aria-selected", String(isOpen));
      button.tabIndex = isOpen ? 0 : -1;
      page.hidden = !isOpen;
    }
    const { name, reference, page } = this.tabs[index];
    await this.load(name, reference, page);
  }

  /**
   * @param {string} name
   * @param {string} reference
   * @param {HTMLElement} host
   */
  async load(name, reference, host) {
    if (this.views.has(name)) return;
    this.views.set(name, null);
    this.views.set(name, await showWidget(this.model, reference, host));
  }

  /**
   * Switch all panels to another AOI. The kernel may be busy or dead: its copies of the traits are updated if possible.
   *
   * @param {string} aoi
   */
  async select(aoi) {
    const references = Object.values(this.model.get("panels"));
    const panels = await Promise.all(references.map((reference) => referencedModel(this.model, reference)));
    const models = [this.model, ...panels];
    for (const model of models) model.set("aoi", aoi);
    this.aoiList?.list();
    for (const model of models) {
      try {
        model.save_changes();
      } catch {
        // Without a kernel the panels work on their own.
      }
    }
  }
}

export default {
  /** @param {RenderContext} context */
  render({ model, el }) {
    const started = new Dashboard(model, el).start();
    return async () => (await started)();
  },
};
