"""What is left of landmarks once all is taken away that a moved photograph does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facemotion.features.rigid import own_motion

GROUPS = [np.arange(0, 20), np.arange(20, 40)]
EYES = (40, 41)
CLOCK = np.arange(40) / 25  # seconds


def face(seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).uniform(-80, 80, (60, 2))
    points[list(EYES)] = (-40, -20), (40, -20)
    return points + 200


def waved(points: np.ndarray, random: np.random.Generator, frames: int = 40) -> np.ndarray:
    """Each frame of (T, N, 2) seen through a homography of its own: turned, sheared, scaled, in perspective."""
    seen = []
    for still in points if points.ndim == 3 else np.repeat(points[None], frames, axis=0):
        plane = np.eye(3) + random.uniform(-1, 1, (3, 3)) * [[0.3, 0.3, 40], [0.3, 0.3, 40], [6e-4, 6e-4, 0]]
        flat = np.column_stack([still, np.ones(len(still))]) @ plane.T
        seen.append(flat[:, :2] / flat[:, 2:])
    return np.stack(seen)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_of_a_photograph_nothing_is_left_however_it_is_moved(seed):
    random = np.random.default_rng(seed)
    assert own_motion(waved(face(seed), random), CLOCK, GROUPS, EYES) < 1e-4


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_of_a_photograph_with_noise_less_is_left_than_the_noise(seed):
    random = np.random.default_rng(seed)
    points = waved(face(seed), random)
    noisy = points + random.normal(0, 0.5, points.shape)  # mean length .63, of an eye distance of about 80
    assert own_motion(noisy, CLOCK, GROUPS, EYES) < 100 * 0.63 / 80 * 1.5


def test_a_part_that_moves_by_itself_is_left_also_while_the_whole_moves():
    random = np.random.default_rng(1)
    still = face(1)
    moving = np.repeat(still[None], 40, axis=0)
    moving[:, GROUPS[1], 1] += 8 * np.sin(np.linspace(0, np.pi, 40))[:, None]  # a tenth of the eye distance
    alone = own_motion(moving, CLOCK, GROUPS, EYES)
    assert 2 < alone < 12
    assert own_motion(waved(moving, random), CLOCK, GROUPS, EYES) == pytest.approx(alone, rel=0.3)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_few_frames_and_points_on_one_spot_give_a_number(frames):
    assert own_motion(np.repeat(face(2)[None], frames, axis=0), CLOCK[:frames], GROUPS, EYES) < 1e-4
    assert np.isfinite(own_motion(np.zeros((frames, 60, 2)), CLOCK[:frames], GROUPS, EYES))


def test_a_motion_seen_in_few_frames_is_not_averaged_away():
    """A busy machine drops frames: what is averaged is a matter of seconds, not of frames."""
    moving = np.repeat(face(1)[None], 40, axis=0)
    moving[12:22, GROUPS[1], 1] += 8 * np.sin(np.linspace(0, np.pi, 10))[:, None]
    whole = own_motion(moving, CLOCK, GROUPS, EYES)
    few = own_motion(moving[2::5], CLOCK[2::5], GROUPS, EYES)
    assert few > 0.7 * whole
