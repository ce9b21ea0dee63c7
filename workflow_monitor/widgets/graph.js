import { countedCodes, positionOf } from "./columns.js";
import { Drawn } from "./drawn.js";
import { counted, element } from "./elements.js";
import { ItemCard } from "./item.js";
import { Lanes, LanesView } from "./lanes.js";
import { coloursOf, Legend } from "./legend.js";
import { shown } from "./panel.js";
import { drawing } from "./picture.js";

const GRAPH_ORDER = ["RETRY", "FAILED", "PENDING", "NEW", "DONE"];
const STEPS = 6;
const FOUND = 12;
const TYPING_MS = 250;
const KEYS = { ArrowUp: "before", ArrowDown: "after", ArrowLeft: "left", ArrowRight: "right" };

export class GraphPanel extends Drawn {
  constructor(model, el) {
    super(model, el, "Dependency graph");
    this.selected = -1;
    this.view = null;
    this.isToFit = true;
    this.folded = false;
    this.around = null;
    this.legend = new Legend(this, GRAPH_ORDER, () => (this.picture.hidden ? this.paintSoon() : this.fade()));
    this.card = new ItemCard(
      this,
      (kind, id) => this.go(kind, id),
      (id) => this.followers(id),
    );
    this.canvas = element("canvas", { class: "wm-lanes", tabindex: "0", role: "application", "aria-label": `Tiles of ${this.aoi} by place and date. Arrow keys go along the links.` });
    this.picture = element("div", { class: "wm-dot", hidden: true, tabindex: "0", "aria-label": "The graph as Graphviz draws it" });
    const hint = "Choose a tile by a click or with the arrow keys, or a date for its scenes.";
    this.card.element.append(element("p", { class: "wm-hint" }, hint));
    const beside = element("div", { class: "wm-beside" }, this.card.element);
    this.body.append(this.tools(), this.legend.element, element("div", { class: "wm-graph" }, element("div", { class: "wm-view" }, this.canvas, this.picture), beside));
    this.listen();
  }

  tools() {
    const button = (label, onclick, name = label) => element("button", { class: "wm-button", "aria-label": name, onclick }, label);
    const toggle = (label, change) => {
      const made = button(label, () => {
        const on = made.getAttribute("aria-pressed") !== "true";
        made.setAttribute("aria-pressed", String(on));
        change(on);
      });
      made.setAttribute("aria-pressed", "false");
      return made;
    };
    this.found = element("datalist", { id: `wm-found-${(GraphPanel.count = (GraphPanel.count ?? 0) + 1)}` });
    this.search = element("input", { type: "search", placeholder: "Find by name or id", "aria-label": "Find by name or id", list: this.found.id, class: "wm-search" });
    this.search.addEventListener("input", () => this.typed());
    this.search.addEventListener("keydown", (event) => event.key === "Enter" && this.findNow());
    this.asDot = toggle("Dot", (on) => this.showDot(on));
    this.near = toggle("Neighbours only", (on) => this.narrow(on));
    return element(
      "p",
      { class: "wm-actions" },
      this.search,
      this.found,
      button("Next that failed", () => this.nextFailed()),
      toggle("Fold what is done", (on) => this.fold(on)),
      this.near,
      this.asDot,
      button("+", () => this.scale(1.5), "Larger"),
      button("−", () => this.scale(1 / 1.5), "Smaller"),
      button("All", () => this.whole(), "Show all"),
    );
  }

  source() {
    return `${this.path}/lanes`;
  }

  async start() {
    const stop = await super.start();
    const resized = new ResizeObserver(() => this.paintSoon());
    resized.observe(this.canvas);
    return () => {
      resized.disconnect();
      stop();
    };
  }

  heard(events) {
    super.heard(events);
    this.card.heard(events);
    if (!this.picture.hidden) this.drawSoon();
  }

  note({ type, id, to, PreviousID: previous }) {
    if (type === "scene") {
      const at = positionOf(this.data.scene_id, id);
      if (at < 0 || to === null) this.stale = true;
      else this.data.scene_status[at] = this.code(to);
    } else if (type === "tile") {
      const at = this.lanes.find(id);
      const isAsBefore = at >= 0 && to !== null && (previous ?? 0) === this.idBefore(at);
      // Who is linked anew may be on another track.
      if (isAsBefore) this.data.status[at] = this.code(to);
      else this.stale = true;
    }
  }

  idBefore(at) {
    const before = this.lanes.before(at);
    return before < 0 ? 0 : this.data.id[before];
  }

