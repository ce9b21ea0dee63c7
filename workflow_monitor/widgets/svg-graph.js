/** @import { Kind } from "./types.js" */

/** Id of a scene's or tile's node in the SVG. */
const NODE_ID = /^([st])(\d+)$/;

/**
 * Parse the SVG of a graph, with keyboard-accessible nodes.
 *
 * @param {ArrayBuffer} bytes
 * @param {(kind: Kind, id: number) => void} onSelect
 */
export function interactiveGraph(bytes, onSelect) {
  const parsed = new DOMParser().parseFromString(new TextDecoder().decode(bytes), "image/svg+xml").documentElement;
  const svg = document.importNode(parsed, true);
  for (const node of svg.querySelectorAll("g.node")) {
    const [, letter, id] = NODE_ID.exec(node.id) ?? [];
    if (!id || !(node instanceof SVGElement)) continue;
    const select = () => onSelect(letter === "s" ? "scene" : "tile", Number(id));
    // Ids are global in the page: another graph may contain the same node.
    node.removeAttribute("id");
    node.dataset.item = letter + id;
    node.setAttribute("tabindex", "0");
    node.setAttribute("role", "button");
    node.addEventListener("click", select);
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter") select();
    });
  }
  return svg;
}
