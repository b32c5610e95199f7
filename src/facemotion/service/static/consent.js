// What is filmed and kept, before the camera starts.

import { $ } from "./elements.js";
import { later } from "./link.js";
import { PAGE, TERMS } from "./strings.js";

/** @import { Kind, PageSession } from "./types.js" */

/** What was agreed to while this page is open. @type {Set<Kind>} */
const given = new Set();

/** Whether the user agreed before. Who agreed to an enrolment agreed to an attempt, of which less is kept. @param {Kind} kind */
export const agreed = (kind) => given.has(kind) || (["verify", "try"].includes(kind) && given.has("enrol"));

/** @param {Kind} kind */
export const agree = (kind) => given.add(kind);

/** What is kept, and for how long. @param {Kind} kind @returns {Promise<{kept: string, long: string}>} */
async function termsOf(kind) {
  if (kind === "verify") return TERMS.verify;
  if (kind === "try") return (await later(import("./trial_strings.js"))).TRIAL_TERMS;
  const { ENROL_TERMS: terms } = await later(import("./enrol_strings.js"));
  const faces = document.querySelector("[data-words=faceToo]"); // the service says so in its page
  return { ...terms, kept: terms.kept(faces ? terms.both : terms.motion) };
}

/** Say what happens. @param {Kind} kind @param {PageSession | null} visit of a site, if there is one */
export async function showTerms(kind, visit) {
  $("terms").hidden = kind === "study";
  $("study-text").hidden = kind !== "study";
  $("agree").textContent = kind === "study" ? TERMS.agree : PAGE.agree;
  if (kind === "study") {
    $("study-text").textContent = (visit?.consent ?? "").trim().replace(/([^\n])\n(?!\n)/g, "$1 "); // lines of a file
    return;
  }
  const { kept, long } = await termsOf(kind);
  const texts = [TERMS.filmed, kept, long, visit?.site ? TERMS.whoOf(visit.site) : TERMS.who];
  $("terms").replaceChildren(...texts.map((text, k) => {
    const [group, title, body] = ["div", "dt", "dd"].map((name) => document.createElement(name));
    title.textContent = TERMS.titles[k];
    body.textContent = text;
    group.append(title, body);
    return group;
  }));
}
