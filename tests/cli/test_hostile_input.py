"""What a hostile or careless caller can type: a named sentence, never a crash that looks like a rejection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facemotion import cli
from facemotion.cli import main
from facemotion.store import open_store
from facemotion.types import Template

pytestmark = pytest.mark.long  # a process a test, and most of them two


def run(*arguments: str | Path | bytes, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facemotion.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=timeout, env=os.environ | environment
    )


def refused(result: subprocess.CompletedProcess[str], words: str) -> bool:
    return result.returncode == 2 and words in result.stderr and "Traceback" not in result.stderr


def test_names_with_markup_are_stored_and_shown_as_they_are(clips, tmp_path):
    store = str(tmp_path / "store.db")
    for name in ("x[/y]", ":smile:[red]bob"):
        result = run("enrol", name, clips / "talk1.mp4", clips / "talk2.mp4", FACEMOTION_STORE=store)
        assert result.returncode == 0, result.stderr
        assert f"ENROLLED  {name} with 2 takes" in result.stdout
    listed = run("users", FACEMOTION_STORE=store)
    assert "x[/y]" in listed.stdout
    assert ":smile:[red]bob" in listed.stdout


@pytest.mark.parametrize("name", ["", "a" * 10_000, "two\nlines", b"\xff"])
def test_names_that_can_not_be_stored(clips, tmp_path, name):
    store = str(tmp_path / "store.db")
    clip = clips / "talk1.mp4"
    for command in (("enrol", name, clip, clip), ("check", name, clip), ("forget", "--yes", name)):
        assert refused(run(*command, FACEMOTION_STORE=store), "user name")


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("sqlite:///file:x?mode=memory&uri=true", "path alone"),
        ("sqlite:///x.db?foo=bar", "path alone"),
        ("a" * 5000, "Can't open the store"),
        ("~nosuchuser/x.db", "home folder"),
    ],
)
def test_stores_that_are_none(store, words):
    assert refused(run("users", "--store", store), words)


def test_clips_that_would_hang_or_have_impossible_names(clips, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refused(run("verify", tmp_path / "pipe.mp4", clips / "talk1.mp4"), "regular file")
    assert refused(run("verify", "a" * 5000, clips / "talk1.mp4"), "Can't open")


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
def test_settings_made_to_hurt(tmp_path, text, words):
    (tmp_path / "config.toml").write_text(text)
    assert refused(run("models", "list", "--config", tmp_path / "config.toml"), words)


def test_a_fault_of_our_own_does_not_look_like_a_rejection(monkeypatch, capsys):
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 70
    assert "fault of facemotion itself" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["synth dataset", "features m.csv --cache"])
def test_a_place_that_can_not_be_is_named(tmp_path, command):
    (tmp_path / "m.csv").write_text("path,subject,motion,kind,repetition\na,b,c,facial,0\n")
    told = run(*command.replace("m.csv", str(tmp_path / "m.csv")).split(), "a" * 5000)
    assert told.returncode == 2
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


def test_no_answer_to_a_question_is_no_rejection(tmp_path):
    store = str(tmp_path / "store.db")
    with open_store(store) as kept:
        kept.put(Template("alice", "motion", np.eye(2, 8, dtype=np.float32), "m@1"))
    command = [sys.executable, "-m", "facemotion.cli", "forget", "alice"]
    environment = os.environ | {"FACEMOTION_STORE": store}
    asked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment)
    assert asked.returncode == 2
    assert "alice" in run("users", FACEMOTION_STORE=store).stdout


def test_of_several_clips_the_one_meant_is_named(clips):
    result = run("verify", clips / "talk1.mp4", clips / "nobody.mp4")
    assert result.returncode == 3
    assert result.stderr.startswith(f"facemotion: {clips / 'nobody.mp4'}: ")


def test_an_error_as_json_stays_json(tmp_path):
    result = run("users", "--json", "--store", tmp_path)
    assert result.returncode == 2
    assert json.loads(result.stdout)["error"] == "StoreError"
