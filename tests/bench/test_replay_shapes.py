"""Pictures that drift, and directions in which no move of the whole picture shows."""

from __future__ import annotations

import numpy as np
import pytest
from replay_changes import Drift
from replay_shapes import genuine, without_moves


def corner(drift: Drift, seconds: float) -> tuple[float, float]:
    """Where a bright spot, a fifth right of and below the middle, lies in a frame that drifts."""
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[138:143, 138:143] = 255
    moved = drift.moved(frame, seconds)[:, :, 0].astype(float)
    rows, columns = np.indices(moved.shape)
    return float((columns * moved).sum() / moved.sum()), float((rows * moved).sum() / moved.sum())


@pytest.mark.parametrize(
    "drift", [Drift(sway=0.05), Drift(roll=10), Drift(zoom=0.1), Drift(shear=0.2), Drift(lean=0.3)]
)
def test_a_drift_moves_the_picture_to_and_fro_and_no_drift_leaves_it(drift):
    still = [corner(Drift(), seconds) for seconds in np.linspace(0, 4, 9)]
    assert np.ptp(still, axis=0).max() < 0.01
    moved = np.array([corner(drift, seconds) for seconds in np.linspace(0, 4, 9)])
    assert np.ptp(moved, axis=0).max() > 3
    assert np.linalg.norm(np.diff(moved, axis=0), axis=1).max() < 20


def test_nothing_of_a_move_of_the_picture_is_left_in_directions_without_them():
    random = np.random.default_rng(0)
    places = random.normal(size=(9, 2))
    rest = without_moves(places.ravel())
    assert rest.shape == (18, 12)
    moved = places @ random.normal(size=(2, 2)) + random.normal(size=2)
    assert np.abs((moved - places).ravel() @ rest).max() < 1e-9


def test_takes_are_counted_at_each_threshold_by_the_earlier_one_that_they_resemble_most():
    random = np.random.default_rng(1)
    first, other = (30 * random.normal(size=(40, 3)).cumsum(axis=0).astype(np.float32) for _ in range(2))
    again = first + random.normal(size=(40, 3)).astype(np.float32)
    counted = genuine([[first, other, again]])
    assert (counted["pairs"], counted["takes"]) == (3, 2)
    assert counted["largest"] > 0.95
    assert counted["called"][-1] == 1
