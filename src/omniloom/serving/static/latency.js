// How soon each answer began, by this browser's clock: its parts, and a chart of the last turns.

import { element, svg } from "./elements.js";

const NUM_KEPT = 24;
const LEAST_SHOWN = 12; // bars that there is room for, however few there are
const HEIGHT = 132;
const AXIS = 56; // for the numbers beside the bars
const PART_NAMES = {
  noticing: "noticing that you had finished",
  answering: "until the answer arrived",
  playing: "until it was heard",
};

export const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

/** One turn's moments. `since` is when the user was done, `after` how that is known: "sending", "you let go" … */
export class Timing {
  constructor({ since = performance.now(), after = "asking", noticedAt = null } = {}) {
    Object.assign(this, { since, after, noticedAt });
    this.arrivedAt = null;
    this.heardAt = null;
  }

  arrived() {
    this.arrivedAt ??= performance.now();
  }

  heard(at) {
    this.heardAt ??= Math.max(at, this.arrivedAt ?? at);
  }

  /** The moment that counts: when the first sound was heard, or the first words were there. */
  totalMs(isAloud) {
    const end = isAloud ? this.heardAt : this.arrivedAt;
    return end === null ? null : Math.max(0, end - this.since);
  }

  /** [name, milliseconds] of each part, in order. */
  parts(isAloud) {
    const moments = [["noticing", this.noticedAt], ["answering", this.arrivedAt], ["playing", isAloud ? this.heardAt : null]];
    let before = this.since;
    const found = [];
    for (const [name, at] of moments) {
      if (at === null) continue;
      found.push([name, Math.max(0, at - before)]);
      before = Math.max(before, at);
    }
    return found;
  }
}

/** The parts as a list that is shown when what it explains is pointed at or focused. */
export function partsList(parts, id) {
  const rows = parts.map(([name, ms]) =>
    element("span", { className: `part ${name}` }, element("b", { text: `${Math.round(ms)} ms` }), ` ${PART_NAMES[name]}`),
  );
  return element("span", { className: "parts", role: "tooltip", id }, ...rows);
}

/** The dialog with the chart; `add` gives it a turn. */
export class LatencyHistory {
  #turns = [];

  constructor({ chart, words, table }) {
    Object.assign(this, { chart, words, table });
  }

  add({ what, after, parts, totalMs }) {
    this.#turns = [...this.#turns, { what, after, parts, totalMs }].slice(-NUM_KEPT);
    this.#show();
  }

  #show() {
    const totals = this.#turns.map(({ totalMs }) => totalMs).sort((a, b) => a - b);
    const half = totals.length / 2;
    const middle = (totals[Math.ceil(half) - 1] + totals[Math.floor(half)]) / 2;
    const count = totals.length === 1 ? "One turn" : `The last ${totals.length} turns`;
    this.words.textContent =
      `${count}: median ${seconds(middle)}, best ${seconds(totals[0])}. Measured by this browser, from the moment you ` +
      "were done to the first sound out of the loudspeaker, or to the first words.";
    this.chart.replaceChildren(this.#bars(Math.max(...totals)), this.#legend());
    this.#fillTable();
  }

  #bars(longest) {
    const top = Math.ceil(longest / 100) * 100;
    // Drawn as wide as it is shown, near enough: scaled down to a phone, its numbers could not be read.
    const width = matchMedia("(max-width: 620px)").matches ? 310 : 600;
    const step = (width - AXIS - 4) / Math.max(LEAST_SHOWN, this.#turns.length);
    const made = svg("svg", { class: "bars", viewBox: `0 0 ${width} ${HEIGHT + 18}`, role: "img" });
    made.append(svg("title", {}, `Bars of the last turns; the highest is ${seconds(longest)}`));
    for (const share of [0, 0.5, 1]) {
      const y = 10 + HEIGHT * (1 - share);
      made.append(svg("path", { class: "rule", d: `M${AXIS} ${y}H${width}` }));
      const text = `${Math.round(top * share)}${share === 1 ? " ms" : ""}`;
      made.append(svg("text", { x: AXIS - 6, y: y + 4, "text-anchor": "end" }, text));
    }
    this.#turns.forEach((turn, number) => {
      let y = 10 + HEIGHT;
      for (const [name, ms] of turn.parts) {
        const height = (ms / top) * HEIGHT;
        y -= height;
        made.append(svg("rect", { class: name, x: AXIS + 4 + number * step, y, width: 0.82 * step, height, rx: 1.5 }));
      }
    });
    return made;
  }

  #legend() {
    const names = Object.keys(PART_NAMES).filter((name) => this.#turns.some(({ parts }) => parts.some(([n]) => n === name)));
    const items = names.map((name) => element("li", {}, element("i", { className: name }), PART_NAMES[name]));
    return element("ul", { className: "legend" }, ...items);
  }

  #fillTable() {
    const cell = (text) => element("td", { text });
    const rows = this.#turns.map(({ what, after, parts, totalMs }, number) => {
      const of = (name) => parts.find(([n]) => n === name);
      const times = Object.keys(PART_NAMES).map((name) => cell(of(name) ? Math.round(of(name)[1]) : "–"));
      return element("tr", {}, cell(number + 1), cell(`${what}, after ${after}`), cell(Math.round(totalMs)), ...times);
    });
    const heads = ["Turn", "What", "Total, ms", "Noticed", "Arrived", "Heard"];
    const head = element("tr", {}, ...heads.map((text) => element("th", { text, scope: "col" })));
    this.table.hidden = false;
    this.table.replaceChildren(
      element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows.reverse())),
    );
  }
}
