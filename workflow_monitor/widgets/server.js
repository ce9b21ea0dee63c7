const RETRY_MS = 2000;
const KERNEL_MS = 30000;

/** The server did not answer. */
export class Unreachable extends Error {}

/** The workflow server: asked directly where this page comes from the same one, through the kernel otherwise. */
export async function connect(model) {
  const root = ownRoot();
  if (root && model.get("instance")) {
    try {
      const answer = await fetch(`${root}?format=json`, { credentials: "same-origin" });
      if (answer.ok && (await answer.json()).instance === model.get("instance")) return new Direct(root, model);
    } catch {
      // Whatever answers there is not the server that the panel belongs to.
    }
  }
  return new ThroughKernel(model);
}

/** Where the workflow server of this page's own Jupyter server is. */
function ownRoot() {
  const config = document.getElementById("jupyter-config-data");
  if (!config) return null;
  const base = JSON.parse(config.textContent).baseUrl ?? "/";
  return new URL(`${base.replace(/\/?$/, "/")}workflow-monitor/`, location.origin).href;
}

function answerOf(status, text) {
  let body;
  try {
    body = text === "" ? null : JSON.parse(text);
  } catch {
    body = { detail: text.slice(0, 300) };
  }
  return { status, ok: status >= 200 && status < 300, body };
}

class Direct {
  constructor(root, model) {
    this.root = root;
    // Headers are bytes; names of people are UTF-8.
    this.actor = String.fromCharCode(...new TextEncoder().encode(model.get("actor")));
  }

  async request(method, path, asBytes = false) {
    const xsrf = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/);
    const headers = { Accept: asBytes ? "*/*" : "application/json", "X-Workflow-Monitor-Actor": this.actor };
    if (xsrf) headers["X-XSRFToken"] = decodeURIComponent(xsrf[1]);
    try {
      const answer = await fetch(this.root + path, { method, headers, credentials: "same-origin" });
      if (asBytes && answer.ok) return { status: answer.status, ok: true, body: await answer.arrayBuffer() };
      return answerOf(answer.status, await answer.text());
    } catch {
      throw new Unreachable("The server does not answer.");
    }
  }

  follow(aoi, listener) {
    return streamOf(`${this.root}${aoi === "" ? "" : `aoi/${encodeURIComponent(aoi)}/`}events`).add(listener);
  }
}

/** Streams of this page by address: browsers keep only six connections to a host, so panels share one. */
function streamOf(url) {
  const streams = (globalThis[Symbol.for("workflow-monitor.streams")] ??= new Map());
  if (!streams.has(url)) streams.set(url, new Stream(url, () => streams.delete(url)));
  return streams.get(url);
}

class Stream {
  constructor(url, ended) {
    this.url = url;
    this.ended = ended;
    this.listeners = new Set();
    this.last = null;
    this.open();
  }

  add(listener) {
    this.listeners.add(listener);
    if (this.source.readyState === EventSource.OPEN) listener.back();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) {
        clearTimeout(this.timer);
        this.source.close();
        this.ended();
      }
    };
  }

  tell(what, value) {
    for (const listener of this.listeners) listener[what](value);
  }

  open() {
    this.source = new EventSource(this.last === null ? this.url : `${this.url}?after=${this.last}`);
    this.source.onopen = () => this.tell("back");
    this.source.addEventListener("transition", (event) => {
      this.last = event.lastEventId;
      this.tell("heard", [JSON.parse(event.data)]);
    });
    this.source.addEventListener("resync", (event) => {
      this.last = event.lastEventId;
      this.tell("back");
    });
    this.source.onerror = () => {
      this.tell("away");
      // After an answer that is no stream, browsers do not try again by themselves.
      if (this.source.readyState === EventSource.CLOSED) this.timer = setTimeout(() => this.open(), RETRY_MS);
    };
  }
}

class ThroughKernel {
  constructor(model) {
    this.model = model;
    this.asked = new Map();
    this.listeners = new Map();
    model.on("msg:custom", (message, buffers) => this.receive(message, buffers));
  }

  receive(message, buffers) {
    if (message.answer !== undefined) {
      this.asked.get(message.answer)?.({ ...message, bytes: buffers?.[0] });
      this.asked.delete(message.answer);
    } else {
      for (const listener of this.listeners.get(message.aoi) ?? []) listener[message.told](message.events);
    }
  }

  request(method, path, asBytes = false) {
    const number = crypto.getRandomValues(new Uint32Array(1))[0];
    return new Promise((resolve, reject) => {
      const gone = () => reject(new Unreachable("The kernel does not answer; it is busy or gone."));
      const timer = setTimeout(gone, KERNEL_MS);
      this.asked.set(number, ({ status, text, bytes }) => {
        clearTimeout(timer);
        if (bytes) resolve({ status, ok: true, body: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) });
        else if (status) resolve(answerOf(status, text));
        else reject(new Unreachable(text));
      });
      this.model.send({ ask: number, method, path, bytes: asBytes });
    });
  }

  follow(aoi, listener) {
    if (!this.listeners.has(aoi)) this.listeners.set(aoi, new Set());
    this.listeners.get(aoi).add(listener);
    this.model.send({ follow: aoi });
    return () => this.listeners.get(aoi).delete(listener);
  }
}
