// Words that a login needs. All others are in the files whose names end in _strings.js.

/** Guidance by the name that the service gives. */
export const GUIDANCE = {
  NO_FACE: "Look at the camera",
  SEVERAL_FACES: "Only one face, please",
  CLOSER: "Come closer",
  TOO_DARK: "More light, please",
  HOLD_STILL: "Hold your head still",
  GO: "Hold still \u2026",
};

/** In place of GO, where the face moves already. */
export const RESTLESS = "Rest your face, don't move yet";

/** Steps by the name that the service gives; left and right are the user's own. */
export const STEPS = {
  "look-left": "Now turn your head to your left",
  "look-right": "Now turn your head to your right",
  "look-up": "Now lift your chin and look up",
  "open-mouth": "Now open your mouth wide",
};

/** What stands still on the page; the HTML names these by data-words and data-label. */
export const PAGE = {
  homeTitle: "A motion only you know",
  motionAlone: "The motion is compared, and hardly your face: somebody who makes the same motion may pass for you.",
  faceToo: "Your face is compared too.",
  userName: "Your user name",
  letMeIn: "Let me in",
  enrol: "Not enrolled yet? Enrol",
  or: "or",
  tryIt: "Try it without an account",
  privacy: "Your camera's pictures are looked at by this server while you move and are never kept.",
  cancel: "Cancel",
  change: "Change my motion",
  secret: "The motion is a secret, like a PIN. Nobody else should see you make it.",
  cameraLabel: "Your camera, mirrored",
  how: "What is a motion?",
  consentTitle: "Before the camera starts",
  agree: "I agree, start the camera",
  decline: "Not now",
  sound: "Sound and vibration",
};

/** What is filmed, what is kept of it, for how long, and who gets it. */
export const TERMS = {
  agree: "I agree",
  titles: ["Filmed", "Kept", "For how long", "Who gets it"],
  filmed: "Your face, from the start of the camera until the answer. Without sound.",
  verify: {
    kept: "No picture. Encrypted numbers about your motion, so that a recording of it is found out, and a line in the log: your name, the time, the answer, how near it was and how well you were seen.",
    long: "The numbers until newer attempts take their place, or until you are deleted. The log for as long as this server's operators say.",
  },
  who: "The server of this page, and nobody else.",
  whoOf: (/** @type {string} */ site) => `The server of this page. ${site} learns your name, the answer and how well you were seen.`,
};

export const WORDS = {
  wait: "One moment \u2026",
  go: "Go! Make your motion",
  rest: "\u2026 and back to rest",
  judging: "Done. One moment \u2026",
  verifying: (/** @type {string} */ user) => `Hello ${user}`,
  hintVerify: "Next: when the page says Go and the ring starts to fill, make your secret motion.",
  hintDone: "Next: how it went.",
  hintBefore: "First your motion of until now, so that nobody else can change it.",

  visitBack: (/** @type {string} */ site) => (site ? `Back to ${site}` : "Done"),

  accepted: "You're in",
  acceptedText: (/** @type {string} */ user) => `Your motion matched, ${user}.`,
  rejected: "Not this time",
  rejectedText: "Face the light, look at the camera and make the whole motion as you did when you enrolled.",
  enrolled: "You're enrolled",
  enrolledText: "From now on your motion lets you in.",
  erased: "You're forgotten",
  erasedText: "Everything that was kept of you is deleted. The audit trail keeps your user name and what was done.",
  erase: "Delete everything kept of me",
  eraseSure: "Really delete? Press again",
  again: "Try again",
  verifyNow: "Let me in",
  finish: "Done",
  back: "Back",

  nameMissing: "Type your user name first.",
  nameWrong: (/** @type {string} */ wrong) => `No ${wrong}: letters, digits and . _ @ + - only.`,
  blank: "blank",
  nameDot: "A user name can't begin with a dot.",
  nameLong: (/** @type {number} */ most) => `A user name has at most ${most} characters.`,

  problem: "That didn't work",
  countdown: (/** @type {number} */ seconds) => `Try again in ${seconds} s`,
  turned: "The camera was turned: once more from the start.",
  rate: (/** @type {number} */ rate) => `${rate} frames a second`,
  slowCamera: (/** @type {number} */ least) => `The camera films too slowly; at least ${least} frames a second are needed. Make more light, or use another camera.`,
  slowMachine: (/** @type {number} */ least) => `Too few frames get through; at least ${least} a second are needed. Close other tabs and programs, or use a faster connection.`,
  retrying: "The connection was cut: once more from the start.",
};

/** What stops a session before its end: a title, and the way on. Others show the service's own sentence. */
export const FAULTS = {
  InsecureError: ["No camera on this address", "Browsers give the camera to secure pages only: open this page by https, or on the machine itself as localhost."],
  NotAllowedError: ["The camera is blocked", "Allow it for this page (the camera sign beside the address), then try again."],
  NotFoundError: ["No camera found", "Connect one, or open this page on a device that has one. Then try again."],
  NotReadableError: ["The camera is in use", "Close the other program or tab that uses it, then try again."],
  AbortError: ["The camera doesn't start", "Connect it again, or close what else may use it. Then try again."],
  OverconstrainedError: ["This camera can't be used", "Connect another one and try again."],
  lost: ["The camera went away", "Connect it again and try again. Nothing was counted."],
  LockedError: ["Too many tries", "Wait a little before the next one."],
  UserExistsError: ["You're enrolled already", "Another motion would take the place of the one that lets you in now."],
  BusyError: ["Many people are here just now", "Wait a moment, then try again."],
  NonceError: ["That took too long", "Begin again."],
  NoFaceError: ["Your face was out of view", "Look at the camera the whole time. Nothing was counted."],
  TooShortError: ["Your face was out of view", "Look at the camera the whole time. Nothing was counted."],
  SeveralFacesError: ["Two faces were in view", "Only one person may be before the camera. Nothing was counted."],
  TooFewFramesError: ["Too few frames a second", "Make more light, so that the camera films faster, and close other tabs and programs. Nothing was counted."],
  NoMotionError: ["Your face hardly moved", "Make your motion while the ring fills. Nothing was counted."],
  RigidMotionError: ["Only the picture moved", "Make your motion before the camera yourself. Nothing was counted."],
  DuplicateFaceError: ["This face is known already", "It has another name here. Ask whoever looks after this page."],
  UploadTimeoutError: ["No picture came", "Open the camera's cover and stay on this page. Then try again."],
  AuthenticationError: ["This page can't let you in by itself", "Go back to the site that sent you here, and start there."],
  ChallengeError: ["The live connection is needed", "After your motion a further step is asked for. Check the connection and try again."],
  ProofError: ["Show that it's you first", "Whoever changes or deletes makes the motion of until now first; that was too long ago."],
  SessionError: ["This address is used up", "Go back to the site that sent you here, and start there."],
  StudyStorageError: ["That take can't be kept", "The server has no room for it. Takes before it are kept. Tell whoever invited you."],
  ConsentError: ["The text changed", "Load the page again and read what you agree to."],
  spent: ["That was your one try here", "Go back to the site that sent you here, and start there."],
  cut: ["The connection was cut", "Check it and try again. Nothing was counted."],
  offline: ["The server can't be reached", "Check the connection and try again."],
  noTry: ["The connection doesn't hold", "Without it takes can't be compared. Check it and try again."],
};
