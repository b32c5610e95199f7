// Sit down, make your face, be let in.

import { Camera } from "./camera.js";
import { play, show } from "./compare.js";
import { Cut, Refusal, erase, limits, nonce, sentBack, upload } from "./link.js";
import { Session } from "./session.js";
import { Stage } from "./stage.js";
import { FAULTS, WORDS } from "./strings.js";

/** @typedef {"verify" | "enrol"} Purpose */
/** @typedef {import("./camera.js").Shot} Shot */

const TAKES = 3; // of an enrolment, where the service takes so many
const READING = 2000; // ms to read what to do before a take that is the first of its kind
const CLIP = 3500; // ms of a clip that is sent in one piece
const MARKS = { good: "M30 52l14 14 27-31", bad: "M35 35l30 30M65 35L35 65", note: "M50 28v26M50 69v.1" };
const VIEWS = ["home", "stage", "review", "verdict", "compare"];
const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const stage = new Stage();
let stop = new AbortController();
let ticking = 0;

/** How many takes to ask for. @param {{min_takes: number, max_takes: number}} limits of the service */
const within = ({ min_takes, max_takes }) => Math.min(Math.max(TAKES, min_takes), max_takes);

/** Show one view, and tell screen readers and keyboards where it begins. @param {string} name */
function view(name) {
  for (const one of VIEWS) $(one).hidden = one !== name;
  document.body.dataset.view = name;
  $(name).querySelector("h1").focus();
}

