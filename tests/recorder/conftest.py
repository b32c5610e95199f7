"""What a recording needs: the front end, and films that are quick to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facemotion.config import Settings
from facemotion.frontend import Frontend


@pytest.fixture(scope="session")
def frontend() -> Frontend:
    return Frontend.load(Settings())


@pytest.fixture(scope="session")
def short_films(
    talking_frames: NDArray[np.uint8], encode: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with talk.mp4, a take that can be used; slow.mp4, the same at four frames a second; nobody.mp4."""
    folder = tmp_path_factory.mktemp("films")
    times = np.arange(30) / 25
    (folder / "talk.mp4").write_bytes(encode(talking_frames[::2], times[::2]))
    (folder / "slow.mp4").write_bytes(encode(talking_frames[::6], times[::6]))
    (folder / "nobody.mp4").write_bytes(encode(np.zeros((25, 120, 160, 3), np.uint8)))
    return folder
