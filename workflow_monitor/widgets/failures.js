import { counted, element, grouped, utc } from "./elements.js";
import { Panel, shown } from "./panel.js";
import { repair } from "./repairs.js";

const SHOWN_IDS = 30;
const SHOWN_ORBITS = 8;

export class FailuresPanel extends Panel {
  constructor(model, el) {
    super(model, el, "Failures");
    this.open = new Set();
    this.busy = false;
  }

  heard(events) {
    const failed = ["RETRY", "FAILED"];
    this.concerned ||= events.some((event) => failed.includes(event.from) || failed.includes(event.to));
  }

  refreshSoon() {
    if (this.concerned || this.since !== null) super.refreshSoon();
  }

  async show() {
    if (this.busy) return;
    this.concerned = false;
    const groups = await this.get(`${this.path}/failures`);
    if (groups === null) return;
    const focused = document.activeElement?.dataset?.key;
    const rows = groups.map((group) => this.group(group));
    const none = element("p", {}, "Nothing has failed.");
    this.body.replaceChildren(rows.length ? element("ul", { class: "wm-groups" }, rows) : none);
    for (const one of this.body.querySelectorAll("[data-key]")) if (one.dataset.key === focused) one.focus();
  }

  group(group) {
    const key = `${group.kind} ${group.message_template}`;
    const summary = element(
      "summary",
      { "data-key": key },
      element("strong", {}, counted(group.count, group.kind)),
      group.retry ? this.status("RETRY", grouped(group.retry)) : "",
      group.failed ? this.status("FAILED", grouped(group.failed)) : "",
      element("code", {}, element("bdi", {}, group.message_template)),
    );
    const details = element(
      "details",
      { open: this.open.has(key) },
      summary,
      element("p", {}, group.since ? `since ${utc(group.since)}, last ${utc(group.last)}` : ""),
      element("pre", {}, element("bdi", {}, group.example || "(no message)")),
      element("p", {}, datesOf(group)),
      element("p", {}, this.ids(group)),
      element("p", { class: "wm-actions" }, this.button(group, "retry", key), this.button(group, "fail", key)),
    );
    details.addEventListener("toggle", () => (details.open ? this.open.add(key) : this.open.delete(key)));
    return element("li", {}, details);
  }

  ids(group) {
    const more = group.ids.length - SHOWN_IDS;
    return `${group.kind}s ${group.ids.slice(0, SHOWN_IDS).join(", ")}${more > 0 ? ` and ${grouped(more)} more` : ""}`;
  }

  button(group, action, key) {
    const label = action === "retry" ? `Retry ${grouped(group.retry)} …` : `Give up ${grouped(group.retry)} …`;
    const name = `${label} of “${group.message_template.slice(0, 80)}”`;
    const attributes = { class: "wm-button", "aria-label": name, "data-key": `${action} ${key}` };
    const onclick = () => this.repair(group, action);
    return element("button", { ...attributes, disabled: group.retry === 0, onclick }, label);
  }

  async repair(group, action) {
    const ids = group.ids.slice(0, group.retry);
    // What is asked about stays as it is while it is worked on.
    this.busy = true;
    try {
      if (!(await repair(this, group.kind, ids, action, " with this failure"))) return;
    } finally {
      this.busy = false;
    }
    await this.refresh();
  }
}

/** Which dates and orbits the failures are of. */
function datesOf({ first_acquired: first, last_acquired: last, orbits }) {
  const dates = first === null ? "" : `acquired ${first === last ? first : `${first} to ${last}`}`;
  const most = Object.entries(orbits).sort((a, b) => b[1] - a[1]);
  const told = most.slice(0, SHOWN_ORBITS).map(([orbit, number]) => `${orbit} (${grouped(number)})`);
  const orbit = told.length ? `relative orbit ${told.join(", ")}${most.length > SHOWN_ORBITS ? " …" : ""}` : "";
  return [dates, orbit].filter(Boolean).join("; ");
}

export default {
  render({ model, el }) {
    return shown(FailuresPanel, model, el);
  },
};
