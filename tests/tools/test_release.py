"""What ships is made by tools/ alone, and its cards say what docs/results says."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import operating_points
import pytest
import release_encoder
import release_extractor
import release_figures
import torch

from facemotion.config import read_toml
from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import write_manifest
from facemotion.encoder import Encoder
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.models.cards import SHIPPED_CARDS
from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.nets.sfe import SpatialExtractor
from facemotion.system.files import file_sha256
from facemotion.training.encoder.join import join_encoders
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.training.encoder.settings import OptimiserSettings, SourceSettings, TrainingSettings
from facemotion.training.extractor.settings import SfeSettings
from facemotion.training.extractor.train import AVERAGE, _kind
from facemotion.training.run_folder import Checkpoint, RunFolder
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """A copy of the cards that ship."""
    return Path(shutil.copy(SHIPPED_CARDS, tmp_path / "cards.toml"))


def test_the_shipped_cards_say_what_was_measured(cards: Path) -> None:
    assert release_figures.release_figures(RESULTS, cards) == []


def test_a_new_figure_reaches_its_card_and_nothing_else_changes(cards: Path, tmp_path: Path) -> None:
    before = tomllib.loads(cards.read_text("utf-8"))
    results = Path(shutil.copytree(RESULTS, tmp_path / "results"))
    measured = json.loads((results / "operating_points.json").read_text("utf-8"))
    measured["operating_points"][0]["threshold"] = 0.25
    (results / "operating_points.json").write_text(json.dumps(measured), "utf-8")
    assert release_figures.release_figures(results, cards) == ["encoder-mesh"]
    after = tomllib.loads(cards.read_text("utf-8"))
    assert after["encoder-mesh"]["operating_points"][0].pop("threshold") == 0.25
    before["encoder-mesh"]["operating_points"][0].pop("threshold")
    assert after == before


def test_figures_of_another_file_are_refused(cards: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(RESULTS, tmp_path / "results"))
    measured = json.loads((results / "appearance.json").read_text("utf-8"))
    (results / "appearance.json").write_text(json.dumps(measured | {"sha256": "0" * 64}), "utf-8")
    with pytest.raises(ValueError, match="about another file of sface than its card"):
        release_figures.release_figures(results, cards)


def test_figures_with_rest_of_an_earlier_encoder_are_refused(cards: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(RESULTS, tmp_path / "results"))
    measured = json.loads((results / "rest.json").read_text("utf-8"))
    (results / "rest.json").write_text(json.dumps(measured | {"sha256": "0" * 64}), "utf-8")
    with pytest.raises(ValueError, match=r"rest.json is about another file of encoder-mesh than its card; measure"):
        release_figures.release_figures(results, cards)


def test_the_card_says_what_rest_does(cards: Path) -> None:
    told = tomllib.loads(cards.read_text("utf-8"))["encoder-mesh"]["figures"]["GRID test phrases with rest"]
    page = (RESULTS / "rest.md").read_text("utf-8").partition("<!-- phrases:end -->")[0]
    for condition, own in told.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {condition} |") and "(0." in line)
        refused, eer, _, _, fnmr = [float(cell.split()[0].rstrip("%")) for cell in row.split("|")[3:8]]
        assert (100 * own["refused"], own["EER"], 100 * own["FNMR"]) == pytest.approx((refused, eer, fnmr), abs=0.051)


@pytest.mark.long
def test_an_encoder_is_released_with_a_card_that_has_no_threshold_yet(tmp_path: Path) -> None:
    cache, random, records = FeatureCache(tmp_path / "features", "front"), np.random.default_rng(0), []
    for motion in ("wink", "pout"):
        for take in (0, 1):
            record = ClipRecord(f"{motion}{take}.mp4", "ann", motion, ClipKind.FACIAL, take, 1)
            (tmp_path / record.path).write_text(record.path)
            values = random.normal(size=(8, 6)).astype(np.float32)
            cache.write(file_sha256(tmp_path / record.path), FeatureSequence(values, np.arange(8) / 25, "front"))
            records.append(record)
    write_manifest(tmp_path / "manifest.csv", records)
    settings = TrainingSettings(
        threads=1,
        features=str(tmp_path / "features"),
        sources=(SourceSettings(str(tmp_path / "manifest.csv")),),
        encoder=EncoderSettings(width=8, layers=1, heads=2, feedforward=8, embedding=8),
        optimiser=OptimiserSettings(steps=1),
    )
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "cards.toml").write_text("")
    run = RunFolder(tmp_path / "run")
    first, again = (release_encoder.train(settings, "front", run) for _ in range(2))  # from the run that has ended
    assert all(torch.equal(own, other) for own, other in zip(first.parameters(), again.parameters(), strict=True))
    net, _ = join_encoders([first, again], release_encoder.choose_clips(settings, "front"), 4)
    release_encoder.release(net, "front", "tiny-encoder", folder / "cards.toml", folder)
    models = Models(folder)
    assert models.card("tiny-encoder").frontend == "front"
    assert models.operating_points("tiny-encoder") == ()
    assert Encoder.load("tiny-encoder", models)(cache.read(file_sha256(tmp_path / "wink0.mp4"))).vector.shape == (4,)


def test_the_shipped_recipe_is_put_on_files_of_this_machine(tmp_path: Path) -> None:
    recipe = read_toml(TrainingSettings, release_encoder.RECIPE)
    placed = release_encoder.with_places(recipe, tmp_path, tmp_path / "r.npz", tmp_path / "runs")
    folders = ("grid_s1", "phrases", "ends", "people")
    assert [source.manifest for source in placed.sources] == [str(tmp_path / f / "manifest.csv") for f in folders]
    assert (placed.features, placed.resting) == (str(tmp_path / "features"), str(tmp_path / "resting/manifest.csv"))
    assert recipe.sources[-1].manifest == release_encoder.PEOPLE
    assert [source.batch for source in placed.sources] == [source.batch for source in recipe.sources]
    assert placed.simulation is not None
    assert placed.simulation.response == str(tmp_path / "r.npz")
    assert placed.begin == str(tmp_path / "runs" / "first")


def test_what_is_kept_from_the_first_recipe_is_kept_from_the_second() -> None:
    first, second = (read_toml(TrainingSettings, path) for path in (release_encoder.FIRST, release_encoder.RECIPE))
    assert first.begin == ""
    assert dataclasses.replace(first.encoder, layers=second.encoder.layers) == second.encoder
    without_batch = [[dataclasses.replace(s, batch=SamplerSettings()) for s in own.sources] for own in (first, second)]
    assert without_batch[0] == without_batch[1]
    assert (first.simulation, first.resting, first.loss) == (second.simulation, second.resting, second.loss)


@pytest.mark.long
def test_an_extractor_is_released_with_its_card(tmp_path: Path) -> None:
    settings = SfeSettings(width=0.25)
    run = RunFolder(tmp_path / "run")
    run.start(settings)
    net = SpatialExtractor(settings.task, settings.width)
    optimiser = torch.optim.AdamW(net.parameters())
    made = {"made_for": _kind(settings), "dimension": net.trunk.dimension}
    run.save(Checkpoint.of({AVERAGE: net}, optimiser, step=3, **made))
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "cards.toml").write_text("")
    release_extractor.release(run, "tiny-extractor", folder / "cards.toml", folder, note="a toy", earlier_steps=4)
    card = Models(folder).card("tiny-extractor")
    assert "for 7 steps" in card.source
    assert card.note == "a toy"
    assert load_extractor("tiny-extractor-landmarks", Models(folder)).dimension == 136


def test_the_readme_says_what_was_measured_of_the_shipped_encoder() -> None:
    measured = json.loads((RESULTS / "operating_points.json").read_text("utf-8"))
    table = operating_points.readme(measured["figures"], measured["default_point"])
    assert f"<!-- shipped:begin -->\n{table}\n<!-- shipped:end -->" in (ROOT / "README.md").read_text("utf-8")


def test_benchmarks_write_no_card_and_export_no_model() -> None:
    forbidden = re.compile(r"SHIPPED_CARDS|SHIPPED_FOLDER|export_encoder|export_sfe")
    found = {path.name for path in (ROOT / "benchmarks").glob("*.py") if forbidden.search(path.read_text("utf-8"))}
    # It measures what a network of random weights costs, and keeps no file.
    assert found == {"future_work.py"}
    assert "tempfile.TemporaryDirectory" in (ROOT / "benchmarks" / "future_work.py").read_text("utf-8")
