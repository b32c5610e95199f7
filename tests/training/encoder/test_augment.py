import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemotion.signals import active_span
from facemotion.training.encoder.material.augment import (
    SHORTEST,
    AugmentSettings,
    augment,
    change_tempo,
    drop_frames,
    scale_motion,
    trim,
    warp_time,
)

RNG = np.random.default_rng(0)


def motion(before: int = 15, during: int = 12, after: int = 20, noise: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(before)
    values = noise * rng.normal(size=(before + during + after, 5))
    values[before : before + during] += np.sin(np.linspace(0, 2 * np.pi, during))[:, None] * np.arange(1, 6)
    return values.astype(np.float32), np.arange(len(values)) / 25


@given(st.integers(0, 1000))
def test_trimming_keeps_the_motion_whole(seed: int) -> None:
    values, times = motion()
    onset, offset = active_span(values, times)
    start, stop = trim(values, times, np.random.default_rng(seed))
    assert 0 <= start <= onset
    assert offset < stop <= len(values)


def test_the_motion_is_told_in_the_seconds_of_the_new_clip() -> None:
    values, times = motion()
    for seed in range(20):
        strong = AugmentSettings(trimming=1, tempo=0.3, warp=0.3)
        out, out_times, moving = augment(
            values, times, strong, np.ones(5, np.float32), np.random.default_rng(seed), (15, 26)
        )
        before = out[int(np.searchsorted(out_times, moving[0]))], out[int(np.searchsorted(out_times, moving[1]))]
        np.testing.assert_array_equal(before, [values[15], values[26]])


def test_a_span_measured_beforehand_changes_nothing() -> None:
    values, times = motion()
    strong, spread = AugmentSettings(trimming=1, tempo=0.2, noise=0.1), np.ones(5, np.float32)
    one, other = (
        augment(values, times, strong, spread, np.random.default_rng(4), span)
        for span in (None, active_span(values, times))
    )
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    assert len(augment(values, times, strong, spread, np.random.default_rng(4), (0, len(values) - 1))[0]) == len(values)


def test_trimming_does_cut() -> None:
    values, times = motion()
    lengths = {int.__rsub__(*trim(values, times, np.random.default_rng(seed))) for seed in range(50)}
    assert len(lengths) > 10


def test_tempo_changes_times_alone() -> None:
    values, times = motion()
    durations = []
    for seed in range(50):
        same, other = change_tempo(values, times, 0.3, np.random.default_rng(seed))
        assert same is values
        np.testing.assert_allclose(np.diff(other), np.diff(other)[0])
        durations.append(other[-1] / times[-1])
    assert np.exp(-0.3) <= min(durations) < 0.8
    assert 1.2 < max(durations) <= np.exp(0.3)


def test_warping_changes_the_tempo_within_the_clip() -> None:
    values, times = motion()
    same, other = warp_time(values, times, 0.4, RNG)
    steps = np.diff(other) * 25
    assert same is values
    assert np.exp(-0.4) - 1e-9 <= steps.min() < steps.max() <= np.exp(0.4) + 1e-9


def test_dropped_frames_leave_the_others_in_place() -> None:
    values, times = motion()
    fewest = len(values)
    for seed in range(50):
        kept, kept_times = drop_frames(values, times, 0.5, np.random.default_rng(seed))
        rows = np.searchsorted(times, kept_times)
        np.testing.assert_array_equal(kept, values[rows])
        assert (rows[0], rows[-1]) == (0, len(values) - 1)
        fewest = min(fewest, len(kept))
    assert len(values) * 0.4 < fewest < len(values) * 0.7


def test_a_larger_motion_keeps_its_median_face() -> None:
    values, times = motion()
    larger, _ = scale_motion(values, times, 0.5, np.random.default_rng(3))
    np.testing.assert_allclose(np.median(larger, axis=0), np.median(values, axis=0), atol=1e-5)
    factors = (larger - np.median(values, axis=0)) / (values - np.median(values, axis=0) + 1e-12)
    moving = np.abs(values - np.median(values, axis=0)) > 0.1
    assert factors[moving].std() < 1e-3
    assert abs(factors[moving].mean() - 1) > 0.01


@given(st.integers(1, 60), st.integers(0, 1000))
def test_any_clip_comes_out_whole(length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, times = rng.normal(size=(length, 3)).astype(np.float32), np.cumsum(rng.uniform(0.01, 0.2, length))
    before = values.copy()
    strong = AugmentSettings(trimming=1, tempo=0.5, warp=0.5, drop=0.5, amplitude=0.3, shift=0.2, noise=0.2)
    out, out_times, _ = augment(values, times, strong, np.ones(3, np.float32), rng)
    assert out.dtype == np.float32
    assert len(out) == len(out_times) >= min(length, SHORTEST)
    assert (np.diff(out_times) > 0).all()
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(values, before)


def test_shift_is_constant_and_noise_is_not() -> None:
    values, times = motion()
    spread = np.full(5, 2, np.float32)
    shifted, *_ = augment(values, times, AugmentSettings(trimming=0, shift=0.5), spread, np.random.default_rng(0))
    assert (shifted - values).std(axis=0).max() < 1e-5
    assert np.abs((shifted - values).mean(axis=0)).max() > 0.1
    noisy, *_ = augment(values, times, AugmentSettings(trimming=0, noise=0.5), spread, np.random.default_rng(0))
    assert (noisy - values).std() == pytest.approx(1.0, abs=0.15)
