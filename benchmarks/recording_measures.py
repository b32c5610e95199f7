"""What benchmarks/recordings.py measures on a recording, real or simulated: head, landmark noise, light, features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.features.mesh import RIGID

TEMPLATE = RIGID[:, 1:] * [1, -1, -1]  # x to the subject's left, y up, z towards the camera
RIGID_POINTS = RIGID[:, 0].astype(int)
EYES = (int(np.flatnonzero(RIGID_POINTS == 33)[0]), int(np.flatnonzero(RIGID_POINTS == 263)[0]))
WINDOW = 1.0  # seconds over which the head's drift is taken: every recording is longer
SEGMENTS = 12  # of a motion, whose means are compared from take to take
COMPONENTS = 32  # principal components of features that are looked at one by one
AXES = ("pitch", "yaw", "roll")
Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Recorded:
    """One recording, as the front end sees it: T frames.

    Attributes:
        subject: who.
        motion: what; takes of one motion have the same.
        times: (T,) float64 seconds.
        rigid: (T, 31, 2) float32 mesh points of RIGID, pixels or any other unit of length.
        phase: (T,) int8, 0 at rest, 1 in motion, -1 neither or not known.
        boxes: (T,) float32 sides of the detected faces, pixels; empty where the pictures aren't known.
        grey: (T,) float32 mean grey level of the inner face; empty where the pictures aren't known.
        features: (T, D) float32 by extractor.
    """

    subject: str
    motion: str
    times: NDArray[np.float64]
    rigid: Floats
    phase: NDArray[np.int8]
    boxes: Floats
    grey: Floats
    features: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Heads:
    """Where a head is in T frames.

    Attributes:
        turn: (T, 3) degrees of pitch, yaw and roll.
        place: (T, 2) of the middle of the face, in distances between the outer eye corners.
        size: (T,) logarithm of that distance.
        rest: (T, 31, 2) what a turned and moved head doesn't explain of the points, in the same unit.
    """

    turn: Floats
    place: Floats
    size: Floats
    rest: Floats


def heads(points: Floats) -> Heads:
    """Weak perspective, by least squares, from the points that expressions hardly move.

    Args:
        points: (T, 31, 2), x to the right, y down.
    """
    seen = points.astype(np.float64) * [1, -1]
    middle = seen.mean(axis=1, keepdims=True)
    shape = TEMPLATE - TEMPLATE.mean(axis=0)
    maps = np.einsum("ij,tjk->tki", np.linalg.pinv(shape), seen - middle)  # (T, 2, 3)
    left, sizes, right = np.linalg.svd(maps, full_matrices=False)
    rows = left @ right
    turned = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    pitch = np.arcsin(np.clip(turned[:, 1, 2], -1, 1))
    yaw = np.arctan2(turned[:, 0, 2], turned[:, 2, 2])
    roll = -np.arctan2(turned[:, 1, 0], turned[:, 1, 1])
    size = sizes.mean(axis=1)
    left_over = (seen - middle - np.einsum("tki,ji->tjk", maps, shape)) / size[:, None, None]
    unit = np.median(size)
    return Heads(np.degrees(np.stack([pitch, yaw, roll], 1)), middle[:, 0] / unit, np.log(size), left_over)


def aspect(points: Floats) -> float:
    """Height over width of the pixels of points (T, 31, 2) that are shares of a picture: a face seen from the front is
    as tall and wide as RIGID says."""
    spread = (points - points.mean(axis=1, keepdims=True)).astype(np.float64)
    shape = TEMPLATE - TEMPLATE.mean(axis=0)
    maps = np.einsum("ij,tjk->tki", np.linalg.pinv(shape), spread)
    norms = np.linalg.norm(maps, axis=2)
    return float(np.median(norms[:, 0] / norms[:, 1]))


def within_windows(times: Floats, values: Floats, seconds: float = WINDOW) -> Floats:
    """Variances (D,) of values (T, D) within windows of so many seconds, mean over the windows of a recording."""
    edges = np.arange(times[0], times[-1] - seconds + 1e-6, seconds)
    parts = [values[(times >= edge) & (times < edge + seconds)] for edge in edges]
    return np.mean([part.var(axis=0) for part in parts if len(part) > 4] or [values.var(axis=0)], axis=0)


def head_figures(recordings: Sequence[Recorded]) -> dict[str, float]:
    """Drift, nods, noise and light: root mean squares over a person's recordings, medians over people."""
    by_person = [_head_figures(own) for own in grouped(recordings)]
    names = dict.fromkeys(name for own in by_person for name in own)
    return {name: float(np.median([own[name] for own in by_person if name in own])) for name in names}


