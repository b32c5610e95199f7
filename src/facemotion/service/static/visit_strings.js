// Words to whom a site sent here.

import { STUDY } from "./study_strings.js";

export const VISIT = {
  visitTitles: { verify: "Show that it's you", enrol: "Choose your motion", "enrol-again": "Choose a new motion", study: STUDY.title },
  visitFrom: (/** @type {string} */ site, /** @type {string} */ user) => `${site} asks for the secret motion of ${user}. You go back there afterwards.`,
  visitOf: (/** @type {string} */ user) => `Asked for is the secret motion of ${user}.`,
  visitBegin: { verify: "Let me in", enrol: "Enrol", "enrol-again": "Enrol again", study: "Read what is kept" },
  studyText: (/** @type {string} */ user) => `Clips of your motions are recorded under the name ${user}. Next: what you agree to.`,
  studyNote: "Nothing is filmed before you agree, and you may stop at any time.",
  leave: "Leave",
  visitDone: "That was all here",
  visitDoneText: "You may close this page.",
};
