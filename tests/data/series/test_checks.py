"""Every fault of a series has a name, before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest
from tests.data.series.samples import MOUTH, mouth, series

from facemotion.data.series.checks import check_apart, check_series, check_set
from facemotion.errors import (
    MissingPointsError,
    PointOrderError,
    SeriesFormatError,
    SeriesGapError,
    SeriesRateError,
    SeriesUnitError,
    SharedSubjectError,
)


def with_nan(frames: slice) -> np.ndarray:
    values = mouth(0)
    values[frames, 2] = np.nan
    return values


def test_a_point_that_is_missing_for_a_moment_lies_on_a_line_between_its_neighbours():
    features = series(values=with_nan(slice(5, 7))).features()
    point = features.values.reshape(-1, 9, 2)[:, 2]
    whole = mouth(0)[:, 2]
    assert point[5] == pytest.approx((2 * whole[4] + whole[7]) / 3, abs=1e-4)
    assert point[7] == pytest.approx(whole[7])


def test_a_point_missing_at_the_end_stays_where_it_was_last():
    features = series(values=with_nan(slice(22, 24))).features()
    assert features.values.reshape(-1, 9, 2)[23, 2] == pytest.approx(mouth(0)[21, 2])


@pytest.mark.parametrize("frames", [slice(5, 12), slice(0, 7), slice(16, None)], ids=["inside", "start", "end"])
def test_a_point_that_is_missing_for_longer_is_named(frames):
    values = np.concatenate([mouth(0), mouth(1), mouth(2)])  # a small share of a long take
    values[frames if frames.stop else slice(-8, None), 2] = np.nan
    with pytest.raises(MissingPointsError, match=r"mesh\.13 is missing for 0\.[23]\d s"):
        series(values=values).features()


def test_a_point_that_is_missing_in_many_frames_is_named():
    values = mouth(0)
    values[::3, 4] = np.nan
    with pytest.raises(MissingPointsError, match=r"mesh\.152 is missing in 33% of the frames"):
        series(values=values).features()


def test_a_hole_in_time_is_named():
    times = np.arange(24) / 25
    times[10:] += 0.8
    with pytest.raises(SeriesGapError, match=r"no frame between 0\.36 s and 1\.20 s"):
        series(times=times)


@pytest.mark.parametrize("times", [np.zeros(24), np.arange(24)[::-1] / 25], ids=["standing", "backwards"])
def test_times_that_do_not_rise_are_named(times):
    with pytest.raises(SeriesGapError, match="don't rise"):
        series(times=times)


def test_a_rate_that_changes_within_a_take_is_named():
    times = np.cumsum(np.where(np.arange(24) < 12, 1 / 30, 1 / 15))
    with pytest.raises(SeriesRateError, match=r"30\.0 frames/s in the first half, 15\.0 in the second"):
        check_series(series(times=times))


def test_times_in_milliseconds_are_named():
    with pytest.raises(SeriesGapError):
        series(times=np.arange(24) * 40.0)
    with pytest.raises(SeriesRateError, match="give 8 to 250, with times in seconds"):
        check_series(series(times=np.arange(24) / 25_000))


def test_takes_of_two_rates_are_named():
    slow = series(times=np.arange(24) / 15, values=mouth(1), repetition=1)
    with pytest.raises(SeriesRateError, match=r"15\.0 frames/s, .* 25\.0"):
        check_set([series(), slow])


def test_a_little_jitter_is_one_rate():
    rng = np.random.default_rng(0)
    check_series(series(times=np.arange(24) / 25 + rng.uniform(0, 0.012, 24)))


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ([1, 0, *range(2, 9)], r"mesh\.78 doesn't lie left of mesh\.308"),
        ([0, 1, 4, 3, 2, *range(5, 9)], r"mesh\.13 doesn't lie above mesh\.14"),
        ([0, 1, 2, 3, 4, 6, 5, 8, 7], r"mesh\.81 doesn't lie left of mesh\.311"),
    ],
)
def test_points_in_another_order_are_named(order, told):
    with pytest.raises(PointOrderError, match=told):
        check_series(series(values=mouth(0)[:, order]))


def test_a_mirrored_or_upside_down_face_is_named():
    with pytest.raises(PointOrderError, match="mirrored"):
        check_series(series(values=mouth(0) * np.array([-1, 1], np.float32)))
    with pytest.raises(PointOrderError, match="above"):
        check_series(series(values=mouth(0) * np.array([1, -1], np.float32)))


def test_lips_that_cross_a_little_in_one_take_are_no_fault():
    closed = np.repeat(MOUTH[None], 24, axis=0)
    closed[:, 3, 1] = closed[:, 2, 1] - 0.5
    check_series(series(values=closed))


def test_lips_that_cross_in_all_takes_of_somebody_are_another_order():
    closed = np.repeat(MOUTH[None], 24, axis=0)
    closed[:, 3, 1] = closed[:, 2, 1] - 0.5
    takes = [series(values=closed + np.float32(n / 100), repetition=n) for n in range(3)]
    with pytest.raises(PointOrderError, match=r"anna: mesh\.13 doesn't lie above mesh\.14"):
        check_set(takes)


@pytest.mark.parametrize(("unit", "scale"), [("pixel", 1 / 32), ("eye distance", 1), ("millimetre", 32)])
def test_values_that_cannot_be_of_their_unit_are_named(unit, scale):
    with pytest.raises(SeriesUnitError, match=f"{unit}, a face"):
        check_series(series(values=mouth(0) * scale, unit=unit))


def test_coefficients_are_held_to_their_range():
    values = np.random.default_rng(0).uniform(0, 100, (24, 3, 1))
    with pytest.raises(SeriesUnitError, match="within -1 to 1"):
        check_series(series(values=values, names=("a", "b", "c"), unit="coefficient"))


@pytest.mark.parametrize("changes", [{"unit": "inch"}, {"unit": "coefficient"}])
def test_a_unit_that_there_is_not_is_named(changes):
    with pytest.raises(SeriesUnitError):
        series(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"values": mouth(0)[:3]},
        {"names": ("a",) * 9},
        {"names": ("a", "b")},
        {"motion": ""},
        {"kind": "dance"},
        {"values": mouth(0) * np.inf},
        {"times": np.arange(5) / 25},
    ],
    ids=str,
)
def test_shapes_and_labels_are_named(changes):
    with np.errstate(invalid="ignore"), pytest.raises(SeriesFormatError):
        series(**changes)


def test_takes_with_other_points_do_not_mix():
    names = (*series().names[:-1], "mesh.87")
    with pytest.raises(SeriesFormatError, match="other points"):
        check_set([series(), series(names=names, values=mouth(1), repetition=1)])


@pytest.mark.parametrize("name", ["Anna", " anna", "ａｎｎａ"])
def test_one_speaker_under_two_spellings_is_named(name):
    with pytest.raises(SharedSubjectError, match=f"'anna' and '{name}' are written alike"):
        check_set([series(), series(subject=name, values=mouth(1))])


def test_one_recording_under_two_names_is_named():
    with pytest.raises(SharedSubjectError, match="'anna' and 'ben' share a recording"):
        check_set([series(), series(subject="ben", motion="other")])


def test_the_same_take_twice_is_named():
    with pytest.raises(SeriesFormatError, match="are the same recording"):
        check_set([series(), series(repetition=1)])


def test_a_test_folder_that_shares_a_speaker_is_refused_and_both_are_named():
    train = [series(subject="s4"), series(subject="s2", values=mouth(1))]
    with pytest.raises(SharedSubjectError, match="'S04' of the test folder is 's4' of the training folder"):
        check_apart(train, [series(subject="S04", values=mouth(2))])


def test_a_test_folder_that_shares_a_recording_under_another_name_is_refused():
    with pytest.raises(SharedSubjectError, match="'x9' of the test folder is 'anna'"):
        check_apart([series()], [series(subject="x9")])


def test_folders_of_different_people_are_apart():
    check_apart([series(subject="s1")], [series(subject="s11", values=mouth(1))])
