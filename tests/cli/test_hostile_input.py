"""What a hostile or careless caller can type: a named sentence, never a crash that looks like a rejection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from facemotion import cli
from facemotion.cli import main
from facemotion.store import open_store
from facemotion.types import Template

pytestmark = pytest.mark.long  # clips, or a process a test


@dataclass(frozen=True)
class Told:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    def refused(self, words: str) -> bool:
        return self.code == 2 and words in self.stderr and "Traceback" not in self.stderr


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., Told]:
    """run(argument, ..., VARIABLE=value) -> what `main` makes of a command line, in this process; a new one takes most
    of a second. Bytes come as Python hands them on from the system."""

    def told(*arguments: str | Path | bytes, **environment: str) -> Told:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["facemotion", *map(os.fsdecode, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        return Told(code if isinstance(code, int) else 0 if code is None else 1, *capsys.readouterr())

    return told


def test_names_with_markup_are_stored_and_shown_as_they_are(run, clips, tmp_path):
    store, name = str(tmp_path / "store.db"), "x[/y]:smile:[red]bob"
    result = run("enrol", name, clips / "talk1.mp4", clips / "talk2.mp4", FACEMOTION_STORE=store)
    assert result.code == 0, result.stderr
    assert f"ENROLLED  {name} with 2 takes" in result.stdout
    assert name in run("users", FACEMOTION_STORE=store, COLUMNS="200").stdout


@pytest.mark.parametrize("name", ["", "a" * 10_000, "two\nlines", b"\xff"])
def test_names_that_can_not_be_stored(run, clips, tmp_path, name):
    store = str(tmp_path / "store.db")
    clip = clips / "talk1.mp4"
    for command in (("enrol", name, clip, clip), ("check", name, clip), ("forget", "--yes", name)):
        assert run(*command, FACEMOTION_STORE=store).refused("user name")


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("sqlite:///file:x?mode=memory&uri=true", "path alone"),
        ("sqlite:///x.db?foo=bar", "path alone"),
        ("a" * 5000, "Can't open the store"),
        ("~nosuchuser/x.db", "home folder"),
    ],
)
def test_stores_that_are_none(run, store, words):
    assert run("users", "--store", store).refused(words)


def test_clips_that_would_hang_or_have_impossible_names(run, clips, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert run("verify", tmp_path / "pipe.mp4", clips / "talk1.mp4").refused("regular file")
    assert run("verify", "a" * 5000, clips / "talk1.mp4").refused("Can't open")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[media]\nmax_seconds = 1" + 400 * "0", "too large"),
        ("[media]\nmax_seconds = 1" + 5000 * "0", "not valid TOML"),
        ("a = " + 5000 * "[", "not valid TOML"),
        ('[runtime]\nmodels_folder = "a\\u0000b"', "models_folder holds the character NUL"),
    ],
    ids=["overflow", "digits", "nesting", "nul"],
)
def test_settings_made_to_hurt(run, tmp_path, text, words):
    (tmp_path / "config.toml").write_text(text)
    assert run("models", "list", "--config", tmp_path / "config.toml").refused(words)


def test_a_fault_of_our_own_does_not_look_like_a_rejection(monkeypatch, capsys):
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 70
    assert "fault of facemotion itself" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["synth dataset", "features m.csv --cache"])
def test_a_place_that_can_not_be_is_named(run, tmp_path, command):
    (tmp_path / "m.csv").write_text("path,subject,motion,kind,repetition\na,b,c,facial,0\n")
    told = run(*command.replace("m.csv", str(tmp_path / "m.csv")).split(), "a" * 5000)
    assert told.code == 2
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(("other", "verdict"), [("talk2", 0), ("brow", 1)])
def test_a_reader_that_goes_away_does_not_change_the_verdict(clips, other, verdict):
    command = [sys.executable, "-m", "facemotion.cli", "verify", clips / "talk1.mp4", clips / f"{other}.mp4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (verdict, b"")


@pytest.mark.parametrize(
    ("command", "code"),
    [("--help", 0), ("synth --help", 0), ("models list", 0), ("models list --json", 0), ("users", 2)],
)
def test_whatever_is_said_to_nobody_ends_quietly(command, code, tmp_path):
    """Both streams lead into one pipe that nobody reads any more; the store of `users` is a folder, an error."""
    reader, writer = os.pipe()
    os.close(reader)
    full = [sys.executable, "-m", "facemotion.cli", *command.split()]
    environment = os.environ | {"FACEMOTION_STORE": str(tmp_path)}
    try:
        assert subprocess.run(full, stdout=writer, stderr=writer, env=environment, check=False).returncode == code
    finally:
        os.close(writer)


def test_no_answer_to_a_question_is_no_rejection(run, tmp_path):
    store = str(tmp_path / "store.db")
    with open_store(store) as kept:
        kept.put(Template("alice", "motion", np.eye(2, 8, dtype=np.float32), "m@1"))
    command = [sys.executable, "-m", "facemotion.cli", "forget", "alice"]
    environment = os.environ | {"FACEMOTION_STORE": store}
    asked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment)
    assert asked.returncode == 2
    assert "alice" in run("users", FACEMOTION_STORE=store).stdout


def test_of_several_clips_the_one_meant_is_named(run, clips):
    result = run("verify", clips / "talk1.mp4", clips / "nobody.mp4")
    assert result.code == 3
    assert result.stderr.startswith(f"facemotion: {clips / 'nobody.mp4'}: ")


def test_an_error_as_json_stays_json(run, tmp_path):
    result = run("users", "--json", "--store", tmp_path)
    assert result.code == 2
    assert json.loads(result.stdout)["error"] == "StoreError"
