// What sessions of several takes share: how many, and what is said of one that is refused.

import { Refusal } from "./link.js";
import { FAULTS } from "./strings.js";
import { TAKES } from "./takes_strings.js";

const MANY = 3; // takes of an enrolment, where the service takes so many

/** How many takes to ask for. @param {import("./types.js").TakeLimits} limits of the service */
export const within = ({ min_takes, max_takes }) => Math.min(Math.max(MANY, min_takes), max_takes);

/** What to say of a take that was refused; anything else ends the session. @param {unknown} error @param {boolean} over */
export function onceMore(error, over) {
  if (!(error instanceof Refusal) || over) throw error;
  const known = /** @type {Record<string, string[]>} */ (FAULTS)[error.name];
  return known ? TAKES.onceMore(known[0]) : error.message;
}
