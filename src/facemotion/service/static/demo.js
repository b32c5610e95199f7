// What a motion is, drawn: the head at rest, two winks, a pout, and at rest again.

import { EYES, PARTS } from "./demo_head.js";
import { DEMO, DEMO_PAGE } from "./demo_strings.js";
import { $, choice, shape } from "./elements.js";
import { fillIn } from "./fill.js";

fillIn(DEMO_PAGE);

const BEGIN = 1; // s at which the ring begins to fill
const END = 4; // s at which it is full
const BACK = 3.5; // s at which the face comes back to rest
const LAST = 4.8; // s
const EDGE = 0.16; // s that a wink or a pout takes to come and to go
const WINKS = [[1.2, 1.6], [1.9, 2.3]]; // s
const POUTS = [[2.5, 3.7]];
/** Heads of a still drawing, where nothing shall move: at rest, a wink, a pout. */
const STILL = [[0, 0], [1, 0], [0, 1]];

/** A smooth line through points. @param {number[]} flat x and y in turn @param {boolean} closed */
function line(flat, closed) {
  const count = flat.length / 2;
  const at = (/** @type {number} */ k) => {
    const n = closed ? (k + count) % count : Math.min(Math.max(k, 0), count - 1);
    return [flat[2 * n], flat[2 * n + 1]];
  };
  let path = `M${at(0)}`;
  for (let k = 0; k < (closed ? count : count - 1); k += 1) {
    const [before, from, to, after] = [at(k - 1), at(k), at(k + 1), at(k + 2)];
    const first = from.map((value, axis) => value + (to[axis] - before[axis]) / 6);
    const second = to.map((value, axis) => value - (after[axis] - from[axis]) / 6);
    path += `C${first.map(Math.round)} ${second.map(Math.round)} ${to}`;
  }
  return closed ? `${path}Z` : path;
}

let heads = 0;

/** A head, which a share of a wink and of a pout can be put on. @param {number} x of its middle */
function newHead(x) {
  const number = (heads += 1);
  const group = shape("g", { transform: `translate(${x} 0)` });
  const add = (/** @type {string} */ name, /** @type {Record<string, string | number>} */ attributes) => {
    group.append(shape(name, attributes));
    return /** @type {Element} */ (group.lastChild);
  };
  add("path", { class: "shirt", d: "M-100 150C-100 118-60 112-36 104H36C60 112 100 118 100 150Z" });
  add("path", { class: "neck", d: "M-36 50V104C-22 120 22 120 36 104V50Z" });
  add("ellipse", { class: "hair", cx: 0, cy: -42, rx: 90, ry: 82 });
  for (const side of [-1, 1]) add("ellipse", { class: "skin", cx: 79 * side, cy: -12, rx: 11, ry: 20 });
  const drawn = PARTS.map(([kind, closed], k) => {
    const id = `demo-${number}-${k}`;
    if (kind !== "eye") return [add("path", { class: kind })];
    const clip = add("clipPath", { id });
    const hole = clip.appendChild(shape("path", {}));
    const white = add("path", { class: "white" });
    const [cx, cy] = EYES[PARTS.slice(0, k).filter(([before]) => before === "eye").length];
    for (const [name, r] of /** @type {[string, number][]} */ ([["iris", 6.2], ["pupil", 2.8]])) add("circle", { class: name, cx, cy, r, "clip-path": `url(#${id})` });
    return [hole, white, add("path", { class: "lid" })];
  });
  return {
    group,
    /** @param {number} wink @param {number} pout shares */
    put(wink, pout) {
      PARTS.forEach(([, closed, rest, ofWink, ofPout], k) => {
        const path = line(rest.map((value, n) => Math.round(10 * (value + wink * (ofWink[n] ?? 0) + pout * (ofPout[n] ?? 0))) / 10), closed);
        for (const one of drawn[k]) one.setAttribute("d", path);
      });
    },
  };
}

/** How far a move is made that comes and goes, 0..1. @param {number} now s @param {number[][]} spans */
const share = (now, spans) => Math.max(...spans.map(([from, to]) => {
  const edge = Math.min(Math.max(Math.min(now - from, to - now) / EDGE, 0), 1);
  return edge * edge * (3 - 2 * edge);
}));

/** @param {number} now s */
function mark(now) {
  const step = now < BEGIN ? 0 : now < BACK ? 1 : 2;
  [...$("demo-steps").children].forEach((one, k) => one.classList.toggle("now", k === step));
}

/**
 * Show it, once or as often as it is asked for, until the user goes on.
 * @param {AbortSignal} stopped @param {() => void} show the view @param {boolean} asked whether somebody else names the motions
 */
export async function showDemo(stopped, show, asked) {
  $("demo-steps").children[1].textContent = asked ? DEMO.moveAsked : DEMO_PAGE.demoMove;
  const drawing = $("demo-head");
  const title = /** @type {Element} */ (drawing.querySelector("title"));
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  drawing.setAttribute("viewBox", still ? "-330 -140 660 290" : "-150 -140 300 290");
  const all = (still ? STILL : STILL.slice(0, 1)).map((shares, k) => {
    const head = newHead(still ? 220 * (k - 1) : 0);
    head.put(shares[0], shares[1]);
    return head;
  });
  const ring = shape("ellipse", { class: "ring", cx: 0, cy: -24, rx: 110, ry: 116, pathLength: 100, transform: "rotate(-90 0 -24)", "stroke-dasharray": "0 100" });
  drawing.replaceChildren(title, ...all.map((head) => head.group), ...(still ? [] : [ring]));
  $("demo-again").hidden = still;
  show();
  let run = 0;
  const begin = () => {
    const mine = (run += 1);
    const start = performance.now();
    const draw = () => {
      if (mine !== run) return;
      const now = (performance.now() - start) / 1000;
      all[0].put(share(now, WINKS), share(now, POUTS));
      ring.setAttribute("stroke-dasharray", `${100 * Math.min(Math.max((now - BEGIN) / (END - BEGIN), 0), 1)} 100`);
      mark(now);
      $("demo-on").textContent = now < LAST ? DEMO.skip : DEMO.goOn;
      if (now < LAST) requestAnimationFrame(draw);
    };
    draw();
  };
  if (still) $("demo-on").textContent = DEMO.goOn;
  else begin();
  try {
    while ((await choice(stopped, "demo-on", "demo-again")) === "demo-again") begin();
  } finally {
    run = 0;
  }
}
