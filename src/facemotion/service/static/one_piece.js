// Without a live socket: the browser records clips and sends each in one piece.

import { $ } from "./elements.js";
import { call, ofUser } from "./link.js";
import { soundEnd, soundGo } from "./sound.js";
import { WORDS } from "./strings.js";
import { within } from "./takes.js";
import { TAKES } from "./takes_strings.js";

/** @import { Purpose } from "./types.js" */

const CLIP = 3500; // ms of a clip

/**
 * A verification, or an enrolment, by clips sent in one piece.
 * @param {string} user @param {Purpose} purpose @param {string} given nonce @param {Blob[]} clips
 */
async function upload(user, purpose, given, clips) {
  const form = new FormData();
  form.append("nonce", given);
  for (const clip of clips) form.append(purpose === "verify" ? "clip" : "takes", clip, "take.webm");
  const method = purpose === "enrol-again" ? "PUT" : "POST";
  return call(`${ofUser(user)}/${purpose === "verify" ? "verify" : "enrolment"}`, { method, body: form });
}

/**
 * Records one clip; null where the camera was turned meanwhile.
 * @param {import("./camera.js").Camera} camera open @param {number} milliseconds @returns {Promise<Blob | null>}
 */
function record(camera, milliseconds) {
  return new Promise((resolve, reject) => {
    const recorder = new MediaRecorder(/** @type {MediaStream} */ (camera.stream), { videoBitsPerSecond: 2_500_000 });
    /** @type {Blob[]} */
    const parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onerror = reject;
    let whole = true;
    const turned = () => {
      whole = false;
      if (recorder.state !== "inactive") recorder.stop();
    };
    camera.video.addEventListener("resize", turned);
    recorder.onstop = () => {
      camera.video.removeEventListener("resize", turned);
      resolve(whole ? new Blob(parts, { type: recorder.mimeType }) : null);
    };
    recorder.start();
    setTimeout(() => recorder.state !== "inactive" && recorder.stop(), milliseconds);
  });
}

/**
 * A verification or an enrolment, on the stage that is shown.
 * @param {import("./camera.js").Camera} camera open @param {import("./stage.js").Stage} stage
 * @param {AbortSignal} signal @param {Purpose} purpose @param {string} user
 * @param {() => Promise<string>} ask for a nonce
 * @returns {Promise<any>} the answer of the service
 */
export async function inOnePiece(camera, stage, signal, purpose, user, ask) {
  const clips = [];
  let hint = TAKES.plain;
  const of = purpose === "verify" ? 1 : within(await call("v1/models"));
  while (clips.length < of) {
    stage.title(of > 1 ? TAKES.enrolling(clips.length + 1, of) : WORDS.verifying(user), clips.length, of > 1 ? of : 0);
    stage.hint(hint);
    for (let left = 3; left; left -= 1) {
      stage.say(TAKES.count(left));
      await new Promise((resolve) => setTimeout(resolve, 1000));
      signal.throwIfAborted();
    }
    stage.mood("going");
    stage.say(WORDS.go);
    soundGo();
    const start = performance.now();
    const filling = setInterval(() => stage.fill(Math.min(1, (performance.now() - start) / CLIP)), 40);
    const clip = await record(camera, CLIP);
    clearInterval(filling);
    signal.throwIfAborted();
    soundEnd();
    stage.fit($("camera"));
    hint = clip ? TAKES.plain : WORDS.turned;
    if (clip) clips.push(clip);
  }
  stage.mood("done");
  stage.hint(WORDS.hintDone);
  stage.say(TAKES.sending);
  const answer = await upload(user, purpose, await ask(), clips);
  signal.throwIfAborted();
  return answer;
}
