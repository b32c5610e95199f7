"""Recordings cut to the motion, with rest held round it, with frames left out."""

from __future__ import annotations

import numpy as np
import pytest

from facemotion.bench.conditions import CONDITIONS, JITTER, TIGHT, Condition, arrange, cut, hold, native_rate, thin
from facemotion.config import MediaSettings
from facemotion.errors import MediaLimitError
from facemotion.frontend.sighting import Sighting


def recording(seconds: float, rate: float = 25.0, without_face: tuple[int, ...] = ()) -> Sighting:
    """Each frame's one feature and one point are its number."""
    count = round(seconds * rate) + 1
    used = ~np.isin(np.arange(count), without_face)
    numbers = np.flatnonzero(used).astype(np.float32)
    none = np.zeros(count, bool)
    points = np.repeat(numbers[:, None, None], 2, axis=2)
    return Sighting(np.arange(count) / rate, used, none, none, used, numbers[:, None], points, "front")


def numbers(sighting: Sighting) -> list[int]:
    return sighting.values[:, 0].astype(int).tolist()


def test_rest_holds_the_first_and_the_last_face_and_moves_nothing_else():
    held = hold(recording(0.4, without_face=(0, 10)), 0.2)
    assert numbers(held) == [1] * 5 + list(range(1, 10)) + [9] * 5
    assert held.used.tolist() == [True] * 5 + [False] + [True] * 9 + [False] + [True] * 5
    np.testing.assert_allclose(held.times, np.arange(-5, 16) / 25)
    np.testing.assert_array_equal(held.points[:, 0, 0], held.values[:, 0])


def test_rest_shorter_than_a_frame_is_none():
    assert numbers(hold(recording(0.4), 0.01)) == list(range(11))


@pytest.mark.parametrize("rate", [8, 10, 15])
def test_frames_are_left_out_to_the_rate_wanted_with_jitter(rate):
    thinned = thin(recording(8, 30), rate, np.random.default_rng(0))
    assert 0.95 * (8 * rate + 1) <= len(thinned) <= 8 * rate + 1, "no frame twice"
    away = np.abs(thinned.times[:, None] - np.arange(8 * rate + 1) / rate).min(axis=1)
    assert 0.5 / 30 < away.max() <= JITTER / rate + 0.5 / 30 + 1e-9, "more than what the grid of frames does"
    np.testing.assert_allclose(thinned.values[:, 0], 30 * thinned.times, atol=1e-4)


def test_the_same_seed_leaves_out_the_same_frames():
    first, again, other = (
        arrange(recording(2), None, Condition("slow", 0.5, 10), MediaSettings(), seed).times.tolist()
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_motion_that_is_marked_is_cut_out_with_a_margin():
    assert numbers(cut(recording(2), (0.4, 1.0))) == list(range(5, 31))
    assert numbers(cut(recording(2), (0.1, 5.0))) == list(range(51))


def test_only_recordings_with_a_marked_motion_have_real_rest():
    whole = Condition("real rest", recorded=True)
    assert arrange(recording(2), None, whole, MediaSettings(), 0) is None
    assert len(arrange(recording(2), (0.4, 1.0), whole, MediaSettings(), 0)) == 51
    assert len(arrange(recording(2), (0.4, 1.0), TIGHT, MediaSettings(), 0)) == 26
    assert len(arrange(recording(2), None, TIGHT, MediaSettings(), 0)) == 51


def test_a_rate_that_the_recording_hasnt_isnt_measured_on_it():
    assert arrange(recording(2, 12), None, Condition("fast", rate=15), MediaSettings(), 0) is None
    assert arrange(recording(2, 14), None, Condition("fast", rate=15), MediaSettings(), 0) is not None
    assert native_rate(recording(2, 12)) == pytest.approx(12)


def test_rest_that_makes_a_clip_too_long_is_refused_as_the_user_would_be():
    with pytest.raises(MediaLimitError, match="longer than 3 s"):
        arrange(recording(2), None, Condition("rest", 1.0), MediaSettings(max_seconds=3), 0)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_a_recording_without_a_face_is_left_to_the_guards(condition):
    nobody = recording(2, without_face=tuple(range(51)))
    shown = arrange(nobody, (0.4, 1.0), condition, MediaSettings(), 0)
    assert shown is not None
    assert not shown.used.any()
