// The keys: one list that the page obeys and the help shows.

import { element } from "./elements.js";

const isTyping = (target) => target.closest("input:not([type=radio], [type=checkbox]), textarea, dialog") !== null;

/** `keys` are {key or alt with code, name, words, act}, those of letters not while one types unless `always`; `shown` are further [keys, words] that the page handles elsewhere. */
export function obeyKeys({ keys, shown, place }) {
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const found = keys.find(({ code, key, alt, always }) => {
      if (alt) return event.altKey && event.code === code;
      return !event.altKey && event.key === key && (always || !isTyping(event.target));
    });
    if (!found) return;
    event.preventDefault();
    found.act();
  });
  const named = keys.map(({ name, words }) => [name, words]);
  for (const [names, words] of [...shown, ...named]) {
    const caps = names.split("+").flatMap((name, number) => [number ? " + " : "", element("kbd", { text: name })]);
    place.append(element("tr", {}, element("td", {}, ...caps), element("td", { text: words })));
  }
}
