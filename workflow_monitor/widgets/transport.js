/** @import { CommMessage, EventListeners, ServerResponse, Transport, WidgetModel } from "./types.js" */

const RECONNECT_MS = 2000;
const KERNEL_TIMEOUT_MS = 30_000;

/** The server or the kernel did not respond. */
export class Unreachable extends Error {}

/**
 * Connect to the workflow server of a panel: directly if this page comes from the same server, else through the kernel.
 *
 * @param {WidgetModel} model
 * @returns {Promise<Transport>}
 */
export async function connect(model) {
  const root = workflowRoot();
  const instance = model.get("instance");
  if (root && instance) {
    try {
      const response = await fetch(`${root}?format=json`, { credentials: "same-origin" });
      if (response.ok && (await response.json()).instance === instance) return new FetchTransport(root, model);
    } catch {
      // Any failure means that this page's server is not the workflow server of the panel.
    }
  }
  return new CommTransport(model);
}

/** URL of the workflow server within this page's Jupyter server, or null outside Jupyter. */
function workflowRoot() {
  const config = document.getElementById("jupyter-config-data");
  if (!config) return null;
  const base = JSON.parse(config.textContent ?? "{}").baseUrl ?? "/";
  return new URL(`${base.replace(/\/?$/, "/")}workflow-monitor/`, location.origin).href;
}

/**
 * @param {number} status
 * @param {string} text
 * @returns {ServerResponse}
 */
function parseResponse(status, text) {
  let body;
  try {
    body = text === "" ? null : JSON.parse(text);
  } catch {
    body = { detail: text.slice(0, 300) };
  }
  return { status, ok: status >= 200 && status < 300, body };
}

/**
 * Return the reason of an unsuccessful response.
 *
 * @param {ServerResponse} response
 * @returns {string}
 */
export function errorText({ status, body }) {
  return body?.detail ?? `The server returned status ${status}.`;
}

/**
 * Requests from the page to its own server.
 *
 * @implements {Transport}
 */
export class FetchTransport {
  /**
   * @param {string} root
   * @param {WidgetModel} model
   */
  constructor(root, model) {
    this.root = root;
    // Header values are bytes: the actor's name is sent as UTF-8.
    this.actor = String.fromCharCode(...new TextEncoder().encode(model.get("actor")));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @returns {Promise<ServerResponse>}
   */
  async request(method, path, binary = false) {
    const xsrf = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
    /** @type {Record<string, string>} */
    const headers = {
      Accept: binary ? "*/*, application/problem+json" : "application/json",
      "X-Workflow-Monitor-Actor": this.actor,
    };
    if (xsrf) headers["X-XSRFToken"] = decodeURIComponent(xsrf[1]);
    try {
      const response = await fetch(this.root + path, { method, headers, credentials: "same-origin" });
      if (binary && response.ok) return { status: response.status, ok: true, body: await response.arrayBuffer() };
      return parseResponse(response.status, await response.text());
    } catch {
      throw new Unreachable("The server does not respond.");
    }
  }

  /**
   * @param {string} aoi
   * @param {EventListeners} listeners
   */
  subscribe(aoi, listeners) {
    return sharedStream(`${this.root}${aoi === "" ? "" : `aoi/${encodeURIComponent(aoi)}/`}events`).add(listeners);
  }
}

/**
 * Return the page's stream of a URL: browsers allow six connections to a host, so all panels share one stream.
 *
 * @param {string} url
 * @returns {EventStream}
 */
function sharedStream(url) {
  const registry = /** @type {Record<symbol, Map<string, EventStream>>} */ (/** @type {unknown} */ (globalThis));
  const key = Symbol.for("workflow-monitor.streams");
  registry[key] ??= new Map();
  const streams = registry[key];
  const stream = streams.get(url) ?? new EventStream(url, () => streams.delete(url));
  streams.set(url, stream);
  return stream;
}

/** Server-sent events of one URL, distributed to all subscribers. */
class EventStream {
  /**
   * @param {string} url
   * @param {() => void} onClose
   */
  constructor(url, onClose) {
    this.url = url;
    this.onClose = onClose;
    /** @type {Set<EventListeners>} */
    this.subscribers = new Set();
    /** @type {string | null} */
    this.lastEventId = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.source = this.open();
  }

  /** @param {EventListeners} listeners */
  add(listeners) {
    this.subscribers.add(listeners);
    if (this.source.readyState === EventSource.OPEN) listeners.onReconnect();
    return () => {
      this.subscribers.delete(listeners);
      if (this.subscribers.size === 0) {
        clearTimeout(this.timer);
        this.source.close();
        this.onClose();
      }
    };
  }

  /** @param {(listeners: EventListeners) => void} notify */
  dispatch(notify) {
    for (const listeners of this.subscribers) notify(listeners);
  }

  open() {
    const source = new EventSource(this.lastEventId === null ? this.url : `${this.url}?after=${this.lastEventId}`);
    source.onopen = () => this.dispatch((listeners) => listeners.onReconnect());
    source.addEventListener("transition", (event) => {
      this.lastEventId = event.lastEventId;
      const transition = JSON.parse(event.data);
      this.dispatch((listeners) => listeners.onEvents([transition]));
    });
    source.addEventListener("resync", (event) => {
      this.lastEventId = event.lastEventId;
      this.dispatch((listeners) => listeners.onReconnect());
    });
    source.onerror = () => {
      this.dispatch((listeners) => listeners.onDisconnect());
      // Browsers do not reconnect after a response that is not an event stream.
      if (source.readyState === EventSource.CLOSED) this.timer = setTimeout(() => this.reopen(), RECONNECT_MS);
    };
    return source;
  }

  reopen() {
    this.source = this.open();
  }
}

/**
 * Requests through the kernel of the notebook.
 *
 * @implements {Transport}
 */
export class CommTransport {
  /** @param {WidgetModel} model */
  constructor(model) {
    this.model = model;
    /** @type {Map<number, (status: number, text: string, bytes?: DataView) => void>} */
    this.pending = new Map();
    /** @type {Map<string, Set<EventListeners>>} */
    this.subscribers = new Map();
    model.on("msg:custom", (message, buffers) => this.receive(message, buffers));
  }

  /**
   * @param {CommMessage} message
   * @param {DataView[]} [buffers]
   */
  receive(message, buffers) {
    if ("response" in message) {
      this.pending.get(message.response)?.(message.status, message.text, buffers?.[0]);
      this.pending.delete(message.response);
    } else {
      for (const listeners of this.subscribers.get(message.aoi) ?? []) listeners[message.notify](message.events);
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @returns {Promise<ServerResponse>}
   */
  request(method, path, binary = false) {
    const id = crypto.getRandomValues(new Uint32Array(1))[0];
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new Unreachable("The kernel does not respond: it is busy or has stopped."));
      }, KERNEL_TIMEOUT_MS);
      this.pending.set(id, (status, text, bytes) => {
        clearTimeout(timer);
        if (bytes) {
          const body = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
          resolve({ status, ok: true, body });
        } else if (status) resolve(parseResponse(status, text));
        else reject(new Unreachable(text));
      });
      this.model.send({ request: id, method, path, binary });
    });
  }

  /**
   * @param {string} aoi
   * @param {EventListeners} listeners
   */
  subscribe(aoi, listeners) {
    const subscribers = this.subscribers.get(aoi) ?? new Set();
    this.subscribers.set(aoi, subscribers.add(listeners));
    this.model.send({ subscribe: aoi });
    return () => {
      subscribers.delete(listeners);
    };
  }
}
