"""The directions along which recordings are compared are those that takes move in and coding doesn't."""

from __future__ import annotations

import numpy as np
import pytest
from tools.replay_directions import fit


def test_the_first_direction_is_the_one_in_which_takes_move_most_next_to_coding():
    # Takes move most along the first axis, but so does coding; along the second nearly as much, and coding hardly.
    coding, takes = np.diag([9.0, 0.1, 0.1]), np.diag([10.0, 8.0, 0.2])
    directions = fit(coding, takes)
    assert np.argmax(np.abs(directions[:, 0])) == 1
    gains = np.diag(directions.T @ takes @ directions)
    assert (np.diff(gains) < 0).all()
    shrunk = coding + np.eye(3) * np.trace(coding) / 3
    assert directions.T @ shrunk @ directions == pytest.approx(np.eye(3), abs=1e-9)
