"""The tables' tiny form, on real output of the data engine: the points of a few simulated people, without pictures."""

from __future__ import annotations

import dataclasses
import json
import statistics
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tables_page import write_page
from tests.settings_by_code import changed, save
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.config import read_toml
from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import read_manifest, write_manifest
from facemotion.errors import DataError, FacemotionError, FrozenSetError, TrainingError, UsageError
from facemotion.experiments.held_out import HeldOut
from facemotion.experiments.paper_plan import DTW, MAIN, TableSettings, choose_runs, plan_runs
from facemotion.experiments.paper_tables import make_tables
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.synth.people.assets import Assets
from facemotion.synth.points.simulate import SimulationSettings, simulate
from facemotion.synth.sets.plan import DatasetSettings
from facemotion.system.files import file_sha256
from facemotion.training.encoder.settings import SourceSettings
from facemotion.types import TRIAL_KINDS, ClipKind, ClipRecord, FeatureSequence

CONFIG = Path(__file__).parents[2] / "configs" / "tables.toml"
PEOPLE = DatasetSettings(
    part="train",
    subjects=4,
    motions=2,
    lips=2,
    takes=3,
    near_misses=1,
    reorders=1,
    mimics=1,
    impostor_takes=3,
)
SIMULATED = SimulationSettings(
    DatasetSettings(part="train", subjects=1, motions=2, lips=0, takes=2, near_misses=0, mimics=0)
)