def _head_figures(own: Sequence[Recorded]) -> dict[str, float]:
    found = [heads(one.rigid) for one in own]
    figures: dict[str, float] = {}
    drift = np.sqrt(np.mean([within_windows(one.times, h.turn) for one, h in zip(own, found, strict=True)], axis=0))
    figures |= {f"head, {axis} within 1 s, degrees": float(v) for axis, v in zip(AXES, drift, strict=True)}
    pairs = zip(own, found, strict=True)
    nods = [h.turn[one.phase == 1].mean(0) - h.turn[one.phase == 0].mean(0) for one, h in pairs if rests(one)]
    if nods:
        figures |= {
            f"head, {axis} of the motion against rest, degrees": float(v)
            for axis, v in zip(AXES, np.sqrt(np.mean(np.square(nods), axis=0)), strict=True)
        }
    if len(own) >= 5:
        apart = np.std([h.turn.mean(axis=0) for h in found], axis=0)
        figures |= {f"head, {axis} between recordings, degrees": float(v) for axis, v in zip(AXES, apart, strict=True)}
        figures["size, sigma between recordings"] = float(np.std([h.size.mean() for h in found]))
    place = np.sqrt(np.mean([within_windows(one.times, h.place).mean() for one, h in zip(own, found, strict=True)]))
    figures["place within 1 s, eye distances"] = float(place)
    noise = [h.rest - h.rest.mean(axis=0) for h in found]
    figures["landmark noise, eye distances"] = float(np.sqrt(np.mean([np.square(n).mean() for n in noise])))
    steps = [np.square(np.diff(n, axis=0)).mean() / 2 for n in noise]
    figures["landmark noise, from frame to frame, eye distances"] = float(np.sqrt(np.mean(steps)))
    again = np.sum([(n[1:] * n[:-1]).sum() for n in noise]) / np.sum([np.square(n[1:]).sum() for n in noise])
    apart_seconds = float(np.median(np.concatenate([np.diff(one.times) for one in own])))
    figures["landmark noise lasts, s"] = -apart_seconds / float(np.log(np.clip(again, 1e-3, 0.999)))
    if len(own[0].boxes):
        figures["side of the face's box, px"] = float(np.median(np.concatenate([one.boxes for one in own])))
        grey = [np.log(one.grey) for one in own]
        figures["light, sigma within a recording"] = float(np.sqrt(np.mean([g.var() for g in grey])))
        if len(own) >= 5:
            figures["light, sigma between recordings"] = float(np.std([g.mean() for g in grey]))
    return figures


def rests(one: Recorded) -> bool:
    """Whether a recording shows rest and motion, three frames of either at least."""
    return bool((one.phase == 0).sum() >= 3 and (one.phase == 1).sum() >= 3)


def grouped(recordings: Iterable[Recorded]) -> list[list[Recorded]]:
    """Recordings by person."""
    people: dict[str, list[Recorded]] = {}
    for one in recordings:
        people.setdefault(one.subject, []).append(one)
    return list(people.values())


def segment_means(one: Recorded, extractor: str) -> Floats:
    """(SEGMENTS, D) means of the features while the motion lasts."""
    span = np.flatnonzero(one.phase == 1)
    values, times = one.features[extractor][span[0] : span[-1] + 1], one.times[span[0] : span[-1] + 1]
    moments = np.linspace(times[0], times[-1], 4 * SEGMENTS)
    nearest = np.clip(np.searchsorted(times, moments), 0, len(times) - 1)
    return values[nearest].reshape(SEGMENTS, 4, -1).mean(axis=1)


def takes_ratio(recordings: Sequence[Recorded], extractor: str) -> dict[str, float | list[float]] | None:
    """Variance between motions over variance between takes of one motion, within people.

    Args:
        recordings: at least two takes of two motions of somebody.
        extractor: whose features are compared.
    Returns:
        `all`: of all features together; `median` over the first COMPONENTS principal components, and each of them.
        None where nobody repeats two motions.
    """
    between, among, spread = [], [], []
    for own in grouped(recordings):
        takes: dict[str, list[Floats]] = {}
        for one in own:
            if (one.phase == 1).sum() > 3:
                takes.setdefault(one.motion, []).append(segment_means(one, extractor))
        motions = [np.stack(rows) for rows in takes.values() if len(rows) > 1]
        if len(motions) > 1:
            among.append([rows - rows.mean(axis=0) for rows in motions])
            means = np.stack([rows.mean(axis=0) for rows in motions])
            between.append((means - means.mean(axis=0), [len(rows) for rows in motions]))
            spread += [(rows - means.mean(axis=0)).reshape(-1, rows.shape[-1]) for rows in motions]
    if not between:
        return None
    axes = np.linalg.svd(np.concatenate(spread), full_matrices=False)[2][:COMPONENTS]
    noise = np.mean(
        [np.mean([np.square(rows @ axes.T).sum(0).mean(0) / (len(rows) - 1) for rows in own], axis=0) for own in among],
        axis=0,
    )
    signal = np.mean(
        [np.square(means @ axes.T).sum(0).mean(0) / (len(means) - 1) - noise / np.mean(k) for means, k in between],
        axis=0,
    )
    each = np.maximum(signal, 0) / noise
    return {
        "all": float(np.maximum(signal.sum(), 0) / noise.sum()),
        "median": float(np.median(each)),
        "each": each.round(3).tolist(),
    }


def rest_ratios(recordings: Sequence[Recorded], extractor: str) -> tuple[float, float] | None:
    """Variance of the features in motion round the face at rest, over that of the face at rest: between recordings of
    one sitting, and within a recording. None where nothing rests."""
    moved, apart, within = [], [], []
    for everything in grouped(recordings):
        own = [one for one in everything if rests(one)]
        if len(own) < 5:
            continue
        means = []
        for one in own:
            values = one.features[extractor]
            rest = values[one.phase == 0]
            means.append(rest.mean(axis=0))
            within.append(np.square(rest - means[-1]).sum(axis=1).mean())
            moved.append(np.square(values[one.phase == 1] - means[-1]).sum(axis=1).mean())
        apart.append(np.var(means, axis=0, ddof=1).sum())
    if not apart:
        return None
    return float(np.mean(moved) / np.mean(apart)), float(np.mean(moved) / np.mean(within))
