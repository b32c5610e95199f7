// Puts words into a page: HTML names them, the files of strings have them.

/** @param {Record<string, string>} words by their names in data-words and data-label; others are left as they are */
export function fillIn(words) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-words], [data-label]"))) {
    const { words: text = "", label = "" } = element.dataset;
    if (text in words) element.textContent = words[text];
    if (label in words) element.setAttribute("aria-label", words[label]);
  }
}
