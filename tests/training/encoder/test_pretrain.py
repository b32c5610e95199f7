import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from facemotion.errors import ModelMismatchError, TrainingError
from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.training.encoder.material.augment import AugmentSettings
from facemotion.training.encoder.material.dataset import TrainingSource, make_training_set
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.training.encoder.pretrain import cut_subclip, draw_subclips
from facemotion.training.encoder.settings import LossSettings, OptimiserSettings, SubclipSettings, TrainingSettings
from facemotion.training.encoder.train import embed, train_encoder
from facemotion.training.run_folder import RunFolder
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

SUBCLIPS = TrainingSettings(
    task="subclips",
    checkpoint_steps=50,
    threads=1,
    encoder=EncoderSettings("position+difference", width=16, layers=1, heads=2, feedforward=16, embedding=8),
    augmentation=AugmentSettings(trimming=0, noise=0.05),
    loss=LossSettings("n-pair", "all", temperature=0.1),
    subclips=SubclipSettings(clips=12, shortest=0.6),
    optimiser=OptimiserSettings(steps=150, learning_rate=5e-3),
)


def clips(count: int, seed: int = 0, frontend_id: str = "front") -> tuple[list[ClipRecord], list[FeatureSequence]]:
    """Unlabelled: each clip is a smooth curve of its own, and every row says the same."""
    rng = np.random.default_rng(seed)
    records, sequences = [], []
    for number in range(count):
        steps = np.linspace(0, 1, 40)[:, None]
        values = np.sin(2 * np.pi * (steps * rng.uniform(0.5, 2, 3) + rng.random(3))) * rng.uniform(0.5, 1.5, 3)
        records.append(ClipRecord(f"{number}", "anybody", "anything", ClipKind.FACIAL, number, 1))
        sequences.append(FeatureSequence(values.astype(np.float32), np.arange(40) / 25, frontend_id))
    return records, sequences


def unlabelled(count: int = 24, seed: int = 0, frontend_id: str = "front"):
    return make_training_set([TrainingSource(*clips(count, seed, frontend_id), SamplerSettings())], "subclips")


def test_a_batch_holds_two_pieces_of_each_clip() -> None:
    data = unlabelled()
    batch = draw_subclips(data, SUBCLIPS, np.random.default_rng(0))
    assert len(batch.clips) == 24
    numbers, counts = np.unique(batch.motions.numpy(), return_counts=True)
    assert (len(numbers), set(counts)) == (12, {2})
    assert all(24 <= len(clip) <= 40 for clip in batch.clips)


def test_pieces_are_cut_from_the_motion_where_the_encoder_spots_it() -> None:
    records, sequences = clips(12)
    rest = [
        FeatureSequence(
            np.concatenate([np.repeat(s.values[:1], 60, axis=0), s.values, np.repeat(s.values[-1:], 60, axis=0)]),
            np.arange(160) / 25,
            "front",
        )
        for s in sequences
    ]
    data = make_training_set([TrainingSource(records, rest, SamplerSettings())], "subclips")
    spotting = dataclasses.replace(SUBCLIPS, encoder=dataclasses.replace(SUBCLIPS.encoder, spotting=True))
    lengths = [
        [len(clip) for clip in draw_subclips(data, settings, np.random.default_rng(0)).clips]
        for settings in (SUBCLIPS, spotting)
    ]
    assert min(lengths[0]) >= 0.6 * 160 - 1
    assert max(lengths[1]) < 70


def test_a_subclip_is_a_piece_as_long_as_the_settings_say() -> None:
    values, times = np.arange(30, dtype=np.float32)[:, None], np.arange(30) / 25
    lengths = set()
    for seed in range(60):
        piece, when = cut_subclip(values, times, 0.5, np.random.default_rng(seed))
        np.testing.assert_array_equal(np.diff(piece[:, 0]), 1)
        np.testing.assert_allclose(when, piece[:, 0] / 25)
        lengths.add(len(piece))
    assert min(lengths) in (15, 16)
    assert max(lengths) in (29, 30)
    assert len(cut_subclip(values[:2], times[:2], 0.05, np.random.default_rng(0))[0]) == 2


