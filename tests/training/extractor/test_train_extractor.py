from __future__ import annotations

import contextlib
import dataclasses
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tests.training.same_run import assert_same_run

import facemotion
from facemotion.config import read_toml
from facemotion.data.still_files import EMOTIONS, Shard, StillPerson, write_people, write_shard
from facemotion.errors import DataError, TrainingError
from facemotion.face.crop import crop_face
from facemotion.media.warp import crop_matrix
from facemotion.nets.sfe import SpatialExtractor
from facemotion.training.extractor.export import export_sfe
from facemotion.training.extractor.photometric import PhotometricSettings, to_crop
from facemotion.training.extractor.readout import fit_readout
from facemotion.training.extractor.settings import SfeOptimiserSettings, SfeSettings, StillsSource
from facemotion.training.extractor.train import (
    StillsSet,
    draw_stills,
    load_sfe,
    load_stills,
    sfe_learning_rate,
    train_sfe,
)
from facemotion.training.extractor.validation import Validation, normalised_errors, validate
from facemotion.training.run_folder import RunFolder

pytestmark = pytest.mark.long  # a training of a convolutional network a test

ALONE = partial(pytest.param, marks=pytest.mark.slow)  # seconds each, for what "both" shows too
TASKS = [ALONE("landmarks"), ALONE("emotions"), "both"]


def faces(count: int, seed: int) -> Shard:
    """A face is a bright disc; its landmarks are a fixed figure that moves with the disc, its emotion the colour."""
    rng = np.random.default_rng(seed)
    figure = np.random.default_rng(99).uniform(-16, 16, (68, 2))
    y, x = np.mgrid[:96, :96] + 0.5
    images, landmarks, emotions = [], [], np.zeros((count, 7), np.float32)
    for i in range(count):
        centre, kind = 48 + rng.uniform(-9, 9, 2), int(rng.integers(2))
        disc = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 < 15**2).astype(np.float32)
        colour = np.array([220, 120, 60] if kind else [60, 120, 220])
        images.append((30 + disc[..., None] * colour).clip(0, 255).astype(np.uint8))
        landmarks.append(centre + figure)
        emotions[i, kind] = 1
    boxes = np.tile(np.array([18, 20, 78, 80], np.float32), (count, 1))
    names = np.array(["ann"] * (count - 6) + ["eve"] * 6)
    return Shard(
        np.stack(images), boxes, np.stack(landmarks).astype(np.float32), np.ones((count, 68), bool),
        np.zeros((count, 3), np.float32), emotions, names,
    )  # fmt: skip


def tiny(folder: Path, **changes: object) -> SfeSettings:
    settings = SfeSettings(
        width=0.125,
        precision="float32",
        checkpoint_steps=2,
        validation_steps=2,
        sources=(StillsSource(str(folder)),),
        augmentation=PhotometricSettings(shift=0, zoom=0, turn=0, colour=0, occluders=0, light=0, grey=0, noise=2),
        optimiser=SfeOptimiserSettings(steps=4, batch=4, learning_rate=3e-3, rise=2, average=0.5),
    )
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "stills"
    write_people(path, [StillPerson("ann", "p1", "train"), StillPerson("eve", "p2", "validation")])
    write_shard(path, "a", faces(30, 0))
    return path


@pytest.fixture
def data(folder: Path) -> StillsSet:
    return load_stills(tiny(folder))


@pytest.mark.parametrize("task", TASKS)
def test_each_task_learns(folder: Path, task: str) -> None:
    settings = tiny(
        folder,
        task=task,
        validation_steps=1000,
        optimiser=SfeOptimiserSettings(steps=60, batch=8, learning_rate=6e-3, rise=5, average=0.9),
    )
    write_shard(folder, "a", faces(60, 0))
    data = load_stills(settings)
    assert data.validation is not None
    losses: list[float] = []
    found: list[Validation] = []

    def keep(step: int, loss: float, validation: Validation | None) -> None:
        losses.append(loss)
        found.extend([validation] if validation else [])

    net = train_sfe(settings, data, progress=keep)
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert len(found) == 1
    assert found[0].row() == validate(net, data.validation, 400).row()
    if net.has_landmarks:  # against the mean face, which can't follow the disc
        wanted = data.validation.landmarks
        mean_face = normalised_errors(np.repeat(wanted.mean(0)[None], 6, 0), wanted).mean()
        assert found[0].nme_68 < 0.6 * mean_face
    if net.has_emotions:
        assert found[0].accuracy > 0.8
    assert np.isnan(found[0].nme_68) == (not net.has_landmarks)
    assert np.isnan(found[0].accuracy) == (not net.has_emotions)


