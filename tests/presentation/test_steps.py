"""Steps that are asked for, shown by a made-up head of a few points."""

from __future__ import annotations

import numpy as np
import pytest

from facemotion.features.mesh import POINTS, SEEN
from facemotion.presentation.steps import LONGEST_GAP_SECONDS, Seen, Step, step_is_shown
from facemotion.synth.filming.scene import rotation

PLACES = {
    33: (-0.5, 0.0, 0.0),
    263: (0.5, 0.0, 0.0),
    4: (0.0, -0.4, 0.43),
    13: (0.0, -0.66, 0.25),
    14: (0.0, -0.67, 0.25),
}
"""x to the subject's left, y up, z towards the camera, in distances between the outer eye corners."""
TURNS = {Step.LEFT: (0, 28, 0), Step.RIGHT: (0, -28, 0), Step.UP: (20, 0, 0), Step.MOUTH: (0, 0, 0)}
REST = np.zeros(40)
BUMP = np.sin(np.linspace(0, np.pi, 40)) ** 2


def film(begin: float, turn=(0, 0, 0), gape: float = 0.0, course=BUMP, size: float = 80.0, middle=(160, 120)) -> Seen:
    """A head that turns so many degrees (pitch, yaw, roll) and opens its mouth, there and back, at 20 frames/s."""
    frames = []
    for share in course:
        places = np.zeros((len(SEEN), 3))
        for point, place in PLACES.items():
            places[point == SEEN] = place
        places[np.flatnonzero(POINTS == 14)[0], 1] -= gape * share
        turned = places @ rotation(np.array(turn, np.float32) * share).T
        frames.append(turned[:, :2] * (size, -size) + middle)
    points = np.array(frames) + np.random.default_rng(0).normal(0, 0.3, (len(course), len(SEEN), 2))
    return Seen(points.astype(np.float32), begin + np.arange(len(course)) / 20)


MOTION = film(100.0, course=REST)


def shown(step: Step, begin: float = 102.2, **more) -> Seen:
    return film(begin, TURNS[step], 0.35 if step is Step.MOUTH else 0.0, **more)


@pytest.mark.parametrize("step", list(Step))
def test_a_step_counts_for_itself_and_for_no_other(step):
    assert [asked for asked in Step if step_is_shown(asked, MOTION, shown(step))] == [step]


def test_a_face_at_rest_shows_none():
    assert not any(step_is_shown(step, MOTION, film(102.2, course=REST)) for step in Step)


def test_a_twitch_is_no_step():
    twitch = np.zeros(40)
    twitch[20:22] = 1
    assert not step_is_shown(Step.LEFT, MOTION, shown(Step.LEFT, course=twitch))


def test_a_step_must_follow_its_motion_at_once_with_the_same_face_in_its_place():
    """Whoever takes a screen away and shows a face of their own needs time, and another place or size."""
    assert not step_is_shown(Step.LEFT, MOTION, shown(Step.LEFT, 102.0 + LONGEST_GAP_SECONDS + 0.1))
    assert not step_is_shown(Step.LEFT, MOTION, shown(Step.LEFT, 100.0))
    assert not step_is_shown(Step.LEFT, MOTION, shown(Step.LEFT, size=130.0))
    assert not step_is_shown(Step.LEFT, MOTION, shown(Step.LEFT, middle=(320, 120)))


def test_no_frames_show_nothing():
    none = Seen(np.zeros((0, len(SEEN), 2), np.float32), np.zeros(0))
    assert not step_is_shown(Step.LEFT, MOTION, none)
    assert not step_is_shown(Step.LEFT, none, shown(Step.LEFT))
