"""How a recording may be disguised, done to pictures of a face: what `look_net` learns to see through."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facemotion.service.replays.surface import SHAPE

Pictures = NDArray[np.float32]
Times = NDArray[np.float64]

HIGH, WIDE = SHAPE
Y, X = np.mgrid[0:HIGH, 0:WIDE].astype(np.float32)
ACROSS, DOWN = (X - (WIDE - 1) / 2) / (WIDE / 2), (Y - (HIGH - 1) / 2) / (HIGH / 2)
MOUTH = ((12, 20), (26, 34))
"""Where the middle of a mouth lies, pixels across and down, from and to."""
GREY = 36.0
"""Steps of 8 bits to a standard deviation of a picture."""


def filmed(pictures: Pictures, times: Times, random: np.random.Generator) -> Pictures:
    """A recording as it was sent first: laid a little beside its place, with some noise.

    Args:
        pictures: (L, H, W) as SurfaceTaker gives them.
        times: (L,) seconds.
        random: decides.
    """
    shifts = _misplaced(times, random, 0.0, 0.15 * random.uniform(), 0.03)
    moved = _remapped(pictures, *shifts)
    return _even(_noisy(moved, random, 0.05) if random.random() < 0.5 else moved)


def disguised(pictures: Pictures, times: Times, random: np.random.Generator) -> Pictures:
    """A recording that was bent, lit, covered in part, coded anew and filmed at another rate; each by chance.

    Args:
        pictures: (L, H, W) as SurfaceTaker gives them.
        times: (L,) seconds.
        random: decides.
    """
    shifts = _misplaced(times, random, 0.35, 0.5 * random.uniform(), 0.08)
    for ways in (_bulges, _bends):
        if random.random() < 0.6:
            shifts = [one + more for one, more in zip(shifts, ways(times, random), strict=True)]
    shown = _remapped(pictures, *shifts) + random.uniform(2, 3.5)  # black lies so many deviations below the mean
    for change, share in DISGUISES:
        if random.random() < share:
            shown = change(shown, times, random)
    if random.random() < 0.25:
        shown = _at_another_rate(shown, times, random)
    return _even(shown)


def on_another(pictures: Pictures, face: Pictures) -> Pictures:
    """The changes of one face on another one: few people are learned from.

    Args:
        pictures: (L, H, W) as SurfaceTaker gives them.
        face: (H, W) the mean of another recording.
    """
    return _even(pictures - pictures.mean(axis=0) + face)


def wobbled(length: int, times: Times, random: np.random.Generator) -> NDArray[np.float32]:
    """(L, L) by which a recording's frames become those of a clock that runs ahead and behind by up to 0.1 s."""
    frames = np.arange(length) + random.uniform(0, 2.5) * _waves(times, random, 1, 0.5, 1.6)[:, 0]
    return between(frames.clip(0, length - 1), length)


def between(places: NDArray[np.floating], length: int) -> NDArray[np.float32]:
    """(P, L) weights of frames, for places between two of them."""
    first = np.floor(places).astype(np.intp).clip(0, length - 2)
    weights, rows = np.zeros((len(places), length), np.float32), np.arange(len(places))
    weights[rows, first], weights[rows, first + 1] = 1 - (places - first), places - first
    return weights


def _waves(
    times: Times, random: np.random.Generator, count: int, slowest: float = 0.3, quickest: float = 2.5
) -> Pictures:
    """(L, count) sines of rates in Hz between these."""
    rates, phases = random.uniform(slowest, quickest, count), random.uniform(0, 2 * np.pi, count)
    return np.sin(2 * np.pi * rates * times[:, None] + phases).astype(np.float32)


def _misplaced(
    times: Times, random: np.random.Generator, still: float, slowly: float, quickly: float
) -> list[Pictures]:
    """What a homography misses, pixels across and down (L, H, W): throughout (landmarks of a mirrored picture lie half
    a pixel beside those of the other), slowly, and from frame to frame."""
    moves = _waves(times, random, 8, 0.3, 4.0) * slowly * random.uniform(0, 1, 8).astype(np.float32)
    moves = moves + random.normal(0, quickly, moves.shape).astype(np.float32)
    moves = moves + random.normal(0, still, 8).astype(np.float32)
    a, b, c, d, e, f, g, h = (part[:, None, None] for part in moves.T)
    lean = (g * ACROSS + h * DOWN) / 2
    return [a + b * ACROSS + c * DOWN + lean * ACROSS, d + e * ACROSS + f * DOWN + lean * DOWN]


def _bulges(times: Times, random: np.random.Generator) -> list[Pictures]:
    """One or two places, the mouth for example, that grow and shrink."""
    shifts = [np.zeros((len(times), *SHAPE), np.float32) for _ in range(2)]
    for _ in range(random.integers(1, 3)):
        spans = MOUTH if random.random() < 0.5 else ((4, 28), (4, 38))
        x, y = X - random.uniform(*spans[0]), Y - random.uniform(*spans[1])
        near = np.exp(-(x * x + y * y) / (2 * random.uniform(4, 13) ** 2)).astype(np.float32)
        grown = _waves(times, random, 2) * np.float32(random.uniform(0.05, 0.4))
        both = zip(shifts, grown.T, (x, y), strict=True)
        shifts = [shift + part[:, None, None] * near * away for shift, part, away in both]
    return shifts


