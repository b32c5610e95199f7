// How often something happens, a second, over the last moments.

const WINDOW = 2000; // ms that are looked back on
const KNOWN = 1000; // ms after which what was seen says something

export class Rate {
  constructor() {
    /** @type {[number, number][]} when, and how often until then */
    this.marks = [];
    this.total = 0;
  }

  /** @param {number} now ms @param {number} [times] that it happened */
  add(now, times = 1) {
    this.total += times;
    this.marks.push([now, this.total]);
    while (now - this.marks[0][0] > WINDOW) this.marks.shift();
  }

  /**
   * Times a second; null while too little was seen. What stopped counts less with every moment.
   * @param {number} now ms @returns {number | null}
   */
  perSecond(now) {
    if (!this.marks.length || now - this.marks[0][0] < KNOWN) return null;
    return (1000 * (this.total - this.marks[0][1])) / (now - this.marks[0][0]);
  }

  /** Forget what was. */
  clear() {
    this.marks = [];
  }
}
