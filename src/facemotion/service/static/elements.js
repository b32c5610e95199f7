// The elements of the pages by their ids.

/**
 * The element of an id. It is there: the test looks for every id that a script names.
 * @template {keyof import("./types.js").Elements} Id
 * @param {Id} id @returns {import("./types.js").Elements[Id]}
 */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * A new element of a drawing.
 * @param {string} name @param {Record<string, string | number>} attributes @param {string} [text]
 */
export function shape(name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.textContent = text;
  return element;
}

/**
 * The id of the button that is pressed, or the end.
 * @template {"next" | "watch" | "over" | "agree" | "decline" | "demo-on" | "demo-again"} Id
 * @param {AbortSignal} stopped @param {Id[]} buttons @returns {Promise<Id>}
 */
export function choice(stopped, ...buttons) {
  return new Promise((resolve, reject) => {
    stopped.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    for (const id of buttons) $(id).onclick = () => resolve(id);
  });
}
