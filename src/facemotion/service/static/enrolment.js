// The takes of an enrolment, one after the other.

import { ENROL } from "./enrol_strings.js";
import { review } from "./review.js";
import { onceMore, within } from "./takes.js";
import { TAKES } from "./takes_strings.js";

/** @import { TakeKept, TakeLimits, TakeRefused } from "./types.js" */

const READING = 2000; // ms to read what to do before a take that is the first of its kind

/**
 * @param {import("./session.js").Session} session open @param {import("./stage.js").Stage} stage
 * @param {TakeLimits} limits of the service @param {(view: "stage" | "review") => void} show
 * @returns {Promise<boolean>} whether the takes are stored; else the user makes another motion, from the start
 */
export async function enrol(session, stage, limits, show) {
  const of = within(limits);
  let done = 0;
  let note = "";
  while (done < of) {
    stage.title(TAKES.enrolling(done + 1, of), done, of);
    stage.hint(note || (done ? ENROL.hintSame : ENROL.hintFirst));
    show("stage");
    let taken;
    try {
      taken = await session.take(done && !note ? 0 : READING);
    } catch (error) {
      note = onceMore(error, session.state.name === "over");
      continue;
    }
    const answer = /** @type {TakeKept | TakeRefused} */ (taken.answer);
    note = answer.again ?? "";
    done = answer.takes;
    if (!(await review(answer, taken.shots, of, () => show("review"), session.stopped))) return false;
  }
  await session.ask({ enrol: true });
  return true;
}
