import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemotion.data.splits import FOLD_POLICIES, motion_folds, subject_folds
from facemotion.errors import DataError
from facemotion.types import ClipRecord


def corpus(subjects: int, motions: int = 2, takes: int = 3) -> list[ClipRecord]:
    return [
        ClipRecord(f"{s}-{m}-{k}", f"s{s}", f"m{m}", "facial", k, 1)
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
