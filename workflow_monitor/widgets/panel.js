/** @import { RenderContext, ServerResponse, Status, Transition, Transport, WidgetModel } from "./types.js" */
import { h } from "./dom.js";
import { formatUTC } from "./format.js";
import { statusKey } from "./status-bar.js";
import { connect, errorText, Unreachable } from "./transport.js";

const REFRESH_MS = 300;
const RECONNECT_POLL_MS = 2000;
const FORCED_COLORS = "(forced-colors: active)";

/** Base of all panels: a header with the state of the connection, a body, and a status line. */
export class Panel {
  /**
   * @param {WidgetModel} model
   * @param {HTMLElement} host
   * @param {string} title
   * @param {string} [aoi] name of the AOI; empty for all AOIs
   */
  constructor(model, host, title, aoi = model.get("aoi")) {
    this.model = model;
    this.aoi = aoi;
    this.glyphs = model.get("glyphs");
    /** @type {Promise<Transport>} */
    this.transport = connect(model);
    /**
     * Time since which the server is unreachable.
     *
     * @type {number | null}
     */
    this.disconnectedAt = null;
    this.refreshDelay = REFRESH_MS;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.refreshTimer = undefined;
    this.refreshRequested = false;
    /** @type {Promise<void> | null} */
    this.refreshing = null;
    this.freshness = h("span", { class: "wm-freshness" }, "Loading…");
    this.body = h("div");
    this.statusLine = h("p", { class: "wm-message", role: "status", "aria-live": "polite" });
    // JupyterLab must not interpret keys typed in the panel as notebook commands.
    this.root = h(
      "section",
      {
        class: "wm-panel",
        "data-lm-suppress-shortcuts": "true",
        "aria-label": `${title} of ${aoi || "all AOIs"}`,
      },
      h("header", {}, h("h3", {}, h("bdi", {}, aoi || "All AOIs")), h("span", {}, title), this.freshness),
      this.body,
      this.statusLine,
    );
    host.append(this.root);
  }

  get path() {
    return `aoi/${encodeURIComponent(this.aoi)}`;
  }

  /**
   * Connect, draw the panel, and subscribe to transitions.
   *
   * @returns {Promise<() => void>} function that removes the panel
   */
  async start() {
    const transport = await this.transport;
    this.root.dataset.transport = transport.constructor.name;
    await this.refresh();
    const unsubscribe = transport.subscribe(this.aoi, {
      onEvents: (events) => {
        this.applyEvents(events);
        this.scheduleRefresh();
      },
      onReconnect: () => this.onReconnect(),
      onDisconnect: () => this.onDisconnect(),
    });
    const forcedColors = matchMedia(FORCED_COLORS);
    const onChange = () => this.onColorsChange();
    forcedColors.addEventListener("change", onChange);
    return () => {
      unsubscribe();
      forcedColors.removeEventListener("change", onChange);
      clearTimeout(this.refreshTimer);
      this.root.remove();
    };
  }

  /**
   * Draw the current state; implemented by each panel.
   *
   * @returns {Promise<void>}
   */
  async show() {}

  /**
   * Process transitions before the refresh that they cause; for panels that keep data.
   *
   * @param {Transition[]} _events
   */
  applyEvents(_events) {}

  /** Redraw in other colors; for panels that draw on a canvas. */
  onColorsChange() {}

  /** Refresh: transitions may have been missed before the connection. */
  onReconnect() {
    this.scheduleRefresh();
  }

  onDisconnect() {
    if (this.disconnectedAt === null) this.say("The server is unreachable. The panel reconnects automatically.");
    this.disconnectedAt ??= Date.now();
    this.root.classList.add("wm-offline");
    this.freshness.textContent = `⚠ Server unreachable since ${formatUTC(this.disconnectedAt)}`;
    this.refreshTimer ??= setTimeout(() => this.refresh(), RECONNECT_POLL_MS);
  }

  scheduleRefresh() {
    this.refreshTimer ??= setTimeout(() => this.refresh(), this.refreshDelay);
  }

  /** Refresh the panel. Refreshes run one after another, so that an older response never replaces a newer one. */
  refresh() {
    clearTimeout(this.refreshTimer);
    this.refreshTimer = undefined;
    this.refreshRequested = true;
    this.refreshing ??= this.runRefreshes().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  async runRefreshes() {
    while (this.refreshRequested) {
      this.refreshRequested = false;
      await this.refreshOnce();
    }
  }

  async refreshOnce() {
    const begin = performance.now();
    try {
      await this.show();
      // Expensive requests are repeated less often.
      this.refreshDelay = Math.max(REFRESH_MS, 4 * (performance.now() - begin));
      if (this.disconnectedAt !== null) this.say("");
      this.disconnectedAt = null;
      this.root.classList.remove("wm-offline");
      this.markFresh();
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.onDisconnect();
    }
  }

  markFresh() {
    this.freshness.textContent = `as of ${formatUTC(Date.now())}`;
  }

  /**
   * Return the document at a path, or null after an error, which the status line shows.
   *
   * @param {string} path
   * @returns {Promise<any>}
   */
  async get(path, binary = false) {
    const response = await (await this.transport).request("GET", path, binary);
    if (response.ok) return response.body;
    if (response.status >= 500) throw new Unreachable(response.body?.detail);
    this.say(errorText(response));
    return null;
  }

  /**
   * Send an action. A lost response is returned like an error.
   *
   * @param {string} path
   * @returns {Promise<ServerResponse>}
   */
  async put(path) {
    try {
      return await (await this.transport).request("PUT", path);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      const detail = `${error.message} Check the current state before you try again.`;
      return { status: 0, ok: false, body: { detail } };
    }
  }

  /**
   * Show a message in the status line.
   *
   * @param {string} message
   */
  say(message) {
    this.statusLine.textContent = message;
  }

  /**
   * Return a label of a status. The glyph makes it readable without colors.
   *
   * @param {Status} status
   * @param {string | number} text
   */
  statusLabel(status, text = status) {
    return h("span", { class: `wm-status wm-${statusKey(status)}` }, `${this.glyphs[status]} ${text}`);
  }
}

/**
 * Render a panel, and replace it when the AOI of the model changes.
 *
 * @param {new (model: WidgetModel, host: HTMLElement) => Panel} PanelClass
 * @param {RenderContext} context
 * @returns {() => Promise<void>} function that removes the panel
 */
export function mountPanel(PanelClass, { model, el }) {
  const noPanel = () => {};
  /** @type {Promise<() => void>} */
  let mounted = Promise.resolve(noPanel);
  const replace = () => {
    // The previous panel unsubscribes before the next one starts.
    mounted = mounted
      .then((unmount) => unmount())
      .then(() => (model.get("aoi") ? new PanelClass(model, el).start() : noPanel));
  };
  replace();
  model.on("change:aoi", replace);
  return async () => {
    model.off("change:aoi", replace);
    (await mounted)();
  };
}
