"""The pictures that a person is drawn with: the portrait, the portrait with closed lids, the portrait as bare eyes.

All three have the portrait's size and coordinates. What the photograph can't show (a closed lid, the white of the eye
behind the lids) is painted from what it does show around it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from facemotion.synth.people.head import FloatArray

Picture = NDArray[np.uint8]

# Face-mesh points round each eye opening, subject's left eye first: lower lid from the outer to the inner corner, upper
# lid back to the outer corner; then the centre of the iris and four points on its border.
LOWER = ((263, 249, 390, 373, 374, 380, 381, 382, 362), (33, 7, 163, 144, 145, 153, 154, 155, 133))
UPPER = ((398, 384, 385, 386, 387, 388, 466), (173, 157, 158, 159, 160, 161, 246))
IRIS = ((473, 474, 475, 476, 477), (468, 469, 470, 471, 472))
CHEEK = ((280, 330, 347), (50, 101, 118))


@dataclass(frozen=True, eq=False)
class Layers:
    """Three pictures of one size.

    Attributes:
        open: (H, W, 3) uint8 RGB, the portrait.
        closed: (H, W, 3) uint8 RGB, the portrait with closed lids.
        bare: (H, W, 3) uint8 RGB, the portrait with bare eyeballs.
    """

    open: Picture
    closed: Picture
    bare: Picture

    def scaled(self, factor: float) -> Layers:
        """The same pictures, averaged down.

        Args:
            factor: sides over the sides now, at most 1.
        """
        height, width = self.open.shape[:2]
        size = max(8, round(width * factor)), max(8, round(height * factor))

        def shrink(picture: Picture) -> Picture:
            return np.asarray(
                Image.fromarray(picture).resize(
                    size, Image.Resampling.BOX if factor < 0.5 else Image.Resampling.LANCZOS
                )
            )

        return Layers(shrink(self.open), shrink(self.closed), shrink(self.bare))


def paint_layers(portrait: Picture, landmarks: FloatArray, lash_lines: list[FloatArray], seed: int) -> Layers:
    """Paint closed lids and bare eyes.

    Args:
        portrait: (H, W, 3) uint8.
        landmarks: (478, 3) float32 pixels, points of the face mesh.
        lash_lines: (P, 2) float32 pixels along which the closed lids meet, for the subject's left eye and the right.
        seed: seed of the grain given to painted skin.
    """
    closed, bare = portrait.astype(np.float32), portrait.astype(np.float32)
    random = np.random.default_rng(seed)
    for side in range(2):
        opening = landmarks[list(LOWER[side] + UPPER[side]), :2]
        iris = landmarks[list(IRIS[side]), :2]
        _paint_lid(closed, landmarks, side, lash_lines[side], random)
        _paint_eye(bare, opening, iris[0], float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean()))
    return Layers(portrait, np.clip(closed, 0, 255).astype(np.uint8), np.clip(bare, 0, 255).astype(np.uint8))


def _mask(shape: tuple[int, int], polygon: FloatArray, offset: tuple[int, int]) -> NDArray[np.float32]:
    """Antialiased mask 0..1 of a polygon, drawn four times larger."""
    image = Image.new("L", (shape[1] * 4, shape[0] * 4))
    points = [((float(x) - offset[0]) * 4, (float(y) - offset[1]) * 4) for x, y in polygon]
    ImageDraw.Draw(image).polygon(points, fill=255)
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BOX), np.float32) / np.float32(255)


def _window(picture: FloatArray, points: FloatArray, margin: float) -> tuple[int, int, int, int]:
    low, high = points.min(0) - margin, points.max(0) + margin
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    x1, y1 = min(picture.shape[1], int(high[0]) + 1), min(picture.shape[0], int(high[1]) + 1)
    return x0, y0, x1, y1


def fill(picture: FloatArray, hole: NDArray[np.bool_], rounds: int = 300) -> FloatArray:
    """Fill a hole with the smoothest surface that continues what lies round it (Laplace's equation).

    Args:
        picture: (h, w, 3) float32.
        hole: (h, w) bool, pixels to fill.
        rounds: rounds of averaging.
    Returns:
        (h, w, 3) float32.
    """
    out = picture.copy()
    if not hole.any() or hole.all():
        return out
    out[hole] = picture[~hole].mean(0)
    # Coarse first: the mean of what is known, at ever finer scale, is a start from which few rounds remain.
    known = (~hole).astype(np.float32)
    for blur in (16.0, 8.0, 4.0, 2.0):
        weight = _blur(known, blur)
        estimate = np.stack([_blur(picture[..., k] * known, blur) for k in range(3)], -1)
        usable = hole & (weight > 0.02)
        out[usable] = (estimate / np.maximum(weight, 1e-6)[..., None])[usable]
    for _ in range(rounds):
        padded = np.pad(out, ((1, 1), (1, 1), (0, 0)), mode="edge")
        mean = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
        out[hole] = mean[hole]
    return out


def _blur(picture: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(picture, radius, mode="nearest"), np.float32)


def _paint_lid(
    picture: FloatArray, landmarks: FloatArray, side: int, lash_line: FloatArray, random: np.random.Generator
) -> None:
    lower, upper = landmarks[list(LOWER[side]), :2], landmarks[list(UPPER[side]), :2]
    width = float(np.linalg.norm(lower[0] - lower[-1]))
    down = np.array([-(lower[-1] - lower[0])[1], (lower[-1] - lower[0])[0]]) / width
    down = down if down[1] > 0 else -down
    # Upper lashes reach farther than lower ones; corners are kept a little wider than the opening.
    corners = lower[[0, -1]] + (lower[[0, -1]] - lower.mean(0)) * np.array([[0.26], [0.08]])
    region = np.concatenate([corners[:1], lower[1:-1] + 0.11 * width * down, corners[1:], upper - 0.2 * width * down])
    x0, y0, x1, y1 = _window(picture, region, 0.45 * width)
    window = picture[y0:y1, x0:x1].copy()
    mask = _mask(window.shape[:2], region, (x0, y0))
    # Lashes are dark and thin. A morphological closing removes those that reach beyond the region that is filled in.
    clean = _without_lines(window, 0.07 * width)
    near = np.clip(_blur(mask, 0.1 * width) * 3, 0, 1)[..., None]
    skin = fill(clean, mask > 0.02)
    # The shade of the socket stays. Only what is too dark for skin is lifted, and the hue is drawn towards the cheek's.
    cheek = _tone(picture, landmarks[list(CHEEK[side]), :2], 0.1 * width)
    luma = skin.mean(-1, keepdims=True)
    floor = 0.62 * float(cheek.mean())
    lifted = np.maximum(luma, floor + 0.35 * (luma - floor))
    skin = 0.6 * skin * (lifted / np.maximum(luma, 1)) + 0.4 * cheek * (lifted / max(float(cheek.mean()), 1.0))
    skin = skin * np.array([1.02, 0.99, 0.985], np.float32)
    # Its grain is that of the skin under the eye.
    skin = skin + 0.8 * _detail_below(picture, (x0, y0, x1, y1), 0.8 * width * down, 0.05 * width)
    yy, xx = np.mgrid[0 : window.shape[0], 0 : window.shape[1]] + 0.5
    place = np.stack([xx + x0, yy + y0], -1)
    line = np.array(lash_line, np.float64)
    distance, below = _to_line(place, line, down)
    # The ball under the lid: lighter across its middle, darker towards the crease above and the lashes below.
    height = np.clip(-below / (0.4 * width), -0.5, 1.3)
    bulge = 0.07 * np.exp(-(((height - 0.48) / 0.28) ** 2)) - 0.1 * np.exp(-((height / 0.2) ** 2))
    crease = -0.13 * np.exp(-(((height - 0.98) / 0.07) ** 2)) - 0.05 * np.exp(-(((height - 1.0) / 0.2) ** 2))
    along = np.clip(1 - (2 * np.linalg.norm(place - line.mean(0), axis=-1) / (1.2 * width)) ** 4, 0, 1)
    grain = _blur(random.standard_normal(window.shape[:2]).astype(np.float32), 0.7) * 2.0
    skin = skin * (1 + (bulge + crease) * along)[..., None] + grain[..., None]
    soft = np.clip(_blur(mask, 0.07 * width) * 1.3 - 0.1, 0, 1)[..., None]
    window += near * (clean - window)
    window += soft * (skin - window)
    lashes = _lashes(window.shape[:2], line - [x0, y0], width, down, random)
    # Where the lids meet: a soft dark line, softer below.
    thickness = np.where(below > 0, 0.034, 0.018) * width
    lash = np.maximum(0.6 * np.exp(-((distance / thickness) ** 2)) * along, 0.62 * lashes)
    window *= 1 - 0.78 * np.clip(lash, 0, 1)[..., None]
    picture[y0:y1, x0:x1] = window


def _without_lines(picture: FloatArray, size: float) -> FloatArray:
    """The picture without dark lines thinner than `size` pixels."""
    from scipy.ndimage import grey_closing

    reach = 2 * max(1, round(size / 2)) + 1
    closed = np.stack([grey_closing(picture[..., k], (reach, reach), mode="nearest") for k in range(3)], -1)
    return np.stack([_blur(closed[..., k].astype(np.float32), reach / 4) for k in range(3)], -1)


def _detail_below(
    picture: FloatArray, window: tuple[int, int, int, int], shift: NDArray[np.floating], scale: float
) -> FloatArray:
    """Detail finer than `scale` pixels, taken from the part of the picture that lies `shift` away from a window. It is
    limited, so that no lashes are copied."""
    x0, y0, x1, y1 = window
    dx, dy = round(float(shift[0])), round(float(shift[1]))
    rows = np.clip(np.arange(y0, y1) + dy, 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(x0, x1) + dx, 0, picture.shape[1] - 1)
    part = picture[np.ix_(rows, columns)]
    fine = part - np.stack([_blur(np.ascontiguousarray(part[..., k]), scale) for k in range(3)], -1)
    return np.asarray(np.clip(fine, -9, 9), np.float32)


def _lashes(
    shape: tuple[int, int],
    line: NDArray[np.float64],
    width: float,
    down: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Mask 0..1 of the upper lashes of a closed eye: they hang down and fan out from where the lids meet."""
    scale = 4
    image = Image.new("L", (shape[1] * scale, shape[0] * scale))
    draw = ImageDraw.Draw(image)
    steps = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    across = np.array([down[1], -down[0]])
    outward = np.sign(float((line[0] - line[-1]) @ across)) * across
    for part in np.arange(0.03, 0.97, 0.022) + random.uniform(-0.008, 0.008, 43):
        root = np.array([np.interp(part * steps[-1], steps, line[:, k]) for k in range(2)])
        fan = (0.5 - part) * 1.5 + random.normal(0, 0.12)  # the line begins at the outer corner
        length = width * (0.045 + 0.05 * (1 - part)) * np.exp(random.normal(0, 0.25))
        middle, tip = (
            root + down * length * 0.6 + outward * fan * length * 0.3,
            root + down * length + outward * fan * length,
        )
        points = [tuple(scale * point) for point in (root, middle, tip)]
        draw.line(points, fill=int(random.uniform(130, 230)), width=max(1, round(0.011 * width * scale)))
    small = np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BOX), np.float32) / np.float32(255)
    return _blur(small, 0.006 * width)


