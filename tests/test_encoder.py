import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemotion.encoder import resample, spot_motion


def straight(times: np.ndarray) -> np.ndarray:
    return np.stack([times, 2 - 3 * times], axis=1).astype(np.float32)


@given(st.lists(st.floats(0.005, 0.4), max_size=80), st.floats(-5, 5), st.sampled_from([10.0, 25.0, 60.0]))
def test_straight_lines_stay_straight_whatever_the_time_stamps(gaps: list[float], start: float, rate: float) -> None:
    times = start + np.append(0.0, np.cumsum(gaps))
    out = resample(straight(times), times, rate)
    grid = times[0] + np.arange(len(out)) / rate
    np.testing.assert_allclose(out, straight(grid), atol=1e-4)
    assert grid[-1] <= times[-1] + 1e-6
    assert grid[-1] + 1 / rate > times[-1] - 1e-6


@pytest.mark.parametrize("frames", [1, 2, 27, 300])
def test_a_clip_at_the_rate_itself_is_left_alone(frames: int) -> None:
    values = np.random.default_rng(0).normal(size=(frames, 3)).astype(np.float32)
    for start in (0.0, 3.7):
        np.testing.assert_allclose(resample(values, start + np.arange(frames) / 25), values, atol=1e-5)


def test_twice_the_rate_is_every_second_frame() -> None:
    values = np.random.default_rng(0).normal(size=(51, 3)).astype(np.float32)
    np.testing.assert_allclose(resample(values, np.arange(51) / 50), values[::2], atol=1e-5)


def test_a_spotted_motion_is_cut_with_a_margin() -> None:
    times = np.arange(100) / 25
    values = 1e-3 * np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    values[40:60] += np.sin(np.linspace(0, np.pi, 20))[:, None].astype(np.float32)
    cut, when = spot_motion(values, times)
    assert 1.0 < when[0] < 1.6
    assert 2.4 < when[-1] < 3.0
    np.testing.assert_array_equal(cut, values[np.isin(times, when)])
    still, _ = spot_motion(np.ones((9, 2), np.float32), times[:9])
    assert len(still) == 9
