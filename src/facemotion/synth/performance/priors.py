"""How people move: spreads measured on two public captures. The figures found are the defaults of `takes.Spreads`;
`facemotion synth priors` measures them again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import AssetError
from facemotion.synth.people.assets import CAPTURE, EXPRESSIONS, Assets
from facemotion.synth.people.head import INDEX

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LogNormal:
    """median, and standard deviation of the logarithm."""

    median: float
    sigma: float


def of_samples(samples: list[float]) -> LogNormal:
    """Median and spread of positive samples; the spread is 0.7413 of the quartiles' distance, which outliers don't
    move."""
    logs = np.log(np.maximum(samples, 1e-3))
    low, middle, high = np.percentile(logs, [25, 50, 75])
    return LogNormal(float(np.exp(middle)), float(0.7413 * (high - low)))


@dataclass(frozen=True, eq=False)
class CapturePriors:
    """What the range-of-motion capture says.

    Attributes:
        onset, offset: 10% to 80% of a rise, 80% to 10% of a fall, seconds. hold: over 80% of the apex, seconds.
        movements: how many they rest on.
        coactive: (S, S) mean weight of shape j at the apex of shape i, per unit of i's apex, own side kept.
        tremor: standard deviation of a held weight, relative to its mean.
    """

    onset: LogNormal
    offset: LogNormal
    hold: LogNormal
    movements: int
    coactive: FloatArray
    tremor: float


def capture_priors(assets: Assets) -> CapturePriors:
    """Measure onset, hold and offset of every clear movement of a channel, and what moves along.

    A movement is a peak over 0.35 that rises from and falls back below a quarter of itself.

    Raises:
        AssetError: the capture is missing.
    """
    onsets: list[float] = []
    offsets: list[float] = []
    holds: list[float] = []
    tremors: list[float] = []
    rows: dict[int, list[FloatArray]] = {}
    with np.load(assets.file(CAPTURE), allow_pickle=False) as data:
        columns = [_shape_of(str(name)) for name in data["names"]]
        rate = float(data["fps"])
        takes = [np.asarray(data[key], np.float64) for key in ("take1", "take2")]
    for take in takes:
        rest = np.percentile(take, 20, axis=0)
        table = np.zeros((len(take), len(INDEX)))
        for column, names in enumerate(columns):
            for name in names:
                table[:, INDEX[name]] = np.maximum(take[:, column] - rest[column], 0)
        for column, names in enumerate(columns):
            if not names or names[0].startswith("eyeLook"):
                continue
            for start, low, high, end, apex in movements(take[:, column] - rest[column]):
                onsets.append((low - start) / rate)
                offsets.append((end - high) / rate)
                holds.append((high - low + 1) / rate)
                held = take[low : high + 1, column]
                if len(held) > 8:
                    tremors.append(float(np.std(np.diff(held)) / max(held.mean(), 0.1)))
                top = table[low : high + 1].mean(0)
                for name in names:
                    rows.setdefault(INDEX[name], []).append(top / max(apex, 0.2))
    coactive = np.zeros((len(INDEX), len(INDEX)))
    for index, found in rows.items():
        coactive[index] = np.median(found, axis=0)
        coactive[index, index] = 0
    return CapturePriors(
        of_samples(onsets), of_samples(offsets), of_samples(holds), len(onsets), coactive, float(np.median(tremors))
    )


def _shape_of(channel: str) -> list[str]:
    """Our names of a LiveLink channel; ARKit joins two of our shapes in browInnerUp and cheekPuff."""
    name = channel[0].lower() + channel[1:]
    if name in ("browInnerUp", "cheekPuff"):
        return [name + "_L", name + "_R"]
    for ending, suffix in (("Left", "_L"), ("Right", "_R")):
        if name.endswith(ending) and name[: -len(ending)] + suffix in INDEX:
            return [name[: -len(ending)] + suffix]
    return [name] if name in INDEX else []


def movements(curve: FloatArray) -> list[tuple[int, int, int, int, float]]:
    """(10% before, 80% reached, 80% left, 10% after, apex) of every movement of one channel."""
    found = []
    position = 0
    while position < len(curve):
        if curve[position] < 0.35:
            position += 1
            continue
        stop = position
        while stop < len(curve) and curve[stop] >= 0.2:
            stop += 1
        peak = position + int(np.argmax(curve[position:stop]))
        apex = float(curve[peak])
        start, end, low, high = peak, peak, peak, peak
        while start > 0 and curve[start] > 0.1 * apex:
            start -= 1
        while end < len(curve) - 1 and curve[end] > 0.1 * apex:
            end += 1
        while low > start and curve[low - 1] > 0.8 * apex:
            low -= 1
        while high < end and curve[high + 1] > 0.8 * apex:
            high += 1
        if low - start < 60 and end - high < 60:
            found.append((start, low, high, end, apex))
        position = max(stop, end) + 1
    return found


@dataclass(frozen=True)
class RepetitionPriors:
    """What the repeated expressions say, pooled over two people.

    Attributes:
        duration: spread of a repetition's length round the person's median, as sigma of the logarithm.
        intensity: the same of its size along the expression's mean direction.
        direction: mean angle between a repetition's displacement and the mean one, degrees.
        expressions, repetitions: how many they rest on.
    """

    duration: float
    intensity: float
    direction: float
    expressions: int
    repetitions: int


def repetition_priors(assets: Assets) -> RepetitionPriors:
    """Measure how repetitions of one expression by one person differ.

    Each labelled stretch is one repetition; its displacement is the mean shape of its middle half minus the mean shape
    of the unlabelled half second round it, both freed of translation.

    Raises:
        AssetError: the file is missing or of another form.
    """
    durations: list[float] = []
    sizes: list[float] = []
    angles: list[float] = []
    expressions = 0
    with np.load(assets.file(EXPRESSIONS), allow_pickle=False) as data:
        names = sorted({key.rsplit("__", 1)[0] for key in data.files})
        if not names:
            raise AssetError(f"{assets.file(EXPRESSIONS)} holds no recordings.")
        for name in names:
            points, label = np.asarray(data[f"{name}__points"], np.float64), np.asarray(data[f"{name}__label"])
            time = np.asarray(data[f"{name}__time"], np.float64)
            unit = 1.0 if np.median(np.diff(time)) < 1 else 1e-3
            points = points[:, :, :2] - points[:, 36:, :2].mean(1, keepdims=True)
            moves, lengths = _repetitions(points, label, time * unit)
            if len(moves) < 5:
                continue
            expressions += 1
            mean = np.mean([move / max(float(np.linalg.norm(move)), 1e-9) for move in moves], axis=0)
            mean /= np.linalg.norm(mean)
            along = np.array([float(move.ravel() @ mean.ravel()) for move in moves])
            along = along[along > 0]
            durations.extend(np.log(lengths) - np.median(np.log(lengths)))
            sizes.extend(np.log(along) - np.median(np.log(along)))
            angles.extend(
                float(
                    np.degrees(np.arccos(np.clip(move.ravel() @ mean.ravel() / max(np.linalg.norm(move), 1e-9), -1, 1)))
                )
                for move in moves
            )
    quartiles = [0.7413 * float(np.subtract(*np.percentile(values, [75, 25]))) for values in (durations, sizes)]
    return RepetitionPriors(quartiles[0], quartiles[1], float(np.mean(angles)), expressions, len(durations))


def _repetitions(
    points: FloatArray, label: NDArray[np.generic], time: FloatArray
) -> tuple[list[FloatArray], list[float]]:
    active = np.concatenate([[0], (np.asarray(label) > 0).astype(int), [0]])
    starts, ends = np.where(np.diff(active) == 1)[0], np.where(np.diff(active) == -1)[0]
    moves, lengths = [], []
    for start, end in zip(starts, ends, strict=True):
        before = points[max(0, start - 12) : start]
        if end - start < 6 or len(before) < 3:
            continue
        quarter = (end - start) // 4
        moves.append(points[start + quarter : end - quarter].mean(0) - before.mean(0))
        lengths.append(max(float(time[end - 1] - time[start]), 0.05))
    return moves, lengths
