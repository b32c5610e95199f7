// A study: takes of named motions, which the service keeps. What users agree to is in the words of whoever leads it.

import { filmed, stage, verdict } from "./app.js";
import { Session } from "./session.js";
import { STUDY } from "./study_strings.js";
import { onceMore } from "./takes.js";
import { visitNonce } from "./visiting.js";

/** @import { PageSession, StudyTake } from "./types.js" */

const READING = 2500; // ms to read which motion is asked for

/** Record what is left of a study. @param {PageSession} visit */
export function takePart(visit) {
  return filmed("study", STUDY.title, async (camera, signal) => {
    for (;;) {
      const { kept, motion } = await recordMotion(camera, signal, visit);
      if (!motion) return verdict("good", STUDY.done, STUDY.doneText(kept));
    }
  }, () => takePart(visit));
}

/**
 * All takes of one motion.
 * @param {import("./camera.js").Camera} camera open @param {AbortSignal} signal @param {PageSession} visit
 * @returns {Promise<StudyTake>} what follows
 */
async function recordMotion(camera, signal, visit) {
  const session = new Session(camera, stage, signal);
  try {
    let next = /** @type {StudyTake} */ (await session.open({
      user: visit.user, nonce: await visitNonce(visit), purpose: "study", consent: visit.consent_sha256,
    }));
    const { motion } = next;
    let note = "";
    while (next.motion && next.motion === motion) {
      stage.title(STUDY.take(motion, next.take, next.takes), next.take - 1, next.takes);
      stage.hint(note || (next.take > 1 ? STUDY.again(motion) : STUDY.first(motion)));
      try {
        next = /** @type {StudyTake} */ ((await session.take(READING)).answer);
      } catch (error) {
        note = onceMore(error, session.state.name === "over");
        continue;
      }
      note = "";
    }
    return next;
  } finally {
    session.close();
  }
}
