"""Folders that lie outside the project; tests that need one are skipped where it is absent."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


def _outside(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable, PROJECT.parent / "shared" / name))
    if not folder.is_dir():
        pytest.skip(f"needs the folder {name}: set {variable} (see docs/data.md)")
    return folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Recordings used by tests and benchmarks."""
    return _outside("FACEMOTION_DATA", "data")


@pytest.fixture(scope="session")
def assets_folder() -> Path:
    """The head, portraits and captures that the data engine is made from."""
    return _outside("FACEMOTION_ASSETS", "assets")
