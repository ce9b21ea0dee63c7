import { confirmed, counted, element, grouped, utc } from "./elements.js";
import { Panel } from "./panel.js";

const SHOWN_IDS = 30;
const AT_ONCE = 6;

class Failures extends Panel {
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
    const key = `${group.kind} ${group.shape}`;
    const summary = element(
      "summary",
      { "data-key": key },
      element("strong", {}, counted(group.count, group.kind)),
      group.retry ? this.status("RETRY", grouped(group.retry)) : "",
      group.failed ? this.status("FAILED", grouped(group.failed)) : "",
      element("code", {}, element("bdi", {}, group.shape)),
    );
    const details = element(
      "details",
      { open: this.open.has(key) },
      summary,
      element("p", {}, group.since ? `since ${utc(group.since)}, last ${utc(group.last)}` : ""),
      element("pre", {}, element("bdi", {}, group.example || "(no message)")),
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
    const name = `${label} of “${group.shape.slice(0, 80)}”`;
    const attributes = { class: "wm-button", "aria-label": name, "data-key": `${action} ${key}` };
    const onclick = () => this.repair(group, action);
    return element("button", { ...attributes, disabled: group.retry === 0, onclick }, label);
  }

  async repair(group, action) {
    const number = counted(group.retry, group.kind);
    const retry = action === "retry";
    const question = retry
      ? `Send ${number} with this failure to the workers again?`
      : `Give up ${number} with this failure? The graph closes over them: what follows them goes on without.`;
    if (!(await confirmed(this.root, question, retry ? "Retry" : "Give up"))) return;
    this.busy = true;
    const outcome = await this.each(group, action);
    this.busy = false;
    const refused = outcome.refused ? `; ${grouped(outcome.refused)} were not: ${outcome.reason}` : "";
    this.say(`${counted(outcome.done, group.kind)} ${retry ? "retried" : "given up"}${refused}.`);
    await this.refresh();
  }

  /** One request for each item, a few at a time; what goes wrong with one does not stop the others. */
  async each(group, action) {
    const left = group.ids.slice(0, group.retry);
    const outcome = { done: 0, refused: 0, reason: "" };
    const work = async () => {
      while (left.length > 0) {
        const answer = await this.put(`${group.kind}/${left.shift()}/${action}`);
        if (answer.ok) outcome.done += 1;
        else {
          outcome.refused += 1;
          outcome.reason = answer.body?.detail ?? `the server answered ${answer.status}`;
        }
        this.say(`${grouped(outcome.done + outcome.refused)} of ${grouped(group.retry)} …`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return outcome;
  }
}

export default {
  render({ model, el }) {
    const started = new Failures(model, el).start();
    return () => started.then((stop) => stop());
  },
};
