"""Made-up motions: what they are made of, that they don't jump, and that a batch carries them."""

import dataclasses
from collections import Counter

import numpy as np

from facemotion.training.encoder.material.dataset import TrainingSource, draw_batch, make_training_set
from facemotion.training.encoder.material.sampling import SamplerSettings, number_labels
from facemotion.training.encoder.material.splice import BLEND, CUT, make_up, splice
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

RECORDS = [
    ClipRecord(f"{s}{m}{k}", f"s{s}", f"m{m}", ClipKind.FACIAL, k, 1)
    for s in range(2)
    for m in range(3)
    for k in range(3)
]


def clip(start: float, stop: float, frames: int = 50) -> tuple[np.ndarray, np.ndarray]:
    return np.linspace(start, stop, frames, dtype=np.float32)[:, None], np.arange(frames) / 25


def test_a_splice_begins_as_one_and_ends_as_the_other() -> None:
    made = splice(clip(0, 1), clip(10, 20, 100), 0.5)
    assert made is not None
    values, times = made
    assert len(values) == len(times) == 75
    np.testing.assert_array_equal(values[:25, 0], clip(0, 1)[0][:25, 0])
    np.testing.assert_allclose(values[-10:, 0], clip(10, 20, 100)[0][-10:, 0], atol=1e-3)
    np.testing.assert_allclose(np.diff(times), 1 / 25)


def test_a_splice_doesnt_jump() -> None:
    made = splice(clip(0, 1), clip(10, 10.5), 0.4)
    assert made is not None
    step = np.abs(np.diff(made[0][:, 0])).max()
    assert step < 10 * (1 - np.exp(-0.04 / BLEND)) + 0.1 < 5  # the jump alone is ten


def test_too_short_to_be_cut() -> None:
    assert splice(clip(0, 1, 6), clip(0, 1), 0.4) is None
    assert splice(clip(0, 1), clip(5, 6, 5), 0.4) is None


def test_a_motion_and_its_near_miss_are_never_put_together() -> None:
    names = ["a", "a~near", "a~order", "b", "b~near"]
    originals = ["", "a", "a", "", "b"]
    kinds = [ClipKind.NEAR_MISS if original else ClipKind.FACIAL for original in originals]
    records = [
        ClipRecord(f"{name}{k}", "s", name, kind, k, 1, near_miss_of=original)
        for name, kind, original in zip(names, kinds, originals, strict=True)
        for k in (0, 1)
    ]
    labels = number_labels(records)
    made = [one for _, one in make_up(np.arange(len(records)), labels, 40, np.random.default_rng(0))]
    assert len(made) == 40
    assert not [one for one in made if labels.originals[one.heads[0]] == labels.originals[one.tails[0]]]
    assert not list(make_up(np.arange(6), labels, 5, np.random.default_rng(0)))  # one motion and its near misses


def test_made_up_motions_stay_inside_a_subject() -> None:
    labels = number_labels(RECORDS)
    chosen = np.arange(len(RECORDS))
    made = list(make_up(chosen, labels, 20, np.random.default_rng(0)))
    assert Counter(subject for subject, _ in made) == {0: 20, 1: 20}
    for subject, one in made:
        assert set(labels.subjects[one.heads]) == set(labels.subjects[one.tails]) == {subject}
        (first,), (second,) = set(labels.motions[one.heads]), set(labels.motions[one.tails])
        assert first != second
        assert len(set(one.heads)) == len(set(one.tails)) == 3
        assert CUT[0] <= one.cut <= CUT[1]
    assert not list(make_up(chosen[:3], labels, 5, np.random.default_rng(0)))  # a single motion


def test_a_batch_carries_them_with_numbers_of_their_own() -> None:
    rng = np.random.default_rng(1)
    sequences = [
        FeatureSequence(rng.normal(size=(30, 4)).astype(np.float32), np.arange(30) / 25, "any") for _ in RECORDS
    ]
    settings = TrainingSettings()
    plain = SamplerSettings(subjects=2, motions=3, takes=2)
    batches = [
        draw_batch(make_training_set([TrainingSource(RECORDS, sequences, one)]), settings, np.random.default_rng(4))
        for one in (plain, dataclasses.replace(plain, splices=2))
    ]
    assert len(batches[0].clips) == 12
    assert len(batches[1].clips) == 12 + 2 * 2 * 2
    made = batches[1].motions < 0
    assert Counter(batches[1].motions[made].tolist()) == {-1: 2, -2: 2, -3: 2, -4: 2}
    assert (batches[1].motions[~made] == batches[0].motions).all()
    assert len(set(batches[1].subjects[made].tolist())) == 2
