// A take of an enrolment, once it is made: what the service says of it, and on, watch it, or begin anew.

import { $, choice } from "./elements.js";
import { ENROL, ENROL_PAGE } from "./enrol_strings.js";
import { fillIn } from "./fill.js";
import { sentBack } from "./link.js";

/** @import { Shot, TakeKept, TakeRefused } from "./types.js" */

const SMALL = 0.33; // sizes of a motion below this are small, above the next large
const LARGE = 0.66;

fillIn(ENROL_PAGE);

/**
 * @param {TakeKept | TakeRefused} answer
 * @param {number} of takes that are asked for
 */
function fill(answer, of) {
  const { size, warnings } = answer.again ? { size: 0, warnings: [] } : /** @type {TakeKept} */ (answer);
  const left = of - answer.takes;
  $("review-title").textContent = answer.again || ENROL.taken(answer.takes, of);
  $("review-next").textContent = answer.again ? ENROL.afterOther : left ? ENROL.afterTake(left) : ENROL.afterLast;
  $("size").hidden = Boolean(answer.again);
  $("meter").value = size;
  $("size-word").textContent = ENROL.sizes[size < SMALL ? 0 : size < LARGE ? 1 : 2];
  $("warnings").replaceChildren(...warnings.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  $("next").textContent = answer.again ? ENROL.once : ENROL.next(answer.takes, of);
  $("over").hidden = sentBack(); // another session needs another nonce
}

/**
 * Play a take on a canvas, to its end or until it is stopped.
 * @param {Shot[]} shots @param {HTMLCanvasElement} canvas @param {AbortSignal} stopped
 */
async function play(shots, canvas, stopped) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const start = performance.now();
  for (const shot of shots) {
    const image = await createImageBitmap(shot.jpeg);
    const wait = 1000 * (shot.time - shots[0].time) - (performance.now() - start);
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (stopped.aborted) return;
    canvas.width = image.width;
    canvas.height = image.height;
    context.drawImage(image, 0, 0);
    image.close();
  }
}

/**
 * What the service says of a take; the user goes on, watches it, or begins anew.
 * @param {TakeKept | TakeRefused} answer
 * @param {Shot[]} shots of the take @param {number} of takes that are asked for
 * @param {() => void} show the view @param {AbortSignal} stopped
 * @returns {Promise<boolean>} false where another motion shall be made, from the start
 */
export async function review(answer, shots, of, show, stopped) {
  fill(answer, of);
  const playing = new AbortController(); // the other buttons work while the take plays
  play(shots.slice(shots.length >> 1, (shots.length >> 1) + 1), $("replay"), playing.signal); // a still of it
  show();
  try {
    for (;;) {
      const pressed = await choice(stopped, "next", "watch", "over");
      if (pressed !== "watch") return pressed === "next";
      $("watch").disabled = true;
      play(shots, $("replay"), playing.signal).finally(() => ($("watch").disabled = false));
    }
  } finally {
    playing.abort();
  }
}