def test_a_run_that_goes_on_ends_where_an_unbroken_one_does(folder: Path, data: StillsSet, tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def kill(step: int, loss: float, found: Validation | None) -> None:
        if step == 3:
            raise KilledError

    settings = tiny(folder)
    whole, broken = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "broken")
    train_sfe(settings, data, whole)
    with pytest.raises(KilledError):
        train_sfe(settings, data, broken, kill)
    assert broken.load().step == 2
    train_sfe(settings, data, broken)
    assert_same_run(whole, broken, 4, "curve.csv", "validation.csv")
    assert len((whole.path / "validation.csv").read_text().splitlines()) == 3


def test_a_damaged_checkpoint_is_named(folder: Path, data: StillsSet, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    train_sfe(tiny(folder), data, run)
    path = run.path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TrainingError, match="is damaged"):
        train_sfe(tiny(folder), data, run)


def test_a_checkpoint_of_another_architecture_is_refused(folder: Path, data: StillsSet, tmp_path: Path) -> None:
    short = SfeOptimiserSettings(steps=1, batch=4)
    run, other = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "other")
    train_sfe(tiny(folder, optimiser=short), data, run)
    train_sfe(tiny(folder, optimiser=short, task="emotions"), data, other)
    shutil.copy(other.path / "checkpoint.safetensors", run.path)
    with pytest.raises(TrainingError, match="another architecture"):
        train_sfe(tiny(folder, optimiser=short), data, run)
    with pytest.raises(TrainingError, match="another architecture"):
        load_sfe(run)


def test_a_run_of_other_settings_is_not_taken_up(folder: Path, data: StillsSet, tmp_path: Path) -> None:
    run, short = RunFolder(tmp_path / "run"), SfeOptimiserSettings(steps=1, batch=4)
    train_sfe(tiny(folder, optimiser=short), data, run)
    with pytest.raises(TrainingError, match="run of other settings"):
        train_sfe(tiny(folder, optimiser=short, seed=1), data, run)


