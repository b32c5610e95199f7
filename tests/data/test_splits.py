from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemotion.data.splits import FOLD_POLICIES, motion_folds, subject_folds
from facemotion.errors import DataError
from facemotion.types import ClipKind, ClipRecord


def corpus(subjects: int, motions: int = 2, takes: int = 3) -> list[ClipRecord]:
    return [
        ClipRecord(f"{s}-{m}-{k}", f"s{s}", f"m{m}", ClipKind.FACIAL, k, 1)
        for s in range(subjects)
        for m in range(motions)
        for k in range(takes)
    ]


@given(st.integers(2, 7), st.integers(0, 5), st.integers(0, 3), st.sampled_from(sorted(FOLD_POLICIES)))
def test_folds_cover_every_clip_once_and_share_no_unit(count: int, more: int, seed: int, policy: str) -> None:
    records = corpus(count + more)
    folds = FOLD_POLICIES[policy](records, count, seed)
    assert sorted(np.concatenate([f.test for f in folds])) == list(range(len(records)))
    for fold in folds:
        assert sorted(np.concatenate([fold.train, fold.test])) == list(range(len(records)))
        sides = [{(records[i].subject, records[i].motion) for i in side} for side in (fold.train, fold.test)]
        assert not sides[0] & sides[1]
        if policy == "subject":
            assert not {s for s, _ in sides[0]} & {s for s, _ in sides[1]}
    sizes = [len(f.test) for f in folds]
    assert max(sizes) - min(sizes) <= 6


@given(st.integers(3, 6), st.integers(2, 3), st.integers(0, 3), st.sampled_from(sorted(FOLD_POLICIES)))
def test_nothing_that_comes_near_a_held_out_motion_is_trained_on(
    subjects: int, count: int, seed: int, policy: str
) -> None:
    """Near misses go with their motion; who imitates a motion is trained on, but for these clips of theirs."""
    records = [replace(r, motion=f"{r.subject}-{r.motion}") for r in corpus(subjects)]
    for s in range(subjects):
        imitator = f"s{(s + 1) % subjects}"
        near = {"motion": f"s{s}-m0~near", "kind": ClipKind.NEAR_MISS, "near_miss_of": f"s{s}-m0", "session": 1}
        records += [ClipRecord(f"near-{s}-{k}", f"s{s}", repetition=k, **near) for k in range(2)]
        records += [ClipRecord(f"mimic-{s}-{k}", imitator, f"s{s}-m0", ClipKind.MIMIC, k, 1) for k in range(2)]
    for fold in FOLD_POLICIES[policy](records, count, seed):
        held = {records[i].motion for i in fold.test if records[i].kind == ClipKind.FACIAL}
        assert held
        assert not held & {records[i].original for i in fold.train}
        left = set(range(len(records))) - {*fold.train, *fold.test}
        assert all(records[i].kind == ClipKind.MIMIC for i in left)


def test_the_paper_policy_may_share_subjects() -> None:
    fold = motion_folds(corpus(1, motions=10), 10)[0]
    assert len(fold.test) == 3


def test_a_seed_deals_the_same_folds_again() -> None:
    records = corpus(12)
    first, again, other = (subject_folds(records, 4, seed)[0].test.tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_fewer_subjects_than_folds() -> None:
    with pytest.raises(DataError, match="10 folds need at least 10 subjects, the manifest has 3"):
        subject_folds(corpus(3), 10)
    with pytest.raises(DataError, match="at least 2 folds"):
        subject_folds(corpus(3), 1)
