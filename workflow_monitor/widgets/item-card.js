/** @import { Panel } from "./panel.js" */
/** @import { Child, FailPreview, ItemFeature, ItemProperties, Kind, QueuedJob, Status, Transition } from "./types.js" */
import { applyToItems } from "./actions.js";
import { actionButton, confirmDialog, h, replaceKeepingFocus } from "./dom.js";
import { formatNumber, formatUTC, pluralize, remainderText } from "./format.js";
import { errorText } from "./transport.js";

const EVENTS_SHOWN = 5;
const TILES_SHOWN = 40;

/**
 * Id, name and status of a linked item; name and status where known.
 *
 * @typedef {[id: number, name?: string, status?: Status]} ItemLink
 */

/** Details of a scene or tile, with links to its neighbors and action buttons. */
export class ItemCard {
  /**
   * @param {Panel} panel
   * @param {(kind: Kind, id: number) => unknown} open opens another item
   * @param {(id: number) => number[]} successors returns the ids of the next tiles, where known
   */
  constructor(panel, open, successors = () => []) {
    this.panel = panel;
    this.open = open;
    this.successors = successors;
    this.element = h("div", { class: "wm-card", tabindex: "-1", "aria-live": "polite" });
    /** @type {{ kind: Kind, id: number } | null} */
    this.current = null;
  }

  /**
   * Load and show an item.
   *
   * @param {Kind} kind
   * @param {number} id
   */
  async show(kind, id) {
    this.current = { kind, id };
    const { panel } = this;
    const queue = kind === "scene" ? "downloader" : "processor";
    /** @type {[ItemFeature | null, Transition[] | null, { jobs: QueuedJob[] } | null, ItemProperties[] | null]} */
    const [feature, events, queued, tiles] = await Promise.all([
      panel.get(`${kind}/${id}?format=geojson`),
      panel.get(`${panel.path}/history?type=${kind}&id=${id}`),
      panel.get(`jobs/${queue}?item=${id}`),
      kind === "scene" ? panel.get(`scene/${id}/tiles`) : null,
    ]);
    // Another item may have been opened in the meantime.
    if (this.current.kind !== kind || this.current.id !== id || !feature) return;
    const item = feature.properties;
    const links = kind === "scene" ? this.sceneLinks(tiles ?? []) : this.tileLinks(item);
    replaceKeepingFocus(
      this.element,
      h("h4", {}, h("bdi", {}, item.source_id)),
      this.facts(kind, item, queued?.jobs ?? []),
      ...(item.message ? [h("pre", {}, h("bdi", {}, item.message))] : []),
      ...links,
      ...(kind === "scene" ? tagList(item.tags) : []),
      h("p", { class: "wm-actions" }, this.buttons(kind, item)),
      ...this.history(events ?? []),
    );
  }

  /**
   * Reload the card after a transition of its item.
   *
   * @param {Transition[]} events
   */
  applyEvents(events) {
    if (!this.current) return;
    const { kind, id } = this.current;
    if (events.some((event) => event.type === kind && event.id === id)) this.show(kind, id);
  }

  /**
   * @param {Kind} kind
   * @param {ItemProperties} item
   * @param {QueuedJob[]} jobs
   */
  facts(kind, item, jobs) {
    /** @type {Child[]} */
    const facts = [
      `${kind} ${item.id}`,
      item.date.startsWith("0001") ? "no date" : formatUTC(item.date),
      `dispatched ${pluralize(item.attempt, "time")}`,
      `${pluralize(item.RetryCountDown, "retry", "retries")} left`,
      ...jobs.map(jobState),
    ];
    const spans = facts.map((fact) => h("span", {}, fact));
    return h("p", { class: "wm-facts" }, this.panel.statusLabel(item.status), spans);
  }

  /** @param {ItemProperties[]} tiles */
  sceneLinks(tiles) {
    return this.linkList(
      "Tiles",
      "tile",
      tiles.map((tile) => [tile.id, tile.source_id, tile.status]),
    );
  }

