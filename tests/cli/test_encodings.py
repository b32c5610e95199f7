"""Output in an encoding that lacks a sign: the verdict is printed all the same, and no exit code changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.full_disks import ALWAYS_FULL, needs_full_device

pytestmark = pytest.mark.long  # a process a test


def run(encoding: str, *arguments: str | Path | bytes) -> subprocess.CompletedProcess[bytes]:
    """A command as its own process, whose streams have this encoding."""
    return subprocess.run(
        [sys.executable, "-m", "facemotion.cli", *arguments],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_the_verdict_comes_out_in_an_encoding_without_its_signs(clips, encoding):
    result = run(encoding, "verify", clips / "talk1.mp4", clips / "talk1.mp4")
    assert result.returncode == 0
    assert result.stderr.startswith(b"facemotion: both clips are the same file")
    assert len(result.stderr.splitlines()) == 1
    words = result.stdout.decode("ascii")
    assert "score 1.000 >= threshold" in words
    assert "ACCEPTED" in words


def test_an_error_in_ascii_keeps_its_exit_code_and_stays_json(tmp_path):
    """It ended in a traceback, and in the exit code that says "rejected"."""
    result = run("ascii", "check", "alice", "probe.mp4", "--json", "--store", tmp_path / "Zoë.db")
    assert (result.returncode, result.stderr) == (2, b"")
    assert "Zoë.db" in json.loads(result.stdout)["message"]


def test_a_file_name_that_is_no_text_goes_out_as_it_came_in(tmp_path):
    name = bytes(tmp_path) + b"/\xff\xe2.mp4"
    result = run("utf-8:strict", "verify", name, name)
    assert result.returncode == 2
    assert name in result.stderr
    told = run("utf-8:strict", "verify", name, name, "--json")
    assert (told.returncode, told.stderr) == (2, b"")
    assert os.fsdecode(name) in json.loads(told.stdout)["message"]


@needs_full_device
@pytest.mark.parametrize("arguments", [["--version"], ["models", "list", "--json"]])
def test_output_that_cannot_be_written_is_told_in_one_sentence(arguments):
    with ALWAYS_FULL.open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "facemotion.cli", *arguments], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        b"facemotion: The output can't be written (No space left on device); send it elsewhere."
    ]
