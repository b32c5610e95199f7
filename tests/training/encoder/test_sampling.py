from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemotion.errors import TrainingError
from facemotion.training.encoder.material.sampling import BatchSampler, SamplerSettings, number_labels
from facemotion.types import ClipKind, ClipRecord


def records(takes: dict[tuple[str, str], int]) -> list[ClipRecord]:
    return [ClipRecord(f"{s}{m}{k}", s, m, ClipKind.FACIAL, k, 1) for (s, m), n in takes.items() for k in range(n)]


WORLD = {(f"s{s}", f"m{m}"): 3 for s in range(6) for m in range(4)}


@given(st.integers(1, 8), st.integers(2, 6), st.integers(2, 4), st.integers(0, 9))
def test_a_batch_has_s_subjects_m_motions_k_takes(subjects: int, motions: int, takes: int, seed: int) -> None:
    labels = number_labels(records(WORLD))
    batch = BatchSampler(labels, SamplerSettings(subjects, motions, takes)).draw(np.random.default_rng(seed))
    assert len(set(batch)) == len(batch)
    of_motion = Counter(labels.motions[batch].tolist())
    assert set(of_motion.values()) == {min(takes, 3)}
    of_subject = Counter(labels.subjects[list({labels.motions[i]: i for i in batch}.values())].tolist())
    assert len(of_subject) == min(subjects, 6)
    assert set(of_subject.values()) == {min(motions, 4)}


def test_a_subject_with_many_motions_gives_many() -> None:
    labels = number_labels(records({("ann", f"m{m}"): 4 for m in range(30)}))
    batch = BatchSampler(labels, SamplerSettings(8, 20, 3)).draw(np.random.default_rng(0))
    assert len(np.unique(labels.motions[batch])) == 20
    assert len(batch) == 60


@pytest.mark.parametrize("offset", [0, 100])
def test_subjects_of_a_batch_do_the_same_where_they_can(offset: int) -> None:
    world = WORLD | {("s6", f"m{m}"): 3 for m in (3, 4, 5, 6)} | {("s7", f"x{m}"): 3 for m in range(4)}
    labels = number_labels(records(world))
    sampler = BatchSampler(labels, SamplerSettings(8, 2, 2, alike=True), offset)
    common = []
    for seed in range(30):
        batch = sampler.draw(np.random.default_rng(seed)) - offset
        names = {s: set(labels.names[batch[labels.subjects[batch] == s]].tolist()) for s in range(8)}
        assert all(len(own) == 2 for own in names.values())
        assert names[0] == names[1] == names[5]
        common.append(frozenset(names[0]))
    assert len(set(common)) == 6  # every two of four


def test_lonely_takes_and_motions_are_never_drawn() -> None:
    world = {("ann", "a"): 2, ("ann", "b"): 2, ("ann", "c"): 1, ("bob", "a"): 5, ("bob", "b"): 1}
    labels = number_labels(records(world))
    sampler = BatchSampler(labels, SamplerSettings())
    drawn = np.concatenate([sampler.draw(np.random.default_rng(seed)) for seed in range(20)])
    assert set(drawn) == {0, 1, 2, 3}


def test_every_clip_comes_in_time() -> None:
    sampler = BatchSampler(number_labels(records(WORLD)), SamplerSettings(2, 2, 2), offset=100)
    drawn = np.concatenate([sampler.draw(np.random.default_rng(seed)) for seed in range(200)])
    assert set(drawn) == set(range(100, 172))


@pytest.mark.parametrize(
    "world", [{("ann", "a"): 9}, {("ann", "a"): 1, ("ann", "b"): 1}, {("a", "x"): 2, ("b", "x"): 2}]
)
def test_nothing_to_learn_from(world: dict[tuple[str, str], int]) -> None:
    with pytest.raises(TrainingError, match="two motions of two takes"):
        BatchSampler(number_labels(records(world)), SamplerSettings())


def test_a_motion_can_be_drawn_with_its_near_misses() -> None:
    records = [
        ClipRecord(f"{motion}{take}", "ann", motion, ClipKind.FACIAL, take, 1)
        for motion in ("wink", "pout", "grin")
        for take in range(3)
    ]
    records += [
        ClipRecord(f"{motion}{take}", "ann", motion, ClipKind.NEAR_MISS, take, 1, near_miss_of="wink")
        for motion in ("wink~near", "wink~order")
        for take in range(3)
    ]
    labels = number_labels(records)
    apart, together = (BatchSampler(labels, SamplerSettings(1, 2, 2, together)) for together in (False, True))
    seen = set()
    for seed in range(30):
        motions = {records[i].motion for i in together.draw(np.random.default_rng(seed))}
        assert ("wink" in motions) == ("wink~near" in motions) == ("wink~order" in motions)
        seen.add(len(motions))
        assert len({records[i].motion for i in apart.draw(np.random.default_rng(seed))}) == 2
    assert seen == {2, 4}
