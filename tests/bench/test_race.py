"""benchmarks/pipeline.py: the race against other packages."""

from __future__ import annotations

import sys

import pytest
from pipeline import race


@pytest.mark.long
@pytest.mark.once
def test_whoever_runs_is_timed_in_turns_and_whoever_is_not_there_says_so(talking_frames):
    result = race(sys.executable, "", list(talking_frames[:4]), rounds=2)
    ours = result.pop("facemotion")
    assert ours["faces"] == 1
    assert ours["ratio"] == [1, 1, 1]
    assert 0.5 < ours["ms"] < 5000
    assert set(result) == {"mediapipe", "uniface", "deepface"}
    for entry in result.values():  # the bundle isn't named where the package is installed here
        assert "not installed" in entry["absent"] or "--landmarker" in entry["absent"]
