/** @import { Attributes, Child } from "./types.js" */

/**
 * Create an element. Strings become text nodes, never HTML; `on…` attributes become listeners.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function")
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (/** @type {unknown} */ (value)));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...flatten(children));
  return element;
}

/**
 * Create an SVG element.
 *
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svgEl(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...flatten(children));
  return element;
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function flatten(children) {
  return children.flatMap((child) => {
    if (Array.isArray(child)) return flatten(child);
    if (child === null || child === undefined || child === "") return [];
    return [child instanceof Node ? child : String(child)];
  });
}

/**
 * @param {string} label
 * @param {() => unknown} onclick
 * @param {Attributes} [attributes]
 */
export function actionButton(label, onclick, attributes = {}) {
  return h("button", { class: "wm-button", onclick, ...attributes }, label);
}

/**
 * Create a button with an `aria-pressed` state.
 *
 * @param {string} label
 * @param {(pressed: boolean) => unknown} onToggle called with the new state
 */
export function toggleButton(label, onToggle) {
  const button = actionButton(
    label,
    () => {
      const pressed = !isPressed(button);
      setPressed(button, pressed);
      onToggle(pressed);
    },
    { "aria-pressed": "false" },
  );
  return button;
}

/** @param {HTMLButtonElement} button */
export function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}

/**
 * @param {HTMLButtonElement} button
 * @param {boolean} pressed
 */
export function setPressed(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

/**
 * Replace the children of an element. The focus stays on the control with the same `data-key`.
 *
 * @param {HTMLElement} container
 * @param {...(Node | string)} children
 */
export function replaceKeepingFocus(container, ...children) {
  const active = document.activeElement;
  const key = active instanceof HTMLElement && container.contains(active) ? active.dataset.key : undefined;
  container.replaceChildren(...children);
  if (key === undefined) return;
  for (const control of container.querySelectorAll("[data-key]")) {
    if (control instanceof HTMLElement && control.dataset.key === key) control.focus();
  }
}

/**
 * Return an element id that is unique in the page, where each panel has its own copy of this module.
 *
 * @param {string} prefix
 */
export function uniqueId(prefix) {
  return `${prefix}-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
}

/**
 * Ask for confirmation in a modal dialog. Enter confirms, Escape cancels.
 *
 * @param {HTMLElement} host
 * @param {string} question
 * @param {string} confirmLabel
 * @returns {Promise<boolean>}
 */
export function confirmDialog(host, question, confirmLabel) {
  return new Promise((resolve) => {
    const title = h("p", { id: uniqueId("wm-question") }, question);
    const dialog = h(
      "dialog",
      { class: "wm-dialog", "aria-labelledby": title.id },
      h(
        "form",
        { method: "dialog" },
        title,
        h("button", { value: "confirm", class: "wm-button wm-primary" }, confirmLabel),
        h("button", { value: "cancel", class: "wm-button" }, "Cancel"),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "confirm");
    });
    host.append(dialog);
    dialog.showModal();
  });
}
