import { confirmed, counted, element, grouped, utc } from "./elements.js";
import { repair } from "./repairs.js";

const EVENTS_SHOWN = 5;
const TILES_SHOWN = 40;

/** A scene or tile with all that is known of it, and what can be done about it. */
export class ItemCard {
  /** `follow(kind, id)` goes to another item; `after(kind, id)` tells what follows one, if that is known. */
  constructor(panel, follow, after = () => null) {
    this.panel = panel;
    this.follow = follow;
    this.after = after;
    this.element = element("div", { class: "wm-card", tabindex: "-1", "aria-live": "polite" });
    this.shown = null;
  }

  /** Show an item; answers its feature, null if it is not there. */
  async show(kind, id) {
    this.shown = { kind, id };
    const queue = kind === "scene" ? "downloader" : "processor";
    const paths = [`${kind}/${id}?format=geojson`, `${this.panel.path}/history?type=${kind}&id=${id}`, `jobs/${queue}?item=${id}`];
    if (kind === "scene") paths.push(`scene/${id}/tiles`);
    const [feature, events, queued, tiles] = await Promise.all(paths.map((path) => this.panel.get(path)));
    if (this.shown?.kind !== kind || this.shown.id !== id || !feature) return null;
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.element.replaceChildren(...this.parts(kind, feature.properties, events ?? [], queued?.jobs ?? [], tiles ?? []));
    if (focused) this.element.querySelector(`[data-key="${focused}"]`)?.focus();
    return feature;
  }

  /** Show it anew if one of these events is about it. */
  heard(events) {
    const { kind, id } = this.shown ?? {};
    if (events.some((event) => event.type === kind && event.id === id)) this.show(kind, id);
  }

  parts(kind, item, events, jobs, tiles) {
    const parts = [
      element("h4", {}, element("bdi", {}, item.source_id)),
      element(
        "p",
        { class: "wm-facts" },
        this.panel.status(item.status),
        [
          `${kind} ${item.id}`,
          item.date.startsWith("0001") ? "no date" : utc(item.date),
          `handed out ${counted(item.attempt, "time")}`,
          `${counted(item.RetryCountDown, "retry", "retries")} left`,
          ...jobs.map(jobOf),
        ].map((fact) => element("span", {}, fact)),
      ),
      item.message ? element("pre", {}, element("bdi", {}, item.message)) : "",
      this.links(kind, item, tiles),
      kind === "scene" ? tagsOf(item.tags) : "",
      element("p", { class: "wm-actions" }, this.buttons(kind, item)),
      historyOf(this.panel, events),
    ];
    return parts.flat().filter((part) => part !== "");
  }

  links(kind, item, tiles) {
    if (kind === "scene") return this.linkList("Tiles", "tile", tiles.map((tile) => [tile.id, tile.source_id, tile.status]));
    const links = [
      ["Scene", "scene", [[item.scene, item.scene_source_id]]],
      ["Previous", "tile", item.PreviousID === null ? [] : [[item.PreviousID]]],
      ["Next", "tile", (this.after(item.id) ?? []).map((id) => [id])],
      ["Reference", "tile", item.ReferenceID === null ? [] : [[item.ReferenceID]]],
    ];
    return links.map(([label, of, items]) => this.linkList(label, of, items));
  }

  linkList(label, kind, items) {
    if (items.length === 0) return "";
    const more = items.length - TILES_SHOWN;
    const buttons = items.slice(0, TILES_SHOWN).map(([id, name, status]) => {
      const text = status ? this.panel.status(status, name) : element("bdi", {}, name ?? `${kind} ${id}`);
      return element("button", { class: "wm-link", title: `${kind} ${id}`, onclick: () => this.follow(kind, id) }, text);
    });
    return element("p", { class: "wm-links" }, `${label}: `, buttons, more > 0 ? `and ${grouped(more)} more` : "");
  }

  buttons(kind, item) {
    const inRetry = item.status === "RETRY";
    const act = (action) => () => this.act(kind, item, action);
    const button = (key, label, isThere, onclick) =>
      isThere ? element("button", { class: "wm-button", "data-key": key, onclick }, label) : "";
    return [
      button("retry", "Retry …", inRetry, act("retry")),
      button("fail", "Give up …", inRetry, act("fail")),
      button("force", "Give up by force …", !inRetry && item.status !== "FAILED", act("fail/force")),
    ];
  }

  async act(kind, item, action) {
    if (action === "retry") await repair(this.panel, kind, [item.id], action);
    else if (await this.isMeant(kind, item)) {
      const answer = await this.panel.put(`${kind}/${item.id}/${action}`);
      this.panel.say(answer.ok ? `${item.source_id} was given up.` : `Not given up: ${answer.body?.detail ?? answer.status}`);
    }
    await this.show(kind, item.id);
  }

  /** Whether a person wants to give an item up, knowing what it does to its neighbours. */
  async isMeant(kind, item) {
    const foreseen = await this.panel.get(`${kind}/${item.id}/consequences`);
    if (!foreseen) return false;
    const { failed, pending, relinked } = foreseen.counts;
    const effects = [
      failed > 1 ? `${counted(failed, "item")} will be FAILED, this one among them` : "only this one will be FAILED",
      pending ? `${grouped(pending)} will start` : "",
      relinked ? `${grouped(relinked)} will follow another` : "",
    ];
    return confirmed(this.panel.root, `Give up ${kind} ${item.source_id}? ${effects.filter(Boolean).join("; ")}.`, "Give up");
  }
}

/** Where the job of an item is; names of workers are texts that anybody may have chosen. */
function jobOf({ state, published, worker, expires }) {
  if (state !== "leased") return `job waits for a worker since ${utc(published)}`;
  return element("span", {}, "job is with ", element("bdi", {}, worker || "a worker"), `, until ${utc(expires)}`);
}

function tagsOf(tags) {
  const found = Object.entries(tags ?? {});
  if (found.length === 0) return "";
  const rows = found.map(([name, value]) => [element("dt", {}, name), element("dd", {}, element("bdi", {}, String(value)))]);
  return element("details", {}, element("summary", {}, counted(found.length, "tag")), element("dl", {}, rows.flat()));
}

function historyOf(panel, events) {
  if (events.length === 0) return "";
  const lines = events
    .slice(-EVENTS_SHOWN)
    .reverse()
    .map((event) => element("li", {}, utc(event.time), " ", panel.status(event.to), ` ${event.cause} `, element("bdi", {}, event.who)));
  const title = `${counted(events.length, "event")}, the last first`;
  return element("details", {}, element("summary", {}, title), element("ul", {}, lines));
}
