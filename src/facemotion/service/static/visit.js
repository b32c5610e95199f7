// A session that a site sent its user here for: one purpose, then back (docs/reference/service.md).

import { $ } from "./elements.js";
import { post } from "./link.js";
import { remember } from "./memory.js";
import { PAGE, WORDS } from "./strings.js";

/**
 * Messages of REST.
 * @typedef {{token: string, user: string, purpose: import("./link.js").VisitPurpose, site: string, tries: number, ended: boolean, consent: string, consent_sha256: string}} PageSession
 * @typedef {{address: string, frame_origin: string, session: string, code: string, state: string}} PageReturn
 */

const KEPT = "session"; // where the tab keeps its secret, so that a page that is loaded again goes on

/** @type {PageSession | null} */
let visit = null;

/** The session that this page was opened for; null where it is nobody's. */
export const visiting = () => visit;

/** @param {"open" | "nonce" | "end"} what @param {string} token @returns {Promise<any>} */
const ask = (what, token) => post(`v1/page/${what}`, { token });

/** Use up the address of a session, or take up the one of this tab. @param {string} token */
export async function openVisit(token) {
  history.replaceState(null, "", location.pathname); // the address is good once
  const opened = /** @type {PageSession} */ (await ask("open", token));
  visit = opened;
  remember(KEPT, opened.token, "sessionStorage");
  return opened;
}

/** A nonce for the next attempt. @param {PageSession} of @returns {Promise<string>} */
export const visitNonce = async (of) => (await ask("nonce", of.token)).nonce;

/** Say what is asked for, and by whom. @param {PageSession} of @param {() => void} begin @param {() => void} back */
export function showVisit(of, begin, back) {
  $("visit-title").textContent = WORDS.visitTitles[of.purpose];
  const study = of.purpose === "study";
  $("visit-note").textContent = study ? WORDS.studyNote : PAGE.privacy;
  $("visit-text").textContent = study ? WORDS.studyText(of.user) : of.site ? WORDS.visitFrom(of.site, of.user) : WORDS.visitOf(of.user);
  $("visit-begin").textContent = WORDS.visitBegin[of.purpose];
  $("visit-begin").onclick = begin;
  $("visit-back").textContent = WORDS.visitBack(of.site);
  $("visit-back").onclick = back;
}

/**
 * Hand over how it ended: to the page that frames this one, or by going to the address.
 * @param {PageSession} of @returns {Promise<boolean>} whether the browser leaves
 */
export async function leaveVisit(of) {
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

export function forgetVisit() {
  visit = null;
  remember(KEPT, "", "sessionStorage");
}
