"""Clips that commands can train on."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `manifest.csv`, the features of its clips and `tiny.toml`."""
    # It needs torch; the smoke tests read this file without it.
    from .training_world import make_world

    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder
