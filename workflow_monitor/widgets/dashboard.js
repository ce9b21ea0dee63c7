import { AOIsPanel } from "./aois.js";
import { element } from "./elements.js";

const ABOVE = "summary";
const LABELS = { map: "Map", graph: "Graph", failures: "Failures", timeline: "Timeline" };

/** The panels of an AOI, one above and the others in tabs; with a list of all AOIs, if one may be chosen. */
class Dashboard {
  constructor(model, el) {
    this.model = model;
    this.views = new Map();
    this.root = element("section", { class: "wm-dashboard", "data-lm-suppress-shortcuts": "true", "aria-label": "Dashboard" });
    this.list = element("div", {});
    this.above = element("div", {});
    this.tabs = element("div", { class: "wm-tabs", role: "tablist" });
    this.pages = element("div", {});
    this.root.append(this.list, this.above, this.tabs, this.pages);
    el.append(this.root);
  }

  async start() {
    const stops = [];
    if (this.model.get("chooses")) {
      this.aois = new AOIsPanel(this.model, this.list, (name) => this.choose(name));
      stops.push(await this.aois.start());
    }
    const panels = Object.entries(this.model.get("panels"));
    for (const [name, reference] of panels) if (name !== ABOVE) this.addTab(name, reference);
    const above = this.model.get("panels")[ABOVE];
    if (above) await this.put(ABOVE, above, this.above);
    if (this.tabs.firstChild) await this.open(this.tabs.firstChild);
    return () => {
      for (const stop of stops) stop();
      for (const view of this.views.values()) view.remove();
      this.root.remove();
    };
  }

  addTab(name, reference) {
    const page = element("div", { role: "tabpanel", hidden: true, "aria-label": LABELS[name] ?? name });
    const tab = element("button", { role: "tab", "aria-selected": "false", tabindex: "-1", onclick: () => this.open(tab) }, LABELS[name] ?? name);
    Object.assign(tab, { page, name, reference });
    tab.addEventListener("keydown", (event) => this.key(event));
    this.tabs.append(tab);
    this.pages.append(page);
  }

  key(event) {
    const way = { ArrowRight: "nextSibling", ArrowLeft: "previousSibling" }[event.key];
    const next = way && event.currentTarget[way];
    if (!next) return;
    event.preventDefault();
    this.open(next);
    next.focus();
  }

  /** Show a tab; what is in it is made when it is first opened. */
  async open(tab) {
    for (const other of this.tabs.children) {
      const isOpen = other === tab;
      other.setAttribute("aria-selected", String(isOpen));
      other.tabIndex = isOpen ? 0 : -1;
      other.page.hidden = !isOpen;
    }
    await this.put(tab.name, tab.reference, tab.page);
  }

  async put(name, reference, host) {
    if (this.views.has(name)) return;
    this.views.set(name, null);
    const manager = this.model.widget_manager;
    const view = await manager.create_view(await manager.get_model(reference.replace("IPY_MODEL_", "")));
    this.views.set(name, view);
    host.append(view.el);
    view.trigger("displayed");
  }

  /** Have all panels show another AOI; the kernel hears of it when it has time. */
  async choose(name) {
    const manager = this.model.widget_manager;
    const models = await Promise.all(Object.values(this.model.get("panels")).map((reference) => manager.get_model(reference.replace("IPY_MODEL_", ""))));
    for (const model of [this.model, ...models]) model.set("aoi", name);
    this.aois.list();
    for (const model of [this.model, ...models]) {
      try {
        model.save_changes();
      } catch {
        // The kernel has gone; the panels do without.
      }
    }
  }
}

export default {
  render({ model, el }) {
    const started = new Dashboard(model, el).start();
    return () => started.then((stop) => stop());
  },
};
