import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facemotion.config import Settings
from facemotion.signals import (
    RestWatch,
    active_span,
    dtw_path,
    dtw_scores,
    frame_rate,
    frames_to_encode,
    interpolate,
    largest_motion,
    measure_cues,
    median_face,
    neutral_face,
    opening_face,
    resample,
    spot_motion,
)
from facemotion.types import FeatureSequence


def motion(before: int = 15, during: int = 12, after: int = 20, noise: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(before)
    values = noise * rng.normal(size=(before + during + after, 5))
    values[before : before + during] += np.sin(np.linspace(0, 2 * np.pi, during))[:, None] * np.arange(1, 6)
    return values.astype(np.float32), np.arange(len(values)) / 25


@pytest.mark.parametrize(("before", "after"), [(15, 20), (0, 30), (30, 0), (10, 10)])
def test_onset_and_offset_are_found(before: int, after: int) -> None:
    values, times = motion(before, 12, after)
    onset, offset = active_span(values, times)
    slack = 9  # half of the widest window, in frames
    assert before - slack <= onset <= before + 2
    assert before + 12 - 3 <= offset <= min(before + 12 + slack, len(values) - 1)


def test_a_still_clip_is_active_throughout() -> None:
    assert active_span(np.ones((10, 3), np.float32), np.arange(10) / 25) == (0, 9)


def cues(values: np.ndarray, times: np.ndarray):  # type: ignore[no-untyped-def]
    return measure_cues(FeatureSequence(values, times, "front"))


def test_a_flash_is_mostly_neutral() -> None:
    assert cues(*motion(30, 10, 30)).neutral_share > 0.7
    assert cues(*motion(5, 60, 5)).neutral_share < 0.5


def test_a_clip_that_stops_at_the_apex_ends_far_from_rest() -> None:
    values, times = motion(15, 12, 20)
    apex = int(np.linalg.norm(values, axis=1).argmax())
    assert cues(values, times).ending < 0.2
    assert cues(values[: apex + 1].copy(), times[: apex + 1].copy()).ending > 0.6


def test_intensity_grows_with_the_motion_and_a_still_face_has_none() -> None:
    values, times = motion()
    assert cues(2 * values, times).intensity == pytest.approx(2 * cues(values, times).intensity, rel=1e-4)
    assert cues(np.ones((9, 2), np.float32), np.arange(9) / 25).neutral_share == 1


def rests(*levels: tuple[float, float]) -> np.ndarray:
    """Whether each frame at 25 a second rests, of a face that goes to these levels, each held for some seconds."""
    rng = np.random.default_rng(0)
    course = np.concatenate([np.full(round(25 * seconds), level) for level, seconds in levels])
    course = np.convolve(np.pad(course, 3, mode="edge"), np.full(7, 1 / 7), mode="valid")  # a face takes its time
    values = course[:, None] * np.arange(1, 6) + 0.01 * rng.normal(size=(len(course), 5))
    watch = RestWatch()
    return np.array([watch.push(one.astype(np.float32), k / 25) for k, one in enumerate(values)])


def test_a_face_rests_once_it_is_back_and_still() -> None:
    told = rests((0, 0.5), (1, 0.5), (0, 1.0))
    assert not told[15:26].any()  # held at the apex
    assert told[-8:].all()


def test_the_way_from_one_side_to_the_other_is_no_rest() -> None:
    assert not rests((0, 0.5), (1, 0.4), (-1, 0.4))[13:].any()


def test_who_stops_elsewhere_and_stays_there_rests_after_a_second() -> None:
    told = rests((0, 0.5), (1, 2.5))
    assert not told[13 : 13 + 25].any()
    assert told[-10:].all()


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


def naive(a: np.ndarray, b: np.ndarray) -> float:
    """All paths, by recursion, with the tie rule of the cheapest predecessor: diagonal, then up, then left."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    table: dict[tuple[int, int], tuple[float, int]] = {(-1, -1): (0.0, 0)}
    for i in range(len(a)):
        for j in range(len(b)):
            before = [table[p] for p in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if p in table]
            cost, steps = min(before, key=lambda entry: entry[0])
            table[i, j] = cost + float(np.linalg.norm(a[i] - b[j])), steps + 1
    cost, steps = table[len(a) - 1, len(b) - 1]
    return cost / steps


def naive_path(a: np.ndarray, b: np.ndarray) -> list[tuple[int, int]]:
    """The path of least cost, entry by entry, with the same tie rule."""
    total = np.full((len(a) + 1, len(b) + 1), np.inf)
    total[0, 0] = 0
    for i, j in itertools.product(range(len(a)), range(len(b))):
        total[i + 1, j + 1] = np.linalg.norm(a[i] - b[j]) + min(total[i, j], total[i, j + 1], total[i + 1, j])
    path = [(len(a), len(b))]
    while path[-1] != (1, 1):
        i, j = path[-1]
        path.append(min(((i - 1, j - 1), (i - 1, j), (i, j - 1)), key=lambda at: float(total[at])))
    return [(i - 1, j - 1) for i, j in reversed(path)]


@settings(max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(0, 999))
def test_scores_are_those_of_a_naive_table(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    sequences = [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    scores = dtw_scores(sequences)
    for i, a in enumerate(sequences):
        for j, b in enumerate(sequences):
            if i < j:
                np.testing.assert_allclose(scores[i, j], -naive(a, b), atol=1e-6)
    np.testing.assert_array_equal(scores, scores.T)


def test_a_slower_take_is_nearer_than_another_motion() -> None:
    fast, slow = np.linspace(0, 1, 20), np.linspace(0, 1, 35)
    take = np.stack([np.sin(6 * fast), np.cos(6 * fast)], axis=1).astype(np.float32)
    again = np.stack([np.sin(6 * slow), np.cos(6 * slow)], axis=1).astype(np.float32)
    other = take[:, ::-1] + np.float32(3)
    scores = dtw_scores([take, again, other])
    assert scores[0, 1] > -0.1 > scores[0, 2]


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999))
def test_the_path_is_that_of_a_naive_table(length: int, other_length: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(length, 3)), rng.normal(size=(other_length, 3))
    assert list(map(tuple, dtw_path(one, other))) == naive_path(one, other)


def test_of_steps_of_one_cost_the_path_takes_the_one_in_both() -> None:
    still = np.zeros((4, 2))
    np.testing.assert_array_equal(dtw_path(still, still), np.repeat(np.arange(4)[:, None], 2, axis=1))


def test_the_distance_is_the_mean_along_the_path() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(30, 5)).astype(np.float32), rng.normal(size=(22, 5)).astype(np.float32)
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    path = dtw_path(one, other)
    mean = np.linalg.norm(one[path[:, 0]] - other[path[:, 1]], axis=1).mean()
    assert dtw_scores([one, other])[0, 1] == pytest.approx(-mean, abs=1e-6)


def test_the_opening_face_is_that_of_the_first_five_frames() -> None:
    values = np.arange(30, dtype=np.float32).reshape(10, 3)
    np.testing.assert_array_equal(opening_face(values), values[2])
    np.testing.assert_array_equal(opening_face(list(values[:3])), values[1])


def test_the_neutral_face_is_outside_the_motion_even_of_a_clip_that_begins_with_it() -> None:
    values, times = motion(before=0, during=20, after=40)
    rest = neutral_face(FeatureSequence(values, times, "front"))
    assert np.linalg.norm(rest) < 0.1
    assert np.linalg.norm(opening_face(values)) > 1  # moves already


def test_a_clip_that_moves_throughout_has_its_first_frame_as_neutral_face() -> None:
    features = FeatureSequence(np.ones((9, 2), np.float32), np.arange(9) / 25, "front")
    np.testing.assert_array_equal(neutral_face(features), features.values[0])


def test_the_median_face_keeps_the_precision_of_its_frames() -> None:
    values = np.array([[0, 3], [1, 9], [7, 4]])
    for kind in (np.float32, np.float64):
        middle = median_face(values.astype(kind))
        assert middle.dtype == kind
        np.testing.assert_array_equal(middle, [1, 4])


@pytest.mark.parametrize("frames", [1, 2, 7, 8])
def test_the_median_face_is_the_median_of_each_value(frames: int) -> None:
    values = np.random.default_rng(frames).normal(size=(frames, 5, 2))
    np.testing.assert_array_equal(median_face(values), np.median(values, axis=0))


def test_the_largest_motion_is_that_of_the_liveliest_part_in_hundredths() -> None:
    away = np.zeros((21, 4))
    away[:, 0] = away[:, 1] = 0.01 * np.arange(21)
    away[0, 3] = 9.0  # one frame of a lost face
    assert largest_motion(away, [slice(0, 2), np.array([2, 3])]) == pytest.approx(19.0)


def test_moments_between_frames_lie_on_lines_and_those_beyond_them_stay_at_the_ends() -> None:
    values, times = np.array([[0.0], [1.0], [3.0]], np.float32), np.array([0.0, 1.0, 3.0])
    found = interpolate(values, times, np.array([-1.0, 0.25, 1.0, 2.5, 9.0]))
    assert found[:, 0].tolist() == [0.0, 0.25, 1.0, 2.5, 3.0]
    assert found.dtype == np.float32


def test_an_encoder_is_given_the_motion_alone_only_where_it_spots() -> None:
    features = FeatureSequence(*motion(), "front")
    assert len(frames_to_encode(features, spotting=False)[0]) == len(features)
    values, times = frames_to_encode(features, spotting=True)
    assert len(values) == len(times) < len(features)


def seen_at(times: np.ndarray) -> FeatureSequence:
    """A face that moves all the time, seen at these seconds."""
    return FeatureSequence(np.sin(np.outer(3 * times, np.ones(4))).astype(np.float32), times, "front")


@pytest.mark.parametrize("rate", [5, 8, 25, 60])
def test_jitter_hardly_changes_the_rate_of_frames(rate: int) -> None:
    steady = np.arange(3 * rate) / rate
    jitter = np.random.default_rng(rate).uniform(-0.2, 0.2, len(steady)) / rate
    assert frame_rate(seen_at(steady)) == pytest.approx(rate)
    assert frame_rate(seen_at(np.sort(steady + jitter))) == pytest.approx(rate, rel=0.15)


def test_a_camera_of_eight_frames_a_second_that_jitters_is_fast_enough() -> None:
    for seed in range(50):
        steady = np.arange(24) / 8
        jitter = np.random.default_rng(seed).uniform(-0.3, 0.3, len(steady)) / 8
        assert frame_rate(seen_at(steady + jitter)) >= Settings().quality.min_rate


def test_one_gap_leaves_the_rate_as_it_is() -> None:
    times = np.arange(75) / 25
    assert frame_rate(seen_at(np.delete(times, np.s_[30:38]))) == pytest.approx(25)


def test_frames_in_bursts_count_as_slow_as_the_pauses_between_them() -> None:
    bursts = np.arange(0, 3, 0.3)[:, None] + np.array([0, 0.02, 0.04])
    assert frame_rate(seen_at(bursts.ravel())) == pytest.approx(1 / 0.26)


def test_the_rate_is_that_of_the_motion_and_not_of_the_rest_round_it() -> None:
    moving, after = np.arange(28) / 14, 2 + np.arange(200) / 50
    values = np.concatenate([np.sin(4 * moving), np.zeros(200)])[:, None] * np.ones(4)
    slow = FeatureSequence(values.astype(np.float32), np.concatenate([moving, after]), "front")
    assert frame_rate(slow) == pytest.approx(14)


def test_of_one_frame_no_rate_is_known() -> None:
    assert frame_rate(FeatureSequence(np.ones((1, 3), np.float32), np.zeros(1), "front")) == 0
