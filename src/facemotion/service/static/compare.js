// Two takes side by side: how alike, and where along time they part.

import { $, shape } from "./elements.js";
import { TRIAL } from "./trial_strings.js";

/** @import { Comparison, Shot } from "./types.js" */

const RATE = 25; // points a second of the curves
const MOMENTS = 5;
const APART = 0.5; // of the larger motion

/** Keep the title, which says it in words, and draw the rest anew. @param {SVGElement} svg @param {Element[]} parts */
const draw = (svg, parts) => svg.replaceChildren(/** @type {Element} */ (svg.querySelector("title")), ...parts);

/** @param {Comparison} comparison @param {Shot[][]} takes frames of both */
export function compareTakes(comparison, takes) {
  $("compare-title").textContent = comparison.match ? TRIAL.match : TRIAL.differ;
  $("compare-title").className = comparison.match ? "good" : "bad";
  $("compare-text").textContent = comparison.match ? TRIAL.matchText : TRIAL.differText;
  scale(comparison);
  curves(comparison);
  strips(comparison, takes);
}

/** @param {Comparison} comparison */
function scale({ score, threshold, match }) {
  const x = (/** @type {number} */ value) => 20 + 560 * Math.min(Math.max(value, 0), 1);
  $("scale-title").textContent = TRIAL.scale(score.toFixed(2), threshold.toFixed(2));
  draw($("scale"), [
    shape("rect", { class: "rail", x: 20, y: 32, width: 560, height: 8, rx: 4 }),
    shape("rect", { class: match ? "good" : "bad", x: 20, y: 32, width: Math.max(x(score) - 20, 8), height: 8, rx: 4 }),
    shape("line", { class: "needed", x1: x(threshold), x2: x(threshold), y1: 24, y2: 48 }),
    shape("circle", { class: match ? "good" : "bad", cx: x(score), cy: 36, r: 9 }),
    shape("text", { x: x(threshold), y: 64, "text-anchor": "middle" }, `${TRIAL.needed} ${threshold.toFixed(2)}`),
    shape("text", { x: Math.min(Math.max(x(score), 75), 525), y: 16, "text-anchor": "middle" }, `${TRIAL.alike} ${score.toFixed(2)}`),
  ]);
}

/** @param {Comparison} comparison */
function curves({ curves: [first, second], pairs }) {
  const seconds = Math.max(first.length, second.length) / RATE;
  const x = (/** @type {number} */ time) => 10 + (580 * time) / seconds;
  const above = (/** @type {number} */ value) => 80 - 70 * value;
  const below = (/** @type {number} */ value) => 180 - 70 * value;
  const line = (/** @type {number[]} */ values, /** @type {(value: number) => number} */ y) =>
    values.map((value, k) => `${k ? "L" : "M"}${x(k / RATE).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const at = (/** @type {number[]} */ values, /** @type {number} */ time) => values[Math.min(Math.round(time * RATE), values.length - 1)];
  $("curves-title").textContent = TRIAL.curves;
  $("curves-caption").textContent = TRIAL.caption;
  draw($("curves"), [
    ...pairs.filter((_, k) => k % 2 === 0).map(([a, b, apart]) => shape("line", {
      class: apart > APART ? "tie apart" : "tie", x1: x(a), y1: above(at(first, a)), x2: x(b), y2: below(at(second, b)),
    })),
    shape("text", { x: 10, y: 18 }, TRIAL.first),
    shape("text", { x: 10, y: 206 }, TRIAL.second),
    shape("path", { class: "curve", d: line(first, above) }),
    shape("path", { class: "curve", d: line(second, below) }),
  ]);
}

/** @param {Comparison} comparison @param {Shot[][]} takes */
function strips({ pairs }, takes) {
  const chosen = Array.from({ length: MOMENTS }, (_, k) => {
    const part = pairs.slice(Math.floor((k * pairs.length) / MOMENTS), Math.ceil(((k + 1) * pairs.length) / MOMENTS));
    const most = part.reduce((a, b) => (b[2] > a[2] ? b : a)); // never leave out where they part
    return most[2] > APART ? most : part[Math.floor(part.length / 2)];
  });
  $("strips").replaceChildren(...chosen.map(([a, b, apart]) => {
    const column = document.createElement("figure");
    column.className = apart > APART ? "apart" : "";
    [a, b].forEach((time, k) => column.append(picture(takes[k], time)));
    const words = document.createElement("figcaption");
    words.textContent = TRIAL.moment(a.toFixed(1), apart > APART);
    column.append(words);
    return column;
  }));
}

/** The frame of a take nearest to a time from its first one. @param {Shot[]} shots @param {number} time */
function picture(shots, time) {
  const canvas = document.createElement("canvas");
  const from = shots[0].time;
  const shot = shots.reduce((best, next) => (Math.abs(next.time - from - time) < Math.abs(best.time - from - time) ? next : best));
  createImageBitmap(shot.jpeg).then((image) => {
    const side = Math.min(image.width, image.height);
    canvas.width = canvas.height = 160;
    canvas.getContext("2d")?.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, 160, 160);
    image.close();
  });
  return canvas;
}
