// What the browser remembers. Frames may be allowed no storage: then the page forgets it.

/** @typedef {"localStorage" | "sessionStorage"} Store of the browser, or of this tab alone */

/** @param {string} key @param {Store} [store] @returns {string} "" where nothing is kept */
export function recall(key, store = "localStorage") {
  try {
    return window[store].getItem(key) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} key @param {string} value "" to forget it @param {Store} [store] */
export function remember(key, value, store = "localStorage") {
  try {
    if (value) window[store].setItem(key, value);
    else window[store].removeItem(key);
  } catch {
    // forgotten
  }
}
