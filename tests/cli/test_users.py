"""`facemotion users` and `forget`, and what reading a store that isn't there answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from facemotion.cli import app
from facemotion.data.manifest import read_manifest
from facemotion.errors import StoreError, UnknownUserError, UsageError
from facemotion.recorder.recorded_clips import RecordedClips
from facemotion.recorder.recording_plan import PlannedMotion
from facemotion.store import open_store
from facemotion.types import Template

ALICE = Template("alice", "motion", np.eye(3, 8, dtype=np.float32), "m@1")


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Path of a store in which alice is enrolled."""
    path = tmp_path / "s.db"
    monkeypatch.setenv("FACEMOTION_STORE", str(path))
    with open_store(path) as opened:
        opened.put(ALICE)
    return path


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=answer)


def names(store) -> list[str]:
    with open_store(store) as opened:
        return [one.user for one in opened.users()]


def test_forget_as_json_deletes_nobody_without_yes(store):
    refused = run("forget", "alice", "--json").exception
    assert isinstance(refused, UsageError)
    assert str(refused) == "Give --yes to delete alice; with --json nothing is asked."
    assert names(store) == ["alice"]
    assert json.loads(run("forget", "alice", "--json", "--yes").stdout) == {"user": "alice", "forgotten": True}
    assert names(store) == []


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_forget_says_that_nothing_was_deleted_where_nobody_agrees(store, answer):
    result = run("forget", "alice", answer=answer)
    assert result.exit_code == 2
    assert result.stdout.endswith("Nothing was deleted.\n")
    assert names(store) == ["alice"]


def test_forget_asks_nothing_about_somebody_who_is_not_there(store):
    result = run("forget", "eve", answer="y\n")
    assert isinstance(result.exception, UnknownUserError)
    assert "?" not in result.stdout


def test_users_tells_when_somebody_was_enrolled_again(store):
    head = run("users").stdout.split()
    assert {"enrolled", "changed"} <= set(head)


@pytest.mark.parametrize(
    "words",
    [
        ("users",),
        ("check", "alice", "absent.mp4"),
        ("forget", "alice", "--yes"),
        ("store", "rotate"),
        ("store", "revoke", "alice"),
        ("keys", "list"),
        ("keys", "revoke", "a"),
        ("audit", "check"),
    ],
)
def test_a_store_that_is_only_read_is_not_made(tmp_path, words):
    typo = tmp_path / "typo.db"
    refused = run(*words, "--store", str(typo)).exception
    assert isinstance(refused, StoreError)
    assert str(refused) == (
        f"There is no store {typo}; enrol makes one, or name another with --store or FACEMOTION_STORE."
    )
    assert list(tmp_path.iterdir()) == []  # no file, no key


def test_forget_deletes_the_clips_of_a_person_and_not_the_store(store, tmp_path):
    clips = RecordedClips(tmp_path)
    for person in ("alice", "bob"):
        clips.draft.write_bytes(person.encode())
        clips.keep(PlannedMotion(person, "wink"))
    where = ("--clips", str(tmp_path))
    assert run("forget", "alice", *where, answer="n\n").exit_code == 2
    assert (tmp_path / "alice").is_dir()
    answer = {"user": "alice", "clips": 1, "forgotten": True}
    assert json.loads(run("forget", "alice", *where, "--json", "--yes").stdout) == answer
    assert not (tmp_path / "alice").exists()
    assert [one.subject for one in read_manifest(clips.manifest).records] == ["bob"]
    assert run("forget", "bob", *where, answer="y\n").stdout.endswith("1 clips of bob are deleted.\n")
    assert isinstance(run("forget", "bob", *where, "--yes").exception, UnknownUserError)
    assert names(store) == ["alice"]
