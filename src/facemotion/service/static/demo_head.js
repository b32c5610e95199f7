// Written by `python -m tools.draw_demo` from the clay head of the data engine; change that, not this file.

/**
 * Parts of a face as a mirror shows it, in millimetres, y downwards: what it is, whether its line is closed,
 * and x and y of its points at rest; then how far each is moved by a wink of the left eye and by a pout to
 * the left, where it is.
 * @type {[string, boolean, number[], number[], number[]][]}
 */
export const PARTS = [
  ["face", true, [80, -34, 79, -14, 72, 6, 68, 26, 60, 44, 45, 60, 31, 68, 1, 78, -31, 68, -45, 60, -60, 44, -68, 26, -72, 6, -79, -14, -80, -34, -74, -42, -62, -61, -45, -76, -23, -85, 0, -89, 23, -85, 45, -76, 62, -61, 74, -42], [], []],
  ["eye", true, [-17, -34, -20, -36, -26, -39, -33, -40, -39, -38, -45, -34, -43, -33, -37, -31, -31, -30, -24, -31], [0, 0, 0, 4, 0, 8, 0, 9, 0, 6, 0, 0, 0, 0, 0, 0, 0, -1, 0, 0], []],
  ["eye", true, [45, -34, 43, -36, 37, -39, 31, -40, 24, -39, 17, -35, 20, -32, 26, -30, 33, -30, 39, -31], [], []],
  ["brow", false, [55, -52, 47, -58, 37, -62, 24, -60, 13, -58], [], []],
  ["brow", false, [-13, -58, -24, -60, -37, -62, -47, -58, -55, -52], [1, 3, 1, 4, 1, 3, 1, 2, 0, 1], []],
  ["nose", false, [12, 8, 5, 10, 1, 12, -5, 10, -12, 8], [], [-2, 0, -2, 0, -3, 0, -2, 0, -1, 0]],
  ["lips", true, [25, 34, 15, 28, 5, 24, 1, 26, -5, 24, -15, 28, -25, 34, -17, 42, -9, 44, 1, 44, 9, 44, 17, 42], [], [-14, 0, -16, 0, -12, 0, -12, 0, -8, 0, -3, 0, 1, 0, -2, 0, -6, 0, -10, 0, -12, 0, -14, 0]],
  ["seam", false, [23, 34, 9, 34, 1, 34, -9, 34, -23, 34], [], [-15, 0, -18, 0, -15, 0, -8, 0, 1, 0]],
];

/** Middles of both eyes. @type {[number, number][]} */
export const EYES = [[-31, -35], [31, -35]];
