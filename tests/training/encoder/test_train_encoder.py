from __future__ import annotations

import dataclasses
import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load, save
from tests.training.same_run import assert_same_run

from facemotion.errors import ModelMismatchError, SettingsError, TrainingError
from facemotion.evaluation.measures import average_precision, curve, prevalence
from facemotion.evaluation.trials import score_pairs
from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.training.encoder.material.augment import AugmentSettings
from facemotion.training.encoder.material.dataset import TrainingSet, TrainingSource, make_training_set
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.training.encoder.settings import LossSettings, OptimiserSettings, TrainingSettings
from facemotion.training.encoder.train import embed, learning_rate, load_encoder, train_encoder
from facemotion.training.run_folder import RunFolder
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

TINY = TrainingSettings(
    checkpoint_steps=5,
    threads=1,
    encoder=EncoderSettings("position+difference", width=16, layers=1, heads=2, feedforward=16, embedding=8),
    augmentation=AugmentSettings(trimming=0.5, tempo=0.1, drop=0.2, noise=0.05),
    loss=LossSettings("n-pair", "within-subject", temperature=0.2),
    optimiser=OptimiserSettings(steps=10, learning_rate=3e-3),
)


def corpus(
    subjects: int = 3, motions: int = 4, takes: int = 4, seed: int = 0
) -> tuple[list[ClipRecord], list[FeatureSequence]]:
    """Motions are orders of three bumps, each in one feature, so that only time tells them apart."""
    rng = np.random.default_rng(seed)
    orders = [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)]
    records, sequences = [], []
    for s in range(subjects):
        rest = rng.normal(size=3)
        for m in range(motions):
            for k in range(takes):
                times = np.arange(30) / 30 * rng.uniform(0.9, 1.1)
                values = rest + 0.05 * rng.normal(size=(30, 3))
                for place, feature in enumerate(orders[m]):
                    values[:, feature] += 2 * np.exp(-(((np.linspace(0, 1, 30) - 0.25 * (place + 1)) / 0.08) ** 2))
                records.append(ClipRecord(f"{s}{m}{k}", f"s{s}", f"m{m}", ClipKind.FACIAL, k, 1))
                sequences.append(FeatureSequence(values.astype(np.float32), times, "front"))
    return records, sequences


def make_data() -> TrainingSet:
    return make_training_set([TrainingSource(*corpus(), SamplerSettings(3, 4, 2))])


