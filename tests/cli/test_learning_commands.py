"""The chain of a researcher: check a manifest, extract, train, evaluate."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.settings_by_code import save
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.config import load_settings, read_toml, to_toml
from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import read_manifest, write_manifest
from facemotion.encoder import Encoder
from facemotion.errors import (
    DataError,
    FacemotionError,
    ManifestError,
    NoFaceError,
    SettingsError,
    UsageError,
    WriteError,
)
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.system.files import file_sha256
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.run_folder import RunFolder
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

from .training_world import tiny

pytestmark = pytest.mark.long  # a training a test

FOLDER = Path(__file__).parents[2] / "configs"
# Those of extractors, tables and simulated people have tests of their own.
CONFIGS = sorted(path for path in FOLDER.glob("*.toml") if not path.name.startswith(("sfe", "tables", "people")))


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, FacemotionError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_train_then_evaluate(world: Path) -> None:
    told = json.loads(run("train", "encoder", world / "tiny.toml", "--run", world / "run", "--json"))
    assert (told["clips"], told["steps"]) == (9, 3)
    at = ("--manifest", world / "manifest.csv", "--features", world / "features", "--split", "test")
    scores = world / "scores.csv"
    report = json.loads(
        run(
            "evaluate", world / "run", *at, "--scores", scores, "--plots", world / "plots", "--replicates", 20, "--json"
        )
    )
    assert sorted(p.name for p in (world / "plots").iterdir()) == ["embeddings.png", "scores.png"]
    assert (report["genuine"], report["impostor"], report["subjects"]) == (9, 27, 1)
    assert 0 <= report["figures"]["average precision"]["value"] <= 1
    assert report["rates"][0]["fnmr"] is None
    again = json.loads(run("evaluate", scores, "--replicates", 20, "--json"))
    assert again["figures"] == report["figures"]
    table = run("evaluate", scores, "--replicates", 20, "--fmr", 1)
    assert "average precision" in table
    assert "9 genuine and 27 impostor trials of 1 subject" in table


def test_a_training_that_stopped_in_time_says_so_and_has_ended(world: Path, tmp_path: Path) -> None:
    stopping = {"stopping.every": 1, "stopping.patience": 1, "stopping.people": 0.5}
    nothing_gained = {"sources.0.split": "", "optimiser.steps": 30, "optimiser.learning_rate": 1e-7}
    config = save(tiny(world), tmp_path / "watched.toml", stopping | nothing_gained)
    told = run("train", "encoder", config, "--run", tmp_path / "run")
    steps = RunFolder(tmp_path / "run").load().step
    assert steps < 30
    assert f"9 clips for {steps} steps, until the watched people gained no more" in told
    result = CliRunner().invoke(
        app,
        ["evaluate", str(tmp_path / "run"), "--manifest", str(world / "manifest.csv"),
         "--features", str(world / "features"), "--replicates", "20"],
    )  # fmt: skip
    assert "hasn't ended" not in result.output
    assert "was trained on 18 of these 18 clips" in result.output  # the watched ones count as seen


def test_ctrl_c_keeps_what_was_trained(world: Path, tmp_path: Path) -> None:
    config = save(tiny(world), tmp_path / "long.toml", {"optimiser.steps": 100_000})
    command = [sys.executable, "-m", "facemotion.cli", "train", "encoder", str(config), "--run", str(tmp_path / "run")]
    training = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    curve, deadline = tmp_path / "run" / "curve.csv", time.monotonic() + 120
    while not curve.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    training.send_signal(signal.SIGINT)
    told = training.communicate(timeout=120)[1]
    assert training.returncode == 130
    steps = int(curve.read_text().splitlines()[-1].split(",")[0])
    assert f"stopped after step {steps}; the same command goes on" in told
    assert steps % 200  # no step at which a checkpoint is due
    for path in (config, tmp_path / "run" / "config.toml"):
        save(read_toml(TrainingSettings, path), path, {"optimiser.steps": steps + 1})
    assert f"{steps + 1} steps, the first {steps} of them before" in run(
        "train", "encoder", config, "--run", tmp_path / "run"
    )
    assert "had ended before" in run("train", "encoder", config, "--run", tmp_path / "run")


def test_a_run_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no run folder and no score file {tmp_path}/none"):
        run("evaluate", tmp_path / "none")


def test_recipes_have_features_of_one_extractor(world: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    write_manifest(tmp_path / "manifest.csv", [ClipRecord("a.json", "ann", "wink", ClipKind.FACIAL, 0, 1)])
    with pytest.raises(DataError, match="set made without video .* to extract by sfe-l"):
        run("features", tmp_path / "manifest.csv", "--cache", tmp_path / "features", "--extractor", "sfe-l")
    cache = FeatureCache(tmp_path / "features", load_extractor("sfe-l", Models.shipped()).frontend_id)
    cache.write_failure(file_sha256(tmp_path / "a.json"), NoFaceError("No face was found."))
    told = run("features", tmp_path / "manifest.csv", "--cache", tmp_path / "features", "--extractor", "sfe-l")
    assert "a.json: No face was found." in told  # it was tried when the set was made


def test_clips_that_a_run_has_seen_are_told(world: Path, tmp_path: Path) -> None:
    run("train", "encoder", world / "tiny.toml", "--run", tmp_path / "run")
    at = ["--manifest", str(world / "manifest.csv"), "--features", str(world / "features"), "--replicates", "10"]
    for split, told in (("test", ""), ("train", "9 of these 9 clips"), ("", "9 of these 18 clips")):
        result = CliRunner().invoke(
            app, ["evaluate", str(tmp_path / "run"), *at, *(["--split", split] if split else [])]
        )
        assert result.exit_code == 0, result.output
        assert (f"was trained on {told}" in result.stderr) if told else not result.stderr


def test_what_no_figure_can_be_made_of_is_refused(world: Path, tmp_path: Path) -> None:
    run("train", "encoder", world / "tiny.toml", "--run", tmp_path / "run")
    cache = FeatureCache(tmp_path / "features", load_extractor("face-mesh", Models.shipped()).frontend_id)
    read = read_manifest(world / "manifest.csv")
    values = (
        np.random.default_rng(0)
        .normal(size=(20, load_extractor("face-mesh", Models.shipped()).dimension))
        .astype(np.float32)
    )
    records = []
    for number, record in enumerate(read.records[:6]):
        (tmp_path / record.path).write_text(record.path)
        own = values if number < 2 else values + number  # the first two are one recording
        features = FeatureSequence(own, np.arange(20) / 20, cache.frontend_id)
        cache.write(file_sha256(tmp_path / record.path), features)
        records.append(record)
    write_manifest(tmp_path / "manifest.csv", records)
    at = ("--manifest", tmp_path / "manifest.csv", "--features", tmp_path / "features")
    with pytest.raises(DataError, match="are the same recording"):
        run("evaluate", tmp_path / "run", *at)
    huge = FeatureSequence(np.full_like(values, 1e30), np.arange(20) / 20, cache.frontend_id)
    cache.write(file_sha256(tmp_path / records[0].path), huge)
    with pytest.raises(DataError, match=f"The features of {records[0].path} are too large"):
        run("failures", tmp_path / "run", *at)
    write_manifest(tmp_path / "twice.csv", [records[2], records[3], records[2]])
    with pytest.raises(DataError, match=f"{records[2].path} and {records[2].path} are the same recording"):
        run("evaluate", tmp_path / "run", "--manifest", tmp_path / "twice.csv", "--features", tmp_path / "features")
    with pytest.raises(UsageError, match="threshold must be a number"):
        run("failures", tmp_path / "run", *at, "--threshold", "nan")


def test_a_place_that_cannot_be_written_is_told_before_the_training(world: Path, tmp_path: Path) -> None:
    for place, reason in ((tmp_path / "none" / "e.onnx", "there is no folder"), (tmp_path, "it is a folder")):
        with pytest.raises(WriteError, match=reason):
            run("train", "encoder", world / "tiny.toml", "--run", tmp_path / "run", "--export", place)
        with pytest.raises(WriteError, match=reason):
            run("evaluate", world / "scores.npz", "--scores", place)
    assert not (tmp_path / "run").exists()


def test_a_kind_that_there_is_not_is_refused(world: Path, tmp_path: Path) -> None:
    config = save(tiny(world), tmp_path / "kinds.toml", {"sources.0.kinds": ("facial", "near_miss")})
    with pytest.raises(SettingsError, match="must be one of facial, lip, near-miss, mimic, got 'near_miss'"):
        run("train", "encoder", config, "--run", tmp_path / "run")


def test_a_run_that_has_not_ended_says_so(world: Path, tmp_path: Path) -> None:
    run("train", "encoder", world / "tiny.toml", "--run", tmp_path / "run")
    config = tmp_path / "run" / "config.toml"
    save(read_toml(TrainingSettings, config), config, {"optimiser.steps": 30})
    at = ["--manifest", str(world / "manifest.csv"), "--features", str(world / "features"), "--json"]
    for command in (["evaluate", "--replicates", "10"], ["failures"]):
        result = CliRunner().invoke(app, [command[0], str(tmp_path / "run"), *at, *command[1:]])
        assert result.exit_code == 0, result.output
        assert "hasn't ended (3 of 30 steps)" in result.stderr
        json.loads(result.stdout)


def test_training_exports_what_it_trained(world: Path) -> None:
    models = world / "models"
    models.mkdir()
    told = run("train", "encoder", world / "tiny.toml", "--run", world / "run2", "--export", models / "encoder.onnx")
    assert "facemotion evaluate" in told
    assert (models / "encoder.onnx").stat().st_size > 1000
    encoder = Encoder.load("encoder", Models(models))
    assert encoder.frontend_id == load_extractor("face-mesh", Models.shipped()).frontend_id
    named = told.split("own.toml:")[1].split("It decides")[0]
    (world / "own.toml").write_text(named, "utf-8")
    settings = load_settings(world / "own.toml")
    assert (settings.runtime.models_folder, settings.verifier.encoder) == (str(models), "encoder")


@pytest.mark.parametrize("json", [False, True])
def test_a_training_tells_a_log_how_far_it_is(world: Path, tmp_path: Path, monkeypatch, json: bool) -> None:
    monkeypatch.setattr("facemotion.cli.terminal.progress.EVERY", 0.001)
    command = ["train", "encoder", str(world / "tiny.toml"), "--run", str(tmp_path / "run"), *(["--json"] * json)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert ("of 3 steps" in result.stderr) is not json
    assert "of 3 steps" not in result.stdout


def test_crossval_reports_both_pair_policies(world: Path) -> None:
    config = save(tiny(world), world / "all.toml", {"sources.0.split": ""})
    at = ("--out", world / "crossval", "--folds", 2, "--replicates", 10)
    told = json.loads(run("crossval", config, *at, "--json"))
    assert told == json.loads((world / "crossval" / "crossval.json").read_text())
    assert told["all"]["mean"]["prevalence"] == pytest.approx(0.25)
    assert len(told["within-subject"]["folds"]) == 2
    pooled = json.loads(run("evaluate", world / "crossval" / "scores-all.npz", "--replicates", 10, "--json"))
    assert pooled["subjects"] == 2
    assert "average precision" in run("crossval", config, *at, "--policy", "paper")
    with pytest.raises(DataError, match="needs at least 10 subjects|need at least 10 subjects"):
        run("crossval", config)
    with pytest.raises(DataError, match="no fold policy 'clip'"):
        run("crossval", config, "--policy", "clip")


def test_failures_of_a_run_are_sorted_and_counted(world: Path) -> None:
    run("train", "encoder", world / "tiny.toml", "--run", world / "run3")
    at = ("--manifest", world / "manifest.csv", "--features", world / "features", "--most", 3)
    told = json.loads(run("failures", world / "run3", *at, "--json"))
    assert 0 < len(told["failures"]) <= 6
    assert sum(told["categories"].values()) == len(told["failures"])
    for failure in told["failures"]:
        assert failure["accepted"] is (failure["score"] >= told["threshold"])
    assert next(iter(told["categories"])) in run("failures", world / "run3", *at)


def test_a_run_needs_a_manifest(world: Path) -> None:
    with pytest.raises(DataError, match="--manifest"):
        run("evaluate", world)


def test_data_check_lists_every_problem(world: Path, tmp_path: Path) -> None:
    good = json.loads(run("data", "check", world / "manifest.csv", "--json"))
    assert good == {
        "clips": 18, "subjects": 2, "motions": 6, "kinds": {"facial": 18}, "splits": {"test": 9, "train": 9},
        "problems": [],
    }  # fmt: skip
    write_manifest(tmp_path / "bad.csv", [*read_manifest(world / "manifest.csv").records[:2]])
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path / "bad.csv")])
    assert result.exit_code == 2
    assert "2 problems found" in result.output
    records = [dataclasses.replace(one, kind="grimace") for one in read_manifest(tmp_path / "bad.csv").records]
    write_manifest(tmp_path / "bad.csv", records)
    result = CliRunner().invoke(app, ["data", "check", str(tmp_path / "bad.csv"), "--json"])
    assert result.exit_code == 2
    assert [problem.partition("bad.csv, ")[2][:12] for problem in json.loads(result.output)["problems"]] == [
        "line 2: kind", "line 3: kind",
    ]  # fmt: skip


def test_nothing_is_extracted_from_a_bad_manifest(world: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path / "bad.csv", read_manifest(world / "manifest.csv").records)
    with pytest.raises(ManifestError, match="restore it or drop its row"):
        run("features", tmp_path / "bad.csv", "--cache", tmp_path / "features")


@pytest.fixture
def films(
    talking: Callable[..., NDArray[np.uint8]], encode: Callable[..., bytes], tmp_path: Path
) -> tuple[Path, list[ClipRecord]]:
    """A folder of films, and their rows: two takes of each of two words that a drawn face says. It has no manifest."""
    records = []
    for word, gapes in (("ooh", (14, 13)), ("eh", (9, 8))):
        for take, gape in enumerate(gapes):
            record = ClipRecord(f"ann/{word}-{take}.mp4", "ann", f"ann-{word}", ClipKind.LIP, take, 1)
            (tmp_path / "ann").mkdir(exist_ok=True)
            (tmp_path / record.path).write_bytes(encode(talking(15, gape, 240), np.arange(15) / 12.5))
            records.append(record)
    return tmp_path, records


def test_recordings_without_a_second_take_can_be_extracted(films: tuple[Path, list[ClipRecord]]) -> None:
    tmp_path, records = films
    write_manifest(tmp_path / "manifest.csv", records[:1])
    told = json.loads(run("features", tmp_path / "manifest.csv", "--cache", tmp_path / "features", "--json"))
    assert (told["clips"], told["failures"]) == (1, {})


def test_films_from_manifest_to_failures(films: tuple[Path, list[ClipRecord]], world: Path) -> None:
    tmp_path, records = films
    manifest, cache = tmp_path / "manifest.csv", tmp_path / "features"
    write_manifest(manifest, records)
    with pytest.raises(ManifestError, match="no clip of kind facial"):
        run("features", manifest, "--cache", cache, "--kind", "facial")
    for kinds in (["--kind", "facial", "--kind", "lip"], []):
        told = json.loads(run("features", manifest, "--cache", cache, *kinds, "--json"))
        assert (told["clips"], told["failures"]) == (4, {})
    assert "0 (0.0%) could not be acquired" in " ".join(run("features", manifest, "--cache", cache).split())
    run("train", "encoder", world / "tiny.toml", "--run", tmp_path / "run")
    at = ("--manifest", manifest, "--features", cache, "--threshold", -1)
    run("failures", tmp_path / "run", *at, "--html", tmp_path / "page")
    page = (tmp_path / "page" / "failures.html").read_text()
    assert page.count("data:image/jpeg") == 8  # four impostor trials, all accepted at -1
    for record in records:
        assert record.path in page


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path: Path, tmp_path: Path) -> None:
    settings = read_toml(TrainingSettings, path)
    (tmp_path / "again.toml").write_text(to_toml(settings))
    assert read_toml(TrainingSettings, tmp_path / "again.toml") == settings


def test_the_paper_is_the_default() -> None:
    paper = read_toml(TrainingSettings, FOLDER / "paper.toml")
    assert (paper.loss, paper.augmentation) == (TrainingSettings().loss, TrainingSettings().augmentation)
    assert (paper.encoder.inputs, paper.encoder.width, paper.encoder.pooling) == ("position", 0, "maximum")
