"""A models folder that the user's settings name is seen by every command that opens an extractor."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.config import to_toml
from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import write_manifest
from facemotion.experiments.paper_plan import TableSettings
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.models.cards import SHIPPED_FOLDER, file_entry
from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.synth.people import cast
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.fit import save_fits
from facemotion.system.files import file_sha256
from facemotion.training.encoder.settings import OptimiserSettings, SourceSettings, TrainingSettings
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

OWN = "own-landmarks"  # the landmarks of the model "own", which is a card of the folder alone
PORTRAITS = ("female_10", "male_12")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """A folder with one model of the deployment's own, named by the user's settings."""
    folder = tmp_path / "models"
    folder.mkdir()
    path = shutil.copy(SHIPPED_FOLDER / "sfe_l_half.onnx", folder / "own.onnx")
    lines = [f"{key} = {json.dumps(value)}" for key, value in file_entry(Path(path)).items()]
    (folder / "own.toml").write_text("\n".join(["[own]", 'role = "extractor"', *lines]), "utf-8")
    settings = f'[runtime]\nmodels_folder = "{folder}"\n[verifier]\nextractor = "{OWN}"\n'
    (tmp_path / "config.toml").write_text(settings, "utf-8")
    monkeypatch.setenv("FACEMOTION_CONFIG", str(tmp_path / "config.toml"))
    return Models(folder)


@pytest.fixture
def recipe(models: Models, tmp_path: Path) -> TrainingSettings:
    """One step of a tiny encoder over features of the own model, which lie in the cache."""
    frontend_id = load_extractor(OWN, models).frontend_id
    cache = FeatureCache(tmp_path / "features", frontend_id)
    random, records = np.random.default_rng(0), []
    for subject in ("ann", "bob"):
        for motion in ("wink", "pout"):
            for take in (0, 1):
                record = ClipRecord(
                    f"{subject}{motion}{take}.mp4", subject, f"{subject}-{motion}", ClipKind.FACIAL, take, 1
                )
                (tmp_path / record.path).write_text(record.path)
                values = random.normal(size=(8, 136)).astype(np.float32)
                features = FeatureSequence(values, np.arange(8) / 25, frontend_id)
                cache.write(file_sha256(tmp_path / record.path), features)
                records.append(record)
    write_manifest(tmp_path / "manifest.csv", records)
    return TrainingSettings(
        extractor=OWN,
        threads=1,
        features=str(tmp_path / "features"),
        sources=(SourceSettings(str(tmp_path / "manifest.csv"), kinds=("facial",)),),
        encoder=EncoderSettings(width=8, layers=1, heads=2, feedforward=8, embedding=8),
        optimiser=OptimiserSettings(steps=1),
    )


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_train_opens_a_model_of_the_configured_folder(recipe: TrainingSettings, tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text(to_toml(recipe), "utf-8")
    assert (
        json.loads(run("train", "encoder", tmp_path / "train.toml", "--run", tmp_path / "run", "--json"))["clips"] == 8
    )


def test_crossval_opens_a_model_of_the_configured_folder(recipe: TrainingSettings, tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text(to_toml(recipe), "utf-8")
    out = ("--out", tmp_path / "out", "--folds", 2, "--replicates", 10, "--json")
    assert json.loads(run("crossval", tmp_path / "train.toml", *out))["folds"] == 2


def test_tables_open_a_model_of_the_configured_folder(recipe: TrainingSettings, tmp_path: Path) -> None:
    names = dict.fromkeys(("sfe_l", "sfe_e", "mesh"), "")
    settings = TableSettings(folds=2, replicates=10, landmarks=OWN, recipe=recipe, **names)
    (tmp_path / "tables.toml").write_text(to_toml(settings), "utf-8")
    found = json.loads(
        run("tables", tmp_path / "tables.toml", "--out", tmp_path / "out", "--only", "landmarks", "--json")
    )
    assert [row["run"] for row in found["features"]] == ["landmarks"]


def test_synth_extracts_with_a_model_of_the_configured_folder(
    models: Models, assets_folder: Path, fits: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cast, "parents", lambda: dict.fromkeys(cast.PARTS, PORTRAITS))
    monkeypatch.setattr(Assets, "portrait_names", lambda self: list(PORTRAITS))
    save_fits([fits[name] for name in PORTRAITS], tmp_path / "fits.npz")
    counts = ("--subjects", 1, "--motions", 1, "--lips", 0, "--takes", 1, "--near-misses", 0, "--mimics", 0)
    places = ("--assets", assets_folder, "--cache", tmp_path / "fits.npz")
    run("synth", "dataset", tmp_path / "set", *counts, "--features", tmp_path / "features", "--size", "96x96", *places)
    cache = FeatureCache(tmp_path / "features", load_extractor(OWN, models).frontend_id)
    [recipe] = (tmp_path / "set" / "clips").rglob("*.json")
    features = cache.read(file_sha256(recipe))
    assert features is not None
    assert features.values.shape[1] == 136
