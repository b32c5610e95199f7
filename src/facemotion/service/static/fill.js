// Puts the words into a page: HTML names them, strings.js has them.

/** @param {Record<string, string>} words by their names in data-words and data-label */
export function fillIn(words) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-words], [data-label]"))) {
    const { words: text, label } = element.dataset;
    if (text) element.textContent = words[text];
    if (label) element.setAttribute("aria-label", words[label]);
  }
}
