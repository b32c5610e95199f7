// Sit down, make your face, be let in.

import { Camera } from "./camera.js";
import { agree, agreed, showTerms } from "./consent.js";
import { $, choice } from "./elements.js";
import { Cut, Missing, Refusal, erase, handedOver, later, nonce, sentBack } from "./link.js";
import { recall, remember } from "./memory.js";
import { Session } from "./session.js";
import { readySound } from "./sound.js";
import { Stage } from "./stage.js";
import { FAULTS, WORDS } from "./strings.js";
import { forgetVisit, visitNonce, visiting } from "./visiting.js";

/** @import { Kind, LiveVerdict, Purpose } from "./types.js" */

const MARKS = { good: "M30 52l14 14 27-31", bad: "M35 35l30 30M65 35L35 65", note: "M50 28v26M50 69v.1" };
const VIEWS = /** @type {const} */ (["home", "visit", "demo", "consent", "stage", "review", "verdict", "compare"]);
const BEFORE_LEAVING = 1500; // ms to read that it went well, before the page goes back to a site
const KNOWN = "known"; // where the browser remembers that its user knows what a motion is
const AFTER_CUT = 1500; // ms before a session that was cut begins once more
/** @typedef {typeof VIEWS[number]} View */

/** Another motion is wanted, from the start. */
class StartOver extends Error {}

// What not every login needs.
const demo = () => later(import("./demo.js"));
const enrolment = () => later(import("./enrolment.js"));
const onePiece = () => later(import("./one_piece.js"));
const trials = () => later(import("./trial.js"));
const visits = () => later(import("./visit.js"));

/** Ask for a module early. @param {() => Promise<unknown>} load */
const ahead = (load) => void load().catch(() => {}); // whoever waits for it hears of it

export const stage = new Stage();
let stop = new AbortController();
let proven = { user: "", nonce: "" }; // whose motion was shown last; for a while they may change or delete it
let ticking = 0;
let leaving = 0;
/** @type {View} */
let shown = "home";

/** Show one view, and tell screen readers and keyboards where it begins. @param {View} name */
export function view(name) {
  for (const other of VIEWS) $(other).hidden = other !== name;
  document.body.dataset.view = shown = name;
  $(name).querySelector("h1")?.focus();
}

/**
 * The last page of a session.
 * @param {keyof typeof MARKS} mark @param {string} title @param {string} text
 * @param {{again?: string, onAgain?: () => void, manage?: string, newcomer?: string, wait?: number}} [more] without `onAgain`
 *   there is one way on; `manage` is a user who may change and delete, `newcomer` one who may not be enrolled
 */
export function verdict(mark, title, text, { again = WORDS.again, onAgain, manage = "", newcomer = "", wait = 0 } = {}) {
  if (sentBack()) { // whoever handed the nonce over must hand over another one
    if (mark !== "good" && text !== FAULTS.spent[1]) text = `${text} ${FAULTS.spent[1]}`;
    onAgain = undefined;
    manage = newcomer = "";
    again = mark === "good" ? WORDS.finish : WORDS.back;
    wait = 0;
  }
  const visit = visiting();
  if (visit) { // for one purpose, and back
    manage = newcomer = "";
    if (mark === "good" || visit.tries <= 0) onAgain = undefined;
    if (!onAgain) [again, wait] = [WORDS.visitBack(visit.site), 0];
  }
  const leave = visit ? goBack : home;
  $("mark").setAttribute("class", mark);
  $("mark-path").setAttribute("d", MARKS[mark]);
  $("verdict-title").textContent = title;
  $("verdict-text").textContent = text;
  $("newcomer").hidden = !newcomer;
  $("newcomer").onclick = () => begin("enrol", newcomer);
  $("change").hidden = $("erase").hidden = !manage;
  $("change").onclick = () => begin("enrol-again", manage);
  let sure = false;
  $("erase").textContent = WORDS.erase;
  $("erase").onclick = () => {
    if (sure) erase(manage, proofOf(manage)).then(() => verdict("good", WORDS.erased, WORDS.erasedText, { again: WORDS.finish }), (error) => failed(error, () => begin("verify", manage)));
    sure = true;
    $("erase").textContent = WORDS.eraseSure;
  };
  const button = $("again");
  $("home-again").hidden = !onAgain;
  $("home-again").textContent = visit ? WORDS.visitBack(visit.site) : mark === "good" ? WORDS.finish : WORDS.back;
  $("home-again").onclick = leave;
  button.onclick = onAgain ?? leave;
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
  if (visit && mark === "good") leaving = setTimeout(goBack, BEFORE_LEAVING);
}

