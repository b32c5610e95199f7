"""What is left of landmarks once all is taken away that a moved photograph does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemotion.features.rigid import SMOOTHED_SECONDS, Part, _smoothed, own_motion

GROUPS = [np.arange(0, 20), np.arange(20, 40)]
PARTS = [Part(group) for group in GROUPS]
EYES = (40, 41)
CLOCK = np.arange(40) / 25  # seconds


def face(seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).uniform(-80, 80, (60, 2))
    points[list(EYES)] = (-40, -20), (40, -20)
    return points + 200


def waved(points: np.ndarray, random: np.random.Generator, frames: int = 40, far: float = 1.0) -> np.ndarray:
    """Each frame of (T, N, 2) seen through a homography of its own: turned, sheared, scaled, in perspective."""
    seen = []
    for still in points if points.ndim == 3 else np.repeat(points[None], frames, axis=0):
        plane = np.eye(3) + far * random.uniform(-1, 1, (3, 3)) * [[0.3, 0.3, 40], [0.3, 0.3, 40], [6e-4, 6e-4, 0]]
        flat = np.column_stack([still, np.ones(len(still))]) @ plane.T
        seen.append(flat[:, :2] / flat[:, 2:])
    return np.stack(seen)


@given(st.integers(0, 10_000))
def test_of_a_photograph_nothing_is_left_however_it_is_moved(seed):
    random = np.random.default_rng(seed)
    assert own_motion(waved(face(seed), random), CLOCK, PARTS, EYES) < 1e-4


@pytest.mark.once
@given(st.integers(0, 10_000))
def test_of_a_photograph_with_noise_less_is_left_than_the_noise(seed):
    random = np.random.default_rng(seed)
    points = waved(face(seed), random)
    noisy = points + random.normal(0, 0.5, points.shape)  # mean length .63, of an eye distance of about 80
    assert own_motion(noisy, CLOCK, PARTS, EYES) < 100 * 0.63 / 80 * 1.5


def test_a_part_that_moves_by_itself_is_left_also_while_the_whole_moves():
    random = np.random.default_rng(1)
    still = face(1)
    moving = np.repeat(still[None], 40, axis=0)
    moving[:, GROUPS[1], 1] += 8 * np.sin(np.linspace(0, np.pi, 40))[:, None]  # a tenth of the eye distance
    alone = own_motion(moving, CLOCK, PARTS, EYES)
    assert 2 < alone < 12
    assert own_motion(waved(moving, random, far=0.1), CLOCK, PARTS, EYES) == pytest.approx(alone, rel=0.3)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_few_frames_and_points_on_one_spot_give_a_number(frames):
    assert own_motion(np.repeat(face(2)[None], frames, axis=0), CLOCK[:frames], PARTS, EYES) < 1e-4
    assert np.isfinite(own_motion(np.zeros((frames, 60, 2)), CLOCK[:frames], PARTS, EYES))


def test_a_second_without_a_frame_is_left_out():
    moving = np.repeat(face(1)[None], 40, axis=0)
    moving[:, GROUPS[1], 1] += 8 * np.sin(np.linspace(0, np.pi, 40))[:, None]
    apart = CLOCK + 2.5 * (np.arange(40) >= 20)
    assert 1 < own_motion(moving, apart, PARTS, EYES) < 12
    assert own_motion(moving[:2], np.array([0.0, 3.0]), PARTS, EYES) == 0


def test_a_motion_seen_in_few_frames_is_not_averaged_away():
    """A busy machine drops frames: what is averaged is a matter of seconds, not of frames."""
    moving = np.repeat(face(1)[None], 40, axis=0)
    moving[12:22, GROUPS[1], 1] += 8 * np.sin(np.linspace(0, np.pi, 10))[:, None]
    whole = own_motion(moving, CLOCK, PARTS, EYES)
    few = own_motion(moving[::3], CLOCK[::3], PARTS, EYES)
    assert few > 0.7 * whole


@pytest.mark.parametrize("seconds", [0, 1, 4])
def test_rest_before_and_after_a_motion_makes_it_no_smaller(seconds):
    """Of a clip with much rest the motion was a few frames, and its speaker was taken for a photograph."""
    random = np.random.default_rng(4)
    moving = np.repeat(face(1)[None], 30, axis=0)
    moving[:, GROUPS[1], 1] += 8 * np.abs(np.sin(np.linspace(0, 3 * np.pi, 30)))[:, None]
    frames = np.concatenate([moving[:1].repeat(25 * seconds, axis=0), moving, moving[-1:].repeat(25 * seconds, axis=0)])
    clock = np.arange(len(frames)) / 25
    tight = own_motion(moving, np.arange(30) / 25, PARTS, EYES)
    noisy = frames + random.normal(0, 0.05, frames.shape)
    assert own_motion(noisy, clock, PARTS, EYES) > 0.95 * tight


def test_what_is_over_at_once_counts_for_little():
    """A photograph that is blurred for a moment, when it is moved fast."""
    lasting, brief = (np.repeat(face(1)[None], 40, axis=0) for _ in range(2))
    lasting[10:30, GROUPS[1], 1] += 8
    brief[10:14, GROUPS[1], 1] += 8
    assert own_motion(brief, CLOCK, PARTS, EYES) < 0.5 * own_motion(lasting, CLOCK, PARTS, EYES)


def test_a_part_that_photographs_seem_to_move_counts_less():
    moving = np.repeat(face(1)[None], 40, axis=0)
    moving[:, GROUPS[1], 1] += 8 * np.sin(np.linspace(0, np.pi, 40))[:, None]
    plain = own_motion(moving, CLOCK, PARTS[1:], EYES)
    assert own_motion(moving, CLOCK, [Part(GROUPS[1], 2.0)], EYES) == pytest.approx(plain / 2)


def test_what_is_left_of_a_plane_that_is_turned_far_counts_less():
    random = np.random.default_rng(5)
    noise = np.repeat(random.normal(0, 2, (4, 60, 2)), 10, axis=0)  # landmarks that err otherwise at each view
    held = np.repeat(face(1)[None], 40, axis=0)
    tilted = held.copy()
    tilted[..., 0] = 200 + (held[..., 0] - 200) * (1 - 0.4 * np.sin(np.linspace(0, np.pi, 40)))[:, None]
    assert own_motion(tilted + noise, CLOCK, PARTS, EYES) < 0.6 * own_motion(held + noise, CLOCK, PARTS, EYES)


OTHER_THREADS = """
import os, threading, time
from pathlib import Path
import numpy as np
from facemotion.features.rigid import Part, own_motion
points = np.random.default_rng(0).uniform(0, 200, (75, 250, 2))

def helped():  # nanoseconds that threads other than this one have run
    mine = str(threading.get_native_id())
    tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != mine]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

while True:  # threads just started look about for work for a while
    before = helped()
    time.sleep(0.05)
    if helped() == before:
        break
own_motion(points, np.arange(75) / 25, [Part(np.arange(200))], (0, 1))
print(helped() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="what threads ran is told by Linux alone")
def test_no_further_thread_takes_part():
    """Threads of the library of matrices took three times the work where other work has the processors."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", OTHER_THREADS], env=environment, capture_output=True, check=True)
    assert int(done.stdout) == 0


@pytest.mark.parametrize("frames", [3, 30])
def test_frames_are_averaged_with_those_that_are_near_in_time(frames):
    random = np.random.default_rng(frames)
    places, times = random.normal(size=(frames, 4, 2)), np.cumsum(random.uniform(0.01, 0.06, frames))
    near = np.abs(times[:, None] - times) <= SMOOTHED_SECONDS
    wanted = [places[row].mean(axis=0) for row in near]
    np.testing.assert_allclose(_smoothed(places, times), wanted, atol=1e-12)
