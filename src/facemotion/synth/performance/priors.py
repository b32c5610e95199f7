"""How people move: spreads measured on two public captures.

The figures are the defaults of `spreads.Spreads`. `priors.json` keeps what was measured; the captures aren't part of
the package. `facemotion synth priors` measures them again where they are at hand.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.data.npz import DAMAGE, open_npz
from facemotion.errors import AssetError
from facemotion.synth.people.assets import CAPTURE, EXPRESSIONS, Assets
from facemotion.synth.people.head import INDEX
from facemotion.synth.performance.habits import COMPANIONS

Float64Array = NDArray[np.float64]


# A movement of a channel of the capture: weight at its peak, weight at which it has ended, shares of the peak between
# which its rise and fall are timed, and the most frames that a rise or fall may take.
PEAK, ENDED, STARTED, REACHED, LONGEST = 0.35, 0.2, 0.1, 0.8, 60
QUARTILES_TO_SIGMA = 0.7413  # standard deviation of a normal distribution over the distance between its quartiles
RESTING_PERCENTILE = 20  # of a channel: its weight at rest
FEWEST_HELD = 8  # frames of a hold, beyond which its tremor is measured
FEWEST_REPETITIONS = 5  # of an expression by one person
REST_FRAMES, FEWEST_REST = 12, 3  # frames before a repetition: the most that are used, and the fewest
FEWEST_MOVING = 6  # frames of a repetition


@dataclass(frozen=True)
class LogNormal:
    """A distribution of lengths.

    Attributes:
        median: median length.
        sigma: standard deviation of the logarithm.
    """

    median: float
    sigma: float


def of_samples(samples: list[float]) -> LogNormal:
    """Median and spread of samples; the spread comes from their quartiles, which outliers don't move.

    Args:
        samples: positive numbers, at least one.
    """
    logs = np.log(np.maximum(samples, 1e-3))
    low, middle, high = np.percentile(logs, [25, 50, 75])
    return LogNormal(float(np.exp(middle)), float(QUARTILES_TO_SIGMA * (high - low)))


@dataclass(frozen=True, eq=False)
class CapturePriors:
    """What the range-of-motion capture says.

    Attributes:
        onset: seconds from 10% to 80% of a rise.
        offset: seconds from 80% to 10% of a fall.
        hold: seconds over 80% of the apex.
        movements: number of movements behind these.
        coactive: (S, S) median weight of shape j at the apex of shape i, for each unit of i's apex.
        tremor: standard deviation of a held weight, relative to its mean.
    """

    onset: LogNormal
    offset: LogNormal
    hold: LogNormal
    movements: int
    coactive: Float64Array
    tremor: float


def capture_priors(assets: Assets) -> CapturePriors:
    """Measure onset, hold and offset of every clear movement of a channel, and what moves along.

    Args:
        assets: where the capture is.
    Raises:
        AssetError: the capture is missing.
        DAMAGE: it is of another form.
    """
    onsets: list[float] = []
    offsets: list[float] = []
    holds: list[float] = []
    tremors: list[float] = []
    rows: dict[int, list[Float64Array]] = {}
    with open_npz(assets.file(CAPTURE)) as data:
        columns = [_shape_of(str(name)) for name in data["names"]]
        rate = float(data["fps"])
        takes = [np.asarray(data[key], np.float64) for key in ("take1", "take2")]
    for take in takes:
        rest = np.percentile(take, RESTING_PERCENTILE, axis=0)
        table = np.zeros((len(take), len(INDEX)))
        for column, names in enumerate(columns):
            for name in names:
                table[:, INDEX[name]] = np.maximum(take[:, column] - rest[column], 0)
        for column, names in enumerate(columns):
            if not names or names[0].startswith("eyeLook"):
                continue
            for movement in movements(take[:, column] - rest[column]):
                onsets.append((movement.reached - movement.start) / rate)
                offsets.append((movement.end - movement.left) / rate)
                holds.append((movement.left - movement.reached + 1) / rate)
                hold = slice(movement.reached, movement.left + 1)
                held = take[hold, column]
                if len(held) > FEWEST_HELD:
                    tremors.append(float(np.std(np.diff(held)) / max(held.mean(), 0.1)))
                top = table[hold].mean(0)
                for name in names:
                    rows.setdefault(INDEX[name], []).append(top / max(movement.apex, 0.2))
    coactive = np.zeros((len(INDEX), len(INDEX)))
    for index, weights in rows.items():
        coactive[index] = np.median(weights, axis=0)
        coactive[index, index] = 0
    return CapturePriors(
        onset=of_samples(onsets),
        offset=of_samples(offsets),
        hold=of_samples(holds),
        movements=len(onsets),
        coactive=coactive,
        tremor=float(np.median(tremors)),
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


@dataclass(frozen=True)
class Movement:
    """A rise, a hold and a fall of one channel, in frames.

    Attributes:
        start: last frame with 10% of the apex or less before it.
        reached: first frame with 80% of the apex.
        left: last frame with 80% of the apex.
        end: first frame with 10% of the apex or less after it.
        apex: largest weight.
    """

    start: int
    reached: int
    left: int
    end: int
    apex: float


def movements(curve: Float64Array) -> list[Movement]:
    """Find every clear movement of one channel, in order.

    Args:
        curve: (T,) float64 weights over rest.
    """
    moves = []
    position = 0
    while position < len(curve):
        if curve[position] < PEAK:
            position += 1
            continue
        stop = position
        while stop < len(curve) and curve[stop] >= ENDED:
            stop += 1
        peak = position + int(np.argmax(curve[position:stop]))
        move = _round_peak(curve, peak)
        if move.reached - move.start < LONGEST and move.end - move.left < LONGEST:
            moves.append(move)
        position = max(stop, move.end) + 1
    return moves


def _round_peak(curve: Float64Array, peak: int) -> Movement:
    apex = float(curve[peak])
    start, end, reached, left = peak, peak, peak, peak
    while start > 0 and curve[start] > STARTED * apex:
        start -= 1
    while end < len(curve) - 1 and curve[end] > STARTED * apex:
        end += 1
    while reached > start and curve[reached - 1] > REACHED * apex:
        reached -= 1
    while left < end and curve[left + 1] > REACHED * apex:
        left += 1
    return Movement(start, reached, left, end, apex)


@dataclass(frozen=True)
class RepetitionPriors:
    """What the repeated expressions say, pooled over two people.

    Attributes:
        duration: spread of a repetition's length round the person's median, as sigma of the logarithm.
        intensity: spread of a repetition's size along the expression's mean direction, likewise.
        direction: mean angle between a repetition's displacement and the mean one, degrees.
        expressions: number of expressions behind these, each by one person.
        repetitions: number of repetitions behind these.
    """

    duration: float
    intensity: float
    direction: float
    expressions: int
    repetitions: int


def repetition_priors(assets: Assets) -> RepetitionPriors:
    """Measure how repetitions of one expression by one person differ.

    Each labelled stretch is one repetition; its displacement is the mean shape of its middle half minus the mean shape
    of the frames before it, both freed of translation.

    Args:
        assets: where the recordings are.
    Raises:
        AssetError: the file is missing, or holds no recordings.
        DAMAGE: it is of another form.
    """
    durations: list[float] = []
    sizes: list[float] = []
    angles: list[float] = []
    expressions = 0
    with open_npz(assets.file(EXPRESSIONS)) as data:
        names = sorted({key.rsplit("__", 1)[0] for key in data.files})
        if not names:
            raise AssetError(f"{assets.file(EXPRESSIONS)} holds no recordings.")
        for name in names:
            points, label = np.asarray(data[f"{name}__points"], np.float64), np.asarray(data[f"{name}__label"])
            time = np.asarray(data[f"{name}__time"], np.float64)
            unit = 1.0 if np.median(np.diff(time)) < 1 else 1e-3
            points = points[:, :, :2] - points[:, 36:, :2].mean(1, keepdims=True)
            moves, lengths = _repetitions(points, label, time * unit)
            if len(moves) < FEWEST_REPETITIONS:
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
    quartiles = [
        QUARTILES_TO_SIGMA * float(np.subtract(*np.percentile(values, [75, 25]))) for values in (durations, sizes)
    ]
    return RepetitionPriors(
        duration=quartiles[0],
        intensity=quartiles[1],
        direction=float(np.mean(angles)),
        expressions=expressions,
        repetitions=len(durations),
    )


def _repetitions(
    points: Float64Array, label: NDArray[np.generic], time: Float64Array
) -> tuple[list[Float64Array], list[float]]:
    active = np.concatenate([[0], (np.asarray(label) > 0).astype(int), [0]])
    starts, ends = np.where(np.diff(active) == 1)[0], np.where(np.diff(active) == -1)[0]
    moves, lengths = [], []
    for start, end in zip(starts, ends, strict=True):
        before = points[max(0, start - REST_FRAMES) : start]
        if end - start < FEWEST_MOVING or len(before) < FEWEST_REST:
            continue
        quarter = (end - start) // 4
        moves.append(points[start + quarter : end - quarter].mean(0) - before.mean(0))
        lengths.append(max(float(time[end - 1] - time[start]), 0.05))
    return moves, lengths


def packaged_priors() -> dict[str, Any]:
    """What was measured on the captures, in the form of `measure`."""
    text = resources.files("facemotion.synth.performance").joinpath("priors.json").read_text("utf-8")
    return dict(json.loads(text))


def measure(assets: Assets) -> dict[str, Any]:
    """Measure both captures.

    Args:
        assets: where the captures are.
    Returns:
        `onset`, `offset` and `hold` (median and sigma, s), `movements`, `tremor`, `repetitions` (the fields of
        `RepetitionPriors`) and `companions`: by two shapes, the weight of the second at the apex of the first.
    Raises:
        AssetError: a capture is missing, or isn't what was published.
    """
    try:
        capture, repetition = capture_priors(assets), repetition_priors(assets)
    except DAMAGE as error:
        raise AssetError(
            f"A capture of {assets.folder} isn't what was published ({error}); docs/explanation/synth.md says where "
            "it is."
        ) from error
    return {
        "onset": asdict(capture.onset),
        "offset": asdict(capture.offset),
        "hold": asdict(capture.hold),
        "movements": capture.movements,
        "tremor": capture.tremor,
        "repetitions": asdict(repetition),
        "companions": {f"{a} {b}": float(capture.coactive[INDEX[a], INDEX[b]]) for a, b, _ in COMPANIONS},
    }


def priors_report(folder: Path | None = None) -> dict[str, Any]:
    """Priors measured again where an assets folder holds both captures, else those of the package.

    Args:
        folder: the assets folder; the one that FACEMOTION_ASSETS names if not given.
    Raises:
        AssetError: a folder was given, and it lacks a capture; a capture can't be read.
    """
    if folder is not None:
        return measure(Assets(folder))
    usual = os.environ.get("FACEMOTION_ASSETS")
    if not usual or not all((Path(usual) / capture).exists() for capture in (CAPTURE, EXPRESSIONS)):
        return packaged_priors()
    return measure(Assets(Path(usual)))
