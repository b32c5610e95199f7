// Words of a study.

export const STUDY = {
  title: "Take part in a study",
  take: (/** @type {string} */ motion, /** @type {number} */ take, /** @type {number} */ takes) => `${motion}: take ${take} of ${takes}`,
  first: (/** @type {string} */ motion) => `Next: make the motion \u201c${motion}\u201d when the ring starts to fill.`,
  again: (/** @type {string} */ motion) => `That take is kept. Next: \u201c${motion}\u201d once more.`,
  done: "Thank you",
  doneText: (/** @type {number} */ clips) => clips === 1
    ? "Your clip is kept. Whoever invited you deletes it if you ask."
    : `${clips} clips are kept. Whoever invited you deletes them if you ask.`,
};
