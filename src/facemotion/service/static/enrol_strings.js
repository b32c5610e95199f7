// Words of an enrolment.

/** What stands still in the review of a take. */
export const ENROL_PAGE = {
  size: "Size of your motion",
  watch: "Watch this take",
  over: "Start over with another motion",
  takeLabel: "Your take",
};

export const ENROL = {
  hintFirst: "Think of a motion that nobody would guess: two winks and a pout to the left, say.",
  hintSame: "The same motion once more.",
  taken: (/** @type {number} */ number, /** @type {number} */ of) => `Take ${number} of ${of} is good`,
  next: (/** @type {number} */ number, /** @type {number} */ of) => (number < of ? `On to take ${number + 1}` : "Save"),
  afterTake: (/** @type {number} */ left) => `Next: the same motion ${["", "once", "twice"][left] ?? `${left} times`} more.`,
  afterLast: "Next: save these takes. Nothing was kept so far.",
  afterOther: "Next: the same motion as before.",
  once: "Once more",
  sizes: ["Small", "Fair", "Large"],
};

/** What is kept, and for how long. */
export const ENROL_TERMS = {
  kept: (/** @type {string} */ what) => `No picture. Encrypted numbers that describe ${what}, to compare you with later, and a line in the log: your name, the time and what was done.`,
  long: "The numbers until you delete them on this page or an administrator does. The log for as long as this server's operators say.",
  motion: "your motion",
  both: "your motion and your face",
};
