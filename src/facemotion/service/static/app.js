// Sit down, make your face, be let in.

import { Camera } from "./camera.js";
import { play, show } from "./compare.js";
import { $ } from "./elements.js";
import { Cut, Refusal, erase, limits, nonce, sentBack, upload } from "./link.js";
import { Session } from "./session.js";
import { Stage } from "./stage.js";
import { FAULTS, WORDS } from "./strings.js";

/** @typedef {import("./link.js").Purpose} Purpose */
/** @typedef {import("./camera.js").Shot} Shot */
/** @typedef {import("./link.js").TakeKept} TakeKept */
/** @typedef {import("./link.js").TakeRefused} TakeRefused */

const TAKES = 3; // of an enrolment, where the service takes so many
const READING = 2000; // ms to read what to do before a take that is the first of its kind
const CLIP = 3500; // ms of a clip that is sent in one piece
const MARKS = { good: "M30 52l14 14 27-31", bad: "M35 35l30 30M65 35L35 65", note: "M50 28v26M50 69v.1" };
const VIEWS = /** @type {const} */ (["home", "stage", "review", "verdict", "compare"]);
const AFTER_CUT = 1500; // ms before a session that was cut begins once more
const SMALL = 0.33; // sizes of a motion below this are small, above the next large
const LARGE = 0.66;
/** @typedef {typeof VIEWS[number]} View */

/** The user wants to make another motion, from the start. */
class StartOver extends Error {}

const stage = new Stage();
let stop = new AbortController();
let ticking = 0;
/** @type {View} */
let shown = "home";

/** How many takes to ask for. @param {{min_takes: number, max_takes: number}} limits of the service */
const within = ({ min_takes, max_takes }) => Math.min(Math.max(TAKES, min_takes), max_takes);

/** Show one view, and tell screen readers and keyboards where it begins. @param {View} name */
function view(name) {
  for (const other of VIEWS) $(other).hidden = other !== name;
  document.body.dataset.view = shown = name;
  $(name).querySelector("h1")?.focus();
}

/**
 * The id of the button that is pressed, or the end of the session.
 * @template {"next" | "watch" | "over"} Id
 * @param {Id[]} buttons @returns {Promise<Id>}
 */
function choice(...buttons) {
  return new Promise((resolve, reject) => {
    stop.signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    for (const id of buttons) $(id).onclick = () => resolve(id);
  });
}

/**
 * The last page of a session.
 * @param {keyof typeof MARKS} mark @param {string} title @param {string} text
 * @param {{again?: string, onAgain?: () => void, manage?: string, wait?: number}} [more] without `onAgain` there is one way on
 */
function verdict(mark, title, text, { again = WORDS.again, onAgain, manage = "", wait = 0 } = {}) {
  if (sentBack()) { // whoever handed the nonce over must hand over another one
    if (mark !== "good" && text !== FAULTS.spent[1]) text = `${text} ${FAULTS.spent[1]}`;
    onAgain = undefined;
    manage = "";
    again = mark === "good" ? WORDS.finish : WORDS.back;
    wait = 0;
  }
  $("mark").setAttribute("class", mark);
  $("mark-path").setAttribute("d", MARKS[mark]);
  $("verdict-title").textContent = title;
  $("verdict-text").textContent = text;
  $("change").hidden = $("erase").hidden = !manage;
  $("change").onclick = () => begin("enrol-again", manage);
  let sure = false;
  $("erase").textContent = WORDS.erase;
  $("erase").onclick = () => {
    if (sure) erase(manage).then(() => verdict("good", WORDS.erased, WORDS.erasedText, { again: WORDS.finish }), failed);
    sure = true;
    $("erase").textContent = WORDS.eraseSure;
  };
  const button = $("again");
  $("home-again").hidden = !onAgain;
  $("home-again").textContent = mark === "good" ? WORDS.finish : WORDS.back;
  button.onclick = onAgain ?? home;
  clearInterval(ticking);
  const until = performance.now() + 1000 * wait;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? WORDS.countdown(left) : again;
    if (left <= 0) clearInterval(ticking);
  };
  tick();
  if (wait) ticking = setInterval(tick, 500);
  view("verdict");
}

