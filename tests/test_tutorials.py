"""The tutorials can be followed: each command prints what its page shows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from facemotion.config import Settings, read_toml
from facemotion.frontend import Acquirer, Acquisition, Frontend
from facemotion.frontend.sighting import Sighting
from facemotion.training.encoder.settings import TrainingSettings
from tools import tutorials

pytestmark = pytest.mark.long
SOURCES = {name: (tutorials.FOLDER / name).read_text("utf-8") for name in (*tutorials.QUICK, *tutorials.SLOW)}


@pytest.fixture(scope="module")
def each_clip_is_read_once() -> Iterator[None]:
    """The pages look at the same eight clips again and again; what the front end makes of each is kept."""
    acquire, finish, seen, kept = Frontend.acquire, Acquirer.finish, [], {}

    def finishing(acquirer: Acquirer, damaged_share: float = 0.0) -> Acquisition:
        seen.append(acquirer.sighting())
        return finish(acquirer, damaged_share)

    def remembered(frontend: Frontend, source: object, rate: float | None = None) -> tuple[Acquisition, Sighting]:
        path = Path(getattr(source, "source", source))
        key = hashlib.sha256(path.read_bytes()).digest()
        if key not in kept:
            kept[key] = acquire(frontend, path, rate), seen.pop()
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Acquirer, "finish", finishing)
        patch.setattr(Frontend, "acquire", lambda *given: remembered(*given)[0])
        patch.setattr(Frontend, "features", lambda *given: remembered(*given)[0].features)
        patch.setattr(Frontend, "watch", lambda *given: remembered(*given)[1])
        yield


def follow(name: str, folder: Path) -> None:
    """Run a page and hold what it shows to what is printed."""
    page = SOURCES[name]
    shown = tutorials.shown(page)
    assert len(shown) >= 3
    for (command, printed), (_, expected) in zip(tutorials.printed(page, tutorials.begin(folder)), shown, strict=True):
        assert not tutorials.differ(expected, printed), f"{name}: run python -m tools.tutorials\n$ {command}\n{printed}"


@pytest.mark.parametrize("name", tutorials.QUICK)
def test_what_a_tutorial_shows_is_what_is_printed(name, tmp_path, each_clip_is_read_once):
    follow(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", tutorials.SLOW)
def test_a_long_tutorial_can_be_followed(name, tmp_path):
    follow(name, tmp_path)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("score 0.93", "score 0.90"),
        ("ACCEPTED", "REJECTED"),
        ("2 motion", "3 motion"),
        ("score 0.93", "score 0.93 of two"),
    ],
)
def test_other_words_and_other_numbers_are_seen(shown, printed):
    assert tutorials.differ(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("score 0.93", "score 0.94"),
        ("sharpness 319", "sharpness 321"),
        ("a  table\n  wrapped", "a table wrapped"),
        ("model@01d7b271bbfb at 2026-11-30 03:53", "model@aaaaaaaaaaaa at 2027-01-01 00:00"),
        ("it took 20 s", "it took 3 s"),
    ],
)
def test_rounding_and_times_are_no_difference(shown, printed):
    assert not tutorials.differ(shown, printed)


def test_a_page_is_written_anew_around_its_words():
    page = "Try:\n\n```console\n$ facemotion users\nold\n$ mkdir a\n```\n\nDone.\n"
    text = tutorials.rewritten(page, [("facemotion users", "new\nlines"), ("mkdir a", "")])
    assert text == "Try:\n\n```console\n$ facemotion users\nnew\nlines\n$ mkdir a\n```\n\nDone.\n"


def test_of_a_long_output_a_page_shows_as_many_lines_as_before():
    assert tutorials.shortened("a\nb\nc", like="old\nolder\n...") == "a\nb\n..."
    assert tutorials.shortened("a\nb\nc", like="old\nolder") == "a\nb\nc"


@pytest.mark.parametrize("name", sorted(path.name for path in tutorials.FOLDER.glob("*.md")))
def test_every_tutorial_leads_to_what_comes_next(name):
    text = (tutorials.FOLDER / name).read_text("utf-8")
    assert re.search(r"^Next: ", text, re.M)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_settings_that_a_tutorial_saves_are_settings(name, tmp_path):
    for file, text in tutorials.files(SOURCES[name]):
        if file.endswith(".toml"):
            (tmp_path / file).write_text(text, "utf-8")
            kind = TrainingSettings if "[optimiser]" in text else Settings
            assert read_toml(kind, tmp_path / file) != kind()
