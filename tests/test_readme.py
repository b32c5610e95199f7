"""What the README says can be typed, can be typed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facemotion.media import load_clip

pytestmark = pytest.mark.long  # every command of the page, as a process
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
COMMANDS = [line[2:] for kind, text in BLOCKS if kind == "console" for line in text.splitlines() if line[:2] == "$ "]
(SAMPLES,) = (text.splitlines() for kind, text in BLOCKS if kind == "sh" and text.startswith("S="))
ANSWERS = re.findall(r"(\w+) \((\d)\)", README.split("They answer")[1].split("\n\n")[0])


@pytest.fixture(scope="module")
def desk(clips, encode, tmp_path_factory) -> Path:
    """A folder with the clips that the README names; the third take is the first, begun a little later."""
    folder = tmp_path_factory.mktemp("readme")
    for name, take in {"a": 1, "b": 2, "1": 1, "2": 2, "probe": 2}.items():
        shutil.copy(clips / f"talk{take}.mp4", folder / f"{name}.mp4")
    take = load_clip(clips / "talk1.mp4")
    (folder / "3.mp4").write_bytes(encode(np.stack(take.frames[2:]), take.times[2:] - take.times[2]))
    return folder


def run(desk: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FACEMOTION_STORE": str(desk / "users.db"), "XDG_CONFIG_HOME": str(desk)}
    return subprocess.run(
        [sys.executable, *command], cwd=desk, env=environment, capture_output=True, text=True, check=False
    )


def test_there_are_blocks_to_run():
    assert len(PYTHON) >= 2
    assert COMMANDS
    assert len(SAMPLES) - 1 == len(ANSWERS) >= 6


def test_the_commands_run_in_the_order_shown(desk):
    for line in COMMANDS:
        program, *arguments = shlex.split(line)
        assert program == "facemotion"
        result = run(desk, "-m", "facemotion.cli", *arguments)
        assert result.returncode == 0, (line, result.stdout, result.stderr)


def test_the_commands_on_the_samples_answer_as_the_page_says(desk):
    folder = SAMPLES[0].removeprefix("S=")
    for line, (word, code) in zip(SAMPLES[1:], ANSWERS, strict=True):
        program, *arguments = shlex.split(line.replace("$S", str(ROOT / folder)))
        assert program == "facemotion"
        result = run(desk, "-m", "facemotion.cli", *arguments)
        assert result.returncode == int(code), (line, result.stdout, result.stderr)
        assert word in result.stdout, line


def test_the_python_runs_in_the_order_shown(desk):
    for code in PYTHON:
        result = run(desk, "-W", "error", "-c", code)
        assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("\naccepted\n")  # the live example ends in a decision


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", README):
        assert (ROOT / target).exists(), target
