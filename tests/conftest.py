"""Paths and parts that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _shared(variable: str, name: str) -> Path:
    path = Path(os.environ.get(variable, ROOT.parent / "shared" / name))
    if not path.is_dir():
        pytest.skip(f"needs the {name} folder: neither {variable} nor ../shared/{name} is there")
    return path


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real recordings: FACEMOTION_DATA, else ../shared/data."""
    return _shared("FACEMOTION_DATA", "data")


@pytest.fixture(scope="session")
def assets_folder() -> Path:
    """Head model, portraits, priors: FACEMOTION_ASSETS, else ../shared/assets."""
    return _shared("FACEMOTION_ASSETS", "assets")