def _bends(times: Times, random: np.random.Generator) -> list[Pictures]:
    """Knots that move on their own, smooth between them."""
    knots, far = int(random.integers(3, 6)), random.uniform(0.2, 1.3)
    moves = (far * _waves(times, random, 2 * knots * knots)).reshape(len(times), 2, knots, knots).astype(np.float32)
    size = (WIDE, HIGH)
    return [
        np.stack([cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in moves[:, axis]]) for axis in (0, 1)
    ]


def _remapped(pictures: Pictures, across: Pictures, down: Pictures) -> Pictures:
    how = {"interpolation": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT}
    return np.stack([cv2.remap(one, X + x, Y + y, **how) for one, x, y in zip(pictures, across, down, strict=True)])


def _lit(shown: Pictures, times: Times, random: np.random.Generator) -> Pictures:
    """Light falls off towards a side that turns round."""
    turn = 2 * np.pi * random.uniform(0.2, 1.5) * random.choice([-1, 1]) * times + random.uniform(0, 2 * np.pi)
    falls = np.cos(turn)[:, None, None] * ACROSS + np.sin(turn)[:, None, None] * DOWN
    return (shown * (1 + random.uniform(0, 0.35) * falls)).astype(np.float32)


def _barred(shown: Pictures, times: Times, random: np.random.Generator) -> Pictures:
    """Bars that slide to and fro, darker, lighter or of one colour."""
    for _ in range(random.integers(1, 4) if random.random() < 0.3 else 1):
        angle = random.choice([0, np.pi / 2, random.uniform(0, np.pi)])
        along = X * np.cos(angle) + Y * np.sin(angle)
        place = along.mean() + random.uniform(8, 24) * _waves(times, random, 1, 0.2, 1.5)
        edge = 1 / (1 + np.exp(2 * (np.abs(along - place[:, :, None]) - random.uniform(1, 7))))
        strength = random.uniform(0.05, 0.45)
        if random.random() < 0.5:
            shown = shown * (1 - strength * random.choice([1, 1, -1]) * edge)
        else:
            shown = shown * (1 - strength * edge) + strength * edge * random.uniform(0, 6)
    return np.asarray(shown, np.float32)


def _covered(shown: Pictures, times: Times, random: np.random.Generator) -> Pictures:
    """A shadow passes."""
    size, strength = random.uniform(2, 6), random.uniform(0.1, 0.6)
    x, y = (
        middle + reach * _waves(times, random, 1, 0.2, 1.5)[:, :, None]
        for middle, reach in ((WIDE / 2, 14), (HIGH / 2, 17))
    )
    near = np.exp(-(np.square(X - x) + np.square(Y - y)) / (2 * size**2))
    return np.asarray(shown * (1 - strength * near), np.float32)


def _coded(shown: Pictures, times: Times, random: np.random.Generator) -> Pictures:
    """Made smaller and larger again, cut into blocks, with noise."""
    if random.random() < 0.5:
        size = [round(side * random.uniform(0.45, 1)) for side in (WIDE, HIGH)]
        small = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in shown]
        shown = np.stack([cv2.resize(one, (WIDE, HIGH), interpolation=cv2.INTER_CUBIC) for one in small])
    if random.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(12, 70))]
        eight_bits = (GREY * shown).clip(0, 255).astype(np.uint8)
        files = [cv2.imencode(".jpg", one, quality)[1] for one in eight_bits]
        shown = np.stack([cv2.imdecode(one, cv2.IMREAD_GRAYSCALE) for one in files]).astype(np.float32) / GREY
    return _noisy(shown, random, 0.12)


def _noisy(shown: Pictures, random: np.random.Generator, most: float) -> Pictures:
    noise = random.normal(0, most * random.uniform(), shown.shape).astype(np.float32)
    return shown + np.stack([cv2.GaussianBlur(one, (0, 0), 0.8) for one in noise])


def _toned(shown: Pictures, times: Times, random: np.random.Generator) -> Pictures:
    return np.asarray(np.sign(shown) * np.abs(shown) ** random.uniform(0.7, 1.4), np.float32)


def _blurred(shown: Pictures, times: Times, random: np.random.Generator) -> Pictures:
    sigma = random.uniform(0.3, 1.0)
    return np.stack([cv2.GaussianBlur(one, (0, 0), sigma) for one in shown])


def _at_another_rate(shown: Pictures, times: Times, random: np.random.Generator) -> Pictures:
    """By 9 to 22 frames/s, brought back to the moments of before."""
    step = 1 / random.uniform(9, 22)
    moments = np.arange(times[0] + random.uniform(0, step), times[-1], step)
    taken = np.unique(np.abs(times - moments[:, None]).argmin(axis=1))
    if len(taken) < 3:
        return shown
    places = np.interp(times, times[taken], np.arange(len(taken)))
    return np.asarray(np.tensordot(between(places, len(taken)), shown[taken], 1), np.float32)


def _even(shown: Pictures) -> Pictures:
    """About the mean of each picture, in its standard deviations, as SurfaceTaker leaves them."""
    mean, deviation = (how(shown, axis=(1, 2), keepdims=True) for how in (np.mean, np.std))
    return np.asarray((shown - mean) / np.maximum(deviation, 0.2), np.float32)


DISGUISES = ((_lit, 0.55), (_barred, 0.55), (_covered, 0.2), (_coded, 0.75), (_toned, 0.4), (_blurred, 0.4))
"""In this order, and which share of recordings is changed so."""
