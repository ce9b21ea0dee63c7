/** @import { Panel } from "./panel.js" */
/** @import { Kind, SearchHit } from "./types.js" */
import { h, uniqueId } from "./dom.js";

const SUGGESTIONS = 12;
const TYPING_DELAY_MS = 250;

/** Search field for scenes and tiles, with suggestions. */
export class GraphSearch {
  /**
   * @param {Panel} panel
   * @param {(kind: Kind, id: number) => unknown} onOpen
   */
  constructor(panel, onOpen) {
    this.panel = panel;
    this.onOpen = onOpen;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.suggestions = h("datalist", { id: uniqueId("wm-suggestions") });
    this.input = h("input", {
      type: "search",
      placeholder: "Search by name or id",
      "aria-label": "Search by name or id",
      list: this.suggestions.id,
      class: "wm-search",
      oninput: () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.suggest(), TYPING_DELAY_MS);
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === "Enter") this.openFirst();
      },
    });
  }

  /** Return the matches of the search text, and show them as suggestions. */
  async suggest() {
    const text = this.input.value.trim();
    /** @type {SearchHit[]} */
    let matches = [];
    if (text !== "") {
      const parameters = new URLSearchParams({ text, limit: String(SUGGESTIONS) });
      matches = (await this.panel.get(`${this.panel.path}/find?${parameters}`))?.items ?? [];
    }
    const options = matches.map((item) => {
      const name = item.type === "tile" ? `${item.source_id} of ${item.scene_source_id}` : item.source_id;
      return h("option", { value: `${item.type[0]}${item.id}` }, `${name} · ${item.status}`);
    });
    this.suggestions.replaceChildren(...options);
    return matches;
  }

  async openFirst() {
    clearTimeout(this.timer);
    const [match] = await this.suggest();
    if (match) await this.onOpen(match.type, match.id);
    else this.panel.say(`No scene or tile matches “${this.input.value.trim()}”.`);
  }
}
