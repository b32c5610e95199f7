"""Training that ends when people who aren't trained on gain no more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tests.training.same_run import assert_same_run

from facemotion.errors import TrainingError
from facemotion.evaluation.measures import average_precision, curve
from facemotion.evaluation.trials import score_pairs
from facemotion.training.encoder.material.dataset import TrainingSet, TrainingSource
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.training.encoder.material.sources import join_sources, set_aside
from facemotion.training.encoder.settings import OptimiserSettings, StoppingSettings, TrainingSettings
from facemotion.training.encoder.train import embed, load_encoder, train_encoder
from facemotion.training.encoder.watch import TABLE, Looks, has_ended, read_looks
from facemotion.training.run_folder import RunFolder

from .test_train_encoder import TINY, corpus

WATCHING = StoppingSettings(people=0.4, every=2, patience=2)
SETTINGS = dataclasses.replace(TINY, stopping=WATCHING, optimiser=OptimiserSettings(steps=40, learning_rate=1e-4))


def source(subjects: int = 5) -> TrainingSource:
    return TrainingSource(*corpus(subjects), SamplerSettings(3, 4, 2))


def data(settings: TrainingSettings = SETTINGS) -> TrainingSet:
    return join_sources([source()], settings)


def fared(vectors: np.ndarray, watched: TrainingSource) -> float:
    return average_precision(curve(score_pairs(vectors, watched.records, "within-subject")))


def test_watched_people_are_not_trained_on_but_count_as_seen() -> None:
    made = data()
    assert made.watched is not None
    watched, trained_on = ({r.subject for r in own} for own in (made.watched.records, made.records))
    assert len(watched) == 2
    assert len(trained_on) == 3
    assert not watched & trained_on
    assert len(made.fingerprints) == len(source().records)
    assert made.digest != dataclasses.replace(made, watched=None).digest
    other = data(dataclasses.replace(SETTINGS, seed=1))
    assert other.watched is not None
    assert {r.subject for r in other.watched.records} != watched


def test_nobody_is_watched_unless_asked_for() -> None:
    made = join_sources([source()], TINY)
    assert made.watched is None
    assert len(made.records) == len(source().records)


def test_only_people_of_the_first_source_are_watched() -> None:
    trained_on, watched = set_aside([source(5), source(3)], WATCHING, 0)
    assert watched is not None
    assert len({r.subject for r in watched.records}) == 2
    assert [len({r.subject for r in own.records}) for own in trained_on] == [3, 3]


def test_training_ends_when_they_gain_no_more_and_gives_the_weights_of_their_best_look(tmp_path: Path) -> None:
    made, run = data(), RunFolder(tmp_path / "run")
    assert made.watched is not None
    net = train_encoder(SETTINGS, made, run)
    looks = read_looks(run)
    best = max(precision for _, precision in looks)
    place = [precision for _, precision in looks].index(best)
    assert len(looks) == place + 1 + WATCHING.patience < 20
    assert run.load().step == looks[-1][0]
    assert fared(embed(net, made.watched.sequences), made.watched) == pytest.approx(best, abs=1e-6)
    again, _ = load_encoder(run)
    np.testing.assert_array_equal(embed(net, made.sequences), embed(again, made.sequences))
    assert has_ended(run, SETTINGS, run.load().step)
    assert not has_ended(run, SETTINGS, looks[-2][0])
    # The run has ended: nothing is trained when it is asked for again.
    steps: list[int] = []
    train_encoder(SETTINGS, made, run, lambda step, loss: steps.append(step))
    assert steps == []
    assert read_looks(run) == looks


def test_a_watched_run_that_goes_on_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(step: int, loss: float) -> None:
        if step == 7:
            raise KilledError

    settings = dataclasses.replace(SETTINGS, stopping=dataclasses.replace(WATCHING, patience=5))
    settings = dataclasses.replace(settings, optimiser=OptimiserSettings(steps=12, learning_rate=3e-3, average=0.5))
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    train_encoder(settings, data(settings), whole)
    with pytest.raises(KilledError):
        train_encoder(settings, data(settings), broken, kill)
    assert read_looks(broken)[-1][0] == 6
    train_encoder(settings, data(settings), broken)
    assert_same_run(whole, broken, 12, "curve.csv")
    assert (whole.path / TABLE).read_text() == (broken.path / TABLE).read_text()


def test_looks_that_were_lost_or_damaged_are_named(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, optimiser=OptimiserSettings(steps=4))
    run = RunFolder(tmp_path / "run")
    train_encoder(settings, data(settings), run)
    table = run.path / TABLE
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(TrainingError, match="lacks looks"):
        train_encoder(settings, data(settings), run)
    table.write_text("\n".join([*lines[:-1], "4,much"]) + "\n")
    with pytest.raises(TrainingError, match="isn't as it was written"):
        train_encoder(settings, data(settings), run)


def test_people_who_can_not_be_watched_are_named_before_any_step() -> None:
    with pytest.raises(TrainingError, match="Of 1 people 1 can't be watched"):
        join_sources([source(1)], SETTINGS)
    made = data()
    assert made.watched is not None
    once = made.watched.at(range(1))
    steps: list[int] = []
    with pytest.raises(TrainingError, match="can't be measured"):
        train_encoder(SETTINGS, dataclasses.replace(made, watched=once), progress=lambda step, loss: steps.append(step))
    assert steps == []


def test_people_who_would_never_be_looked_at_are_refused() -> None:
    """The result is the network of the best look: without a look that was one that had learned nothing."""
    with pytest.raises(ValueError, match="after every 41 of 40 batches, so never"):
        dataclasses.replace(SETTINGS, stopping=dataclasses.replace(WATCHING, every=41))
    dataclasses.replace(SETTINGS, stopping=StoppingSettings(every=41))  # nobody is watched


def test_a_look_is_due_only_where_somebody_is_watched() -> None:
    watched = data().watched
    assert [Looks(WATCHING, watched, None, 0).are_due(step) for step in (1, 2, 3, 4)] == [False, True, False, True]
    nobody = Looks(WATCHING, None, None, 0)
    assert not nobody.are_due(2)
    assert not nobody.are_over
