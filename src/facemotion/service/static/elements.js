// The elements of the pages by their ids. A test holds these types to the HTML.

/**
 * Of index.html and admin.html.
 * @typedef {{
 * "brand": HTMLElement, "home": HTMLElement, "who": HTMLFormElement, "user": HTMLInputElement,
 * "visit": HTMLElement, "visit-title": HTMLElement, "visit-text": HTMLElement, "visit-begin": HTMLButtonElement,
 * "visit-back": HTMLButtonElement, "visit-note": HTMLElement, "study-text": HTMLElement, "name-trouble": HTMLElement, "consent": HTMLElement, "terms": HTMLElement,
 * "agree": HTMLButtonElement, "decline": HTMLButtonElement, "above": HTMLElement, "below": HTMLElement,
 * "how": HTMLButtonElement, "demo": HTMLElement, "demo-head": SVGSVGElement, "demo-title": SVGTitleElement,
 * "demo-steps": HTMLElement, "demo-on": HTMLButtonElement, "demo-again": HTMLButtonElement,
 * "review-next": HTMLElement, "newcomer": HTMLButtonElement,
 * "try": HTMLButtonElement, "stage": HTMLElement, "heading": HTMLElement, "dots": HTMLElement, "frame": HTMLElement,
 * "camera": HTMLVideoElement, "overlay": SVGSVGElement, "shade": SVGPathElement, "oval": SVGPathElement,
 * "ring": SVGPathElement, "guidance": HTMLElement, "hint": HTMLElement, "slow": HTMLElement, "rate": HTMLElement, "cancel": HTMLButtonElement,
 * "review": HTMLElement, "review-title": HTMLElement, "replay": HTMLCanvasElement, "size": HTMLElement,
 * "meter": HTMLMeterElement, "size-word": HTMLElement, "warnings": HTMLElement, "next": HTMLButtonElement,
 * "watch": HTMLButtonElement, "over": HTMLButtonElement, "verdict": HTMLElement, "mark": SVGSVGElement,
 * "mark-path": SVGPathElement, "verdict-title": HTMLElement, "verdict-text": HTMLElement,
 * "again": HTMLButtonElement, "home-again": HTMLButtonElement, "change": HTMLButtonElement,
 * "erase": HTMLButtonElement, "compare": HTMLElement, "compare-title": HTMLElement, "compare-text": HTMLElement,
 * "scale": SVGSVGElement, "scale-title": SVGTitleElement, "curves-frame": HTMLElement, "curves": SVGSVGElement,
 * "curves-title": SVGTitleElement, "curves-caption": HTMLElement, "strips": HTMLElement,
 * "try-again": HTMLButtonElement, "compare-home": HTMLButtonElement,
 * "sign-out": HTMLButtonElement, "door": HTMLElement, "sign-in": HTMLFormElement, "key": HTMLInputElement,
 * "trouble": HTMLElement, "board": HTMLElement, "numbers": HTMLElement, "of-users": HTMLElement, "of-attempts": HTMLElement, "scores": HTMLElement,
 * "histogram": SVGSVGElement, "histogram-title": SVGTitleElement, "legend": HTMLElement,
 * "camera-quality": HTMLElement, "qualities": HTMLElement, "calibration": HTMLElement, "point": HTMLElement,
 * "points": HTMLElement, "sources": HTMLElement, "people": HTMLElement, "find": HTMLInputElement,
 * "users": HTMLElement, "more-users": HTMLButtonElement, "trail": HTMLElement, "entries": HTMLElement,
 * "export": HTMLButtonElement,
 * }} Elements
 */

/**
 * The element of an id. It is there: the test looks for every id that a script names.
 * @template {keyof Elements} Id
 * @param {Id} id @returns {Elements[Id]}
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