  take() {
    const isFirst = !this.lanes;
    const selected = this.selected >= 0 ? this.lanes.data.id[this.selected] : null;
    this.lanes = new Lanes(this.data);
    this.selected = selected === null ? -1 : this.lanes.find(selected);
    this.narrowTo(this.around === null ? null : this.lanes.find(this.around));
    this.isToFit ||= isFirst;
  }

  narrowTo(at) {
    this.lanes.show(at === null || at < 0 ? null : this.lanes.around(at, STEPS), this.folded);
  }

  paint() {
    // In a tab that was not opened yet there are neither styles nor room.
    if (!this.lanes || this.canvas.clientWidth === 0) return;
    this.view ??= new LanesView(this.canvas, coloursOf(this.root, this.data.statuses), this.glyphs);
    if (this.isToFit) this.view.fit(this.lanes);
    this.isToFit = false;
    this.view.paint(this.lanes, this.legend.shown, this.selected);
    this.legend.tell(this.data.statuses, countedCodes(this.data.status, this.data.statuses.length));
  }

  followers(id) {
    const at = this.lanes.find(id);
    return at < 0 ? [] : this.lanes.after(at).map((position) => this.data.id[position]);
  }

  // ---- what is shown

  fold(on) {
    this.folded = on;
    this.reshape();
  }

  narrow(on) {
    this.around = on && this.selected >= 0 ? this.data.id[this.selected] : null;
    if (on && this.around === null) {
      this.near.setAttribute("aria-pressed", "false");
      this.say("Choose a tile first.");
    }
    this.reshape();
  }

  reshape() {
    if (!this.lanes) return;
    this.narrowTo(this.around === null ? null : this.lanes.find(this.around));
    this.isToFit = true;
    this.paintSoon();
    if (!this.picture.hidden) this.draw();
  }

  whole() {
    this.picture.style.removeProperty("--wm-scale");
    this.isToFit = true;
    this.paintSoon();
  }

  scale(factor) {
    if (this.picture.hidden) this.view?.zoom(factor);
    else this.picture.style.setProperty("--wm-scale", Number(this.picture.style.getPropertyValue("--wm-scale") || 1) * factor);
    this.paintSoon();
  }

  // ---- the graph as dot

  showDot(on) {
    this.picture.hidden = !on;
    this.canvas.hidden = on;
    if (on) this.draw();
    else this.paintSoon();
  }

  drawSoon() {
    this.drawing ??= setTimeout(() => this.draw(), 1000);
  }

  async draw() {
    clearTimeout(this.drawing);
    this.drawing = null;
    const parameters = new URLSearchParams({ format: "svg" });
    if (this.around !== null) {
      parameters.set("around", `t${this.around}`);
      parameters.set("steps", "3");
    }
    if (this.folded) parameters.set("fold", "true");
    const answer = await this.server.request("GET", `${this.path}/dot?${parameters}`, true);
    if (answer.ok) {
      this.picture.replaceChildren(drawing(answer.body, (kind, id) => this.go(kind, id)));
      this.fade();
    } else this.picture.replaceChildren(element("p", {}, `${answer.body?.detail ?? answer.status} Fold what is done, or choose a tile and its neighbours.`));
  }

  /** What the legend hides is faint in the picture, as what it is linked with would be cut off otherwise. */
  fade() {
    const { statuses, status, scene_id: scenes, scene_status: ofScenes } = this.data;
    for (const node of this.picture.querySelectorAll("[data-item]")) {
      const id = Number(node.dataset.item.slice(1));
      const isScene = node.dataset.item[0] === "s";
      const code = isScene ? ofScenes[positionOf(scenes, id)] : status[this.lanes.find(id)];
      node.classList.toggle("wm-faint", !this.legend.shown.has(statuses[code]));
    }
  }

  // ---- going to an item

  async go(kind, id) {
    if (kind === "tile" && this.lanes) {
      const at = this.lanes.find(id);
      if (at >= 0) this.select(at, true);
    }
    return this.card.show(kind, id);
  }

  select(at, reveal = false) {
    this.selected = at;
    if (!this.lanes.isKept(at)) {
      this.around = null;
      this.folded = false;
      for (const pressed of this.body.querySelectorAll('.wm-actions [aria-pressed="true"]')) if (pressed !== this.asDot) pressed.setAttribute("aria-pressed", "false");
      this.narrowTo(null);
    }
    if (reveal) this.view?.reveal(this.lanes, at);
    const { id, status, statuses, track, names } = this.data;
    this.say(`Tile ${id[at]}, ${statuses[status[at]]}, ${names[track[at]] ?? ""} ${this.data.days[this.lanes.rowOf[at]] ?? "no date"}`);
    this.paintSoon();
  }