@pytest.fixture
def data() -> TrainingSet:
    return make_data()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of TINY; tests work on copies of it."""
    path = tmp_path_factory.mktemp("trained") / "run"
    train_encoder(TINY, make_data(), RunFolder(path))
    return path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(shutil.copytree(trained, tmp_path / "run"))


@pytest.mark.long
def test_training_learns_the_order_of_steps_for_new_people(data: TrainingSet) -> None:
    losses: list[float] = []
    settings = dataclasses.replace(TINY, optimiser=OptimiserSettings(steps=120, learning_rate=5e-3))
    net = train_encoder(settings, data, progress=lambda step, loss: losses.append(loss))
    assert len(losses) == 120
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    records, sequences = corpus(subjects=2, seed=9)
    accepted = curve(score_pairs(embed(net, sequences), records, "within-subject"))
    assert average_precision(accepted) > 0.9 > 4 * prevalence(accepted)


def test_a_run_that_goes_on_ends_where_an_unbroken_one_does(data: TrainingSet, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(step: int, loss: float) -> None:
        if step == 7:
            raise KilledError

    settings = dataclasses.replace(TINY, optimiser=OptimiserSettings(steps=10, learning_rate=3e-3, average=0.5))
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    train_encoder(settings, data, whole)
    with pytest.raises(KilledError):
        train_encoder(settings, data, broken, kill)
    assert broken.load().step == 5
    train_encoder(settings, data, broken)
    assert_same_run(whole, broken, 10, "curve.csv")
    for run in (whole, broken):  # of the broken one, what was lost with it isn't counted
        rows = [line.split(",") for line in (run.path / "cost.csv").read_text().splitlines()]
        assert [row[0] for row in rows] == ["step", "5", "10"]
        assert run.cost == pytest.approx(sum(float(row[1]) for row in rows[1:]))


def test_the_cost_of_a_run_is_told_where_it_was_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.cost is None
    run.add_cost(5, 1.5)
    run.add_cost(10, 2.25)
    run.add_cost(10, 2.5)  # the run was killed before its checkpoint of step 10, and went on from 5
    assert run.cost == 4
    (tmp_path / "cost.csv").write_text("step,cpu_seconds\n5\n")
    with pytest.raises(TrainingError, match="cost.csv isn't as it was written"):
        _ = run.cost


def test_a_run_folder_tells_what_was_done(data: TrainingSet, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert not run.is_complete(TINY, steps=10)
    net = train_encoder(TINY, data, run)
    assert run.read_settings(TrainingSettings) == TINY
    assert run.is_complete(TINY, steps=10)
    assert not run.is_complete(dataclasses.replace(TINY, seed=1), steps=10)
    assert "torch" in json.loads((run.path / "versions.json").read_text())
    assert len((run.path / "curve.csv").read_text().splitlines()) == 11
    assert not list(run.path.glob("*.part"))
    again, frontend_id = load_encoder(run)
    assert frontend_id == "front"
    np.testing.assert_array_equal(embed(net, data.sequences), embed(again, data.sequences))


def test_padding_and_batching_do_not_change_embeddings(data: TrainingSet) -> None:
    net = train_encoder(dataclasses.replace(TINY, optimiser=OptimiserSettings(steps=1)), data)
    sequences = [
        FeatureSequence(s.values[: 5 + i].copy(), s.times[: 5 + i].copy(), "front")
        for i, s in enumerate(data.sequences[:20])
    ]
    np.testing.assert_allclose(embed(net, sequences, batch=7), embed(net, sequences, batch=1), atol=1e-5)


def test_other_settings_need_another_folder(data: TrainingSet, run: RunFolder) -> None:
    with pytest.raises(TrainingError, match=r"run of other settings \(seed was 0 and is 1\); choose"):
        train_encoder(dataclasses.replace(TINY, seed=1), data, run)
    train_encoder(dataclasses.replace(TINY, checkpoint_steps=3), data, run)  # which changes nothing of the result


def test_what_was_seen_stays_known_and_what_a_checkpoint_says_is_sealed(data: TrainingSet, tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "first"), RunFolder(tmp_path / "second")
    train_encoder(TINY, data, first)
    records, sequences = corpus()
    others = make_training_set([TrainingSource(records[4:], sequences[4:], SamplerSettings(3, 4, 2))])
    train_encoder(dataclasses.replace(TINY, begin=str(first.path)), others, second)
    assert second.load().seen == data.fingerprints > others.fingerprints

    path = second.path / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        about = file.metadata() | {"seen": ""}
    path.write_bytes(save(load(path.read_bytes()), about))
    with pytest.raises(TrainingError, match="aren't those that were written"):
        second.load()


def test_an_interrupt_loses_no_step(data: TrainingSet, tmp_path: Path) -> None:
    def stop(step: int, _: float) -> None:
        if step == 4:
            raise KeyboardInterrupt

    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    train_encoder(TINY, data, whole)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(TINY, data, broken, stop)
    assert broken.load().step == 4
    train_encoder(TINY, data, broken)
    assert_same_run(whole, broken, TINY.optimiser.steps, "curve.csv")


def test_a_run_of_other_clips_is_not_taken_up(data: TrainingSet, run: RunFolder) -> None:
    records, sequences = corpus()
    fewer = make_training_set([TrainingSource(records[4:], sequences[4:], SamplerSettings(3, 4, 2))])
    renamed = make_training_set(
        [
            TrainingSource(
                [dataclasses.replace(records[0], motion="m1"), *records[1:]], sequences, SamplerSettings(3, 4, 2)
            )
        ]
    )
    for other in (fewer, renamed):
        with pytest.raises(TrainingError, match="begun on other clips"):
            train_encoder(TINY, other, run)
    checkpoint = run.load()
    run.save(dataclasses.replace(checkpoint, clips=""))  # of a run from before it was kept
    train_encoder(TINY, fewer, run)


def test_features_that_changed_are_other_clips(data: TrainingSet, run: RunFolder) -> None:
    records, sequences = corpus(seed=1)
    with pytest.raises(TrainingError, match="begun on other clips"):
        train_encoder(TINY, make_training_set([TrainingSource(records, sequences, SamplerSettings(3, 4, 2))]), run)
    records, sequences = corpus()
    later = [dataclasses.replace(one, times=one.times * 1.01) for one in sequences]
    with pytest.raises(TrainingError, match="begun on other clips"):
        train_encoder(TINY, make_training_set([TrainingSource(records, later, SamplerSettings(3, 4, 2))]), run)


def test_a_checkpoint_without_its_settings_is_nobodys(data: TrainingSet, run: RunFolder) -> None:
    (run.path / "config.toml").unlink()
    with pytest.raises(TrainingError, match="a checkpoint but no config.toml"):
        train_encoder(dataclasses.replace(TINY, seed=5), data, run)


def test_a_run_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="has no checkpoint"):
        RunFolder(tmp_path / "run").load()


def test_a_checkpoint_cut_short_is_named(data: TrainingSet, run: RunFolder) -> None:
    path = run.path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TrainingError, match="is damaged"):
        train_encoder(TINY, data, run)


def test_a_checkpoint_with_one_flipped_bit_is_named(run: RunFolder) -> None:
    path = run.path / "checkpoint.safetensors"
    flipped = bytearray(path.read_bytes())
    flipped[-5] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(TrainingError, match="its bytes aren't those that were written"):
        load_encoder(run)


def test_a_curve_that_another_program_wrote_is_named(run: RunFolder) -> None:
    (run.path / "curve.csv").write_text("step,loss,learning_rate\nhere,1,1\n")
    with pytest.raises(TrainingError, match="isn't as it was written"):
        run.write_curve([(1, 1.0, 1.0)], 0)


def test_a_checkpoint_of_another_architecture_is_refused(data: TrainingSet, run: RunFolder, tmp_path: Path) -> None:
    wider = dataclasses.replace(TINY, encoder=dataclasses.replace(TINY.encoder, width=32))
    other = RunFolder(tmp_path / "wider")
    train_encoder(wider, data, other)
    shutil.copy(other.path / "checkpoint.safetensors", run.path)
    with pytest.raises(TrainingError, match="another architecture"):
        train_encoder(TINY, data, run)


def test_features_of_two_front_ends_never_meet(data: TrainingSet, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    train_encoder(dataclasses.replace(TINY, optimiser=OptimiserSettings(steps=5)), data, run)
    records, sequences = corpus()
    foreign = [FeatureSequence(s.values, s.times, "other") for s in sequences]
    with pytest.raises(ModelMismatchError, match="front and of other"):
        make_training_set([TrainingSource(records, own, SamplerSettings()) for own in (sequences, foreign)])
    with pytest.raises(ModelMismatchError, match="begun on features of front"):
        train_encoder(
            run.read_settings(TrainingSettings),
            make_training_set([TrainingSource(records, foreign, SamplerSettings())]),
            run,
        )
    net, _ = load_encoder(run)
    with pytest.raises(ModelMismatchError, match="takes 3 features"):
        embed(net, [FeatureSequence(np.zeros((4, 2), np.float32), np.arange(4) / 25, "front")])


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(data: TrainingSet, tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, checkpoint_steps=1, augmentation=AugmentSettings(trimming=0))
    run = RunFolder(tmp_path / "run")

    def poison(step: int, loss: float) -> None:
        if step == 3:
            for sequence in data.sequences:
                sequence.values.flags.writeable = True
                sequence.values[:] = np.nan

    with pytest.raises(TrainingError, match=r"loss is nan at step 3.*checkpoint is kept"):
        train_encoder(settings, data, run, poison)
    assert run.load().step == 3


def test_two_sources_share_every_batch() -> None:
    sources = [
        TrainingSource(*corpus(2), SamplerSettings(2, 3, 2)),
        TrainingSource(*corpus(1, seed=5), SamplerSettings(8, 4, 3)),
    ]
    data = make_training_set(sources)
    drawn = np.concatenate([sampler.draw(np.random.default_rng(0)) for sampler in data.samplers])
    assert ((drawn < 32).sum(), (drawn >= 32).sum()) == (12, 12)
    assert not set(data.labels.subjects[:32]) & set(data.labels.subjects[32:])
    assert not set(data.labels.motions[:32]) & set(data.labels.motions[32:])


def test_heads_that_do_not_divide_the_width(data: TrainingSet) -> None:
    with pytest.raises(TrainingError, match="can't be shared by 5 heads"):
        train_encoder(dataclasses.replace(TINY, encoder=EncoderSettings(width=16, heads=5)), data)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate(step, OptimiserSettings(steps=100, rise=0.1, learning_rate=2.0)) for step in range(100)]
    assert max(rates) == pytest.approx(2.0)
    assert np.argmax(rates) == 10
    assert (np.diff(rates[:10]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[-1] < 0.01


def test_a_run_that_spots_motions_hears_nothing_of_the_neutral_ends(data: TrainingSet) -> None:
    settings = dataclasses.replace(
        TINY, encoder=dataclasses.replace(TINY.encoder, spotting=True), optimiser=OptimiserSettings(steps=2)
    )
    net = train_encoder(settings, data)
    moved = data.sequences[0].values
    rest, times = np.repeat(moved[:1], 30, axis=0), np.arange(len(moved) + 120) / 25
    early = FeatureSequence(np.concatenate([rest, moved, rest, rest, rest]), times, "front")
    late = FeatureSequence(np.concatenate([rest, rest, rest, moved, rest]), times, "front")
    one, other = embed(net, [early, late])
    np.testing.assert_allclose(one, other, atol=1e-5)
    whole = train_encoder(dataclasses.replace(settings, encoder=TINY.encoder), data)
    assert np.abs(np.subtract(*embed(whole, [early, late]))).max() > 1e-4


def test_an_encoder_of_parts_needs_an_extractor_of_points(data: TrainingSet) -> None:
    lips = dataclasses.replace(TINY.encoder, parts=("lips",), components=2)
    with pytest.raises(SettingsError, match="no points of a face"):
        train_encoder(dataclasses.replace(TINY, extractor="sfe-l", encoder=lips), data)
    with pytest.raises(TrainingError, match="No such encoder: 3 features have no 9 principal components"):
        train_encoder(dataclasses.replace(TINY, encoder=dataclasses.replace(TINY.encoder, components=9)), data)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_and_leaves_a_run_as_it_was(data: TrainingSet, run: RunFolder) -> None:
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    with files_no_larger_than(40):
        with pytest.raises(TrainingError, match=r"Can't write the run folder .*: File too large"):
            run.start(TINY)
        with pytest.raises(TrainingError, match=r"Can't write .*curve.csv: File too large; the last checkpoint"):
            run.write_curve([(11, 1.0, 1.0)], 10)
        with pytest.raises(TrainingError, match="last good one is kept"):
            run.save(run.load())
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before
