"""Grammatical Facial Expressions, as the UCI repository publishes them: text files of points and of targets."""

from __future__ import annotations

import numpy as np
import pytest

from facemotion.data.manifest import read_manifest
from facemotion.data.series.expressions import NAMES, POINTS, read_expressions
from facemotion.data.series.importing import import_series, read_series
from facemotion.errors import SeriesFormatError

RATE = 30.0
SHOWN = ((30, 60), (90, 115), (150, 180))  # frames


def record(folder, name="a_wh_question", *, scale=1.0, shift=(0.0, 0.0), frames=220, milliseconds=True, hole=None):
    """A recording in which point 60 sinks wherever the expression is shown; eyes 60 pixels apart."""
    folder.mkdir(exist_ok=True)
    points = np.zeros((frames, POINTS, 3))
    points[:, :, 0] = 300 + 10 * np.cos(np.arange(POINTS))
    points[:, :, 1] = 240 + 10 * np.sin(np.arange(POINTS))
    points[:, 0:8, :2], points[:, 8:16, :2] = (270, 200), (330, 200)
    points[:, :, 2] = 1200
    shown = np.zeros(frames, int)
    for first, last in SHOWN:
        shown[first:last] = 1
        points[first:last, 60, 1] += 12
    points[:, :, :2] = points[:, :, :2] * scale + shift
    times = np.arange(frames) / RATE
    if hole is not None:
        times[hole:] += 2
    rows = np.concatenate([(times * (1000 if milliseconds else 1))[:, None], points.reshape(frames, -1)], 1)
    heading = " ".join(["0.0", *(f"{n}{axis}" for n in range(POINTS) for axis in "xyz")])
    np.savetxt(folder / f"{name}_datapoints.txt", rows, fmt="%.4f", header=heading, comments="")
    np.savetxt(folder / f"{name}_targets.txt", shown, fmt="%d")
    return folder


def test_every_stretch_that_shows_the_expression_is_a_take(tmp_path):
    takes = read_expressions(record(tmp_path / "gfe"))
    assert [(take.subject, take.motion, take.repetition) for take in takes] == [
        ("user_a", "wh_question", number) for number in range(3)
    ]
    assert takes[0].names == NAMES
    assert takes[0].times[-1] == pytest.approx((29 / RATE) + 2 * 0.4, abs=2 / RATE)
    moved = takes[0].values[:, 60, 1]
    assert np.ptp(moved) == pytest.approx(12 / 60, abs=1e-4)  # distances between the eyes
    assert moved[0] == moved.min()


def test_place_size_and_unit_of_time_make_no_difference(tmp_path):
    near = read_expressions(record(tmp_path / "near"))
    far = read_expressions(record(tmp_path / "far", scale=0.5, shift=(100, -30), milliseconds=False))
    for one, other in zip(near, far, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-4)
        np.testing.assert_allclose(one.times, other.times, atol=1e-3)


def test_frames_that_come_late_or_twice_keep_their_order_and_one_rate(tmp_path):
    folder = record(tmp_path / "gfe")
    path = folder / "a_wh_question_datapoints.txt"
    heading, *rows = path.read_text().splitlines()
    for number in (40, 100, 160):  # the same time as the frame before
        rows[number] = rows[number - 1].split()[0] + " " + rows[number].partition(" ")[2]
    path.write_text("\n".join([heading, *rows]) + "\n")
    takes = read_expressions(folder)
    assert len(takes) == 3
    for take in takes:
        np.testing.assert_allclose(np.diff(take.times), 1 / 15)


def test_a_take_with_a_hole_is_left_out(tmp_path):
    assert len(read_expressions(record(tmp_path / "gfe", hole=100))) == 2


@pytest.mark.parametrize("frames", [0, 1])
def test_a_recording_of_fewer_than_two_frames_holds_no_take(tmp_path, frames):
    (tmp_path / "a_smile_datapoints.txt").write_text("heading\n" + ("0 " + "1 " * 300 + "\n") * frames)
    (tmp_path / "a_smile_targets.txt").write_text("1\n" * frames)
    with pytest.raises(SeriesFormatError, match="no series to import|each frame needs a time"):
        read_series("expressions", tmp_path)


def test_both_people_are_imported(tmp_path):
    record(tmp_path / "gfe")
    record(tmp_path / "gfe", "b_wh_question", scale=1.2)
    done = import_series("expressions", tmp_path / "gfe", tmp_path / "out")
    assert (done.clips, done.subjects, done.motions, done.left_out) == (6, 2, 2, 0)
    assert {r.subject for r in read_manifest(tmp_path / "out" / "manifest.csv").records} == {"user_a", "user_b"}


@pytest.mark.parametrize("spoil", ["targets gone", "targets short", "points short", "no files"])
def test_other_files_are_named(tmp_path, spoil):
    folder = record(tmp_path / "gfe")
    points, targets = folder / "a_wh_question_datapoints.txt", folder / "a_wh_question_targets.txt"
    if spoil == "targets gone":
        targets.unlink()
    elif spoil == "targets short":
        targets.write_text("0\n1\n")
    elif spoil == "points short":
        points.write_text("heading\n" + "0 1 2\n" * 220)
    else:
        points.unlink()
    with pytest.raises(SeriesFormatError, match="a_"):
        read_expressions(folder)
