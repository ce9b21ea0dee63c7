/** An element with attributes, listeners (`onclick`) and children. Texts stay texts: nothing is read as HTML. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** An element of an SVG picture. */
export function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat());
  return made;
}

/** Ask before something is done; resolves to whether the person means it. Enter says yes, Escape no. */
export function confirmed(host, question, yes) {
  return new Promise((resolve) => {
    const title = element("p", { id: `wm-question-${(confirmed.count = (confirmed.count ?? 0) + 1)}` }, question);
    const dialog = element(
      "dialog",
      { class: "wm-dialog", "aria-labelledby": title.id },
      element(
        "form",
        { method: "dialog" },
        title,
        element("button", { value: "yes", class: "wm-button wm-primary" }, yes),
        element("button", { value: "no", class: "wm-button" }, "Cancel"),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    host.append(dialog);
    dialog.showModal();
  });
}

/** Numbers as people write them. */
export function grouped(number) {
  return number.toLocaleString("en");
}

/** How many of what: `1 tile`, `2 tiles`. */
export function counted(number, noun, many = `${noun}s`) {
  return `${grouped(number)} ${number === 1 ? noun : many}`;
}

/** A moment in UTC, to the second. */
export function utc(moment) {
  return `${new Date(moment).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Seconds as people say them. */
export function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}
