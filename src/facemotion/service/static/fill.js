// Puts the words into a page: HTML names them, strings.js has them.

/** @param {Record<string, string>} words by their names in data-words, data-label and data-hint */
export function fillIn(words) {
  for (const one of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-words], [data-label], [data-hint]"))) {
    const { words: text, label, hint } = one.dataset;
    if (text) one.textContent = words[text];
    if (label) one.setAttribute("aria-label", words[label]);
    if (hint) one.title = words[hint];
  }
}
