const NODE = /^([st])(\d+)$/;

/** The picture that the server has drawn, as SVG of which each node can be chosen: `choose(kind, id)`. */
export function drawing(bytes, choose) {
  const parsed = new DOMParser().parseFromString(new TextDecoder().decode(bytes), "image/svg+xml").documentElement;
  const picture = document.importNode(parsed, true);
  for (const group of picture.querySelectorAll("g.node")) {
    const [, letter, id] = NODE.exec(group.id) ?? [];
    if (!id) continue;
    const open = () => choose(letter === "s" ? "scene" : "tile", Number(id));
    // Ids belong to the page, where another picture may have the same.
    group.removeAttribute("id");
    group.dataset.item = letter + id;
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.addEventListener("click", open);
    group.addEventListener("keydown", (event) => event.key === "Enter" && open());
  }
  return picture;
}
