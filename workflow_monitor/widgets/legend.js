import { element, grouped } from "./elements.js";

/** Statuses with their glyphs and numbers; a box for each says whether it is shown. */
export class Legend {
  constructor(panel, names, changed) {
    this.shown = new Set(names);
    this.numbers = new Map();
    const boxes = names.map((name) => {
      const box = element("input", { type: "checkbox", checked: true, onchange: () => this.toggle(name, box.checked, changed) });
      const number = element("span", { class: "wm-number" });
      this.numbers.set(name, number);
      return element("label", { class: "wm-choice" }, box, panel.status(name), number);
    });
    this.element = element("fieldset", { class: "wm-legend" }, element("legend", {}, "Shown"), boxes);
  }

  toggle(name, isShown, changed) {
    if (isShown) this.shown.add(name);
    else this.shown.delete(name);
    changed();
  }

  tell(names, counts) {
    for (const [position, name] of names.entries()) this.numbers.get(name).textContent = grouped(counts[position]);
  }
}

/** The colour of each status as the styles have it. */
export function coloursOf(root, names) {
  return names.map((name) => {
    const probe = element("span", { class: `wm-${name.toLowerCase()}`, hidden: true });
    root.append(probe);
    const colour = getComputedStyle(probe).getPropertyValue("--wm-colour").trim();
    probe.remove();
    return colour;
  });
}