/** @param {unknown} error @param {() => void} [onAgain] @param {string} [user] */
function failed(error, onAgain, user = "") {
  const { name, message } = /** @type {Error} */ (error);
  const wait = error instanceof Refusal ? error.seconds : 0;
  const known = /** @type {Record<string, string[]>} */ (FAULTS)[error instanceof Cut ? error.reason : name];
  const forGood = name === "AuthenticationError" || name === "spent" || (name === "LockedError" && !wait); // trying again is no use
  const exists = name === "UserExistsError"; // who wants another motion says so
  const [title, text] = known && !(name === "LockedError" && forGood) ? known : [WORDS.problem, message];
  verdict("note", title, text, forGood || exists ? { again: WORDS.back, manage: exists ? user : "" } : { onAgain, wait });
}

/** What to say of a take that was refused; anything else ends the session. @param {unknown} error @param {Session} session */
function onceMore(error, session) {
  if (!(error instanceof Refusal) || session.state.name === "over") throw error;
  const known = /** @type {Record<string, string[]>} */ (FAULTS)[error.name];
  return known ? WORDS.onceMore(known[0]) : error.message;
}

function home() {
  view("home");
}

/**
 * With the camera open and the stage shown.
 * @param {string} title @param {(camera: Camera, signal: AbortSignal) => Promise<void>} work @param {() => void} again
 * @param {string} [user]
 */
async function filmed(title, work, again, user = "") {
  stop.abort();
  const attempt = (stop = new AbortController());
  const camera = new Camera($("camera"));
  /** @type {unknown} */
  let why = null;
  attempt.signal.addEventListener("abort", () => {
    camera.close(); // also while the browser still asks whether it may be used
    if (attempt === stop && !why) home();
  });
  stage.title(title);
  stage.hint("");
  view("stage");
  try {
    await camera.open(() => {
      why = Object.assign(new Error(), { name: "lost" });
      attempt.abort();
    });
    attempt.signal.throwIfAborted();
    stage.fit($("camera"));
    await work(camera, attempt.signal);
  } catch (error) {
    if (attempt !== stop || (attempt.signal.aborted && !why)) return;
    failed(why ?? error, again, user);
  } finally {
    camera.close();
  }
}

/**
 * A live session; where it is cut it begins once more, and then clips go up in one piece.
 * @param {Purpose} purpose @param {string} user
 */
export function begin(purpose, user) {
  const again = () => begin(purpose, user);
  return filmed(WORDS.verifying(user), async (camera, signal) => {
    for (let tries = 0; ; tries += 1) {
      try {
        return await live(camera, signal, purpose, user);
      } catch (error) {
        if (error instanceof StartOver) {
          tries = -1;
          continue;
        }
        if (!(error instanceof Cut) || error.reason !== "cut") throw error;
        signal.throwIfAborted();
        if (tries === 1) return inOnePiece(camera, signal, purpose, user);
        view("stage");
        stage.say(WORDS.retrying);
        await new Promise((resolve) => setTimeout(resolve, AFTER_CUT));
        signal.throwIfAborted();
      }
    }
  }, again, user);
}

/** @param {Camera} camera @param {AbortSignal} signal @param {Purpose} purpose @param {string} user */
async function live(camera, signal, purpose, user) {
  const session = new Session(camera, stage, signal);
  try {
    await session.open({ user, nonce: await nonce(user, purpose), purpose });
    if (purpose !== "verify") return await enrol(session, user);
    stage.title(WORDS.verifying(user));
    stage.hint(WORDS.hintVerify);
    const taken = await session.take();
    noteFigures(taken, session);
    return judged(/** @type {import("./link.js").LiveVerdict} */ (taken.answer).accepted, user);
  } finally {
    session.close();
  }
}

/** @param {boolean} accepted @param {string} user */
function judged(accepted, user) {
  if (accepted) verdict("good", WORDS.accepted, WORDS.acceptedText(user), { manage: user, again: WORDS.finish });
  else verdict("bad", WORDS.rejected, WORDS.rejectedText, { onAgain: () => begin("verify", user) });
}

/** @param {string} user */
function enrolled(user) {
  verdict("good", WORDS.enrolled, WORDS.enrolledText, { again: WORDS.verifyNow, onAgain: () => begin("verify", user), manage: user });
}

