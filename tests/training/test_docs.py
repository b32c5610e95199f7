"""The path of docs/reference/training.md from nothing to an encoder in use can be pasted."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facemotion.config import Settings, read_toml
from facemotion.training.encoder.settings import TrainingSettings

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "training.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.M | re.S)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the two files that the path saves."""
    for name, text in zip(("first", "use"), (text for kind, text in BLOCKS if kind == "toml"), strict=True):
        (tmp_path / f"{name}.toml").write_text(text, "utf-8")
    return tmp_path


def test_the_settings_shown_are_settings(desk: Path) -> None:
    assert read_toml(TrainingSettings, desk / "first.toml").sources[0].manifest == "people/manifest.csv"
    assert read_toml(Settings, desk / "use.toml").verifier.encoder == "first"


@pytest.mark.slow
def test_the_commands_run_in_the_order_shown(desk: Path, clips: Path, assets_folder: Path) -> None:
    for name, take in {"a": 1, "b": 2}.items():
        shutil.copy(clips / f"talk{take}.mp4", desk / f"{name}.mp4")
    [commands] = [text for kind, text in BLOCKS if kind == "console"]
    environment = os.environ | {"FACEMOTION_ASSETS": str(assets_folder)}
    for line in commands.splitlines():
        program, *arguments = shlex.split(line.removeprefix("$ "))
        command = (
            [sys.executable, "-m", "facemotion.cli", *arguments] if program == "facemotion" else [program, *arguments]
        )
        done = subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, check=False)
        # Two takes of one motion by somebody new may be rejected by such an encoder.
        assert done.returncode in ((0, 1) if "verify" in arguments else (0,)), (line, done.stdout, done.stderr)
    assert "ED  Motion alone was compared" in done.stdout
