"""Replays put together of pieces of two recordings in turns, as the front end sees their frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle, pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from replay_clips import PLAIN, ReplayClips, Seen, Take

if TYPE_CHECKING:
    from replay_rule import Rule
    from replays import Gate

SPLICES: Mapping[str, tuple[float, ...]] = {
    "halves": (),
    "pieces of 0.8 s": (0.8,),
    "pieces of 0.5 s": (0.5,),
    "pieces of 0.36 and 0.48 s": (0.36, 0.48),
    "pieces of 0.24 and 0.36 s": (0.24, 0.36),
}
"""Seconds of the pieces in turns; none: half of one and half of the other."""
SENTENCES = 5
"""Of each speaker that are put together, each with the next one."""
Table = dict[str, dict[str, int]]


def splices(clips: ReplayClips, rule: Rule, gate: Gate, replayed: tuple[int, int]) -> Table:
    """How many are neither recognised nor refused where all takes of the phrase are remembered.

    Args:
        clips: GRID's. rule: the service's. gate: the encoder.
        replayed: which two takes of each phrase are put together.
    Returns:
        Of each way: "phrases" of a second and "sentences" of three, "missed" of both, how many phrases of those that
        were missed the encoder lets "in", and how many would be "missed by single ones", were pieces looked for in one
        recording at a time.
    """
    found: Table = {}
    for name, pieces in SPLICES.items():
        row = dict.fromkeys(("phrases", "missed phrases", "let in", "sentences", "missed sentences"), 0)
        row |= dict.fromkeys(("phrases missed by single ones", "sentences missed by single ones"), 0)
        for phrase in clips.report:
            takes = clips.all_seen(phrase)
            spliced = _spliced(clips, [phrase[number] for number in replayed], pieces)
            compared = rule.compared(spliced, takes)
            missed = not rule.is_replay(compared)
            row["phrases"] += 1
            row["phrases missed by single ones"] += not rule.is_replay(compared.by_single_ones())
            row["missed phrases"] += missed
            row["let in"] += missed and gate.lets_in(takes[:3], spliced)
        for sentences in clips.sentences:
            takes = clips.all_seen(sentences)
            for pair in pairwise(sentences[: SENTENCES + 1]):
                compared = rule.compared(_spliced(clips, pair, pieces), takes)
                row["sentences"] += 1
                row["missed sentences"] += not rule.is_replay(compared)
                row["sentences missed by single ones"] += not rule.is_replay(compared.by_single_ones())
        found[name] = row
        print(f"two recordings, {name}: {row}", flush=True)
    return found


def _spliced(clips: ReplayClips, pair: Sequence[Take], pieces: tuple[float, ...]) -> Seen:
    one, other = (seen for take in pair if (seen := clips.seen(take, PLAIN)) is not None)
    count = min(len(one.points), len(other.points))
    times = one.features.times[:count]
    of_other = _turns(times - times[0], pieces or (float(times[-1] - times[0]) / 2,))
    values = np.where(of_other[:, None], other.features.values[:count], one.features.values[:count])
    points = np.where(of_other[:, None, None], other.points[:count], one.points[:count])
    surface = np.where(of_other[:, None, None], other.surface[:count], one.surface[:count])
    features = replace(one.features, values=values, times=times)
    return Seen(points, surface, features)


def _turns(seconds: NDArray[np.float64], pieces: tuple[float, ...]) -> NDArray[np.bool_]:
    """(T,) which frames are of the other recording."""
    of_other, end, turn = np.zeros(len(seconds), bool), 0.0, False
    for length in cycle(pieces):
        of_other[seconds >= end - 1e-6] = turn
        end, turn = end + length, not turn
        if end > seconds[-1]:
            return of_other
    return of_other


def splices_table(found: Table) -> list[str]:
    """Lines of the page."""
    lines = [
        "",
        "| made of two recordings | phrases: missed, let in, missed by single ones | sentences: missed, "
        "by single ones |",
        "|---|---|---|",
    ]
    for name, row in found.items():
        lines.append(
            f"| {name} | {row['missed phrases']} of {row['phrases']}, {row['let in']}, "
            f"{row['phrases missed by single ones']} | {row['missed sentences']} of {row['sentences']}, "
            f"{row['sentences missed by single ones']} |"
        )
    return lines
