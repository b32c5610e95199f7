import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facemotion.data.splits import subject_folds
from facemotion.errors import TrainingError
from facemotion.evaluation.trials import join_trials
from facemotion.experiments.crossval import cross_validate, fold_figures, held_out_trials
from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.training.encoder.material.dataset import TrainingSource
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.training.encoder.settings import LossSettings, OptimiserSettings, TrainingSettings
from facemotion.training.run_folder import RunFolder
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

SETTINGS = TrainingSettings(
    threads=1,
    encoder=EncoderSettings("position+difference", width=16, layers=1, heads=2, feedforward=16, embedding=8),
    loss=LossSettings("n-pair", temperature=0.2),
    optimiser=OptimiserSettings(steps=40, learning_rate=5e-3),
)


def corpus(subjects: int = 6) -> tuple[list[ClipRecord], list[FeatureSequence]]:
    rng = np.random.default_rng(0)
    records, sequences = [], []
    for s in range(subjects):
        for m in range(3):
            for k in range(4):
                values = 0.1 * rng.normal(size=(20, 3))
                values[:, m] += np.sin(np.linspace(0, np.pi, 20))
                records.append(ClipRecord(f"{s}{m}{k}", f"s{s}", f"m{m}", ClipKind.FACIAL, k, 1))
                sequences.append(FeatureSequence(values.astype(np.float32), np.arange(20) / 25, "front"))
    return records, sequences


@pytest.mark.long
def test_every_clip_is_held_out_once_and_new_people_are_told_apart() -> None:
    records, sequences = corpus()
    folds = subject_folds(records, 3)
    done: list[int] = []
    vectors = cross_validate(
        SETTINGS, TrainingSource(records, sequences, SamplerSettings(4, 3, 3)), folds, progress=done.append
    )
    assert done == [1, 2, 3]
    within = held_out_trials(vectors, records, folds, "within-subject")
    assert sum(map(len, within)) == 6 * 66
    pooled = join_trials(within)
    assert set(pooled.subjects.ravel()) == set(range(6))
    assert set(pooled.motions.ravel()) == set(range(18))
    for part, fold in zip(within, folds, strict=True):
        assert set(part.subjects.ravel()) == {int(records[i].subject[1:]) for i in fold.test}
    everything = held_out_trials(vectors, records, folds)
    assert [len(part) for part in everything] == [24 * 23 // 2] * 3
    for own in fold_figures(within):
        assert own.average_precision > 0.9 > own.prevalence
        assert own.f1 <= own.peak_f1 + 1e-9
        assert 0 <= own.fmr <= 1


def test_folds_are_trained_with_seeds_of_their_own() -> None:
    records, sequences = corpus(2)
    short = dataclasses.replace(SETTINGS, optimiser=OptimiserSettings(steps=1))
    folds = subject_folds(records, 2)
    once, again = (
        cross_validate(short, TrainingSource(records, sequences, SamplerSettings()), folds) for _ in range(2)
    )
    np.testing.assert_array_equal(once[0], again[0])
    same_fold = cross_validate(short, TrainingSource(records, sequences, SamplerSettings()), [folds[0], folds[0]])
    assert np.abs(same_fold[0] - same_fold[1]).max() > 1e-3


def test_a_network_that_may_have_seen_the_held_out_people_is_refused() -> None:
    records, sequences = corpus(2)
    begun = dataclasses.replace(SETTINGS, begin="runs/subclips")
    with pytest.raises(TrainingError, match="can't begin with runs/subclips"):
        cross_validate(begun, TrainingSource(records, sequences, SamplerSettings()), subject_folds(records, 2))


def test_folds_of_a_larger_set_are_not_taken_for_those_of_a_smaller(tmp_path: Path) -> None:
    short = dataclasses.replace(SETTINGS, optimiser=OptimiserSettings(steps=1))
    for people in (4, 5):
        records, sequences = corpus(people)
        folds = subject_folds(records, 2)
        if people == 5:
            with pytest.raises(TrainingError, match="begun on other clips"):
                cross_validate(short, TrainingSource(records, sequences, SamplerSettings()), folds, runs=tmp_path)
        else:
            cross_validate(short, TrainingSource(records, sequences, SamplerSettings()), folds, runs=tmp_path)


def test_what_stands_beside_is_trained_on_and_never_held_out() -> None:
    records, sequences = corpus(2)
    folds = subject_folds(records, 2)
    short = dataclasses.replace(SETTINGS, optimiser=OptimiserSettings(steps=1))
    others = TrainingSource(*corpus(2), SamplerSettings())  # of the same names: two other people nevertheless
    alone, joined = (
        cross_validate(short, TrainingSource(records, sequences, SamplerSettings()), folds, beside=beside)
        for beside in ([], [others])
    )
    assert [len(own) for own in joined] == [len(fold.test) for fold in folds]
    assert np.abs(alone[0] - joined[0]).max() > 1e-3


def test_a_fold_knows_whom_the_response_beside_it_was_fitted_on(tmp_path: Path) -> None:
    records, sequences = corpus(2)
    short = dataclasses.replace(SETTINGS, optimiser=OptimiserSettings(steps=1))
    simulated = TrainingSource(*corpus(2), SamplerSettings(), fitted_on=frozenset({"0123456789abcdef"}))
    source, folds = TrainingSource(records, sequences, SamplerSettings()), subject_folds(records, 2)
    cross_validate(short, source, folds, runs=tmp_path, beside=[simulated])
    for fold in (0, 1):
        assert "0123456789abcdef" in RunFolder(tmp_path / f"fold-{fold}").load().seen


def test_a_threshold_of_other_folds_needs_other_folds() -> None:
    records, _ = corpus(2)
    parts = held_out_trials([np.eye(12, 8, dtype=np.float32) + 0.1], records, subject_folds(records, 2)[:1])
    with pytest.raises(Exception, match="no trials to join"):
        fold_figures(parts)
