// Two takes of a visitor, beside each other.

import { compareTakes } from "./compare.js";
import { fillIn } from "./fill.js";
import { Cut } from "./link.js";
import { Session } from "./session.js";
import { onceMore } from "./takes.js";
import { TRIAL, TRIAL_PAGE } from "./trial_strings.js";

/** @import { Comparison, Shot } from "./types.js" */

const READING = 2000; // ms to read what to do before a take

fillIn(TRIAL_PAGE);

/**
 * Film both, and draw how alike they are.
 * @param {import("./camera.js").Camera} camera open @param {import("./stage.js").Stage} stage @param {AbortSignal} signal
 */
export async function tryTwice(camera, stage, signal) {
  const session = new Session(camera, stage, signal);
  try {
    await session.open({ purpose: "try" });
    /** @type {Shot[][]} */
    const takes = [];
    let note = "";
    for (;;) {
      stage.title(TRIAL.trying(takes.length + 1), takes.length, 2);
      stage.hint(note || (takes.length ? TRIAL.hintTrySame : TRIAL.hintTry));
      let taken;
      try {
        taken = await session.take(READING);
      } catch (error) {
        note = onceMore(error, session.state.name === "over");
        continue;
      }
      note = "";
      takes.push(taken.shots);
      if (takes.length < 2) continue;
      compareTakes(/** @type {Comparison} */ (taken.answer), takes);
      return;
    }
  } catch (error) {
    throw error instanceof Cut ? new Cut("noTry") : error;
  } finally {
    session.close();
  }
}
