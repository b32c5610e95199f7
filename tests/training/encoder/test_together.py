"""Several trainings in one loop come to what each comes to alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.encoder.test_train_encoder import TINY, corpus

from facemotion.cli.learning.tables_command import tell_fewer
from facemotion.errors import TrainingError
from facemotion.evaluation.measures import average_precision, curve
from facemotion.evaluation.trials import score_pairs
from facemotion.training.encoder import together
from facemotion.training.encoder.material.dataset import Batch, TrainingSource, make_training_set
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.training.encoder.settings import OptimiserSettings, StoppingSettings, TrainingSettings
from facemotion.training.encoder.together import Training, train_together
from facemotion.training.encoder.train import TrainingState, embed, load_encoder, train_encoder
from facemotion.training.run_folder import RunFolder

CLOSE = 2e-4  # largest difference of a number of a vector that rounding makes over six steps
STILL = dataclasses.replace(
    TINY,
    checkpoint_steps=3,
    encoder=dataclasses.replace(TINY.encoder, dropout=0.0),
    optimiser=OptimiserSettings(steps=6, learning_rate=3e-3),
)
BATCH = SamplerSettings(3, 4, 2)


def folds(settings: TrainingSettings, runs: Path | None = None, count: int = 3) -> list[Training]:
    """Trainings of one recipe, each with its seed, its own people and, where asked for, a folder."""
    return [
        Training(
            dataclasses.replace(settings, seed=number),
            make_training_set(
                [TrainingSource(*corpus(seed=number), BATCH)],
                watched=TrainingSource(*corpus(subjects=1, seed=9), BATCH) if settings.stopping.people else None,
            ),
            RunFolder(runs / str(number)) if runs else None,
        )
        for number in range(count)
    ]


def alone(training: Training) -> torch.nn.Module:
    return train_encoder(training.settings, training.data, training.run)


def vectors(nets: list[torch.nn.Module]) -> np.ndarray:
    """What networks say of clips that none was trained on."""
    return np.stack([embed(net, corpus(subjects=2, seed=20)[1]) for net in nets])


@pytest.mark.parametrize("network", ["transformer", "conformer"])
def test_networks_trained_together_are_those_trained_alone(network: str) -> None:
    settings = dataclasses.replace(STILL, encoder=dataclasses.replace(STILL.encoder, network=network))
    apart = vectors([alone(training) for training in folds(settings)])
    np.testing.assert_allclose(vectors(train_together(folds(settings))), apart, atol=CLOSE)
    assert np.abs(apart[0] - apart[1]).max() > 0.05  # and they aren't all alike


def test_each_ends_when_its_own_people_gain_no_more(tmp_path: Path) -> None:
    settings = dataclasses.replace(
        STILL,
        optimiser=OptimiserSettings(steps=20, learning_rate=3e-2, average=0.0),
        stopping=StoppingSettings(people=0.3, every=2, patience=2),
    )
    apart = vectors([alone(training) for training in folds(settings, tmp_path / "apart")])
    found = vectors(train_together(folds(settings, tmp_path / "together")))
    ends = []
    for number in range(3):
        one, other = (RunFolder(tmp_path / how / str(number)) for how in ("apart", "together"))
        ends.append(one.load().step)
        assert other.load().step == ends[-1]
        assert [line.split(",")[0] for line in (other.path / "watched.csv").read_text().splitlines()] == [
            line.split(",")[0] for line in (one.path / "watched.csv").read_text().splitlines()
        ]
        assert other.cost is not None
        assert other.cost > 0
    assert len(set(ends)) > 1  # else nobody has left the stack early
    np.testing.assert_allclose(found, apart, atol=50 * CLOSE)  # over more steps, at a higher rate


def test_what_was_cut_off_goes_on_together_or_alone_to_the_same_end(tmp_path: Path) -> None:
    whole = train_together(folds(STILL, tmp_path / "whole"))

    class KilledError(Exception):
        pass

    def kill(number: int, step: int) -> None:
        if (number, step) == (1, 6):  # of three, two have their checkpoint of step 6, and one that of step 3
            raise KilledError

    with pytest.raises(KilledError):
        train_together(folds(STILL, tmp_path / "broken"), progress=kill)
    steps = [RunFolder(tmp_path / "broken" / str(number)).load().step for number in range(3)]
    assert steps == [6, 6, 3]
    np.testing.assert_allclose(vectors(train_together(folds(STILL, tmp_path / "broken"))), vectors(whole), atol=CLOSE)
    with pytest.raises(KilledError):
        train_together(folds(STILL, tmp_path / "other"), progress=kill)
    np.testing.assert_allclose(
        vectors([alone(training) for training in folds(STILL, tmp_path / "other")]), vectors(whole), atol=CLOSE
    )
    kept = [load_encoder(RunFolder(tmp_path / "whole" / str(number)))[0] for number in range(3)]
    np.testing.assert_array_equal(vectors(kept), vectors(whole))


def test_where_memory_is_missing_fewer_are_trained_at_a_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    encode, told, limit = together._Stack._encode, [], 2

    def full(self: together._Stack, batches: list[Batch]) -> torch.Tensor:
        if len(self._states) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return encode(self, batches)

    monkeypatch.setattr(together._Stack, "_encode", full)
    nets = train_together(folds(STILL), fewer=told.append)
    assert told == [2]
    tell_fewer(*told)
    assert "memory is missing for as many folds; 2 are trained at a time" in capsys.readouterr().err
    np.testing.assert_allclose(vectors(nets), vectors([alone(training) for training in folds(STILL)]), atol=CLOSE)
    limit = 0
    with pytest.raises(TrainingError, match="Memory is missing for one training alone"):
        train_together(folds(STILL))


def test_a_step_that_was_made_in_part_is_not_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments of the optimiser would have counted its gradients twice."""

    def full(self: together._Stack, largest: float) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(together._Stack, "_clip_gradients", full)
    told: list[int] = []
    with pytest.raises(torch.OutOfMemoryError):
        train_together(folds(STILL, count=2), fewer=told.append)
    assert told == []


