// Elements of the page, made in one line each.

export const at = (id) => document.getElementById(id);

export function element(tag, { text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children.filter(Boolean));
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function icon(name) {
  return svg("svg", { "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));
}

/** Bars for the loudness of a recording. */
export function wave(levels) {
  const bars = 24;
  const loudest = Math.max(0.02, ...levels);
  let line = "";
  for (let bar = 0; bar < bars; bar++) {
    const from = Math.floor((bar * levels.length) / bars);
    const piece = levels.slice(from, Math.max(from + 1, Math.floor(((bar + 1) * levels.length) / bars)));
    const half = 1 + (Math.max(0, ...piece) / loudest) * 8.5;
    line += `M${2 + bar * 4} ${11 - half}v${2 * half}`;
  }
  return svg("svg", { class: "wave", viewBox: "0 0 96 22", "aria-hidden": "true" }, svg("path", { d: line }));
}

/** Opens a dialog and gives the focus back to what opened it; a click beside it closes it. */
export function openDialog(dialog) {
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  dialog.showModal();
}