  nextFailed() {
    if (!this.lanes) return null;
    const wanted = ["RETRY", "FAILED"].map((name) => this.code(name));
    const { status, id } = this.data;
    for (let step = 1; step <= this.lanes.length; step += 1) {
      const at = (this.selected + step) % this.lanes.length;
      if (wanted.includes(status[at])) return this.go("tile", id[at]);
    }
    const scene = this.data.scene_status.findIndex((code) => wanted.includes(code));
    if (scene >= 0) return this.go("scene", this.data.scene_id[scene]);
    this.say("Nothing has failed.");
    return null;
  }

  typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.suggest(), TYPING_MS);
  }

  async suggest() {
    const text = this.search.value.trim();
    this.matches = text === "" ? [] : ((await this.get(`${this.path}/find?text=${encodeURIComponent(text)}&limit=${FOUND}`))?.items ?? []);
    const name = (item) => (item.type === "tile" ? `${item.source_id} of ${item.scene_source_id}` : item.source_id);
    this.found.replaceChildren(...this.matches.map((item) => element("option", { value: `${item.type[0]}${item.id}` }, `${name(item)} · ${item.status}`)));
  }

  async findNow() {
    clearTimeout(this.typing);
    await this.suggest();
    if (this.matches.length === 0) this.say(`Nothing is called ${this.search.value.trim()}.`);
    else await this.go(this.matches[0].type, this.matches[0].id);
  }

  // ---- mouse, fingers and keys on the lanes

  listen() {
    this.canvas.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.pressed(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
  }

  wheeled(event) {
    if (!this.view) return;
    event.preventDefault();
    this.view.zoom(1.0015 ** -event.deltaY, event.offsetX, event.offsetY);
    this.paintSoon();
  }

  pressed(begin) {
    this.canvas.setPointerCapture(begin.pointerId);
    let moved = 0;
    const move = ({ movementX, movementY }) => {
      moved += Math.abs(movementX) + Math.abs(movementY);
      this.view.move(-movementX, -movementY);
      this.paintSoon();
    };
    const end = (event) => {
      this.canvas.removeEventListener("pointermove", move);
      if (moved < 4) this.clicked(event);
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", end, { once: true });
  }

  clicked({ offsetX, offsetY }) {
    if (!this.view) return;
    const at = this.view.tileAt(this.lanes, offsetX, offsetY);
    if (at >= 0) {
      this.select(at);
      this.card.show("tile", this.data.id[at]);
      return;
    }
    const row = this.view.rowAt(this.lanes, offsetX, offsetY);
    const scenes = [...this.data.scene_id].filter((_, scene) => this.data.scene_row[scene] === row);
    if (scenes.length > 0) this.card.show("scene", scenes[0]);
    if (scenes.length > 1) this.say(`${counted(scenes.length, "scene")} on ${this.data.days[row]}: ${scenes.slice(0, 20).join(", ")}`);
  }

  hover({ offsetX, offsetY, buttons }) {
    if (!this.view || buttons) return;
    const at = this.view.tileAt(this.lanes, offsetX, offsetY);
    const { id, status, statuses, days } = this.data;
    this.canvas.title = at < 0 ? "" : `tile ${id[at]}, ${statuses[status[at]]}, ${days[this.lanes.rowOf[at]] ?? "no date"}`;
  }

  key(event) {
    const way = KEYS[event.key];
    if (!this.view || this.lanes.length === 0) return;
    if (event.key === "+" || event.key === "-") this.scale(event.key === "+" ? 1.5 : 1 / 1.5);
    else if (event.key === "Enter" && this.selected >= 0) this.card.show("tile", this.data.id[this.selected]).then(() => this.card.element.focus());
    else if (way) this.select(this.neighbour(way), true);
    else return;
    event.preventDefault();
  }

  neighbour(way) {
    const at = Math.max(0, this.selected);
    if (this.selected < 0) return 0;
    if (way === "before") return Math.max(this.lanes.before(at), -1) < 0 ? at : this.lanes.before(at);
    if (way === "after") return this.lanes.after(at)[0] ?? at;
    const beside = at + (way === "left" ? -1 : 1);
    return this.lanes.rowOf[beside] === this.lanes.rowOf[at] ? beside : at;
  }
}

export default {
  render({ model, el }) {
    return shown(GraphPanel, model, el);
  },
};