def _tone(picture: FloatArray, places: NDArray[np.floating], radius: float) -> FloatArray:
    """Colour (3,) of the skin in discs round places (P, 2)."""
    pixels = []
    reach = max(1, round(radius))
    for x, y in places:
        i, j = max(0, int(x) - reach), max(0, int(y) - reach)
        pixels.append(picture[j : int(y) + reach + 1, i : int(x) + reach + 1].reshape(-1, 3))
    colours = np.concatenate(pixels)
    luma = colours.mean(1)
    low, high = np.percentile(luma, [20, 60])  # neither lashes nor highlights
    return np.asarray(colours[(luma >= low) & (luma <= high)].mean(0), np.float32)


def _to_line(
    place: NDArray[np.float64], line: NDArray[np.float64], down: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of places (h, w, 2) to a polyline, and how far below it (along `down`) they lie."""
    best = np.full(place.shape[:2], np.inf)
    below = np.zeros(place.shape[:2])
    for a, b in itertools.pairwise(line):
        step = b - a
        t = np.clip(((place - a) @ step) / max(float(step @ step), 1e-9), 0, 1)
        offset = place - (a + t[..., None] * step)
        distance = np.linalg.norm(offset, axis=-1)
        nearer = distance < best
        best[nearer] = distance[nearer]
        below[nearer] = (offset @ down)[nearer]
    return best, below


def _paint_eye(picture: FloatArray, opening: FloatArray, iris: FloatArray, radius: float) -> None:
    width = float(np.ptp(opening[:, 0]))
    x0, y0, x1, y1 = _window(picture, opening, 0.45 * width)
    window = picture[y0:y1, x0:x1].copy()
    shape = window.shape[:2]
    seen = _mask(shape, opening, (x0, y0))
    # Lashes and the shadow under them stain the border of the opening: only what lies well inside is trusted.
    inner = _erode(seen, 0.035 * width) > 0.6
    yy, xx = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    dx, dy = xx + x0 - iris[0], yy + y0 - iris[1]
    away = np.hypot(dx, dy)
    in_iris = away < radius * 1.02
    white = inner & (away > radius * 1.12)
    luma = window.mean(-1)
    colour = np.median(window[white], axis=0) if white.sum() > 8 else np.array([205.0, 195.0, 190.0])
    pale = white & (luma > 0.75 * float(np.median(luma[white]))) if white.any() else white
    sclera = fill(window, ~pale, rounds=60) if pale.sum() > 8 else np.broadcast_to(colour, window.shape).copy()
    sclera = 0.6 * sclera + 0.4 * colour
    out = np.where((inner & ~in_iris)[..., None], window, sclera)
    # The hidden part of the iris: the mean of its visible pixels at the same distance from the centre.
    rings = np.clip((away / radius * 10).astype(int), 0, 11)
    visible = inner & in_iris
    for ring in range(11):
        here = (rings == ring) & in_iris
        known = here & visible
        tone = window[known].mean(0) if known.sum() > 2 else window[visible].mean(0) if visible.any() else colour * 0.3
        out[here & ~visible] = tone
    out[visible] = window[visible]
    soft = _blur(inner.astype(np.float32), 0.8)[..., None]
    smooth = np.stack([_blur(out[..., k].astype(np.float32), 0.9) for k in range(3)], -1)
    picture[y0:y1, x0:x1] = soft * out + (1 - soft) * smooth


def _erode(mask: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    size = 2 * max(1, round(radius)) + 1
    image = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.MinFilter(size))
    return np.asarray(image, np.float32) / np.float32(255)
