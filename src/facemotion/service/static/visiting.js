// The session that a site sent its user here for, if one did: one purpose, then back (docs/reference/service.md).

import { post } from "./link.js";
import { remember } from "./memory.js";

/** @import { PageSession } from "./types.js" */

const KEPT = "session"; // where the tab keeps its secret, so that a page that is loaded again goes on

/** @type {PageSession | null} */
let visit = null;

/** The session that this page was opened for; null where it is nobody's. */
export const visiting = () => visit;

/** @param {"open" | "nonce" | "end"} what @param {string} token @returns {Promise<any>} */
export const ask = (what, token) => post(`v1/page/${what}`, { token });

/** A nonce for the next attempt. @param {PageSession} of @returns {Promise<string>} */
export const visitNonce = async (of) => (await ask("nonce", of.token)).nonce;

/** @param {PageSession} opened */
export function beginVisit(opened) {
  visit = opened;
  remember(KEPT, opened.token, "sessionStorage");
}

export function forgetVisit() {
  visit = null;
  remember(KEPT, "", "sessionStorage");
}
