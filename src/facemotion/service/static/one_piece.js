// Without a live socket: the browser records clips and sends each in one piece.

import { $ } from "./elements.js";
import { limits, upload } from "./link.js";
import { soundEnd, soundGo } from "./sound.js";
import { WORDS } from "./strings.js";

const TAKES = 3; // of an enrolment, where the service takes so many
const CLIP = 3500; // ms of a clip

/** How many takes to ask for. @param {{min_takes: number, max_takes: number}} limits of the service */
export const within = ({ min_takes, max_takes }) => Math.min(Math.max(TAKES, min_takes), max_takes);

/**
 * A verification or an enrolment, on the stage that is shown.
 * @param {import("./camera.js").Camera} camera open @param {import("./stage.js").Stage} stage
 * @param {AbortSignal} signal @param {import("./link.js").Purpose} purpose @param {string} user
 * @param {() => Promise<string>} ask for a nonce
 * @returns {Promise<any>} the answer of the service
 */
export async function inOnePiece(camera, stage, signal, purpose, user, ask) {
  const clips = [];
  let hint = WORDS.plain;
  const of = purpose === "verify" ? 1 : within(await limits());
  while (clips.length < of) {
    stage.title(of > 1 ? WORDS.enrolling(clips.length + 1, of) : WORDS.verifying(user), clips.length, of > 1 ? of : 0);
    stage.hint(hint);
    for (let left = 3; left; left -= 1) {
      stage.say(WORDS.count(left));
      await new Promise((resolve) => setTimeout(resolve, 1000));
      signal.throwIfAborted();
    }
    stage.mood("going");
    stage.say(WORDS.go);
    soundGo();
    const start = performance.now();
    const filling = setInterval(() => stage.fill(Math.min(1, (performance.now() - start) / CLIP)), 40);
    const clip = await camera.record(CLIP);
    clearInterval(filling);
    signal.throwIfAborted();
    soundEnd();
    stage.fit($("camera"));
    hint = clip ? WORDS.plain : WORDS.turned;
    if (clip) clips.push(clip);
  }
  stage.mood("done");
  stage.hint(WORDS.hintDone);
  stage.say(WORDS.sending);
  const answer = await upload(user, purpose, await ask(), clips);
  signal.throwIfAborted();
  return answer;
}
