import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemotion.errors import DataError
from facemotion.evaluation.trials import (
    against_kind,
    join_trials,
    matrix_trials,
    most_takes,
    score_pairs,
    select_trials,
    template_trials,
)
from facemotion.types import TRIAL_KINDS, ClipKind, ClipRecord, TrialKind


def record(subject: str, motion: str, kind: ClipKind = ClipKind.FACIAL, take: int = 0) -> ClipRecord:
    original = motion.partition("~")[0] if kind == ClipKind.NEAR_MISS else ""
    path = f"{subject}/{motion}/{take}"
    return ClipRecord(path, subject, motion, kind, take, 1, near_miss_of=original, reordered=motion.endswith("~order"))


WORLD = [
    record("ann", "wink"),
    record("ann", "wink", take=1),
    record("ann", "pout"),
    record("ann", "wink~left", ClipKind.NEAR_MISS),
    record("ann", "wink~order", ClipKind.NEAR_MISS),
    record("bob", "wink", ClipKind.MIMIC),
    record("bob", "grin"),
]


def unit_vectors(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def naive_kind(a: ClipRecord, b: ClipRecord) -> TrialKind:
    if a.subject == b.subject:
        if a.motion == b.motion:
            return TrialKind.GENUINE
        near = a.motion.split("~")[0] == b.motion.split("~")[0] and ClipKind.NEAR_MISS in (a.kind, b.kind)
        if {a.motion, b.motion} == {"wink", "wink~order"}:
            return TrialKind.OTHER_ORDER
        return TrialKind.NEAR_MISS if near else TrialKind.SAME_PERSON
    mimic = a.motion == b.motion and ClipKind.MIMIC in (a.kind, b.kind)
    return TrialKind.MIMIC if mimic else TrialKind.OTHER_PERSON


@given(st.lists(st.sampled_from(WORLD), min_size=2, max_size=12), st.booleans())
def test_every_pair_once_with_its_kind(records: list[ClipRecord], within: bool) -> None:
    vectors = unit_vectors(len(records))
    pairs = [
        (i, j)
        for i, j in itertools.combinations(range(len(records)), 2)
        if (not within or records[i].subject == records[j].subject)
        and not {records[i].kind, records[j].kind} <= {ClipKind.NEAR_MISS, ClipKind.MIMIC}
    ]
    trials = score_pairs(vectors, records, "within-subject" if within else "all")
    assert [TRIAL_KINDS[k] for k in trials.kinds] == [naive_kind(records[i], records[j]) for i, j in pairs]
    np.testing.assert_allclose(trials.scores, [vectors[i] @ vectors[j] for i, j in pairs], atol=1e-6)
    same_subject = [records[i].subject == records[j].subject for i, j in pairs]
    assert (trials.subjects[:, 0] == trials.subjects[:, 1]).tolist() == same_subject
    same_motion = [(records[i].subject, records[i].motion) == (records[j].subject, records[j].motion) for i, j in pairs]
    assert (trials.motions[:, 0] == trials.motions[:, 1]).tolist() == same_motion


@given(st.integers(2, 4), st.integers(0, 9), st.booleans())
def test_templates_of_several_takes_are_scored_like_a_verifier_does(takes: int, seed: int, within: bool) -> None:
    records = [record("ann", "wink", take=k) for k in range(5)] + [record("bob", "wink", take=k) for k in range(3)]
    records += [
        record("bob", "wink", ClipKind.MIMIC, take=9),
        record("ann", "wink~left", ClipKind.NEAR_MISS),
        record("bob", "pout"),
    ]
    vectors = unit_vectors(len(records), seed)
    expected = []
    for owner, count in ((range(5), 5), (range(5, 8), 3)):
        if count <= takes:
            continue
        for start in range(count):
            template = [owner[(start + k) % count] for k in range(takes)]
            for probe, one in enumerate(records):
                if probe in template or (within and one.subject != records[template[0]].subject):
                    continue
                score = np.mean([vectors[place] @ vectors[probe] for place in template])
                expected.append((naive_kind(records[template[0]], one), score))
    trials = template_trials(vectors, records, takes, "within-subject" if within else "all")
    assert [TRIAL_KINDS[k] for k in trials.kinds] == [kind for kind, _ in expected]
    np.testing.assert_allclose(trials.scores, [score for _, score in expected], atol=1e-6)


def test_templates_need_a_take_more_than_they_hold() -> None:
    records = [record("ann", "wink", take=k) for k in range(3)] + [
        record("bob", "grin"),
        record("bob", "wink", ClipKind.MIMIC),
    ]
    vectors = unit_vectors(len(records))
    assert most_takes(records) == 2
    assert most_takes(records[3:]) == 1
    np.testing.assert_array_equal(template_trials(vectors, records, 1).scores, score_pairs(vectors, records).scores)
    with pytest.raises(DataError, match="4 takes or more"):
        template_trials(vectors, records, 3)
    with pytest.raises(DataError, match="4 vectors for 5"):
        template_trials(vectors[:4], records, 2)


def test_one_motion_name_of_two_subjects_is_two_motions() -> None:
    trials = score_pairs(unit_vectors(2), [record("ann", "smile"), record("bob", "smile")])
    assert not trials.labels[0]
    assert TRIAL_KINDS[trials.kinds[0]] == TrialKind.OTHER_PERSON


def test_too_few_or_mismatched() -> None:
    with pytest.raises(DataError, match="two clips"):
        matrix_trials(np.ones((1, 1), np.float32), WORLD[:1])
    with pytest.raises(DataError, match="3 vectors for 2 clips"):
        score_pairs(unit_vectors(3), WORLD[:2])
    with pytest.raises(DataError, match="no trials"):
        join_trials([])


def test_join_undoes_select() -> None:
    trials = score_pairs(unit_vectors(len(WORLD)), WORLD)
    joined = join_trials([select_trials(trials, trials.labels), select_trials(trials, ~trials.labels)])
    assert sorted(joined.scores) == sorted(trials.scores)
    assert joined.labels.sum() == trials.labels.sum()


@pytest.mark.slow
def test_5900_clips_take_seconds() -> None:
    records = [record(f"s{s}", f"m{m}", take=k) for s in range(59) for m in range(10) for k in range(10)]
    start = time.perf_counter()
    assert len(score_pairs(unit_vectors(5900), records)) == 5900 * 5899 // 2
    assert time.perf_counter() - start < 20


def test_one_kind_of_impostor_is_held_against_the_motions_that_it_tries() -> None:
    records = [record("ann", motion, take=take) for motion in ("wink", "pout") for take in range(3)]
    records += [record("ann", "wink~order", ClipKind.NEAR_MISS, take) for take in range(2)]
    trials = score_pairs(unit_vectors(len(records)), records)
    chosen = against_kind(trials, TrialKind.OTHER_ORDER)
    assert (chosen.kinds == TrialKind.OTHER_ORDER.code).sum() == 3 * 2
    assert chosen.labels.sum() == 3  # takes of the motion itself; pout is not tried, nobody enrols the near miss
