// A take of an enrolment, once it is made: what the service says of it, and on, watch it, or begin anew.

import { play } from "./compare.js";
import { $, choice } from "./elements.js";
import { sentBack } from "./link.js";
import { WORDS } from "./strings.js";

const SMALL = 0.33; // sizes of a motion below this are small, above the next large
const LARGE = 0.66;

/**
 * @param {import("./link.js").TakeKept | import("./link.js").TakeRefused} answer
 * @param {number} of takes that are asked for
 */
function fill(answer, of) {
  const { size, warnings } = answer.again ? { size: 0, warnings: [] } : /** @type {import("./link.js").TakeKept} */ (answer);
  const left = of - answer.takes;
  $("review-title").textContent = answer.again || WORDS.taken(answer.takes, of);
  $("review-next").textContent = answer.again ? WORDS.afterOther : left ? WORDS.afterTake(left) : WORDS.afterLast;
  $("size").hidden = Boolean(answer.again);
  $("meter").value = size;
  $("size-word").textContent = WORDS.sizes[size < SMALL ? 0 : size < LARGE ? 1 : 2];
  $("warnings").replaceChildren(...warnings.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  $("next").textContent = answer.again ? WORDS.once : WORDS.next(answer.takes, of);
  $("over").hidden = sentBack(); // another session needs another nonce
}

/**
 * What the service says of a take; the user goes on, watches it, or begins anew.
 * @param {import("./link.js").TakeKept | import("./link.js").TakeRefused} answer
 * @param {import("./camera.js").Shot[]} shots of the take @param {number} of takes that are asked for
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
