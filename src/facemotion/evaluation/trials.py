"""Embeddings and labels become scored trials: every pair of clips, with the kind of impostor that it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import DataError
from facemotion.types import ClipKind, ClipRecord, FloatArray, ScoredTrials, TrialKind

PairPolicy = Literal["all", "within-subject"]
PAIR_POLICIES: tuple[PairPolicy, ...] = ("all", "within-subject")


def score_pairs(
    vectors: FloatArray,
    records: Sequence[ClipRecord],
    policy: PairPolicy = "all",
    among: Sequence[ClipRecord] | None = None,
) -> ScoredTrials:
    """Cosine of every pair of different clips, each pair once.

    A genuine trial has two takes of one motion by one subject. A mimic trial has the same motion by two people, one of
    whom imitates; against any other clip a mimic counts as an ordinary motion. A near-miss trial has a motion and a
    near miss of it by the same subject; near misses that differ only in the order of steps are a kind of their own.
    Near misses and mimics are never enrolled, so two of them make no trial.

    Args:
        vectors: (N, E) float32, rows of norm 1, in the order of `records`.
        records: labels of the N clips.
        policy: "all" pairs, or only those "within-subject", as the paper forms them.
        among: subjects and motions are numbered in the order of these records, which must contain the N records. Give
            the whole manifest if you join trials of several folds.
    Raises:
        DataError: fewer than two clips, or numbers of vectors and records that differ.
    """
    if len(vectors) != len(records):
        raise DataError(f"{len(vectors)} vectors for {len(records)} clips; embed the same manifest that is evaluated.")
    return matrix_trials(vectors @ vectors.T, records, policy, among)


def template_trials(
    vectors: FloatArray,
    records: Sequence[ClipRecord],
    takes: int,
    policy: PairPolicy = "all",
    among: Sequence[ClipRecord] | None = None,
) -> ScoredTrials:
    """Score of every clip against templates of K takes, as a verifier scores: the mean of K cosines.

    Each run of K takes of a motion is a template; after the last take comes the first again, so each take counts
    alike. Probes are all clips that aren't in the template. Near misses and mimics are never enrolled, and are only
    probes. With K = 1 these are the trials of `score_pairs`.

    Args:
        vectors, records, policy, among: as in `score_pairs`.
        takes: K, at least 1.
    Raises:
        DataError: K is below 1, no motion has more than K takes, or as in `score_pairs`.
    """
    if takes < 1:
        raise DataError(f"A template has at least one take, got {takes}.")
    if takes == 1:
        return score_pairs(vectors, records, policy, among)
    if len(vectors) != len(records):
        raise DataError(f"{len(vectors)} vectors for {len(records)} clips; embed the same manifest that is evaluated.")
    among = records if among is None else among
    subjects = _numbers((r.subject for r in records), (r.subject for r in among))
    motions = _numbers(((r.subject, r.motion) for r in records), ((r.subject, r.motion) for r in among))
    enrolled = np.array([not r.kind.is_attack for r in records])
    members = [np.flatnonzero((motions == motion) & enrolled) for motion in dict.fromkeys(motions[enrolled].tolist())]
    templates = np.array(
        [np.roll(clips, -start)[:takes] for clips in members if len(clips) > takes for start in range(len(clips))]
    )
    if not len(templates):
        raise DataError(f"A template of {takes} takes needs a motion of {takes + 1} takes or more; record more.")
    first = np.repeat(templates[:, 0], len(records))
    second = np.tile(np.arange(len(records)), len(templates))
    scores = (vectors[templates].mean(axis=1) @ vectors.T).ravel()
    outside = np.ones((len(templates), len(records)), bool)
    np.put_along_axis(outside, templates, False, axis=1)
    kept = outside.ravel()
    if policy == "within-subject":
        kept &= subjects[first] == subjects[second]
    first, second = first[kept], second[kept]
    kinds = _kinds(records, subjects, first, second)
    return ScoredTrials(
        scores=np.ascontiguousarray(scores[kept], dtype=np.float32),
        labels=kinds == TrialKind.GENUINE.code,
        kinds=kinds,
        subjects=np.stack([subjects[first], subjects[second]], axis=1),
        motions=np.stack([motions[first], motions[second]], axis=1),
    )


def most_takes(records: Sequence[ClipRecord]) -> int:
    """The most takes that a template can have so that `template_trials` has a genuine probe left; at least 1."""
    counts = Counter((r.subject, r.motion) for r in records if not r.kind.is_attack)
    return max(1, max(counts.values(), default=1) - 1)


def matrix_trials(
    scores: FloatArray,
    records: Sequence[ClipRecord],
    policy: PairPolicy = "all",
    among: Sequence[ClipRecord] | None = None,
) -> ScoredTrials:
    """The pairs above the diagonal of a matrix of scores, for systems whose score is no cosine.

    Args:
        scores: (N, N) float32, symmetric; a higher score is more alike.
        records, policy, among: as in `score_pairs`.
    Raises:
        DataError: fewer than two clips.
    """
    among = records if among is None else among
    first, second, kinds = pair_clips(records, policy)
    subjects = _numbers((r.subject for r in records), (r.subject for r in among))
    motions = _numbers(((r.subject, r.motion) for r in records), ((r.subject, r.motion) for r in among))
    return ScoredTrials(
        scores=np.ascontiguousarray(scores[first, second], dtype=np.float32),
        labels=kinds == TrialKind.GENUINE.code,
        kinds=kinds,
        subjects=np.stack([subjects[first], subjects[second]], axis=1),
        motions=np.stack([motions[first], motions[second]], axis=1),
    )


def pair_clips(
    records: Sequence[ClipRecord], policy: PairPolicy = "all"
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint8]]:
    """Which pairs of clips are trials, and of which kind: see `score_pairs`, whose trials come in this order.

    Returns:
        Positions of both clips, (P,) each, the first below the second; kinds (P,), codes of `TrialKind`.
    Raises:
        DataError: fewer than two clips.
    """
    if len(records) < 2:
        raise DataError("A trial compares two clips; give at least two.")
    first, second = np.triu_indices(len(records), k=1)
    subjects = np.unique([r.subject for r in records], return_inverse=True)[1].astype(np.int32)
    attacks = np.array([r.kind.is_attack for r in records])
    kept = ~(attacks[first] & attacks[second])
    if policy == "within-subject":
        kept &= subjects[first] == subjects[second]
    first, second = first[kept], second[kept]
    return first, second, _kinds(records, subjects, first, second)


def select_trials(trials: ScoredTrials, chosen: NDArray[np.bool_]) -> ScoredTrials:
    """The trials where `chosen` (N,) is true."""
    return ScoredTrials(
        trials.scores[chosen],
        trials.labels[chosen],
        trials.kinds[chosen],
        trials.subjects[chosen],
        trials.motions[chosen],
    )


def against_kind(trials: ScoredTrials, kind: TrialKind) -> ScoredTrials:
    """Impostor trials of one kind, and the genuine trials of the motions that they try."""
    wanted = trials.kinds == kind.code
    tried = np.isin(trials.motions[:, 0], trials.motions[wanted])
    return select_trials(trials, wanted | (trials.labels & tried))


def join_trials(parts: Sequence[ScoredTrials]) -> ScoredTrials:
    """Trials of several folds as one set. Subject and motion numbers must mean the same in all parts.

    Raises:
        DataError: no part.
    """
    if not parts:
        raise DataError("There are no trials to join.")
    return ScoredTrials(
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.labels for p in parts]),
        np.concatenate([p.kinds for p in parts]),
        np.concatenate([p.subjects for p in parts]),
        np.concatenate([p.motions for p in parts]),
    )


def _numbers(names: Iterable[Hashable], among: Iterable[Hashable]) -> NDArray[np.int32]:
    number = {name: i for i, name in enumerate(dict.fromkeys(among))}
    return np.array([number[name] for name in names], dtype=np.int32)


def _kinds(
    records: Sequence[ClipRecord], subjects: NDArray[np.int32], first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.uint8]:
    names = np.unique([r.motion for r in records], return_inverse=True)[1]
    originals = np.unique([r.original for r in records], return_inverse=True)[1]
    mimics = np.array([r.kind == ClipKind.MIMIC for r in records])
    same_subject = subjects[first] == subjects[second]
    same_name = names[first] == names[second]
    reordered = np.array([r.reordered for r in records])
    kinds = np.where(same_subject, TrialKind.SAME_PERSON.code, TrialKind.OTHER_PERSON.code).astype(np.uint8)
    kinds[~same_subject & same_name & (mimics[first] | mimics[second])] = TrialKind.MIMIC.code
    near = same_subject & ~same_name & (originals[first] == originals[second])
    kinds[near] = TrialKind.NEAR_MISS.code
    kinds[near & (reordered[first] | reordered[second])] = TrialKind.OTHER_ORDER.code
    kinds[same_subject & same_name] = TrialKind.GENUINE.code
    return kinds
