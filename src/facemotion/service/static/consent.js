// Before the camera starts: what is filmed, what is kept, for how long, and who gets it.

import { $ } from "./elements.js";
import { TERMS } from "./strings.js";

/** @typedef {"verify" | "enrol" | "try"} Kind what the camera is for */

/** What was agreed to while this page is open. @type {Set<Kind>} */
const given = new Set();

/** Whether the user agreed before. Who agreed that something is kept to compare with agreed to an attempt. @param {Kind} kind */
export const agreed = (kind) => given.has(kind) || (kind !== "enrol" && given.has("enrol"));

/** @param {Kind} kind */
export const agree = (kind) => given.add(kind);

/** Say what happens. @param {Kind} kind @param {string} site that learns the answer; "" for none */
export function showTerms(kind, site) {
  const faces = document.querySelector("[data-words=faceToo]"); // the service says so in its page
  const { kept, long } = kind === "enrol" ? { ...TERMS.enrol, kept: TERMS.enrol.kept(faces ? TERMS.both : TERMS.motion) } : TERMS[kind];
  const texts = [TERMS.filmed, kept, long, site ? TERMS.whoOf(site) : TERMS.who];
  $("terms").replaceChildren(...texts.map((text, k) => {
    const [group, title, body] = ["div", "dt", "dd"].map((name) => document.createElement(name));
    title.textContent = TERMS.titles[k];
    body.textContent = text;
    group.append(title, body);
    return group;
  }));
}
