// A study: takes of named motions, which the service keeps. What users agree to is in the words of whoever leads it.

import { onceMore } from "./link.js";
import { Session } from "./session.js";
import { WORDS } from "./strings.js";
import { visitNonce } from "./visit.js";

const READING = 2500; // ms to read which motion is asked for

/**
 * Record what is left of a study.
 * @param {import("./camera.js").Camera} camera @param {import("./stage.js").Stage} stage @param {AbortSignal} signal
 * @param {import("./visit.js").PageSession} visit
 * @returns {Promise<number>} how many takes are kept
 */
export async function recordStudy(camera, stage, signal, visit) {
  for (;;) {
    const { kept, motion } = await recordMotion(camera, stage, signal, visit);
    if (!motion) return kept;
  }
}

/**
 * All takes of one motion.
 * @param {import("./camera.js").Camera} camera @param {import("./stage.js").Stage} stage @param {AbortSignal} signal
 * @param {import("./visit.js").PageSession} visit
 * @returns {Promise<import("./link.js").StudyTake>} what follows
 */
async function recordMotion(camera, stage, signal, visit) {
  const session = new Session(camera, stage, signal);
  try {
    let next = /** @type {import("./link.js").StudyTake} */ (await session.open({
      user: visit.user, nonce: await visitNonce(visit), purpose: "study", consent: visit.consent_sha256,
    }));
    const { motion } = next;
    let note = "";
    while (next.motion && next.motion === motion) {
      stage.title(WORDS.studyTake(next.take, next.takes), next.take - 1, next.takes);
      stage.hint(note || (next.take > 1 ? WORDS.studyAgain(motion) : WORDS.studyFirst(motion)));
      try {
        next = /** @type {import("./link.js").StudyTake} */ ((await session.take(READING)).answer);
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
