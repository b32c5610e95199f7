// What one sees while being filmed: the mirror, an oval that fits the face, a ring that fills, and what to do.

import { $ } from "./elements.js";
import { GUIDANCE, WORDS } from "./strings.js";

const CALM = 500; // ms that a word of guidance stays, so that it can be read and heard
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
  }

  /** @param {HTMLVideoElement} video playing */
  fit(video) {
    this.width = video.videoWidth;
    this.height = video.videoHeight;
    $("frame").style.aspectRatio = `${this.width} / ${this.height}`;
    $("overlay").setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    $("ring").setAttribute("pathLength", "100");
    this.place(null);
    this.oval = this.wanted;
    this.draw();
  }

  /** @param {number[] | null} box of the face in shares of width and height; null where there is none */
  place(box) {
    const side = Math.min(this.width, this.height);
    if (box) {
      const [x0, y0, x1, y1] = box;
      const face = Math.max((x1 - x0) * this.width, (y1 - y0) * this.height);
      // A face that fills the picture still has the whole ring to see.
      const [rx, ry] = [Math.min(0.6 * face, this.width / 2 - MARGIN), Math.min(0.8 * face, this.height / 2 - MARGIN)];
      const within = (/** @type {number} */ value, /** @type {number} */ radius, /** @type {number} */ size) =>
        Math.min(Math.max(value, radius + MARGIN), size - radius - MARGIN);
      this.wanted = [
        within(((x0 + x1) / 2) * this.width, rx, this.width),
        within(((y0 + y1) / 2) * this.height - 0.07 * face, ry, this.height), rx, ry,
      ];
    } else {
      this.wanted = [this.width / 2, this.height / 2, 0.3 * side, 0.4 * side];
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

  /** @param {import("./link.js").FrameGuidance} answer of the service to a frame */
  guide({ box, guidance, message }) {
    this.place(box);
    this.mood(guidance === "GO" ? "ready" : "");
    this.say(GUIDANCE[guidance] ?? message, false);
  }

  /** @param {number} rate frames a second that go up @param {string} slow what to do where they are too few */
  rate(rate, slow) {
    $("rate").textContent = WORDS.rate(Math.floor(rate));
    if ($("slow").textContent !== slow) $("slow").textContent = slow; // told once
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