/** Back to the site that sent the user here; the session ends. */
export async function goBack() {
  clearTimeout(leaving);
  try {
    await (await visits()).leave();
  } catch (error) {
    failed(error, goBack);
  }
}

/** @param {unknown} error @param {() => void} [onAgain] @param {string} [user] */
export function failed(error, onAgain, user = "") {
  const { name, message } = /** @type {Error} */ (error);
  if (name === "SessionError") forgetVisit();
  if (error instanceof Missing) onAgain = () => location.reload();
  if (name === "ProofError") proven = { user: "", nonce: "" }; // too old by now
  const wait = error instanceof Refusal ? error.seconds : 0;
  const known = /** @type {Record<string, string[]>} */ (FAULTS)[error instanceof Cut ? error.reason : name];
  const forGood = name === "AuthenticationError" || name === "SessionError" || name === "spent" || (name === "LockedError" && !wait); // trying again is no use
  const exists = name === "UserExistsError"; // who wants another motion says so
  const [title, text] = known && !(name === "LockedError" && forGood) ? known : [WORDS.problem, message];
  verdict("note", title, text, forGood || exists ? { again: WORDS.back, manage: exists ? user : "" } : { onAgain, wait });
}

export function home() {
  view(visiting() ? "visit" : "home");
}

/** Show what a motion is. @param {AbortSignal} signal */
async function demonstrate(signal) {
  const { showDemo } = await demo();
  await showDemo(signal, () => view("demo"), visiting()?.purpose === "study");
  remember(KNOWN, "yes");
}

/** Show what a motion is. */
export async function explain() {
  stop.abort();
  const attempt = (stop = new AbortController());
  try {
    await demonstrate(attempt.signal);
  } catch (error) {
    if (!attempt.signal.aborted) return failed(error, explain);
  }
  if (attempt === stop) home();
}

/**
 * Before the camera: what a motion is, to whom has none yet; what is kept, once for each kind; and whether it may start.
 * @param {Kind} kind @param {AbortSignal} signal
 */
async function mayStart(kind, signal) {
  if (kind === "try") ahead(trials);
  if (kind === "enrol") ahead(enrolment);
  const drawn = kind !== "verify" && !recall(KNOWN);
  if (drawn && kind !== "study") await demonstrate(signal);
  if (!agreed(kind)) {
    await showTerms(kind, visiting());
    signal.throwIfAborted();
    view("consent");
    if ((await choice(signal, "agree", "decline")) === "decline") return false;
    agree(kind);
  }
  if (drawn && kind === "study") await demonstrate(signal); // first what it is for, as its page says
  readySound();
  return true;
}

/**
 * With the camera open and the stage shown.
 * @param {Kind} kind @param {string} title @param {(camera: Camera, signal: AbortSignal) => Promise<void>} work
 * @param {() => void} again @param {string} [user]
 */