/** The click of one of several buttons, or the end of the session. @param {Record<string, string>} buttons id to value */
function choice(buttons) {
  return new Promise((resolve, reject) => {
    stop.signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    for (const [id, value] of Object.entries(buttons)) $(id).onclick = () => resolve(value);
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
  $("change").onclick = () => begin("enrol", manage);
  $("erase").textContent = WORDS.erase;
  $("erase").onclick = () => {
    if ($("erase").textContent !== WORDS.eraseSure) $("erase").textContent = WORDS.eraseSure;
    else erase(manage).then(() => verdict("good", WORDS.erased, WORDS.erasedText, { again: WORDS.finish }), failed);
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

/** @param {unknown} error @param {() => void} [onAgain] */
function failed(error, onAgain) {
  const { name, message } = /** @type {Error} */ (error);
  const wait = error instanceof Refusal ? error.seconds : 0;
  const known = /** @type {Record<string, string[]>} */ (FAULTS)[error instanceof Cut ? message : name];
  const forGood = name === "AuthenticationError" || name === "spent" || (name === "LockedError" && !wait); // trying again is no use
  const [title, text] = known && !(name === "LockedError" && forGood) ? known : [WORDS.problem, message];
  verdict("note", title, text, forGood ? { again: WORDS.back } : { onAgain, wait });
}

/** What to say of a take that was refused; anything else ends the session. @param {unknown} error @param {Session} session */
function onceMore(error, session) {
  if (!(error instanceof Refusal) || !session.ended) throw error;
  const known = /** @type {Record<string, string[]>} */ (FAULTS)[error.name];
  return known ? WORDS.onceMore(known[0]) : error.message;
}

function home() {
  view("home");
}

/**
 * With the camera open and the stage shown.
 * @param {string} title @param {(camera: Camera, signal: AbortSignal) => Promise<void>} work @param {() => void} again
 */
async function filmed(title, work, again) {
  stop.abort();
  const mine = (stop = new AbortController());
  const camera = new Camera($("camera"));
  /** @type {unknown} */
  let why = null;
  mine.signal.addEventListener("abort", () => {
    camera.close(); // also while the browser still asks whether it may be used
    if (mine === stop && !why) home();
  });
  stage.title(title);
  stage.hint("");
  view("stage");
  try {
    await camera.open(() => {
      why = Object.assign(new Error(), { name: "lost" });
      mine.abort();
    });
    mine.signal.throwIfAborted();
    stage.fit($("camera"));
    await work(camera, mine.signal);
  } catch (error) {
    if (mine !== stop || (mine.signal.aborted && !why)) return;
    failed(why ?? error, again);
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
        if (error instanceof Cut && error.message === "over") {
          tries = -1;
          continue;
        }
        if (!(error instanceof Cut) || error.message !== "cut") throw error;
        signal.throwIfAborted();
        if (tries === 1) return inOnePiece(camera, signal, purpose, user);
        view("stage");
        stage.say(WORDS.retrying);
        await new Promise((resolve) => setTimeout(resolve, 1500));
        signal.throwIfAborted();
      }
    }
  }, again);
}

/** @param {Camera} camera @param {AbortSignal} signal @param {Purpose} purpose @param {string} user */
async function live(camera, signal, purpose, user) {
  const session = new Session(camera, stage, signal);
  try {
    await session.open({ user, nonce: await nonce(user, purpose), purpose });
    if (purpose === "enrol") return await enrol(session, user);
    stage.title(WORDS.verifying(user));
    stage.hint(WORDS.hintVerify);
    const { words, milliseconds } = await session.take();
    noteVerdict(milliseconds, session);
    return judged(words.accepted, user);
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
    note = taken.words.again ?? "";
    done = taken.words.takes;
    await review(taken, done, of, note);
  }
  await session.ask({ enrol: true });
  enrolled(user);
}

/**
 * What the service says of a take; the user goes on, watches it, or begins anew.
 * @param {{words: any, shots: Shot[]}} taken @param {number} done @param {number} of @param {string} problem
 */
async function review({ words, shots }, done, of, problem) {
  const level = words.size < 0.33 ? 0 : words.size < 0.66 ? 1 : 2;
  $("review-title").textContent = problem || WORDS.taken(done, of);
  $("size").hidden = Boolean(problem);
  $("meter").value = words.size ?? 0;
  $("size-word").textContent = WORDS.sizes[level];
  $("warnings").replaceChildren(...(words.warnings ?? []).map((/** @type {string} */ text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  $("next").textContent = problem ? WORDS.once : WORDS.next(done, of);
  $("over").hidden = sentBack(); // another session needs another nonce
  $("replay").hidden = true;
  view("review");
  for (;;) {
    const what = await choice({ next: "next", watch: "watch", over: "over" });
    if (what === "next") return;
    if (what === "over") throw new Cut("over");
    $("watch").disabled = true;
    await play(shots, $("replay"));
    $("watch").disabled = false;
  }
}

/** Without a live socket. @param {Camera} camera @param {AbortSignal} signal @param {Purpose} purpose @param {string} user */
async function inOnePiece(camera, signal, purpose, user) {
  const clips = [];
  const of = purpose === "verify" ? 1 : within(await limits());
  while (clips.length < of) {
    stage.title(of > 1 ? WORDS.enrolling(clips.length + 1, of) : WORDS.verifying(user), clips.length, of > 1 ? of : 0);
    stage.hint(WORDS.plain);
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
    clips.push(await camera.record(CLIP));
    clearInterval(filling);
    signal.throwIfAborted();
  }
  stage.mood("done");
  stage.say(WORDS.sending);
  const answer = await upload(user, purpose, clips);
  signal.throwIfAborted();
  if (purpose === "enrol") enrolled(user);
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
        noteVerdict(taken.milliseconds, session);
        show(taken.words, takes);
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

/** Figures of the last take, for whoever measures. @param {number} milliseconds from the last frame to the verdict @param {Session} session */
function noteVerdict(milliseconds, session) {
  document.body.dataset.verdictMs = milliseconds.toFixed(1);
  document.body.dataset.guidancePerSecond = (session.answers / ((session.ended - session.began) / 1000)).toFixed(1);
  document.body.dataset.framesLeftOut = String(session.link.left);
}

$("try-again").onclick = trial;
$("home-again").onclick = $("compare-home").onclick = home;
$("cancel").onclick = () => stop.abort();
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && ["stage", "review"].includes(document.body.dataset.view ?? "")) stop.abort();
});