/** @param {Session} session @param {string} user */
async function enrol(session, user) {
  const of = within(session.limits);
  let done = 0;
  let note = "";
  while (done < of) {
    stage.title(WORDS.enrolling(done + 1, of), done, of);
    stage.hint(note || (done ? WORDS.hintSame : WORDS.hintFirst));
    view("stage");
    let taken;
    try {
      taken = await session.take(done && !note ? 0 : READING);
    } catch (error) {
      note = onceMore(error, session);
      continue;
    }
    const answer = /** @type {TakeKept | TakeRefused} */ (taken.answer);
    note = answer.again ?? "";
    done = answer.takes;
    await review(answer, taken.shots, of);
  }
  await session.ask({ enrol: true });
  enrolled(user);
}

/**
 * What the service says of a take; the user goes on, watches it, or begins anew.
 * @param {TakeKept | TakeRefused} answer @param {Shot[]} shots of the take @param {number} of takes that are asked for
 */
async function review(answer, shots, of) {
  const { size, warnings } = answer.again ? { size: 0, warnings: [] } : /** @type {TakeKept} */ (answer);
  $("review-title").textContent = answer.again || WORDS.taken(answer.takes, of);
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
  $("replay").hidden = true;
  view("review");
  for (;;) {
    const pressed = await choice("next", "watch", "over");
    if (pressed === "next") return;
    if (pressed === "over") throw new StartOver();
    $("watch").disabled = true;
    await play(shots, $("replay"));
    $("watch").disabled = false;
  }
}

/** Without a live socket. @param {Camera} camera @param {AbortSignal} signal @param {Purpose} purpose @param {string} user */
async function inOnePiece(camera, signal, purpose, user) {
  const clips = [];
  let hint = WORDS.plain;
  const of = purpose === "verify" ? 1 : within(await limits());
  while (clips.length < of) {
    stage.title(of > 1 ? WORDS.enrolling(clips.length + 1, of) : WORDS.verifying(user), clips.length, of > 1 ? of : 0);
    stage.hint(hint);
    view("stage");
    for (let left = 3; left; left -= 1) {
      stage.say(WORDS.count(left));
      await new Promise((resolve) => setTimeout(resolve, 1000));
      signal.throwIfAborted();
    }
    stage.mood("going");
    stage.say(WORDS.go);
    const start = performance.now();
    const filling = setInterval(() => stage.fill(Math.min(1, (performance.now() - start) / CLIP)), 40);
    const clip = await camera.record(CLIP);
    clearInterval(filling);
    signal.throwIfAborted();
    stage.fit($("camera"));
    hint = clip ? WORDS.plain : WORDS.turned;
    if (clip) clips.push(clip);
  }
  stage.mood("done");
  stage.say(WORDS.sending);
  const answer = await upload(user, purpose, clips);
  signal.throwIfAborted();
  if (purpose !== "verify") enrolled(user);
  else judged(answer.accepted, user);
}

/** Two takes of a visitor, beside each other. */
export function trial() {
  return filmed(WORDS.trying(1), async (camera, signal) => {
    const session = new Session(camera, stage, signal);
    try {
      await session.open({ purpose: "try" });
      /** @type {Shot[][]} */
      const takes = [];
      let note = "";
      for (;;) {
        stage.title(WORDS.trying(takes.length + 1), takes.length, 2);
        stage.hint(note || (takes.length ? WORDS.hintTrySame : WORDS.hintTry));
        let taken;
        try {
          taken = await session.take(READING);
        } catch (error) {
          note = onceMore(error, session);
          continue;
        }
        note = "";
        takes.push(taken.shots);
        if (takes.length < 2) continue;
        noteFigures(taken, session);
        show(/** @type {import("./link.js").Comparison} */ (taken.answer), takes);
        view("compare");
        return;
      }
    } catch (error) {
      throw error instanceof Cut ? new Cut("noTry") : error;
    } finally {
      session.close();
    }
  }, trial);
}

/** Figures of the last take, for benchmarks. @param {import("./session.js").Taken} taken @param {Session} session */
function noteFigures({ milliseconds, guidancePerSecond }, session) {
  document.body.dataset.verdictMs = milliseconds.toFixed(1);
  document.body.dataset.guidancePerSecond = guidancePerSecond.toFixed(1);
  document.body.dataset.framesLeftOut = String(session.link.left);
}

$("try-again").onclick = trial;
$("home-again").onclick = $("compare-home").onclick = home;
$("cancel").onclick = () => stop.abort();
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && ["stage", "review"].includes(shown)) stop.abort();
});
