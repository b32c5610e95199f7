"""The tables' tiny form, on real output of the data engine: the points of a few simulated people, without pictures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.config import read_toml
from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import clip_digest, read_manifest, write_manifest
from facemotion.errors import DataError, FacemotionError, TrainingError
from facemotion.experiments.paper_plan import DTW, MAIN, TableSettings, choose_runs, plan_runs
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.synth.people.assets import Assets
from facemotion.synth.points.simulate import SimulationSettings, simulate
from facemotion.synth.sets.plan import DatasetSettings
from facemotion.types import TRIAL_KINDS, FeatureSequence

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

SIMULATED = 'part = "train"\nsubjects = 1\nmotions = 2\nlips = 0\ntakes = 2\nnear_misses = 0\nmimics = 0\n'


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
        cache.write(clip_digest(folder / record.path), sequence)
    write_manifest(folder / "manifest.csv", records)
    return folder


@pytest.fixture
def config(people: Path) -> Path:
    """The shipped settings, with the mesh for every extractor, two folds and three steps."""
    text = CONFIG.read_text("utf-8")
    for wanted, instead in {
        "folds = 10": "folds = 2",
        "replicates = 300": "replicates = 10",
        'sfe_l = "sfe-l"': 'sfe_l = "face-mesh"',
        'sfe_e = "sfe-e"': 'sfe_e = "face-mesh"',
        'landmarks = "sfe-l-landmarks"': 'landmarks = "face-mesh"',
        'features = "features"': f'features = "{people}/features"',
        '"synth59/manifest.csv"': f'"{people}/manifest.csv"',
        "width = 0": "width = 14",
        "width = 128": "width = 14",
        'extractor = "sfe-l"': 'extractor = "face-mesh"',
        "components = 64": "components = 20",
        "components = 32": "components = 20",
        "heads = 4": "heads = 7",
        "layers = 3": "layers = 1",
        "feedforward = 256": "feedforward = 8",
        "steps = 400": "steps = 3",
        "steps = 500": "steps = 3",
    }.items():
        assert wanted in text
        text = text.replace(wanted, instead)
    path = people / "tables.toml"
    path.write_text(text)
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, FacemotionError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.shared
def test_every_table_from_one_command(people: Path, config: Path, tmp_path: Path) -> None:
    told = json.loads(run("tables", config, "--out", tmp_path, "--json"))
    assert told == json.loads((tmp_path / "tables.json").read_text())
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
    assert [row["run"] for row in told["features"]] == [MAIN, "landmarks", "frame differences", "mesh"]
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
    page = (tmp_path / "tables.md").read_text()
    for words in (
        "| " + MAIN + " |",
        "0.988 | 0.959",
        "near miss, other order",
        "Number of enrolment takes",
        "a guess",
    ):
        assert words in page

    # All is there: nothing is trained again, and no checkpoint is left lying about.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")}
    assert len([path for path in before if path.name == "vectors.npz"]) == 2 * len(
        plan_runs(read_toml(TableSettings, config), Models.shipped())
    )
    assert not [path for path in before if path.name == "checkpoint.safetensors"]
    again = json.loads(run("tables", config, "--out", tmp_path, "--json"))
    assert again == told
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")} == before

    config.write_text(config.read_text().replace("steps = 3", "steps = 4"))
    with pytest.raises(TrainingError, match="holds a run of other settings"):
        run("tables", config, "--out", tmp_path)


@pytest.mark.shared
def test_what_a_set_has_no_clips_for_is_left_out(people: Path, config: Path) -> None:
    manifest, runs = (
        read_manifest(people / "manifest.csv"),
        plan_runs(read_toml(TableSettings, config), Models.shipped()),
    )
    assert choose_runs(runs, manifest) == runs
    facial = choose_runs(runs, manifest.select(kinds=("facial",)))
    assert [run.name for run in runs if run not in facial] == ["lips", "facial and lips"]
    with pytest.raises(DataError, match="No run begins with lips; choose among sfe-e"):
        choose_runs(runs, manifest.select(kinds=("facial",)), ["lips"])
    with pytest.raises(DataError, match="has no clips that a table is about"):
        choose_runs([run for run in runs if run.tested == ("lip",)], manifest.select(kinds=("facial",)))


@pytest.mark.shared
def test_one_run_after_the_other_fills_the_tables(people: Path, config: Path, tmp_path: Path) -> None:
    run("tables", config, "--out", tmp_path, "--only", "landmarks", "--json")
    told = json.loads(run("tables", config, "--out", tmp_path, "--only", "mesh", "--json"))
    assert [row["run"] for row in told["features"]] == ["landmarks", "mesh"]

    # Other folds, or a clip of another label, are other figures: what was kept isn't theirs.
    text = config.read_text()
    config.write_text(text.replace("folds = 2", "folds = 3"))
    with pytest.raises(TrainingError, match="of another manifest, other clips"):
        run("tables", config, "--out", tmp_path, "--only", "mesh")
    config.write_text(text)
    records = read_manifest(people / "manifest.csv").records
    write_manifest(people / "manifest.csv", records[1:])
    try:
        with pytest.raises(TrainingError, match="of another manifest, other clips"):
            run("tables", config, "--out", tmp_path, "--only", "mesh")
    finally:
        write_manifest(people / "manifest.csv", records)
    clip, cache = (
        people / records[0].path,
        FeatureCache(people / "features", load_extractor("face-mesh", Models.shipped()).frontend_id),
    )
    kept = cache.read(clip_digest(clip))
    assert kept is not None
    clip.write_text("another film")
    cache.write(clip_digest(clip), kept)
    try:
        with pytest.raises(TrainingError, match="of another manifest, other clips"):
            run("tables", config, "--out", tmp_path, "--only", "mesh")
    finally:
        clip.write_text(records[0].path)


@pytest.mark.shared
def test_recipes_are_compared_on_the_same_clips(people: Path, config: Path, tmp_path: Path) -> None:
    text = config.read_text()
    head, _, tail = text.partition("[[ours]]")
    for other in (
        tail.replace("manifest.csv", "other.csv"),
        tail.replace('kinds = ["facial"', 'split = "train"\nkinds = ["facial"'),
        tail + f'\n[[ours.sources]]\nmanifest = "{people}/manifest.csv"\n',
    ):
        config.write_text(f"{head}[[ours]]{other}")
        with pytest.raises(DataError, match="on the same clips"):
            run("tables", config, "--out", tmp_path, "--only", "ours")
    config.write_text(text.replace("[recipe]", '[recipe]\nbegin = "runs/subclips"'))
    with pytest.raises(TrainingError, match="can't begin with runs/subclips"):
        run("tables", config, "--out", tmp_path)


@pytest.mark.shared
def test_folds_side_by_side_are_the_same_folds(config: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        run("tables", config, "--out", tmp_path / str(jobs), "--only", "landmarks", "--jobs", jobs, "--json")
    for fold in (0, 1):
        paths = [tmp_path / f"{jobs}/runs/landmarks/fold-{fold}/vectors.npz" for jobs in (1, 2)]
        with np.load(paths[0]) as one, np.load(paths[1]) as other:
            np.testing.assert_array_equal(one["places"], other["places"])
            np.testing.assert_allclose(one["encoder"], other["encoder"], atol=1e-6)


@pytest.mark.shared
def test_simulated_people_are_trained_on_and_stand_in_no_table(
    config: Path, assets_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEMOTION_ASSETS", str(assets_folder))
    more = "\n[recipe.simulation.people]\n" + SIMULATED
    told = []
    for name in ("without", "with"):
        told.append(json.loads(run("tables", config, "--out", tmp_path / name, "--only", "landmarks", "--json")))
        config.write_text(config.read_text() + more * (name == "without"))
    assert told[0]["subjects"] == told[1]["subjects"] == PEOPLE.subjects
    paths = [tmp_path / f"{name}/runs/landmarks/fold-0/vectors.npz" for name in ("without", "with")]
    with np.load(paths[0]) as one, np.load(paths[1]) as other:
        np.testing.assert_array_equal(one["places"], other["places"])
        assert np.abs(one["encoder"] - other["encoder"]).max() > 1e-3
    config.write_text(config.read_text().replace('landmarks = "face-mesh"', 'landmarks = "sfe-l-landmarks"'))
    with pytest.raises(DataError, match="no features of sfe-l-landmarks; leave .simulation. out"):
        run("tables", config, "--out", tmp_path / "neither", "--only", "landmarks")


@pytest.mark.shared
def test_nothing_is_trained_before_all_features_are_there(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace('mesh = "face-mesh"', 'mesh = "sfe-l"'))
    with pytest.raises(DataError, match="run `facemotion features` on its manifest first"):
        run("tables", config, "--out", tmp_path)
    assert not list(tmp_path.iterdir())
    # An encoder that can't be, of the last recipe of all.
    head, _, tail = config.read_text().replace('mesh = "sfe-l"', 'mesh = "face-mesh"').rpartition("heads = 7")
    config.write_text(f"{head}heads = 5{tail}")
    with pytest.raises(TrainingError, match="a width of 14 can't be shared by 5 heads"):
        run("tables", config, "--out", tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(DataError, match="No run begins with nets; choose among sfe-e, contrastive, trimmed"):
        run("tables", config, "--out", tmp_path, "--only", "nets")


@pytest.mark.shared
def test_an_extractor_needs_features_of_the_kinds_that_its_runs_ask_about(
    people: Path, config: Path, tmp_path: Path
) -> None:
    # Features of another network for facial clips alone: enough for its row of the features, too few for the main run.
    manifest, frontend_id = (
        read_manifest(people / "manifest.csv"),
        load_extractor("sfe-l-landmarks", Models.shipped()).frontend_id,
    )
    cache = FeatureCache(people / "features", frontend_id)
    random = np.random.default_rng(0)
    for record in manifest.select(kinds=["facial"]).records:
        values = random.standard_normal((9, 136)).astype(np.float32)
        cache.write(clip_digest(manifest.file(record)), FeatureSequence(values, np.arange(9) / 25, frontend_id))
    text = config.read_text().replace('landmarks = "face-mesh"', 'landmarks = "sfe-l-landmarks"')
    config.write_text(text)
    told = json.loads(run("tables", config, "--out", tmp_path / "facial", "--only", "landmarks", "--json"))
    assert [row["run"] for row in told["features"]] == ["landmarks"]
    config.write_text(text.replace('sfe_l = "face-mesh"', 'sfe_l = "sfe-l-landmarks"'))
    with pytest.raises(DataError, match="No features of .*near"):
        run("tables", config, "--out", tmp_path / "main", "--only", MAIN)


def test_the_shipped_tables_train_the_recipe_of_the_paper() -> None:
    settings = read_toml(TableSettings, CONFIG)
    paper = read_toml(type(settings.recipe), CONFIG.with_name("paper.toml"))
    narrower = dataclasses.replace(paper.encoder, heads=4, components=64, scaling="stream", feedforward=256)
    assert settings.recipe.encoder == narrower  # m isn't told by the paper
    assert (settings.recipe.loss, settings.recipe.augmentation) == (paper.loss, paper.augmentation)
    names = [run.name for run in plan_runs(settings, Models.shipped())]
    assert MAIN in names
    without = plan_runs(dataclasses.replace(settings, sfe_e=""), Models.shipped())
    assert [name for name in names if not name.startswith("sfe-e")] == [run.name for run in without]
