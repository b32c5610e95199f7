"""Folds that train on simulated people: whom their response was fitted on, and the batches that recipes draw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.config import to_toml
from facemotion.data.cache import FeatureCache, fingerprint_clip
from facemotion.data.manifest import write_manifest
from facemotion.experiments.paper_plan import TableSettings, plan_runs
from facemotion.experiments.paper_runs import train_runs
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.synth.points.response import CAUSES, MeshResponse
from facemotion.synth.points.simulate import SimulationSettings
from facemotion.synth.sets.plan import DatasetSettings
from facemotion.system.files import file_sha256
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.training.encoder.settings import OptimiserSettings, SourceSettings, TrainingSettings
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

PEOPLE = DatasetSettings(part="train", subjects=1, motions=2, lips=0, takes=2, near_misses=0, mimics=0)


def record(folder: Path, cache: FeatureCache, size: int, seed: int) -> list[FeatureSequence]:
    """Clips of two people, two motions and two takes: a manifest, and features in the cache."""
    folder.mkdir()
    random, records, sequences = np.random.default_rng(seed), [], []
    for subject in ("ann", "bob"):
        for motion in ("wink", "pout"):
            for take in (0, 1):
                clip = ClipRecord(
                    f"{subject}{motion}{take}.mp4", subject, f"{subject}-{motion}", ClipKind.FACIAL, take, 1
                )
                (folder / clip.path).write_text(f"{seed} {clip.path}")
                values = random.normal(size=(8, size)).astype(np.float32)
                sequences.append(FeatureSequence(values, np.arange(8) / 25, cache.frontend_id))
                cache.write(file_sha256(folder / clip.path), sequences[-1])
                records.append(clip)
    write_manifest(folder / "manifest.csv", records)
    return sequences


def recipe(folder: Path, simulation: SimulationSettings) -> TrainingSettings:
    """One step of a tiny encoder on the clips that were recorded in `held`."""
    return TrainingSettings(
        threads=1,
        features=str(folder / "features"),
        sources=(SourceSettings(str(folder / "held/manifest.csv"), kinds=("facial",)),),
        simulation=simulation,
        encoder=EncoderSettings(width=8, layers=1, heads=2, feedforward=8, embedding=8),
        optimiser=OptimiserSettings(steps=1),
    )


def test_each_recipe_of_the_tables_draws_simulated_people_in_its_own_batches(
    assets_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMOTION_ASSETS", str(assets_folder))
    extractor, models = load_extractor("face-mesh", Models.shipped()), Models.shipped()
    cache = FeatureCache(tmp_path / "features", extractor.frontend_id)
    record(tmp_path / "held", cache, extractor.dimension, seed=0)
    plain = recipe(tmp_path, SimulationSettings(PEOPLE))
    spliced = replace(plain, simulation_batch=SamplerSettings(splices=3))
    settings = TableSettings(folds=2, recipe=plain, ours=(plain, spliced), sfe_l="", sfe_e="", landmarks="", mesh="")
    found = train_runs(settings, models, plan_runs(settings, models), tmp_path / "out")
    first, second = (found[name][0].vectors[""] for name in ("ours 1", "ours 2"))
    assert np.abs(first - second).max() > 1e-5


def test_evaluate_of_a_fold_says_whom_its_response_was_fitted_on(
    assets_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMOTION_ASSETS", str(assets_folder))
    extractor = load_extractor("face-mesh", Models.shipped())
    size, cache = extractor.dimension, FeatureCache(tmp_path / "features", extractor.frontend_id)
    record(tmp_path / "held", cache, size, seed=0)
    rendered = record(tmp_path / "rendered", cache, size, seed=1)
    still = np.zeros((CAUSES, size), np.float32)
    fingerprints = frozenset(map(fingerprint_clip, rendered))
    own = np.zeros((4, CAUSES, size), np.float32)
    MeshResponse(extractor.frontend_id, fingerprints, still, own, still[:2], still[0], 0.1).save(
        tmp_path / "response.npz"
    )
    settings = recipe(tmp_path, SimulationSettings(PEOPLE, response=str(tmp_path / "response.npz")))
    (tmp_path / "train.toml").write_text(to_toml(settings), "utf-8")

    def run(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stderr

    run("crossval", tmp_path / "train.toml", "--out", tmp_path / "out", "--folds", 2, "--replicates", 10)
    fold = tmp_path / "out" / "subject-2" / "fold-0"
    clips = ("--manifest", tmp_path / "rendered" / "manifest.csv", "--features", tmp_path / "features")
    told = run("evaluate", fold, *clips, "--replicates", 10)
    caution = f"{fold} was trained on 8 of these 8 clips, or its simulated people were fitted on them: figures on them"
    assert caution in " ".join(told.split())
