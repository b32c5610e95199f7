// Every word of the pages, to be translated in one place.

/** Guidance by the name that the service gives. */
export const GUIDANCE = {
  NO_FACE: "Look at the camera",
  SEVERAL_FACES: "Only one face, please",
  CLOSER: "Come closer",
  TOO_DARK: "More light, please",
  HOLD_STILL: "Hold your head still",
  GO: "Good, hold still \u2026",
};

/** In place of GO, where the face moves already. */
export const RESTLESS = "Rest your face and wait for \u201cGo!\u201d";

/** Steps by the name that the service gives; left and right are the user's own. */
export const STEPS = {
  "look-left": "Now turn your head to your left",
  "look-right": "Now turn your head to your right",
  "look-up": "Now lift your chin and look up",
  "open-mouth": "Now open your mouth wide",
};

/** What stands still on the page; the HTML names these by data-words, data-label and data-hint. */
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
  size: "How large your motion is",
  watch: "Watch this take",
  over: "Start over with another motion",
  change: "Change my motion",
  tryMore: "Try another pair",
  secret: "The motion is a secret, like a PIN. Nobody else should see you make it.",
  done: "Done",
  cameraLabel: "Your camera, mirrored",
  takeLabel: "Your take",
  consentTitle: "Before the camera starts",
  agree: "I agree, start the camera",
  decline: "Not now",
  sound: "Sound and vibration",
};

/** What is filmed, what is kept of it, for how long, and who gets it. */
export const TERMS = {
  titles: ["Filmed", "Kept", "For how long", "Who gets it"],
  filmed: "Your face, from the start of the camera until the answer. Without sound.",
  verify: {
    kept: "No picture. Encrypted numbers about your motion, so that a recording of it is found out, and a line in the log: your name, the time and the answer.",
    long: "The numbers until newer attempts take their place, or until you are deleted. The log for as long as this server's operators say.",
  },
  enrol: {
    kept: (/** @type {string} */ what) => `No picture. Encrypted numbers that describe ${what}, to compare you with later, and a line in the log: your name, the time and what was done.`,
    long: "The numbers until you delete them on this page or an administrator does. The log for as long as this server's operators say.",
  },
  try: { kept: "Nothing.", long: "Both takes are forgotten when you leave this page." },
  motion: "your motion",
  both: "your motion and your face",
  who: "The server of this page, and nobody else.",
  whoOf: (/** @type {string} */ site) => `The server of this page. ${site} learns your name and the answer, and nothing else.`,
};

export const WORDS = {
  wait: "One moment \u2026",
  go: "Go! Make your motion",
  rest: "\u2026 and back to rest",
  judging: "Done. One moment \u2026",
  verifying: (/** @type {string} */ user) => `Hello ${user}`,
  enrolling: (/** @type {number} */ number, /** @type {number} */ of) => `Take ${number} of ${of}`,
  trying: (/** @type {number} */ number) => (number === 1 ? "First take" : "Second take"),
  hintVerify: "Next: when the page says Go and the ring starts to fill, make your secret motion.",
  hintDone: "Next: how it went.",
  hintBefore: "First your motion of until now, so that nobody else can change it.",
  hintFirst: "Think of a motion that nobody would guess: two winks and a pout to the left, say.",
  hintSame: "The same motion once more.",
  hintTry: "Make any motion you like: wink, pout, raise a brow \u2026",
  hintTrySame: "Now the same motion again, or another one, and see what happens.",

  taken: (/** @type {number} */ number, /** @type {number} */ of) => `Take ${number} of ${of} is good`,
  next: (/** @type {number} */ number, /** @type {number} */ of) => (number < of ? `On to take ${number + 1}` : "Save"),
  afterTake: (/** @type {number} */ left) => `Next: the same motion ${["", "once", "twice"][left] ?? `${left} times`} more.`,
  afterLast: "Next: save these takes. Nothing was kept so far.",
  afterOther: "Next: the same motion as before.",
  once: "Once more",
  onceMore: (/** @type {string} */ why) => `${why}: once more.`,
  sizes: ["Small", "Fair", "Large"],

  visitTitles: { verify: "Show that it's you", enrol: "Choose your motion", "enrol-again": "Choose a new motion" },
  visitFrom: (/** @type {string} */ site, /** @type {string} */ user) => `${site} asks for the secret motion of ${user}. You go back there afterwards.`,
  visitOf: (/** @type {string} */ user) => `Asked for is the secret motion of ${user}.`,
  visitBegin: { verify: "Let me in", enrol: "Enrol", "enrol-again": "Enrol again" },
  visitBack: (/** @type {string} */ site) => (site ? `Back to ${site}` : "Done"),
  visitDone: "That was all here",
  visitDoneText: "You may close this page.",

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
  plain: "The live connection can't be had, so your clip is sent in one piece.",
  count: (/** @type {number} */ seconds) => `Get ready: ${seconds}`,
  sending: "Sending \u2026",
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
  spent: ["That was your one try here", "Go back to the site that sent you here, and start there."],
  cut: ["The connection was cut", "Check it and try again. Nothing was counted."],
  offline: ["The server can't be reached", "Check the connection and try again."],
  noTry: ["The connection doesn't hold", "Without it takes can't be compared. Check it and try again."],
};
