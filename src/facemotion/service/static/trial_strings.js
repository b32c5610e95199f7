// Words of a trial: two takes, and how alike they are.

/** What stands still below the comparison. */
export const TRIAL_PAGE = {
  tryMore: "Try another pair",
  done: "Done",
};

export const TRIAL = {
  trying: (/** @type {number} */ number) => (number === 1 ? "First take" : "Second take"),
  hintTry: "Make any motion you like: wink, pout, raise a brow \u2026",
  hintTrySame: "Now the same motion again, or another one, and see what happens.",
  match: "These two match",
  differ: "These two don't match",
  matchText: "Enrolled with the first, the second would let you in.",
  differText: "Enrolled with the first, the second would be turned away.",
  scale: (/** @type {string} */ score, /** @type {string} */ threshold) => `Alikeness ${score}; from ${threshold} on it is a match.`,
  first: "first take",
  second: "second take",
  alike: "alikeness",
  needed: "needed",
  curves: "How far the face is from rest over time, first take above, second below",
  caption: "How far your face is from rest, first take above, second below; lines join the moments that belong together, in red where they differ.",
  moment: (/** @type {string} */ seconds, /** @type {boolean} */ apart) => (apart ? `${seconds} s: differs` : `${seconds} s: alike`),
};

/** What is kept, and for how long. */
export const TRIAL_TERMS = { kept: "Nothing.", long: "Both takes are forgotten when you leave this page." };