export async function filmed(kind, title, work, again, user = "") {
  stop.abort();
  const attempt = (stop = new AbortController());
  try {
    if (!(await mayStart(kind, attempt.signal))) attempt.abort();
  } catch (error) {
    if (!attempt.signal.aborted) return failed(error, again, user);
  }
  if (attempt.signal.aborted) {
    if (attempt === stop) home();
    return;
  }
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

/** What shows that a user made their motion a moment ago. @param {string} user */
const proofOf = (user) => (proven.user === user ? proven.nonce : "");

/**
 * One verification or enrolment. Whoever changes a motion shows the one of until now first.
 * @param {Purpose} purpose @param {string} user
 */
export function begin(purpose, user) {
  const again = () => begin(purpose, user);
  return filmed(purpose === "verify" ? "verify" : "enrol", WORDS.verifying(user), async (camera, signal) => {
    if (purpose === "enrol-again" && !visiting() && !handedOver() && !proofOf(user)) {
      if (!(await attempt(camera, signal, "verify", user, WORDS.hintBefore))) return judged(false, user, again);
    }
    const accepted = await attempt(camera, signal, purpose, user, WORDS.hintVerify);
    if (purpose === "verify") judged(accepted, user, again);
    else enrolled(user);
  }, again, user);
}

/**
 * A live session; where it is cut it begins once more, and then clips go up in one piece.
 * @param {Camera} camera @param {AbortSignal} signal @param {Purpose} purpose @param {string} user @param {string} hint
 * @returns {Promise<boolean>} whether it was accepted, or stored
 */
async function attempt(camera, signal, purpose, user, hint) {
  const visit = visiting();
  let given = "";
  const ask = async () => (given = visit ? await visitNonce(visit) : await nonce(user, purpose, proofOf(user)));
  for (let tries = 0; ; tries += 1) {
    try {
      const accepted = await live(camera, signal, purpose, user, hint, ask);
      if (accepted) proven = { user, nonce: given };
      return accepted;
    } catch (error) {
      if (error instanceof StartOver) {
        tries = -1;
        continue;
      }
      if (!(error instanceof Cut) || error.reason !== "cut") throw error;
      signal.throwIfAborted();
      if (tries === 1 && visit) throw error; // a clip in one piece needs a key
      view("stage");
      if (!visit) ahead(onePiece);
      if (tries === 1) {
        const { inOnePiece } = await onePiece();
        const { accepted = true } = await inOnePiece(camera, stage, signal, purpose, user, ask);
        if (accepted) proven = { user, nonce: given };
        return accepted;
      }
      stage.say(WORDS.retrying);
      await new Promise((resolve) => setTimeout(resolve, AFTER_CUT));
      signal.throwIfAborted();
    }
  }
}

/**
 * @param {Camera} camera @param {AbortSignal} signal @param {Purpose} purpose @param {string} user @param {string} hint
 * @param {() => Promise<string>} ask for a nonce @returns {Promise<boolean>}
 */
async function live(camera, signal, purpose, user, hint, ask) {
  const session = new Session(camera, stage, signal);
  try {
    const limits = await session.open({ user, nonce: await ask(), purpose });
    if (purpose !== "verify") {
      const { enrol } = await enrolment();
      if (!(await enrol(session, stage, limits, view))) throw new StartOver();
      return true;
    }
    stage.title(WORDS.verifying(user));
    stage.hint(hint);
    view("stage");
    return /** @type {LiveVerdict} */ ((await session.take()).answer).accepted;
  } finally {
    session.close();
  }
}

/** @param {boolean} accepted @param {string} user @param {() => void} onAgain */
function judged(accepted, user, onAgain) {
  const visit = visiting();
  if (visit && !accepted) visit.tries -= 1;
  if (accepted) remember(KNOWN, "yes");
  if (accepted) verdict("good", WORDS.accepted, WORDS.acceptedText(user), { manage: user, again: WORDS.finish });
  else verdict("bad", WORDS.rejected, WORDS.rejectedText, { onAgain, newcomer: user });
}

/** @param {string} user */
function enrolled(user) {
  verdict("good", WORDS.enrolled, WORDS.enrolledText, { again: WORDS.verifyNow, onAgain: () => begin("verify", user), manage: user });
}

/** Two takes of a visitor, beside each other. */
export function trial() {
  return filmed("try", WORDS.wait, async (camera, signal) => {
    const { tryTwice } = await trials();
    await tryTwice(camera, stage, signal);
    view("compare");
  }, trial);
}

$("try-again").onclick = trial;
$("compare-home").onclick = home;
$("cancel").onclick = () => stop.abort();
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && ["demo", "consent", "stage", "review"].includes(shown)) stop.abort();
});