def test_dropout_draws_other_numbers_and_learns_as_well() -> None:
    settings = dataclasses.replace(
        TINY,
        encoder=dataclasses.replace(TINY.encoder, dropout=0.1),
        optimiser=OptimiserSettings(steps=30, learning_rate=1e-2, average=0.8),
    )
    records, sequences = corpus(seed=20)
    apart = alone(folds(settings, count=1)[0])
    nets = train_together(folds(settings, count=2))
    assert np.abs(embed(nets[0], sequences) - embed(apart, sequences)).max() > 10 * CLOSE
    for net in (apart, *nets):
        assert average_precision(curve(score_pairs(embed(net, sequences), records, "within-subject"))) > 0.9


@pytest.mark.parametrize("encoder", [{"network": "gru"}, {"gate": True}])
def test_what_can_not_be_stacked_is_refused(encoder: dict[str, object]) -> None:
    settings = dataclasses.replace(TINY, encoder=dataclasses.replace(TINY.encoder, **encoder))
    with pytest.raises(TrainingError, match="can't be stacked"):
        train_together(folds(settings))


def test_only_one_recipe_is_stacked_and_devices_are_known() -> None:
    one, other = folds(STILL)[0], folds(TINY)[1]
    with pytest.raises(TrainingError, match="trainings of one recipe"):
        train_together([one, other])
    with pytest.raises(TrainingError, match="no device 'tpu'; choose among auto, cpu, cuda"):
        train_together([one], device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="finds no GPU; choose the device cpu"):
            train_encoder(one.settings, one.data, device="cuda")


def test_a_training_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    """Of several in one loop one may lose its numbers; what it had before stays for a look at it."""
    trainings, broken = folds(STILL, tmp_path, count=2), RunFolder(tmp_path / "1")

    class KilledError(Exception):
        pass

    def kill(number: int, step: int) -> None:
        if (number, step) == (1, 4):
            raise KilledError

    with pytest.raises(KilledError):
        train_together(trainings, progress=kill)
    kept = broken.load()
    for tensor in kept.tensors.values():
        tensor.fill_(float("nan"))
    broken.save(kept)
    with pytest.raises(TrainingError, match=f"loss is nan at step 3 of {tmp_path / '1'}; .* last checkpoint is kept"):
        train_together(trainings)
    with pytest.raises(TrainingError, match=r"loss is nan at step 0; start another run with a lower learning rate\.$"):
        TrainingState(STILL, trainings[0].data, None, torch.device("cpu")).advance(float("nan"))
