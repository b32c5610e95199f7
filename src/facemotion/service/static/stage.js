// What one sees while being filmed: the mirror, an oval that fits the face, a ring that fills, and what to do.

import { $ } from "./elements.js";
import { GUIDANCE, RESTLESS, WORDS } from "./strings.js";

const CALM = 500; // ms that a word of guidance stays, so that it can be read and heard
const SLIM = 0.85; // width of an oval at most, in heights
const MARGIN = 8; // px of the picture that stay free round the oval

/** Two half arcs from the top, clockwise as seen in the mirror. @param {number[]} oval centre and radii */
const ellipse = ([x, y, rx, ry]) => `M${x} ${y - ry}a${rx} ${ry} 0 0 0 0 ${2 * ry}a${rx} ${ry} 0 0 0 0 ${-2 * ry}Z`;

export class Stage {
  constructor() {
    this.width = 480;
    this.height = 360;
    /** @type {number[]} */
    this.oval = [];
    /** @type {number[]} */
    this.wanted = [];
    this.said = ""; // the guidance that is shown
    this.spoken = 0; // when it was said
    this.moving = false;
    this.quick = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.seen = [0, 0, 480, 360]; // left, top, right and bottom of what can be seen of the picture, in its pixels
    /** @type {number[] | null} */
    this.box = null; // of the face, where it was last
    new ResizeObserver(() => this.measure()).observe($("frame"));
  }

  /** @param {HTMLVideoElement} video playing */
  fit(video) {
    this.width = video.videoWidth;
    this.height = video.videoHeight;
    $("stage").style.setProperty("--shape", String(this.width / this.height));
    $("overlay").setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    $("ring").setAttribute("pathLength", "100");
    this.box = null;
    this.measure();
    this.oval = this.wanted;
    this.draw();
  }

  /** Learn what can be seen: the screen may have another shape than the picture, and words may stand before it. */
  measure() {
    const [frame, above, below] = [$("frame"), $("above"), $("below")].map((one) => one.getBoundingClientRect());
    const scale = Math.max(frame.width / this.width, frame.height / this.height);
    if (!scale) return;
    const left = (this.width - frame.width / scale) / 2;
    const top = (this.height - frame.height / scale) / 2;
    const aside = below.left >= frame.right; // then no words stand before the picture
    const down = (/** @type {number} */ y) => top + (Math.min(Math.max(y, frame.top), frame.bottom) - frame.top) / scale;
    this.seen = [left, down(aside ? frame.top : above.bottom), this.width - left, down(aside ? frame.bottom : below.top)];
    this.place(this.box);
  }

  /** @param {number[] | null} box of the face in shares of width and height; null where there is none */
  place(box) {
    this.box = box;
    const [left, top, right, bottom] = this.seen;
    const [width, height] = [right - left, bottom - top];
    if (box) {
      const [x0, y0, x1, y1] = box;
      const face = Math.max((x1 - x0) * this.width, (y1 - y0) * this.height);
      // A face that fills the picture still has the whole ring to see.
      const ry = Math.min(0.8 * face, height / 2 - MARGIN);
      const rx = Math.min(0.6 * face, width / 2 - MARGIN, SLIM * ry);
      const within = (/** @type {number} */ value, /** @type {number} */ radius, /** @type {number} */ from, /** @type {number} */ to) =>
        Math.min(Math.max(value, from + radius + MARGIN), to - radius - MARGIN);
      this.wanted = [
        within(((x0 + x1) / 2) * this.width, rx, left, right),
        within(((y0 + y1) / 2) * this.height - 0.07 * face, ry, top, bottom), rx, ry,
      ];
    } else {
      const side = Math.min(width, height);
      this.wanted = [(left + right) / 2, (top + bottom) / 2, 0.34 * side, 0.45 * side];
    }
    if (!this.moving) this.move();
  }

  /** Glide to where the face is. */
  move() {
    const far = this.wanted.map((value, k) => value - (this.oval[k] ?? value));
    this.moving = !this.quick && Math.max(...far.map(Math.abs)) > 0.5;
    this.oval = this.moving ? this.wanted.map((value, k) => value - 0.75 * far[k]) : this.wanted;
    this.draw();
    if (this.moving) requestAnimationFrame(() => this.move());
  }

  draw() {
    const path = ellipse(this.oval);
    $("shade").setAttribute("d", `M0 0H${this.width}V${this.height}H0Z${path}`);
    $("oval").setAttribute("d", path);
    $("ring").setAttribute("d", path);
  }

  /** @param {number} share of the ring, 0..1 */
  fill(share) {
    $("ring").style.strokeDasharray = `${100 * share} 100`;
    $("ring").style.visibility = share ? "visible" : "hidden";
  }

  /** @param {"" | "ready" | "going" | "done"} state */
  mood(state) {
    $("frame").dataset.mood = state;
  }

  /** Say what to do; changes of mind are held back a little. @param {string} text @param {boolean} [now] */
  say(text, now = true) {
    const time = performance.now();
    if (this.said === text || (!now && time - this.spoken < CALM)) return;
    $("guidance").textContent = this.said = text;
    this.spoken = time;
  }

  /**
   * The oval is green for a face at rest alone. Words wait a little, since everybody blinks.
   * @param {import("./types.js").FrameGuidance} answer of the service to a frame
   * @param {boolean} restless whether the face moves on though its motion isn't asked for yet
   */
  guide({ box, guidance, message, moving }, restless) {
    this.place(box);
    this.mood(guidance === "GO" && !moving ? "ready" : "");
    this.say(guidance === "GO" && restless ? RESTLESS : (GUIDANCE[guidance] ?? message), false);
  }

  /** @param {number} rate frames a second that go up @param {string} slow what to do where they are too few */
  rate(rate, slow) {
    $("rate").textContent = WORDS.rate(Math.floor(rate));
    if ($("slow").textContent !== slow) $("slow").textContent = slow;
  }

  /** @param {string} text */
  hint(text) {
    $("hint").textContent = text;
  }

  /** @param {string} text @param {number} [done] @param {number} [of] dots, where there are several takes */
  title(text, done = 0, of = 0) {
    $("heading").textContent = text;
    $("dots").hidden = !of;
    $("dots").replaceChildren(...Array.from({ length: of }, (_, k) => {
      const dot = document.createElement("li");
      dot.className = k < done ? "full" : k === done ? "now" : "";
      return dot;
    }));
    $("rate").textContent = $("slow").textContent = "";
    this.fill(0);
    this.mood("");
    this.say(WORDS.wait);
  }
}