  /** @param {ItemProperties} tile */
  tileLinks(tile) {
    return [
      ...this.linkList("Scene", "scene", [[tile.scene, tile.scene_source_id]]),
      ...this.linkList("Previous", "tile", tile.PreviousID === null ? [] : [[tile.PreviousID]]),
      ...this.linkList(
        "Next",
        "tile",
        this.successors(tile.id).map((id) => [id]),
      ),
      ...this.linkList("Reference", "tile", tile.ReferenceID === null ? [] : [[tile.ReferenceID]]),
    ];
  }

  /**
   * @param {string} label
   * @param {Kind} kind
   * @param {ItemLink[]} items
   */
  linkList(label, kind, items) {
    if (items.length === 0) return [];
    const buttons = items.slice(0, TILES_SHOWN).map(([id, name, status]) => {
      const text = status ? this.panel.statusLabel(status, name) : h("bdi", {}, name ?? `${kind} ${id}`);
      return h("button", { class: "wm-link", title: `${kind} ${id}`, onclick: () => this.open(kind, id) }, text);
    });
    return [h("p", { class: "wm-links" }, `${label}: `, buttons, remainderText(items.length, TILES_SHOWN))];
  }

  /**
   * @param {Kind} kind
   * @param {ItemProperties} item
   */
  buttons(kind, item) {
    if (item.status === "RETRY") {
      return [
        actionButton("Retry…", () => this.retry(kind, item), { "data-key": "retry" }),
        actionButton("Fail…", () => this.fail(kind, item, "fail"), { "data-key": "fail" }),
      ];
    }
    if (item.status === "FAILED") return [];
    return [actionButton("Force fail…", () => this.fail(kind, item, "fail/force"), { "data-key": "force" })];
  }

  /**
   * @param {Kind} kind
   * @param {ItemProperties} item
   */
  async retry(kind, item) {
    await applyToItems(this.panel, kind, [item.id], "retry");
    await this.show(kind, item.id);
  }

  /**
   * @param {Kind} kind
   * @param {ItemProperties} item
   * @param {"fail" | "fail/force"} action
   */
  async fail(kind, item, action) {
    if (await this.confirmFail(kind, item)) {
      const response = await this.panel.put(`${kind}/${item.id}/${action}`);
      this.panel.say(response.ok ? `${item.source_id} set to FAILED.` : `Not failed: ${errorText(response)}`);
    }
    await this.show(kind, item.id);
  }

  /**
   * Ask for confirmation with a preview of the effects on other items.
   *
   * @param {Kind} kind
   * @param {ItemProperties} item
   */
  async confirmFail(kind, item) {
    /** @type {FailPreview | null} */
    const preview = await this.panel.get(`${kind}/${item.id}/consequences`);
    if (!preview) return false;
    const { failed, pending, relinked } = preview.counts;
    const effects = [
      failed > 1 ? `${pluralize(failed, "item")} will be FAILED, including this one` : "only this item will be FAILED",
      pending ? `${formatNumber(pending)} will start` : "",
      relinked ? `${formatNumber(relinked)} will be relinked` : "",
    ].filter(Boolean);
    return confirmDialog(this.panel.root, `Fail ${kind} ${item.source_id}? ${effects.join("; ")}.`, "Fail");
  }

  /** @param {Transition[]} events */
  history(events) {
    if (events.length === 0) return [];
    const lines = events
      .slice(-EVENTS_SHOWN)
      .reverse()
      .map(({ time, to, cause, who }) =>
        h("li", {}, formatUTC(time), " ", to ? this.panel.statusLabel(to) : "deleted", ` ${cause} `, h("bdi", {}, who)),
      );
    const title = `${pluralize(events.length, "event")}, newest first`;
    return [h("details", {}, h("summary", {}, title), h("ul", {}, lines))];
  }
}

/** @param {QueuedJob} job */
function jobState({ state, published, worker, expires }) {
  if (state !== "leased") return `job queued since ${formatUTC(published)}`;
  return h("span", {}, "job leased by ", h("bdi", {}, worker || "a worker"), ` until ${formatUTC(expires)}`);
}

/** @param {Record<string, unknown>} [tags] */
function tagList(tags = {}) {
  const entries = Object.entries(tags);
  if (entries.length === 0) return [];
  const rows = entries.map(([name, value]) => [h("dt", {}, name), h("dd", {}, h("bdi", {}, String(value)))]);
  return [h("details", {}, h("summary", {}, pluralize(entries.length, "tag")), h("dl", {}, rows))];
}
