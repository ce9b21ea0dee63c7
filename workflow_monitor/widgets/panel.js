import { element, utc } from "./elements.js";
import { connect, Unreachable } from "./server.js";

const REFRESH_MS = 300;
const AWAY_MS = 2000;

/** What panels have in common: a frame with a name, how fresh it is, and a place for what was done. */
export class Panel {
  constructor(model, el, title, aoi = model.get("aoi")) {
    this.model = model;
    /** Its name; empty for all. */
    this.aoi = aoi;
    this.glyphs = model.get("glyphs");
    this.since = null;
    this.pause = REFRESH_MS;
    this.freshness = element("span", { class: "wm-freshness" }, "loading …");
    this.body = element("div");
    this.said = element("p", { class: "wm-said", role: "status", "aria-live": "polite" });
    const heading = element("header", {}, element("h3", {}, element("bdi", {}, this.aoi || "All AOIs")), element("span", {}, title));
    heading.append(this.freshness);
    // Keys that are typed here are not commands of the notebook.
    this.root = element(
      "section",
      { class: "wm-panel", "data-lm-suppress-shortcuts": "true", "aria-label": `${title} of ${this.aoi || "all AOIs"}` },
      heading,
      this.body,
      this.said,
    );
    el.append(this.root);
  }

  get path() {
    return `aoi/${encodeURIComponent(this.aoi)}`;
  }

  /** Connect, show, and follow what happens; answers how to stop. */
  async start() {
    this.server = await connect(this.model);
    this.root.dataset.transport = this.server.constructor.name;
    await this.refresh();
    const listener = {
      heard: (events) => {
        this.heard(events);
        this.refreshSoon();
      },
      back: () => this.back(),
      away: () => this.away(),
    };
    const stop = this.server.follow(this.aoi, listener);
    return () => {
      stop();
      clearTimeout(this.timer);
      this.root.remove();
    };
  }

  /** The server is there, and may know more than was heard. */
  back() {
    this.refreshSoon();
  }

  /** For panels that look at the events themselves. */
  heard() {}

  refreshSoon() {
    this.timer ??= setTimeout(() => this.refresh(), this.pause);
  }

  /** Show what is there now; one at a time, so that no older answer replaces a newer one. */
  refresh() {
    clearTimeout(this.timer);
    this.timer = null;
    this.isAsked = true;
    this.refreshing ??= this.refreshAsAsked().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  async refreshAsAsked() {
    while (this.isAsked) {
      this.isAsked = false;
      await this.refreshOnce();
    }
  }

  async refreshOnce() {
    const begun = performance.now();
    try {
      await this.show();
      // What takes the server long is asked for less often.
      this.pause = Math.max(REFRESH_MS, 4 * (performance.now() - begun));
      if (this.since !== null) this.say("");
      this.since = null;
      this.root.classList.remove("wm-away");
      this.isFresh();
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.away();
    }
  }

  isFresh() {
    this.freshness.textContent = `as of ${utc(Date.now())}`;
  }

  away() {
    if (this.since === null) this.say("The server does not answer. This goes on when it is back.");
    this.since ??= Date.now();
    this.root.classList.add("wm-away");
    this.freshness.textContent = `⚠ the server is away since ${utc(this.since)}`;
    this.timer ??= setTimeout(() => this.refresh(), AWAY_MS);
  }

  /** The answer to a read; a refusal is shown. */
  async get(path) {
    return this.read(path);
  }

  /** The same as bytes. */
  async getBytes(path) {
    return this.read(path, true);
  }

  async read(path, asBytes = false) {
    const answer = await this.server.request("GET", path, asBytes);
    if (answer.ok) return answer.body;
    if (answer.status >= 500) throw new Unreachable(answer.body?.detail);
    this.say(answer.body?.detail ?? `The server answered ${answer.status}.`);
    return null;
  }

  /** The answer to a repair; one that did not arrive is like a refusal. */
  async put(path) {
    try {
      return await this.server.request("PUT", path);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      return { ok: false, body: { detail: `${error.message} Look at the present state before you do it again.` } };
    }
  }

  say(text) {
    this.said.textContent = text;
  }

  /** The glyph of a status beside its name: colour alone tells nothing to some. */
  status(name, text = name) {
    return element("span", { class: `wm-status wm-${name.toLowerCase()}` }, `${this.glyphs[name]} ${text}`);
  }
}

/** Show a kind of panel, and another one when its AOI is another; answers how to end it. */
export function shown(Kind, model, el) {
  let started = null;
  const begin = () => {
    const before = started;
    // Two panels never follow at once: the one before has ended when the next begins.
    started = Promise.resolve(before?.then((stop) => stop())).then(() => (model.get("aoi") ? new Kind(model, el).start() : () => {}));
  };
  begin();
  model.on("change:aoi", begin);
  return () => {
    model.off("change:aoi", begin);
    return started.then((stop) => stop());
  };
}
