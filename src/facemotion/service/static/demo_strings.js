// Words beside the drawing of a motion.

/** What stands still there. */
export const DEMO_PAGE = {
  demoTitle: "A motion, from rest to rest",
  demoLabel: "A drawn head looks straight ahead, shuts its left eye twice, pouts to the left and rests again",
  demoRest: "Look at the camera and hold still.",
  demoMove: "At \u201cGo!\u201d make a motion of your own. Here: two winks and a pout to the left.",
  demoBack: "Come back to rest before the ring is full.",
  demoAgain: "Show it again",
};

export const DEMO = {
  moveAsked: "At \u201cGo!\u201d make the motion that the page names. Here: two winks and a pout to the left.",
  skip: "Skip",
  goOn: "Go on",
};
