"""Trials of benchmarks/grid33.py: the paper's protocol on phrases of several speakers, and impostors by kind."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from facemotion.evaluation.trials import (
    join_trials,
    matrix_trials,
    score_pairs,
    select_trials,
)
from facemotion.signals import dtw_scores, resample
from facemotion.types import ClipRecord, FeatureSequence, FloatArray, ScoredTrials, TrialKind

PHRASES, TAKES, DRAWS = 5, 10, 5  # of the paper's protocol; how often the phrases are drawn
KIND_TAKES = 4  # takes of each of the 64 phrases that impostors by kind are measured on
WARPED_PHRASES = 16  # phrases on which time warping is tried against other people, two takes each


@dataclass(frozen=True, eq=False)
class Tested:
    """Clips that were held out, and how each system sees them.

    Attributes:
        records, sequences: N clips of phrases.
        groups: (N,) which network saw a clip as new; clips of two networks are never compared.
    """

    records: Sequence[ClipRecord]
    sequences: Sequence[FeatureSequence]
    groups: NDArray[np.int64]


def draw(records: Sequence[ClipRecord], number: int, phrases: int = PHRASES, takes: int = TAKES) -> list[int]:
    """Positions of `takes` clips of `phrases` random phrases of every subject, by the draw's number and the subject's
    name alone, so that who else is there changes nothing. Subjects with fewer such phrases are left out.
    """
    chosen = []
    for subject in sorted({record.subject for record in records}):
        rng = np.random.default_rng([number, zlib.crc32(subject.encode())])
        own: dict[str, list[int]] = {}
        for i, record in enumerate(records):
            if record.subject == subject:
                own.setdefault(record.motion, []).append(i)
        enough = sorted(motion for motion, clips in own.items() if len(clips) >= takes)
        if len(enough) >= phrases:
            for motion in rng.permutation(enough)[:phrases]:
                chosen += sorted(rng.permutation(own[motion])[:takes].tolist())
    return chosen


def first_takes(records: Sequence[ClipRecord], count: int) -> list[int]:
    """Positions of the first `count` takes of every motion of every subject."""
    taken: dict[tuple[str, str], int] = {}
    chosen = []
    for i, record in enumerate(records):
        key = (record.subject, record.motion)
        taken[key] = taken.get(key, 0) + 1
        if taken[key] <= count:
            chosen.append(i)
    return chosen


def protocol_trials(vectors: FloatArray, records: Sequence[ClipRecord]) -> list[ScoredTrials]:
    """Pairs within subjects, of each of the draws."""
    draws = [draw(records, number) for number in range(DRAWS)]
    return [score_pairs(vectors[own], [records[i] for i in own], "within-subject", records) for own in draws]


def warped_trials(tested: Tested) -> list[ScoredTrials]:
    """As `protocol_trials`, by time warping over the points as they are."""
    found = []
    for number in range(DRAWS):
        chosen = draw(tested.records, number)
        parts = []
        for subject in sorted({tested.records[i].subject for i in chosen}):
            own = [i for i in chosen if tested.records[i].subject == subject]
            scores = dtw_scores([resample(tested.sequences[i].values, tested.sequences[i].times) for i in own])
            parts.append(matrix_trials(scores, [tested.records[i] for i in own], "within-subject", tested.records))
        found.append(join_trials(parts))
    return found


def words_shared(one: str, other: str) -> int:
    """How many words two phrases have in common at the same place.

    >>> words_shared("bin_blue_at", "lay_blue_at")
    2
    """
    return sum(a == b for a, b in zip(one.split("_"), other.split("_"), strict=False))


def kind_trials(vectors: FloatArray, tested: Tested) -> dict[str, ScoredTrials]:
    """Genuine trials and impostors of one kind each, over all phrases.

    Same person: another phrase (all, and by the words shared). Another person: the same phrase, a real mimic of the
    words, or another one. Only clips that the same network sees as new are compared.
    """
    records = tested.records
    chosen = np.array(first_takes(records, KIND_TAKES))
    inside = score_pairs(vectors[chosen], [records[i] for i in chosen], "within-subject", records)
    genuine = select_trials(inside, inside.labels)
    found = {"same person, other phrase": inside}
    names = [motion for _, motion in dict.fromkeys((r.subject, r.motion) for r in records)]
    shared = _shared(names)[inside.motions[:, 0], inside.motions[:, 1]]
    for count in (2, 1, 0):
        wanted = (shared == count) & ~inside.labels
        if wanted.any():
            words = {2: "two of three words shared", 1: "one word shared", 0: "no word shared"}[count]
            found[f"same person, {words}"] = select_trials(inside, wanted | inside.labels)
    others = between_people(vectors, tested, chosen)
    codes = {"same phrase": TrialKind.MIMIC.code, "other phrase": TrialKind.OTHER_PERSON.code}
    for name, code in codes.items():
        wanted = others.kinds == code
        if wanted.any():
            found[f"other person, {name}"] = join_trials([genuine, select_trials(others, wanted)])
    return found


def between_people(vectors: FloatArray, tested: Tested, chosen: NDArray[np.int64]) -> ScoredTrials:
    """Every clip of one person against those of another: the same phrase all takes, other phrases two takes of each."""
    records = tested.records
    subjects = {name: n for n, name in enumerate(dict.fromkeys(r.subject for r in records))}
    motions = {name: n for n, name in enumerate(dict.fromkeys((r.subject, r.motion) for r in records))}
    few = set(first_takes(records, 2))
    scores, kinds, sides, numbers = [], [], [], []
    own = {name: np.array([i for i in chosen if records[i].subject == name]) for name in subjects}
    for one, other in combinations(subjects, 2):
        a, b = own[one], own[other]
        if not len(a) or not len(b) or tested.groups[a[0]] != tested.groups[b[0]]:
            continue
        same = np.array([records[i].motion for i in a])[:, None] == np.array([records[j].motion for j in b])[None]
        both = np.array([i in few for i in a])[:, None] & np.array([j in few for j in b])[None]
        rows, columns = np.nonzero(same | both)
        scores.append((vectors[a] @ vectors[b].T)[rows, columns])
        kinds.append(np.where(same[rows, columns], TrialKind.MIMIC.code, TrialKind.OTHER_PERSON.code))
        sides.append(np.tile([subjects[one], subjects[other]], (len(rows), 1)))
        left = np.array([motions[one, records[i].motion] for i in a])[rows]
        right = np.array([motions[other, records[j].motion] for j in b])[columns]
        numbers.append(np.stack([left, right], axis=1))
    if not scores:
        return ScoredTrials(*(np.zeros(0, t) for t in (np.float32, np.bool_, np.uint8)), *_no_sides())
    kind = np.concatenate(kinds).astype(np.uint8)
    return ScoredTrials(
        np.concatenate(scores).astype(np.float32),
        kind == 0,
        kind,
        np.concatenate(sides).astype(np.int32),
        np.concatenate(numbers).astype(np.int32),
    )


def warped_mimics(tested: Tested) -> ScoredTrials:
    """Time warping of some phrases: takes of one person, and the same phrase by others."""
    phrases = sorted({record.motion for record in tested.records})
    rng = np.random.default_rng(0)
    parts = []
    for phrase in rng.permutation(phrases)[:WARPED_PHRASES]:
        few = set(first_takes(tested.records, 2))
        own = [i for i, record in enumerate(tested.records) if record.motion == phrase and i in few]
        scores = dtw_scores([resample(tested.sequences[i].values, tested.sequences[i].times) for i in own])
        trials = matrix_trials(scores, [tested.records[i] for i in own], "all", tested.records)
        parts.append(trials)
    return join_trials(parts)


def _shared(names: Sequence[str]) -> NDArray[np.int64]:
    distinct, places = np.unique(names, return_inverse=True)
    return np.array([[words_shared(one, other) for other in distinct] for one in distinct])[places][:, places]


def _no_sides() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.zeros((0, 2), np.int32), np.zeros((0, 2), np.int32)
