// What a session of a site begins and ends with.

import { begin, failed, goBack, home, verdict, view } from "./app.js";
import { $ } from "./elements.js";
import { Refusal } from "./link.js";
import { PAGE, WORDS } from "./strings.js";
import { takePart } from "./study.js";
import { VISIT } from "./visit_strings.js";
import { ask, beginVisit, forgetVisit, visiting } from "./visiting.js";

/** @import { PageReturn, PageSession } from "./types.js" */

/** Use up the address of a session, or take up the one of this tab. @param {string} token */
async function openVisit(token) {
  history.replaceState(null, "", location.pathname); // the address is good once
  const opened = /** @type {PageSession} */ (await ask("open", token));
  beginVisit(opened);
  return opened;
}

/** Whether the page says that motions are secret. @param {boolean} is */
const secret = (is) => void (/** @type {HTMLElement} */ (document.querySelector("footer")).hidden = !is);

/** Say what is asked for, and by whom. @param {PageSession} of */
function showVisit(of) {
  $("visit-title").textContent = VISIT.visitTitles[of.purpose];
  const study = of.purpose === "study";
  secret(!study); // nobody's motion is one there
  $("visit-note").textContent = study ? VISIT.studyNote : PAGE.privacy;
  $("visit-text").textContent = study ? VISIT.studyText(of.user) : of.site ? VISIT.visitFrom(of.site, of.user) : VISIT.visitOf(of.user);
  $("visit-begin").textContent = VISIT.visitBegin[of.purpose];
  $("visit-begin").onclick = () => (of.purpose === "study" ? takePart(of) : begin(of.purpose, of.user));
  $("visit-back").textContent = of.site ? WORDS.visitBack(of.site) : VISIT.leave;
  $("visit-back").onclick = goBack;
}

/**
 * Hand over how it ended: to the page that frames this one, or by going to the address.
 * @param {PageSession} of @returns {Promise<boolean>} whether the browser leaves
 */
async function leaveVisit(of) {
  const left = /** @type {PageReturn} */ (await ask("end", of.token));
  forgetVisit();
  if (left.frame_origin && window.parent !== window) {
    const { session, code, state } = left;
    window.parent.postMessage({ type: "facemotion", session, code, state }, left.frame_origin); // nobody else hears it
    return false;
  }
  if (left.address) location.replace(left.address);
  return Boolean(left.address);
}

/**
 * Do what a site asks for, and nothing else.
 * @param {string} token of the session @param {boolean} fresh whether the address says so, not this tab's memory alone
 */
export async function openSession(token, fresh) {
  try {
    const visit = await openVisit(token);
    if (visit.ended) await goBack();
    else {
      showVisit(visit);
      view("visit");
    }
  } catch (error) {
    const known = error instanceof Refusal && error.name === "SessionError"; // that of a tab may be over
    if (known) forgetVisit();
    if (known && !fresh) home();
    else failed(error, () => openSession(token, fresh));
  }
}

let going = false; // back to a site, as soon as the service says where

/** Back to the site, or say that all is done. */
export async function leave() {
  const visit = visiting();
  if (!visit || going) return;
  going = true;
  const done = !$("verdict").hidden && $("mark").getAttribute("class") === "good"; // that stays to be read
  const [title, text] = done ? [$("verdict-title").textContent, $("verdict-text").textContent] : [VISIT.visitDone, ""];
  try {
    if (await leaveVisit(visit)) return;
    verdict("good", title ?? "", `${text} ${VISIT.visitDoneText}`.trim(), { again: WORDS.finish });
    $("again").addEventListener("click", () => secret(true), { once: true });
  } finally {
    going = false;
  }
}
