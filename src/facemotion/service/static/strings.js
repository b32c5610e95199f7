// Every word of the page, to be translated in one place.

/** Guidance by the name that the service gives. */
export const GUIDANCE = {
  NO_FACE: "Look at the camera.",
  SEVERAL_FACES: "Only one person may be in view.",
  CLOSER: "Come closer.",
  TOO_DARK: "More light, please.",
  HOLD_STILL: "Hold your head still.",
  GO: "Hold still \u2026",
};

export const WORDS = {
  wait: "One moment \u2026",
  go: "Go: make your motion.",
  look: "Thank you.",
  accepted: "Accepted.",
  rejected: "Not accepted.",
  enrolled: "Enrolled.",
  stopped: "Stopped.",
  take: (/** @type {number} */ number, /** @type {number} */ of) => `Take ${number} of ${of}: the same motion each time.`,
  again: (/** @type {string} */ why) => `${why} Once more.`,
  NotAllowedError: "The camera may not be used: allow it for this page and try again.",
  NotFoundError: "There is no camera: connect one and try again.",
  NotReadableError: "Another program uses the camera: close it and try again.",
  cut: "The connection was cut: try again.",
};