def test_a_loss_that_is_no_number_keeps_the_checkpoint(folder: Path, data: StillsSet, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")

    def poison(step: int, loss: float, found: Validation | None) -> None:
        if step == 2:
            data.sources[0].landmarks[:] = np.nan

    with pytest.raises(TrainingError, match=r"loss is nan at step 2.*which is kept"):
        train_sfe(tiny(folder, checkpoint_steps=1), data, run, poison)
    # (progress runs before the checkpoint of its step is written)
    assert run.load().step == 2
    assert all(torch.isfinite(t).all() for t in run.load().tensors.values())


def test_a_run_begins_with_the_trunk_of_another(folder: Path, data: StillsSet, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    first = train_sfe(tiny(folder), data, run)
    still = SfeOptimiserSettings(steps=1, batch=4, learning_rate=1e-7)
    second = train_sfe(tiny(folder, begin=str(run.path), task="both", optimiser=still), data)
    name = "trunk.trunk.3.layers.0.0.weight"
    torch.testing.assert_close(second.state_dict()[name], first.state_dict()[name], atol=1e-5, rtol=0)
    assert second.trunk.head.out_features == 143
    with pytest.raises(TrainingError, match="must agree"):
        train_sfe(tiny(folder, begin=str(run.path), width=0.25), data)
    with pytest.raises(TrainingError, match="is a mobilefacenet, the run itself a mobilevit; they must agree"):
        train_sfe(tiny(folder, begin=str(run.path), network="mobilevit"), data)
    edited = run.path / "config.toml"
    edited.write_text(edited.read_text().replace('network = "mobilefacenet"', 'network = "mobilevit"'))
    with pytest.raises(TrainingError, match=r"another architecture \(sfe/landmarks/0.125\)"):
        load_sfe(run)


@pytest.mark.parametrize(
    ("first", "then"), [ALONE("landmarks", "landmarks"), ("landmarks", "both"), ALONE("both", "emotions")]
)
def test_a_run_begins_with_an_exported_file(
    folder: Path, data: StillsSet, tmp_path: Path, first: str, then: str
) -> None:
    before = train_sfe(tiny(folder, task=first), data)
    path = tmp_path / "own.onnx"
    export_sfe(before, path)
    still = SfeOptimiserSettings(steps=1, batch=4, learning_rate=1e-7)
    after = train_sfe(tiny(folder, begin=str(path), task=then, optimiser=still), data)
    rng = np.random.default_rng(5)
    seen = torch.cat([draw_stills(data, tiny(folder), rng).faces for _ in range(8)])
    with torch.no_grad():
        gap = (before.features(seen) - after.features(seen)).abs().mean() / before.features(seen).abs().mean()
        assert gap < 0.05
        # Batch norms that are measured on what is trained on, as training does, leave the network what it was.
        assert (after.train().features(seen) - before.features(seen)).abs().mean() < 0.5 * before.features(seen).std()
        for had, has, place in (
            (before.has_landmarks, after.has_landmarks, 1),
            (before.has_emotions, after.has_emotions, 2),
        ):
            if had and has:
                torch.testing.assert_close(after.eval()(seen)[place], before(seen)[place], atol=0.05, rtol=0.05)


def test_files_that_no_run_can_begin_with(folder: Path, data: StillsSet, tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    with pytest.raises(TrainingError, match="no extractor that facemotion exported"):
        train_sfe(tiny(folder, begin=str(path)), data)
    path.write_bytes(b"this is no graph" * 20)
    with pytest.raises(TrainingError, match="ONNX file|no extractor"):
        train_sfe(tiny(folder, begin=str(path)), data)
    shipped = Path(facemotion.__file__).parent / "models" / "files"
    with pytest.raises(TrainingError, match="no extractor that facemotion exported"):
        train_sfe(tiny(folder, begin=str(shipped / "blazeface_short.onnx")), data)
    with pytest.raises(TrainingError, match="must agree"):
        train_sfe(tiny(folder, begin=str(shipped / "sfe_l_half.onnx")), data)


def test_sources_share_every_batch(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_people(other, [StillPerson("ann", "p1", "train")])
    shard = faces(12, 5)
    unknown = dataclasses.replace(shard, known=np.zeros((12, 68), bool), people=np.array(["ann"] * 12))
    write_shard(other, "a", unknown)
    settings = tiny(folder, sources=(StillsSource(str(folder), 3.0), StillsSource(str(other), 1.0)))
    data = load_stills(settings)
    assert data.counts == (3, 1)
    batch = draw_stills(data, settings, np.random.default_rng(0))
    assert batch.faces.shape == (4, 3, 112, 112)
    assert batch.faces.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= batch.faces.min() < batch.faces.max() <= 1
    assert batch.landmarks.shape == (4, 68, 2)
    assert batch.known.sum(1).tolist() == [68, 68, 68, 0]
    assert batch.emotions.shape == (4, len(EMOTIONS))


def test_emotions_from_one_source_and_landmarks_from_another(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_people(other, [StillPerson("ann", "p1", "train")])
    shard = faces(12, 5)
    nameless = dataclasses.replace(shard, emotions=np.zeros((12, 7), np.float32), people=np.array(["ann"] * 12))
    write_shard(other, "a", nameless)
    both = (StillsSource(str(folder), 3.0), StillsSource(str(other), 1.0))
    assert load_stills(tiny(folder, task="both", sources=both)).counts == (3, 1)
    with pytest.raises(DataError, match="only none"):
        load_stills(tiny(folder, task="emotions", sources=both))


def test_sets_that_teach_nothing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data set of stills"):
        load_stills(tiny(tmp_path / "nowhere"))
    write_people(folder, [StillPerson("ann", "p1", "benchmark"), StillPerson("eve", "p2", "validation")])
    with pytest.raises(DataError, match="no stills of the split 'train'"):
        load_stills(tiny(folder))
    write_people(folder, [StillPerson("ann", "p1", "train"), StillPerson("eve", "p2", "validation")])
    shard = faces(30, 0)
    shares = np.zeros((30, 7), np.float32)
    shares[:, 2] = 1
    write_shard(folder, "a", dataclasses.replace(shard, emotions=shares))
    assert len(load_stills(tiny(folder)).sources[0]) == 24
    with pytest.raises(DataError, match="only sadness"):
        load_stills(tiny(folder, task="both"))


@pytest.mark.parametrize(
    ("task", "network", "width"),
    [
        pytest.param("landmarks", "mobilefacenet", 0.125, marks=pytest.mark.slow),
        pytest.param("emotions", "mobilefacenet", 0.125, marks=pytest.mark.slow),
        ("both", "mobilefacenet", 0.125),
        ("landmarks", "mobilevit", 0.2),
    ],
)
def test_the_exported_file_holds_to_the_network(
    folder: Path, data: StillsSet, tmp_path: Path, task: str, network: str, width: float
) -> None:
    net = train_sfe(tiny(folder, task=task, network=network, width=width), data)
    path = tmp_path / "sfe.onnx"
    rounding = export_sfe(net, path)
    assert 0 < rounding < 0.2
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    of_landmarks = {"landmarks": (1, 136), "head_weight": (136, 64), "head_bias": (136,)}
    wanted = {"features": (1, 64)} | (of_landmarks if task != "emotions" else {})
    wanted |= {"emotions": (1, 7)} if task != "landmarks" else {}
    shapes = {output.name: tuple(output.shape) for output in session.get_outputs()}
    assert shapes == wanted
    face = np.random.default_rng(1).random((1, 3, 112, 112), np.float32)
    with torch.no_grad():
        features = net.features(torch.from_numpy(face)).numpy()
    gap = np.abs(session.run(["features"], {"faces": face})[0] - features).max()
    assert gap < 0.02 * np.abs(features).max()  # half precision; that the file is the rounded network, export checks
    if task != "emotions":
        names = ["features", "landmarks", "head_weight", "head_bias"]
        found, points, weight, bias = session.run(names, {"faces": face})
        np.testing.assert_allclose(found @ weight.T + bias, points, atol=1e-3)
    graph = onnx.load(path).graph
    assert not any(node.op_type in ("BatchNormalization", "PRelu") for node in graph.node)
    assert path.stat().st_size < 3 * sum(p.numel() for p in net.parameters()) + 60_000
    assert not list(tmp_path.glob("*.part"))


def test_where_a_face_is_can_be_read_out_of_features_that_were_trained_for_something_else(folder: Path) -> None:
    write_shard(folder, "a", faces(70, 0))
    stills = load_stills(tiny(folder)).sources[0]
    torch.manual_seed(0)
    net = SpatialExtractor("emotions", 0.125).eval()
    weight, bias = fit_readout(net, stills, most=32)
    assert (weight.shape, bias.shape) == ((136, 64), (136,))
    found, wanted = [], []
    for index in sorted(set(range(64)) - set(np.linspace(0, 63, 32).astype(int).tolist())):  # that it wasn't fitted on
        face = crop_face(stills.image(index), stills.boxes[index], 112)
        with torch.no_grad():
            features = net.features(torch.from_numpy(face.copy()).permute(2, 0, 1)[None].float() / 255)[0]
        found.append((weight @ features + bias).numpy())
        wanted.append(to_crop(stills.landmarks[index], crop_matrix(stills.boxes[index], 112)).ravel())
    errors = np.abs(np.array(found) - wanted).mean()
    assert errors < 0.5 * np.abs(np.array(wanted) - np.mean(wanted, axis=0)).mean()  # of a face that never moves


def test_bfloat16_trains_too(folder: Path, data: StillsSet) -> None:
    net = train_sfe(tiny(folder, precision="bfloat16", loss="smooth-l1"), data)
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in net.parameters())


def test_bfloat16_only_where_the_machine_computes_in_it(folder: Path, data: StillsSet, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    used = []
    monkeypatch.setattr(
        torch, "autocast", lambda kind, dtype, enabled: used.append(enabled) or contextlib.nullcontext()
    )
    for able in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda able=able: able)
        train_sfe(tiny(folder, precision="auto", optimiser=SfeOptimiserSettings(steps=1, batch=4)), data)
    assert used == [True, False]


def test_no_such_task() -> None:
    with pytest.raises(ValueError, match="task must be one of"):
        SpatialExtractor("pose")


def test_the_learning_rate_rises_stays_and_falls() -> None:
    settings = SfeOptimiserSettings(steps=100, rise=10, fall=0.3, learning_rate=2.0)
    rates = [sfe_learning_rate(step, settings) for step in range(100)]
    assert (np.diff(rates[:10]) > 0).all()
    assert rates[15] == rates[60] == 2.0
    assert (np.diff(rates[71:]) < 0).all()
    assert 0 < rates[-1] < 0.1


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[3].glob("configs/sfe_*.toml")), ids=lambda p: p.stem)
def test_shipped_settings_are_read(path: Path) -> None:
    settings = read_toml(SfeSettings, path)
    assert settings.task == {"l": "landmarks", "e": "emotions", "m": "both"}[path.stem.removeprefix("sfe_")[0]]
