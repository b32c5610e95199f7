// Words of a study.

export const STUDY = {
  title: "Take part in a study",
  take: (/** @type {number} */ take, /** @type {number} */ takes) => `Take ${take} of ${takes}`,
  first: (/** @type {string} */ motion) => `Next: make the motion \u201c${motion}\u201d when the ring starts to fill.`,
  again: (/** @type {string} */ motion) => `That take is kept. Next: \u201c${motion}\u201d once more.`,
  done: "Thank you",
  doneText: (/** @type {number} */ clips) => `${clips === 1 ? "1 clip is" : `${clips} clips are`} kept. Whoever invited you deletes them if you ask.`,
};
