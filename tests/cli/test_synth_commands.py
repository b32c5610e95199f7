"""`facemotion synth ...` from the outside."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import AssetError, MissingExtraError, MotionProgramError, SettingsError
from facemotion.synth.people import cast
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.fit import save_fits


def run(*arguments):
    return CliRunner().invoke(app, ["synth", *map(str, arguments)])


@pytest.fixture
def places(assets_folder, fits, tmp_path, monkeypatch):
    """The assets, with three portraits in use and fitted."""
    monkeypatch.setattr(cast, "parents", lambda: dict.fromkeys(cast.PARTS, tuple(fits)))
    monkeypatch.setattr(Assets, "portrait_names", lambda self: list(fits))
    save_fits(list(fits.values()), tmp_path / "fits.npz")
    return "--assets", assets_folder, "--cache", tmp_path / "fits.npz"


def test_a_preview_is_a_sheet_and_a_video(places, tmp_path):
    answer = run(
        "preview",
        "wink_left",
        "--out",
        tmp_path / "p",
        "--takes",
        1,
        "--size",
        "128x96",
        "--person",
        2,
        *places,
        "--json",
    )
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["video"].endswith("preview.mp4")
    assert (tmp_path / "p" / "preview.png").stat().st_size > 10000
    assert (tmp_path / "p" / "preview.mp4").stat().st_size > 1000


def test_a_data_set_and_its_landmarks(places, tmp_path):
    counts = ("--subjects", 2, "--motions", 1, "--lips", 1, "--takes", 2)
    few = ("--near-misses", 1, "--mimics", 1, "--impostor-takes", 3, "--sessions", 1, "--part", "train", "--seed", 3)
    answer = run("dataset", tmp_path / "d", *counts, *few, "--no-video", "--size", "96x96", *places, "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["made"] == 2 * (4 + 3 + 3)
    assert (tmp_path / "d" / "manifest.csv").is_file()
    (tmp_path / "s.toml").write_text("near_misses = 0\nmimics = 0\n[spreads]\nflash = 0.5\n", "utf-8")
    answer = run("landmarks", tmp_path / "l.npz", *counts, "--settings", tmp_path / "s.toml", *places, "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["clips"] == 8
    assert (tmp_path / "l.npz").is_file()


def test_stills(places, tmp_path):
    answer = run("stills", tmp_path / "s", "--people", 1, "--each", 2, "--size", "64x64", *places, "--json")
    assert answer.exit_code == 0, answer.output
    assert len(list((tmp_path / "s" / "images").rglob("*.jpg"))) == 2


def test_stills_as_shards(places, tmp_path):
    answer = run("stills", tmp_path / "s", "--shards", "--people", 1, "--each", 1, "--seed", 2, *places, "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["left_out"] == []
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"people.csv", "train-2-s001.npy", "train-2-s001.npz"}


def test_fitting_names_portraits_that_are_nobodys_parents(places, fits, monkeypatch):
    *parents, alone = fits
    monkeypatch.setattr(cast, "parents", lambda: dict.fromkeys(cast.PARTS, parents))
    answer = run("fit", *places)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout.startswith("3 portraits are fitted")
    assert "1 of them are nobody's parents" in answer.stdout
    assert alone in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("preview", "winkk_left"), MotionProgramError),
        (("preview", "smile*9"), MotionProgramError),
        (("preview", "blue xyzzy"), MotionProgramError),
        (("dataset", "x", "--size", "201x100"), SettingsError),
        (("dataset", "x", "--takes", "0"), SettingsError),
        (("dataset", "x", "--part", "everyone"), SettingsError),
        (("dataset", "x", "--synth-59", "3"), SettingsError),
        (("digest", "--synth-59", "3"), SettingsError),
        (("stills", "x", "--shards", "--size", "96x96"), SettingsError),
    ],
)
def test_wrong_requests_are_named(arguments, error):
    answer = run(*arguments)
    assert isinstance(answer.exception, error), answer.output


def test_missing_assets_are_named(tmp_path):
    answer = run("fit", "--assets", tmp_path)
    assert isinstance(answer.exception, AssetError)


def test_the_digest_needs_no_assets(monkeypatch):
    monkeypatch.delenv("FACEMOTION_ASSETS", raising=False)
    answers = [run("digest", "--synth-59", version, "--subjects", 1, "--json") for version in (1, 2)]
    assert [answer.exit_code for answer in answers] == [0, 0]
    digests = [json.loads(answer.stdout)["sha256"] for answer in answers]
    assert [len(digest) for digest in digests] == [64, 64]
    assert digests[0] != digests[1]


@pytest.mark.parametrize("command", ["fit", "preview x", "dataset x", "stills x", "digest"])
def test_without_the_extra_every_command_says_so(monkeypatch, command):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(app, ["synth", *command.split()])
    assert isinstance(result.exception, MissingExtraError)