@pytest.mark.long
def test_pieces_of_new_clips_find_each_other() -> None:
    losses: list[float] = []
    net = train_encoder(SUBCLIPS, unlabelled(), progress=lambda step, loss: losses.append(loss))
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    _, sequences = clips(20, seed=5)
    pieces = [
        [FeatureSequence(s.values[part].copy(), s.times[part].copy(), "front") for s in sequences]
        for part in (slice(0, 30), slice(10, 40))
    ]
    one, other = (embed(net, own) for own in pieces)
    found = (one @ other.T).argmax(axis=1)
    assert (found == np.arange(20)).sum() >= 5  # guesses find one; five or more, three times in a thousand


def test_training_begins_with_what_a_run_learned(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "pretrained")
    learned = train_encoder(dataclasses.replace(SUBCLIPS, optimiser=OptimiserSettings(steps=5)), unlabelled(), run)
    begun = dataclasses.replace(SUBCLIPS, begin=str(run.path), optimiser=OptimiserSettings(steps=1, learning_rate=1e-7))
    net = train_encoder(begun, unlabelled(seed=3))
    for name, tensor in learned.state_dict().items():
        torch.testing.assert_close(net.state_dict()[name], tensor, atol=1e-4, rtol=0)
    other = dataclasses.replace(begun, encoder=dataclasses.replace(begun.encoder, width=8))
    with pytest.raises(TrainingError, match=r"has other settings under \[encoder\]"):
        train_encoder(other, unlabelled())
    with pytest.raises(ModelMismatchError, match="trained on features of front, these are of other"):
        train_encoder(begun, unlabelled(frontend_id="other"))
    with pytest.raises(TrainingError, match="has no checkpoint"):
        train_encoder(dataclasses.replace(begun, begin=str(tmp_path / "nothing")), unlabelled())


@pytest.mark.parametrize("network", ["transformer", "tcn", "gru"])
def test_a_deeper_network_begins_where_a_shallow_one_ended(network: str, tmp_path: Path) -> None:
    shallow = dataclasses.replace(SUBCLIPS.encoder, network=network)
    run, data = RunFolder(tmp_path / "shallow"), unlabelled()
    few = dataclasses.replace(SUBCLIPS, encoder=shallow, optimiser=OptimiserSettings(steps=5))
    learned = train_encoder(few, data, run)
    deeper = dataclasses.replace(shallow, layers=2)
    still = OptimiserSettings(steps=1, learning_rate=1e-7)
    net = train_encoder(dataclasses.replace(few, begin=str(run.path), encoder=deeper, optimiser=still), data)
    assert len(net.layers) == 2
    np.testing.assert_allclose(embed(net, data.sequences), embed(learned, data.sequences), atol=1e-4)
    onward = dataclasses.replace(few, begin=str(run.path), encoder=deeper, optimiser=OptimiserSettings(steps=3))
    taught = train_encoder(onward, data).layers[1].state_dict()
    assert any(not torch.allclose(tensor, net.layers[1].state_dict()[name]) for name, tensor in taught.items())


def test_a_network_begins_with_no_deeper_one(tmp_path: Path) -> None:
    deep = dataclasses.replace(SUBCLIPS, encoder=dataclasses.replace(SUBCLIPS.encoder, layers=2))
    run = RunFolder(tmp_path / "deep")
    train_encoder(dataclasses.replace(deep, optimiser=OptimiserSettings(steps=1)), unlabelled(), run)
    with pytest.raises(TrainingError, match="begin with one of the same, or of fewer layers"):
        train_encoder(dataclasses.replace(SUBCLIPS, begin=str(run.path)), unlabelled())


def test_labels_are_asked_for_only_where_they_are_looked_at() -> None:
    records = [ClipRecord(f"{i}", "anybody", f"m{i}", ClipKind.FACIAL, 0, 1) for i in range(24)]
    source = TrainingSource(records, clips(24)[1], SamplerSettings())
    assert make_training_set([source], "subclips").samplers == ()
    with pytest.raises(TrainingError, match="No subject has two motions"):
        make_training_set([source])
