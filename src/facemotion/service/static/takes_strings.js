// Words of sessions of several takes.

export const TAKES = {
  enrolling: (/** @type {number} */ number, /** @type {number} */ of) => `Take ${number} of ${of}`,
  onceMore: (/** @type {string} */ why) => `${why}: once more.`,
  plain: "The live connection can't be had, so your clip is sent in one piece.",
  count: (/** @type {number} */ seconds) => `Get ready: ${seconds}`,
  sending: "Sending \u2026",
};