@pytest.fixture(scope="module")
def people(assets_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of simulated people whose features are in the cache."""
    folder = tmp_path_factory.mktemp("people")
    frontend_id = load_extractor("face-mesh", Models.shipped()).frontend_id
    cache = FeatureCache(folder / "features", frontend_id)
    records, sequences = simulate(SimulationSettings(PEOPLE), None, Assets(assets_folder), frontend_id)
    for record, sequence in zip(records, sequences, strict=True):
        (folder / record.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / record.path).write_text(record.path)
        cache.write(file_sha256(folder / record.path), sequence)
    write_manifest(folder / "manifest.csv", records)
    return folder


@pytest.fixture
def settings(people: Path) -> TableSettings:
    """The shipped settings, with the mesh for every extractor, two folds, small networks and three steps."""
    small = {
        "extractor": "face-mesh",
        "features": str(people / "features"),
        "sources.*.manifest": str(people / "manifest.csv"),
        "encoder.width": 14,
        "encoder.components": 20,
        "encoder.heads": 7,
        "encoder.layers": 1,
        "encoder.feedforward": 8,
        "optimiser.steps": 3,
    }
    everywhere = {f"{recipe}.{name}": value for recipe in ("recipe", "ours.*") for name, value in small.items()}
    mesh = dict.fromkeys(("sfe_l", "sfe_e", "landmarks"), "face-mesh")
    return changed(read_toml(TableSettings, CONFIG), {"folds": 2, "replicates": 10} | mesh | everywhere)


def tables(settings: TableSettings, out: Path, *arguments: object) -> str:
    """What `facemotion tables` prints with these settings."""
    return run("tables", save(settings, out.with_name("tables.toml")), "--out", out, *arguments)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, FacemotionError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_table_from_one_command(settings: TableSettings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = json.loads(tables(settings, out, "--json"))
    assert told == json.loads((out / "tables.json").read_text())
    assert [row["paper"]["average_precision"] for row in told["table 1"]] == [
        0.967, 0.966, 0.969, 0.969, 0.988, 0.987, 0.986, 0.986,
    ]  # fmt: skip
    assert [(row["run"], row["tested on"]) for row in told["table 2"]] == [
        ("lips", "lip"), ("facial and lips", "lip"), ("facial and lips", "facial"),
    ]  # fmt: skip
    for row in told["table 1"] + told["table 2"] + told["networks"]:
        own = row["within-subject"]
        assert 0 <= own["pooled"]["average_precision"]["low"] <= own["pooled"]["average_precision"]["high"] <= 1
        assert own["mean"]["prevalence"] == pytest.approx(2 * 3 / 15)  # two motions of three takes
    assert [row["run"] for row in told["features"]] == [MAIN, "centred", "landmarks", "frame differences", "mesh"]
    assert [row["run"] for row in told["networks"]] == [MAIN, "gru", "tcn", "conformer", DTW]
    assert [(row["run"], row["tested on"]) for row in told["ours"]] == [
        (run, kind) for run in ("ours 1", "ours 2", "ours 3") for kind in ("facial", "lip")
    ]
    kinds = {f"{row['run']} {row['system']}".strip(): row for row in told["impostors by kind"]}
    assert {f"{MAIN} frames shuffled", f"{MAIN} last frame", f"{MAIN} peak frame", f"{MAIN} mean of features"} < set(
        kinds
    )
    assert set(TRIAL_KINDS[1:]) < set(kinds[MAIN])
    assert "mimic" not in kinds[DTW]
    assert [row["takes"] for row in told["enrolment takes"][MAIN]] == [1, 2]
    page = (out / "tables.md").read_text()
    for words in (
        "| " + MAIN + " |",
        "0.988 | 0.959",
        "near miss, other order",
        "Number of enrolment takes",
        "a guess",
        "One sitting, and two",
    ):
        assert words in page
    for row in told["table 1"]:
        one, two = row["sittings"]["one"], row["sittings"]["two"]
        # Two of three takes are of the first sitting. Two motions give 2 of 6 + 1 pairs there, and 4 of 4 x 2 across.
        assert (one["prevalence"], two["prevalence"]) == (pytest.approx(2 / 7), pytest.approx(4 / 8))

    # All is there: nothing is trained again, and no checkpoint is left lying about.
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*")}
    assert len([path for path in before if path.name == "vectors.npz"]) == 2 * len(
        plan_runs(settings, Models.shipped())
    )
    assert not [path for path in before if path.name == "checkpoint.safetensors"]
    again = json.loads(tables(settings, out, "--json"))
    assert again == told
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*")} == before

    with pytest.raises(TrainingError, match="holds a run of other settings"):
        tables(changed(settings, {"recipe.optimiser.steps": 4}), out)


def test_whoever_makes_other_motions_in_a_second_sitting_has_no_pair_of_two_to_tell() -> None:
    """Tables failed after all folds were trained."""
    records = [
        ClipRecord(f"{subject}{motion}{take}", subject, motion, ClipKind.FACIAL, take, session)
        for subject in "ab"
        for session, motion in ((1, "x"), (1, "y"), (2, "z"))
        for take in range(2)
    ]
    vectors = np.random.default_rng(0).normal(size=(len(records), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    folds = [HeldOut(np.arange(6) + first, {"": vectors[first : first + 6]}) for first in (0, 6)]
    (row,) = make_tables({"ours": folds}, records, replicates=10, most_takes=1)["ours"]
    assert row["sittings"] == {}
    again = [dataclasses.replace(record, session=1 + record.repetition) for record in records]
    (row,) = make_tables({"ours": folds}, again, replicates=10, most_takes=1)["ours"]
    assert row["sittings"] == {}  # and one sitting has no two takes


def test_tables_say_how_long_each_run_was_trained_where_people_are_watched(
    settings: TableSettings, tmp_path: Path
) -> None:
    watching = {"recipe.stopping.every": 1, "recipe.stopping.patience": 1, "recipe.stopping.people": 0.5}
    out = tmp_path / "out"
    told = json.loads(tables(changed(settings, watching), out, "--only", MAIN, "--json"))
    [row] = told["stopped"]
    assert row["run"] == MAIN
    assert len(row["steps"]) == 2
    assert all(1 <= steps <= 3 for steps in row["steps"])
    assert row["curve"][0]["folds"] == 2
    assert 0 <= row["best"] <= 1
    page = (out / "tables.md").read_text()
    assert "How long each was trained" in page
    (cost,) = told["cost"]
    assert f"| {MAIN} | {statistics.median(cost['cpu_seconds']) / 60:.1f} |" in page
    assert "| lips | lip | not trained |  |  |  |  |  | 0.819 | 0.742 |" in page  # the paper's row, for all that
    write_page(out, tmp_path / "results" / "page.md")
    shown = (tmp_path / "results" / "page.md").read_text()
    assert f"| {MAIN} | {row_of(told)} |" in shown
    assert "20 principal components of the features (layers: 1, heads: 7" in shown
    assert f"| {MAIN} | facial | {row_of(told)[:5]} | 0.400 | 0.405 | 0.158 |" in shown  # beside version 1
    picture = (tmp_path / "images" / "results" / "page.svg").read_text()
    assert "../images/results/page.svg" in shown
    assert picture.count("<use ") > 2  # a mark at the best look of each fold
    # Read again from what the folds keep, the figures are the same.
    assert json.loads(tables(changed(settings, watching), out, "--only", MAIN, "--json")) == told


def row_of(tables: dict[str, Any]) -> str:
    """The first cell of the main row's figures on a page."""
    own = tables["table 1"][0]["within-subject"]
    return " ± ".join(f"{own[name]['average_precision']:.3f}" for name in ("mean", "deviation"))


def test_clips_of_another_set_are_refused_before_anything_is_trained(settings: TableSettings, tmp_path: Path) -> None:
    folder = tmp_path / "others"
    folder.mkdir()
    records = [ClipRecord(f"clips/{k}.mp4", "anna", "smile", ClipKind.FACIAL, k, 1) for k in range(2)]
    for record in records:
        (folder / record.path).parent.mkdir(exist_ok=True)
        (folder / record.path).write_text(record.path)
    write_manifest(folder / "manifest.csv", records)
    own = {f"{recipe}.sources.*.manifest": str(folder / "manifest.csv") for recipe in ("recipe", "ours.*")}
    with pytest.raises(FrozenSetError, match="is no clip of Synth-59 version 2"):
        tables(changed(settings, {"synth_59": 2} | own), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_set_has_no_clips_for_is_left_out(people: Path, settings: TableSettings) -> None:
    manifest, runs = read_manifest(people / "manifest.csv"), plan_runs(settings, Models.shipped())
    assert choose_runs(runs, manifest) == runs
    facial = choose_runs(runs, manifest.select(kinds=(ClipKind.FACIAL,)))
    assert [run.name for run in runs if run not in facial] == ["lips", "facial and lips"]
    with pytest.raises(DataError, match="No run begins with lips; choose among sfe-e"):
        choose_runs(runs, manifest.select(kinds=(ClipKind.FACIAL,)), ["lips"])
    with pytest.raises(DataError, match="has no clips that a table is about"):
        choose_runs([run for run in runs if run.tested == (ClipKind.LIP,)], manifest.select(kinds=(ClipKind.FACIAL,)))


def test_one_run_after_the_other_fills_the_tables(settings: TableSettings, tmp_path: Path) -> None:
    tables(settings, tmp_path / "out", "--only", "landmarks", "--json")
    told = json.loads(tables(settings, tmp_path / "out", "--only", "mesh", "--json"))
    assert [row["run"] for row in told["features"]] == ["landmarks", "mesh"]


def test_failures_of_a_row_are_those_of_its_folds(people: Path, settings: TableSettings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tables(settings, out, "--only", "landmarks", "--only", DTW, "--json")
    row, at = out / "runs" / "landmarks", ("--manifest", people / "manifest.csv", "--features", people / "features")
    told = json.loads(run("failures", row, *at, "--every", "--most", 2, "--json"))
    assert (told["genuine"], told["impostor"]) == (4 * 2 * 3, 4 * 9)  # two motions of three takes, inside each of four
    assert sum(told["all_categories"].values()) == told["false_accepts"] + told["false_rejects"] > len(told["failures"])
    assert sum(told["categories"].values()) == len(told["failures"]) <= 4
    threshold, vectors, records = told["threshold"], {}, read_manifest(people / "manifest.csv").records
    for fold in (0, 1):
        with np.load(row / f"fold-{fold}" / "vectors.npz") as kept:
            vectors |= {records[place].path: own for place, own in zip(kept["places"], kept["encoder"], strict=True)}
    for failure in told["failures"]:
        assert failure["score"] == pytest.approx(vectors[failure["first"]] @ vectors[failure["second"]], abs=1e-6)
        assert failure["accepted"] is (failure["score"] >= threshold)
    with pytest.raises(UsageError, match="leave --split out"):
        run("failures", row, *at, "--split", "test")
    with pytest.raises(TrainingError, match="Nothing is trained in .*dtw"):
        run("failures", row.with_name(DTW), *at)
    (row / "fold-1" / "vectors.npz").unlink()
    with chdir(row.parent), pytest.raises(TrainingError, match="1 of 2 folds of .*landmarks have ended"):
        run("failures", row.name, *at)


def test_figures_of_other_folds_or_other_clips_are_not_taken_up(
    people: Path, settings: TableSettings, tmp_path: Path
) -> None:
    out, mesh = tmp_path / "out", ("--only", "mesh", "--json")
    tables(settings, out, *mesh)
    with pytest.raises(TrainingError, match="of another manifest, other clips"):
        tables(changed(settings, {"folds": 3}), out, *mesh)
    records = read_manifest(people / "manifest.csv").records
    write_manifest(people / "manifest.csv", records[1:])
    try:
        with pytest.raises(TrainingError, match="of another manifest, other clips"):
            tables(settings, out, *mesh)
    finally:
        write_manifest(people / "manifest.csv", records)
    clip = people / records[0].path
    cache = FeatureCache(people / "features", load_extractor("face-mesh", Models.shipped()).frontend_id)
    kept = cache.read(file_sha256(clip))
    assert kept is not None
    clip.write_text("another film")
    cache.write(file_sha256(clip), kept)
    try:
        with pytest.raises(TrainingError, match="of another manifest, other clips"):
            tables(settings, out, *mesh)
    finally:
        clip.write_text(records[0].path)


@pytest.mark.parametrize("other", ["manifest", "split", "further source"])
def test_recipes_are_compared_on_the_same_clips(
    people: Path, settings: TableSettings, tmp_path: Path, other: str
) -> None:
    first = settings.ours[0].sources[0]
    sources = {
        "manifest": (dataclasses.replace(first, manifest=str(people / "other.csv")),),
        "split": (dataclasses.replace(first, split="train"),),
        "further source": (first, SourceSettings(str(people / "manifest.csv"))),
    }[other]
    with pytest.raises(DataError, match="on the same clips"):
        tables(changed(settings, {"ours.0.sources": sources}), tmp_path / "out", "--only", "ours")


def test_a_recipe_of_the_tables_begins_with_no_run(settings: TableSettings, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="can't begin with runs/subclips"):
        tables(changed(settings, {"recipe.begin": "runs/subclips"}), tmp_path / "out")


def test_folds_side_by_side_or_in_one_loop_are_the_same_folds(settings: TableSettings, tmp_path: Path) -> None:
    still = changed(settings, {"recipe.encoder.dropout": 0.0})  # in one loop dropout draws other numbers
    for name, how in (("one", ()), ("two", ("--jobs", 2)), ("loop", ("--together", 0, "--device", "cpu"))):
        tables(still, tmp_path / name, "--only", "landmarks", *how, "--json")
    for fold, other in ((0, "two"), (1, "two"), (0, "loop"), (1, "loop")):
        paths = [tmp_path / f"{name}/runs/landmarks/fold-{fold}/vectors.npz" for name in ("one", other)]
        with np.load(paths[0]) as one, np.load(paths[1]) as found:
            np.testing.assert_array_equal(one["places"], found["places"])
            np.testing.assert_allclose(one["encoder"], found["encoder"], atol=1e-4 if other == "loop" else 1e-6)


def test_simulated_people_are_trained_on_and_stand_in_no_table(
    settings: TableSettings, assets_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMOTION_ASSETS", str(assets_folder))
    made = {"without": settings, "with": changed(settings, {"recipe.simulation": SIMULATED})}
    for name, own in made.items():
        told = json.loads(tables(own, tmp_path / name, "--only", "landmarks", "--json"))
        assert told["subjects"] == PEOPLE.subjects
    paths = [tmp_path / f"{name}/runs/landmarks/fold-0/vectors.npz" for name in made]
    with np.load(paths[0]) as one, np.load(paths[1]) as other:
        np.testing.assert_array_equal(one["places"], other["places"])
        assert np.abs(one["encoder"] - other["encoder"]).max() > 1e-3


def test_simulated_people_have_no_features_of_another_extractor(settings: TableSettings, tmp_path: Path) -> None:
    other = changed(settings, {"recipe.simulation": SIMULATED, "landmarks": "sfe-l-landmarks"})
    with pytest.raises(DataError, match="no features of sfe-l-landmarks; leave .simulation. out"):
        tables(other, tmp_path / "out", "--only", "landmarks")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"mesh": "sfe-l"}, DataError, "run `facemotion features` on its manifest first"),
        ({"ours.2.encoder.heads": 5}, TrainingError, "a width of 14 can't be shared by 5 heads"),
    ],
    ids=["features that are not there", "an encoder that can't be, of the last recipe"],
)
def test_what_can_not_be_trained_is_refused_before_anything_is(
    settings: TableSettings, tmp_path: Path, changes: dict[str, object], error: type[FacemotionError], words: str
) -> None:
    with pytest.raises(error, match=words):
        tables(changed(settings, changes), tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_a_run_that_no_table_has_is_refused(settings: TableSettings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No run begins with nets; choose among sfe-e, contrastive, trimmed"):
        tables(settings, tmp_path / "out", "--only", "nets")


def test_an_extractor_needs_features_of_the_kinds_that_its_runs_ask_about(
    people: Path, settings: TableSettings, tmp_path: Path
) -> None:
    # Features of another network for facial clips alone: enough for its row of the features, too few for the main run.
    manifest, frontend_id = (
        read_manifest(people / "manifest.csv"),
        load_extractor("sfe-l-landmarks", Models.shipped()).frontend_id,
    )
    cache = FeatureCache(people / "features", frontend_id)
    random = np.random.default_rng(0)
    for record in manifest.select(kinds=[ClipKind.FACIAL]).records:
        values = random.standard_normal((9, 136)).astype(np.float32)
        cache.write(file_sha256(manifest.file(record)), FeatureSequence(values, np.arange(9) / 25, frontend_id))
    facial = changed(settings, {"landmarks": "sfe-l-landmarks"})
    told = json.loads(tables(facial, tmp_path / "facial", "--only", "landmarks", "--json"))
    assert [row["run"] for row in told["features"]] == ["landmarks"]
    with pytest.raises(DataError, match="No features of .*near"):
        tables(changed(facial, {"sfe_l": "sfe-l-landmarks"}), tmp_path / "main", "--only", MAIN)


@pytest.mark.parametrize("name", ["tables.toml", "tables_v2.toml"])
def test_the_shipped_tables_train_the_recipe_of_the_paper(name: str) -> None:
    settings = read_toml(TableSettings, CONFIG.with_name(name))
    paper = read_toml(type(settings.recipe), CONFIG.with_name("paper.toml"))
    narrower = dataclasses.replace(paper.encoder, heads=4, components=64, scaling="stream", feedforward=256)
    assert settings.recipe.encoder == narrower  # m isn't told by the paper
    assert (settings.recipe.loss, settings.recipe.augmentation) == (paper.loss, paper.augmentation)
    names = [run.name for run in plan_runs(settings, Models.shipped())]
    assert MAIN in names
    without = plan_runs(dataclasses.replace(settings, sfe_e=""), Models.shipped())
    assert [name for name in names if not name.startswith("sfe-e")] == [run.name for run in without]


def test_version_2_is_measured_with_the_recipes_that_were_chosen_on_version_1() -> None:
    """Nothing but how long is trained differs, so that no choice was made on version 2."""
    first, second = (read_toml(TableSettings, CONFIG.with_name(name)) for name in ("tables.toml", "tables_v2.toml"))
    for own, other in ((first.recipe, second.recipe), (first.ours[-1], second.ours[-1])):
        assert (own.encoder, own.loss, own.augmentation) == (other.encoder, other.loss, other.augmentation)
        assert own.sources[0].batch == other.sources[0].batch
        assert other.stopping.people > 0
