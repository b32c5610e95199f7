"""What `facemotion train encoder` refuses, by name, before any training starts."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import write_manifest
from facemotion.errors import DataError, FacemotionError, ManifestError, TrainingError, WriteError
from facemotion.evaluation.scores import read_scores
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.synth.points.simulate import SimulationSettings
from facemotion.synth.sets.plan import DatasetSettings
from facemotion.system.files import file_sha256
from facemotion.training.encoder.material.sources import load_people_response, load_simulated
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

Change = Callable[[Path, list[ClipRecord]], list[ClipRecord]]

CONFIG = """
features = "{0}/features"
threads = 1
[[sources]]
manifest = "{0}/manifest.csv"
[encoder]
width = 8
layers = 1
heads = 2
feedforward = 8
embedding = 8
[optimiser]
steps = 1
"""


def world(folder: Path) -> list[ClipRecord]:
    """Two subjects, two motions, two takes; their features are in the cache."""
    extractor = load_extractor("face-mesh", Models.shipped())
    cache = FeatureCache(folder / "features", extractor.frontend_id)
    records = [
        ClipRecord(f"{s}{m}{k}.mp4", s, f"{s}-{m}", ClipKind.FACIAL, k, 1)
        for s in ("ann", "bob")
        for m in ("wink", "pout")
        for k in (0, 1)
    ]
    for number, record in enumerate(records):
        (folder / record.path).write_text(record.path)
        values = np.random.default_rng(number).normal(size=(8, extractor.dimension)).astype(np.float32)
        features = FeatureSequence(values, np.arange(8) / 25, extractor.frontend_id)
        cache.write(file_sha256(folder / record.path), features)
    return records


def train(folder: Path, records: list[ClipRecord], *arguments: str) -> None:
    write_manifest(folder / "manifest.csv", records)
    (folder / "config.toml").write_text(CONFIG.format(folder))
    command = [*(arguments or ("train", "encoder")), str(folder / "config.toml")]
    command += ["--run", str(folder / "run")] if not arguments else ["--out", str(folder / "run")]
    result = CliRunner().invoke(app, command)
    if isinstance(result.exception, FacemotionError):
        raise result.exception
    assert result.exit_code == 0, result.output


def single_take(folder: Path, records: list[ClipRecord]) -> list[ClipRecord]:
    return records[:-1]


def one_motion(folder: Path, records: list[ClipRecord]) -> list[ClipRecord]:
    return records[:2]


def same_bytes(folder: Path, records: list[ClipRecord]) -> list[ClipRecord]:
    (folder / records[3].path).write_bytes((folder / records[0].path).read_bytes())
    return records


def missing(folder: Path, records: list[ClipRecord]) -> list[ClipRecord]:
    (folder / records[5].path).unlink()
    return records


def never_extracted(folder: Path, records: list[ClipRecord]) -> list[ClipRecord]:
    (folder / records[5].path).write_text("another clip")
    return records


def not_a_number(folder: Path, records: list[ClipRecord]) -> list[ClipRecord]:
    cache = FeatureCache(folder / "features", load_extractor("face-mesh", Models.shipped()).frontend_id)
    path = cache.path(file_sha256(folder / records[5].path))
    with np.load(path) as file:
        arrays = dict(file)
    arrays["values"] = np.full_like(arrays["values"], np.nan)
    np.savez(path, **arrays)
    return records


def same_take(folder: Path, records: list[ClipRecord]) -> list[ClipRecord]:
    return [*records[:-1], dataclasses.replace(records[-1], repetition=0)]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (single_take, ManifestError, r"bob makes the motion bob-pout only once \(bobpout0.mp4\)"),
        (one_motion, TrainingError, "No subject has two motions of two takes"),
        (same_bytes, ManifestError, r"annwink0.mp4 \(ann, ann-wink\) and annpout1.mp4 \(ann, ann-pout\) are the same"),
        (missing, ManifestError, "bobwink1.mp4 is in the manifest but not in"),
        (never_extracted, DataError, "No features of bobwink1.mp4 by blazeface/face-mesh"),
        (not_a_number, DataError, "features of bobwink1.mp4 .* hold values that are no numbers"),
        (same_take, ManifestError, "bob has 2 clips of bob-pout with repetition 0"),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_bad_input_is_named_before_training(
    change: Change, error: type[FacemotionError], words: str, tmp_path: Path
) -> None:
    records = change(tmp_path, world(tmp_path))
    with pytest.raises(error, match=words):
        train(tmp_path, records)
    assert not (tmp_path / "run").exists()


def test_features_of_another_front_end_are_no_features(tmp_path: Path) -> None:
    records = world(tmp_path)
    write_manifest(tmp_path / "manifest.csv", records)
    (tmp_path / "config.toml").write_text('extractor = "sfe-l"\n' + CONFIG.format(tmp_path))
    result = CliRunner().invoke(
        app, ["train", "encoder", str(tmp_path / "config.toml"), "--run", str(tmp_path / "run")]
    )
    assert isinstance(result.exception, DataError)
    assert "by blazeface/sfe-l@" in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_folds_need_as_many_subjects(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="10 folds need at least 10 subjects, the manifest has 2"):
        train(tmp_path, world(tmp_path), "crossval")
    assert not (tmp_path / "run").exists()


def test_a_fold_that_can_not_be_measured_is_told_before_training(tmp_path: Path) -> None:
    records = world(tmp_path)[:6]  # bob has one motion: no impostor trial inside a subject
    write_manifest(tmp_path / "manifest.csv", records)
    with pytest.raises(DataError, match=r"Fold [01] \(2 clips held out\) has no impostor trial \(within-subject\)|all"):
        train(tmp_path, records, "crossval", "--folds", "2")
    assert not (tmp_path / "run").exists()


def test_a_place_for_results_is_made_before_training(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(WriteError, match="Can't make the folder .*run"):
        train(tmp_path, world(tmp_path), "crossval", "--folds", "2")


SIMULATED = """
[simulation.people]
part = "train"
subjects = 2
motions = 2
lips = 0
takes = 2
near_misses = 0
mimics = 0
"""


def test_simulated_people_are_in_no_fold_in_one_process_or_in_two(
    tmp_path: Path, assets_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMOTION_ASSETS", str(assets_folder))
    monkeypatch.setattr(sys.modules[__name__], "CONFIG", CONFIG + SIMULATED)
    records = world(tmp_path)
    with pytest.raises(DataError, match="10 folds need at least 10 subjects, the manifest has 2"):
        train(tmp_path, records, "crossval")
    figures = []
    for jobs in ("1", "2"):
        train(tmp_path, records, "crossval", "--folds", "2", "--jobs", jobs, "--replicates", "10")
        scores = read_scores(tmp_path / "run" / "scores-within-subject.npz")
        assert len(scores) == 2 * 6  # the pairs of four clips of each of the two who were recorded
        assert set(scores.subjects.ravel()) == {0, 1}
        figures.append((tmp_path / "run" / "crossval.json").read_text("utf-8"))
        shutil.rmtree(tmp_path / "run")
    assert figures[0] == figures[1]


def test_simulated_people_have_points_of_the_mesh_alone() -> None:
    settings = TrainingSettings(extractor="sfe-l", simulation=SimulationSettings(DatasetSettings(part="train")))
    with pytest.raises(DataError, match="no features of sfe-l; leave .simulation. out"):
        load_people_response(settings, "front")
    assert load_simulated(TrainingSettings(extractor="sfe-l"), None, "front") == []


def test_one_subject_is_enough_for_pairs_inside_a_subject(tmp_path: Path) -> None:
    train(tmp_path, world(tmp_path)[:4])
    assert (tmp_path / "run" / "checkpoint.safetensors").is_file()
