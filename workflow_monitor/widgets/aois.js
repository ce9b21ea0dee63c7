import { bar } from "./bar.js";
import { counted, element, grouped } from "./elements.js";
import { Panel } from "./panel.js";

/** Names that are searched for when there are more AOIs than these. */
const MANY = 8;

/** All AOIs with their statuses and shares; one of them is chosen. */
export class AOIsPanel extends Panel {
  constructor(model, el, choose) {
    super(model, el, "AOIs", "");
    this.choose = choose;
    this.search = element("input", { type: "search", class: "wm-search", placeholder: "Find an AOI", "aria-label": "Find an AOI", hidden: true, oninput: () => this.list() });
    this.rows = element("tbody", {});
    this.number = element("span", {});
    this.body.append(element("p", { class: "wm-actions" }, this.search, this.number), element("div", { class: "wm-aois" }, element("table", {}, this.rows)));
  }

  async show() {
    this.found = await this.get("aoi/?counts=true");
    if (this.found === null) return;
    this.search.hidden = this.found.length <= MANY;
    this.number.textContent = this.found.length === 0 ? "There is no AOI yet." : counted(this.found.length, "AOI");
    this.list();
  }

  list() {
    const text = this.search.value.toLowerCase();
    const focused = this.rows.contains(document.activeElement) ? document.activeElement.textContent : null;
    const chosen = this.model.get("aoi");
    this.rows.replaceChildren(...this.found.filter((aoi) => aoi.ID.toLowerCase().includes(text)).map((aoi) => this.row(aoi, chosen)));
    for (const button of this.rows.querySelectorAll("button")) if (button.textContent === focused) button.focus();
  }

  row({ ID: name, status, scenes, tiles }, chosen) {
    const counts = Object.fromEntries(Object.keys(scenes).map((key) => [key, scenes[key] + tiles[key]]));
    const finished = counts.total === 0 ? 1 : (counts.done + counts.failed) / counts.total;
    return element(
      "tr",
      { "aria-current": name === chosen ? "true" : null },
      element("td", {}, element("button", { class: "wm-link", onclick: () => this.choose(name) }, element("bdi", {}, name))),
      element("td", {}, this.status(status)),
      element("td", {}, bar(name, counts)),
      element("td", {}, `${Math.floor(100 * finished)} % of ${grouped(counts.total)}`),
    );
  }
}
