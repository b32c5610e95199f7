"""Series of every format become a manifest and features that training reads as those of clips."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from tests.data.series.samples import mouth, series, write_list, write_speaker

from facemotion.cli.learning.data import SERIES_NAMES
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import find_problems, read_manifest
from facemotion.data.series.importing import FORMATS, import_series, read_series
from facemotion.data.series.trackers import MESH_POINTS
from facemotion.errors import (
    ManifestError,
    SeriesError,
    SeriesFormatError,
    SeriesRateError,
    SeriesUnitError,
)


def features_of(out):
    about = json.loads((out / "series.json").read_text())
    return read_features(FeatureCache(out / "features", about["frontend_id"]), read_manifest(out / "manifest.csv"))


def test_the_command_offers_every_format():
    assert tuple(FORMATS) == SERIES_NAMES


def test_phrases_of_speakers_become_motions(tmp_path):
    for number, name in enumerate(("s1", "s2")):
        write_speaker(tmp_path / "in", name, seed=number)
    done = import_series("grid33", tmp_path / "in", tmp_path / "out")
    assert (done.clips, done.subjects, done.motions, done.rate, done.unit) == (8, 2, 4, 25.0, "pixel")
    manifest, sequences = features_of(tmp_path / "out")
    assert not list(find_problems(manifest))
    assert {(r.subject, r.motion) for r in manifest.records} == {
        (s, f"{word}_blue_at") for s in ("s1", "s2") for word in ("bin", "set")
    }
    # The first three words, 6 + 6 + 4 frames, and the pause of two that stands between them.
    assert all(clip.values.shape == (18, 18) for clip in sequences)
    whole = np.round(mouth(0, 32) * 32) / 32
    assert sequences[0].values.reshape(18, 9, 2) == pytest.approx(whole[:18])
    assert sequences[0].frontend_id == done.frontend_id


def test_ends_of_sentences_are_motions_of_their_own(tmp_path):
    write_speaker(tmp_path, "s1")
    takes = read_series("grid33-ends", tmp_path)
    assert [take.motion for take in takes] == ["two_now", "six_now"] * 2
    assert takes[0].values == pytest.approx(np.round(mouth(0, 32)[22:] * 32) / 32)


def test_a_motion_that_was_made_once_is_left_out_and_counted(tmp_path):
    words = np.array([("bin", "blue", "sp", "at", "f", "two", "now", "")] * 3 + [("lay",) + ("red",) * 6 + ("",)])
    write_speaker(tmp_path / "in", "s1", words=words)
    done = import_series("grid33", tmp_path / "in", tmp_path / "out")
    assert (done.clips, done.motions, done.left_out) == (3, 1, 1)


def test_an_import_can_be_shared_and_imported_again(tmp_path):
    write_speaker(tmp_path / "in", "s1")
    first = import_series("grid33", tmp_path / "in", tmp_path / "out")
    again = import_series("series", tmp_path / "out" / "clips", tmp_path / "again")
    assert again == first
    takes = []
    for name in ("out", "again"):
        manifest, sequences = features_of(tmp_path / name)
        labels = [(r.subject, r.motion, r.repetition) for r in manifest.records]
        takes.append({label: clip.values.tobytes() for label, clip in zip(labels, sequences, strict=True)})
    assert len(takes[0]) == 4
    assert takes[0] == takes[1]


def test_the_same_import_writes_the_same_bytes(tmp_path):
    write_speaker(tmp_path / "in", "s1")
    for name in ("a", "b"):
        import_series("grid33", tmp_path / "in", tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a" / "clips").rglob("*.npz"))
    assert files
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"points": np.zeros((128, 9, 2), np.float32)}, SeriesUnitError, "not int16"),
        ({"points": np.zeros((128, 8, 2), np.int16)}, SeriesFormatError, r"not \(F, 9, 2\)"),
        ({"first": np.array([0, 30, 64, 96])}, SeriesFormatError, "clip0 aren't those of its clip"),
        ({"words": np.array([("bin", "blue", "", "", "", "", "", "")] * 4)}, SeriesFormatError, "fewer words"),
        ({"clip": np.array(["one"])}, SeriesFormatError, "aren't of one length"),
        ({"frames": np.array(24)}, SeriesFormatError, "aren't of one length"),
        ({"first": np.array([0, np.nan, 64, 96])}, SeriesFormatError, "first must be whole numbers, got float64"),
        ({"words": np.zeros((4, 8))}, SeriesFormatError, "words must be texts, got float64"),
    ],
    ids=["unit", "points", "frames", "words", "lengths", "one number", "no numbers", "no words"],
)
def test_a_damaged_speaker_is_named_before_anything_is_written(tmp_path, changes, error, told):
    write_speaker(tmp_path / "in", "s1", **changes)
    with pytest.raises(error, match=told):
        import_series("grid33", tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_points_columns_and_folders_that_are_not_there_are_named(tmp_path):
    (tmp_path / "s1.npz").write_bytes(b"no archive")
    for form, folder, told in (
        ("grid34", tmp_path, "no format 'grid34'"),
        ("grid33", tmp_path / "nowhere", "no folder"),
        ("grid33", tmp_path, "no npz file of plain arrays"),
        ("series", tmp_path / "empty", "neither clips.csv"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(SeriesFormatError, match=told):
            read_series(form, folder)
    with pytest.raises(ManifestError):
        read_series("openface", tmp_path / "empty")


def test_a_table_of_points_is_read_by_its_columns(tmp_path):
    values, times = mouth(3), np.arange(24) / 25
    names = series().names
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", "unit", *(f"{name}.{axis}" for name in names for axis in "xy")])
        for time, row in zip(times, values, strict=True):
            writer.writerow([time, "pixel", *row.ravel().tolist()])
    write_list(tmp_path, ("a.csv", "anna", "wink", 0))
    [take] = read_series("series", tmp_path)
    assert take.names == names
    assert take.values == pytest.approx(values, abs=1e-4)
    assert (take.subject, take.motion, take.kind) == ("anna", "wink", "facial")
    assert take.frontend_id == series().frontend_id


@pytest.mark.parametrize("axes", ["xy", "yx"])
def test_a_table_of_points_may_have_its_columns_in_any_order(tmp_path, axes):
    values, names = mouth(3), series().names
    columns = [(point, "xy".index(axis)) for axis in axes for point in range(len(names))]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"{names[point]}.{'xy'[axis]}" for point, axis in columns), "unit", "seconds"])
        for frame, row in enumerate(values):
            writer.writerow([*(row[point, axis] for point, axis in columns), "pixel", frame / 25])
    write_list(tmp_path, ("a.csv", "anna", "wink", 0))
    [take] = read_series("series", tmp_path)
    assert take.values[:, [take.names.index(name) for name in names]] == pytest.approx(values, abs=1e-4)


def test_a_table_of_coefficients_may_have_dots_in_its_names(tmp_path):
    rows = [f"{n / 25},coefficient,{n / 10},{1 - n / 10}" for n in range(5)]
    (tmp_path / "a.csv").write_text("\n".join(["seconds,unit,jaw.open,brow.left", *rows]))
    write_list(tmp_path, ("a.csv", "anna", "wink", 0))
    [take] = read_series("series", tmp_path)
    assert take.names == ("jaw.open", "brow.left")
    assert take.values[:, :, 0] == pytest.approx(np.array([[n / 10, 1 - n / 10] for n in range(5)]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seconds,unit,a.x,a.y,a.x\n0,pixel,1,2,3\n", "the column 'a.x' twice"),
        ("seconds,unit,a.x,a.y\n0,pixel,1\n", "row 2: 3 values for 4 columns"),
        ("seconds,unit,a.x,a.y\n0,pixel,one,2\n", "a.x is 'one', no number"),
        ("seconds,unit,a.x,a.z\n0,pixel,1,2\n", "no point has its coordinates"),
        ("seconds,unit\n0,pixel\n", "no point has its coordinates"),
        ("seconds,a.x,a.y\n0,1,2\n", "lacks the column 'unit'"),
        ("seconds,unit,a.x,a.y,b.x\n0,pixel,1,2,3\n", "b has other coordinates"),
        ("seconds,unit,a.x,a.y\n0,pixel,1,2\n1,millimetre,1,2\n", "several units"),
        ("seconds,unit,a.x,a.y\n", "holds no frame"),
    ],
)
def test_a_bad_table_is_named(tmp_path, text, told):
    (tmp_path / "a.csv").write_text(text)
    write_list(tmp_path, ("a.csv", "anna", "wink", 0))
    with pytest.raises(SeriesError, match=told):
        read_series("series", tmp_path)


def face_mesh(frames: int = 20) -> np.ndarray:
    """(frames, 478, 3) shares of a picture of 640 x 480 in which only some points lie in their places."""
    shares = np.full((frames, 478, 3), 0.5)
    places = {33: (280, 200), 263: (360, 200), 61: (300, 280), 291: (340, 280), 78: (302, 280), 308: (338, 280)}
    places |= {13: (320, 278), 14: (320, 284), 81: (310, 278), 311: (330, 278), 178: (310, 284), 402: (330, 284)}
    places |= {0: (320, 272), 17: (320, 290), 152: (320, 330)}
    for number, (x, y) in places.items():
        shares[:, number] = x / 640, y / 480, 0
    shares[:, 14, 1] += np.sin(np.arange(frames) / 3) ** 2 / 100
    return shares


def write_mesh(folder, name: str, landmarks: np.ndarray) -> None:
    np.savez(folder / name, landmarks=landmarks, seconds=np.arange(len(landmarks)) / 30, size=np.array([640, 480]))


def test_a_face_mesh_is_freed_of_the_heads_place_size_and_tilt(tmp_path):
    turn = np.deg2rad(20)
    matrix = 0.7 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shares = face_mesh()
    pixels = shares[..., :2] * (640, 480)
    moved = shares.copy()
    moved[..., :2] = (pixels @ matrix.T + (40, 30)) / (640, 480)
    write_mesh(tmp_path, "a.npz", shares)
    write_mesh(tmp_path, "b.npz", moved)
    write_list(tmp_path, ("a.npz", "anna", "wink", 0), ("b.npz", "anna", "wink", 1))
    straight, tilted = (take.features().values.reshape(20, -1, 3) for take in read_series("mediapipe", tmp_path))
    assert straight[..., :2] == pytest.approx(tilted[..., :2], abs=1e-4)
    left = MESH_POINTS.index(263)
    assert straight[:, left, :2] == pytest.approx(np.tile([0.5, 0], (20, 1)), abs=1e-5)


def test_frames_of_zeros_are_frames_without_a_face(tmp_path):
    shares = face_mesh()
    shares[7] = 0
    write_mesh(tmp_path, "a.npz", shares)
    write_list(tmp_path, ("a.npz", "anna", "wink", 0))
    [take] = read_series("mediapipe", tmp_path)
    assert np.isnan(take.values[7]).all()
    assert np.isfinite(take.features().values).all()


@pytest.mark.parametrize("name", ["landmarks", "seconds", "size"])
def test_a_mesh_of_texts_is_named(tmp_path, name):
    np.savez(
        tmp_path / "a.npz",
        **{"landmarks": face_mesh(), "seconds": np.arange(20) / 30, "size": np.array([640, 480])}
        | {name: np.array("x")},
    )
    write_list(tmp_path, ("a.npz", "anna", "wink", 0))
    with pytest.raises(SeriesFormatError, match=f"{name} must be numbers"):
        read_series("mediapipe", tmp_path)


def test_a_mesh_in_pixels_is_named(tmp_path):
    write_mesh(tmp_path, "a.npz", face_mesh() * (640, 480, 1))
    write_list(tmp_path, ("a.npz", "anna", "wink", 0))
    with pytest.raises(SeriesUnitError, match="shares of the picture"):
        read_series("mediapipe", tmp_path)


def test_a_mesh_in_a_table_is_the_same_as_in_an_archive(tmp_path):
    shares = face_mesh()
    write_mesh(tmp_path, "a.npz", shares)
    with (tmp_path / "b.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", "width", "height", *(f"{axis}_{n}" for n in range(478) for axis in "xyz")])
        # Recorded a moment later: the same take twice would be refused.
        writer.writerows([n / 30, 640, 480, *frame.ravel()] for n, frame in enumerate(shares[1:]))
    write_list(tmp_path, ("a.npz", "anna", "wink", 0), ("b.csv", "anna", "wink", 1))
    archive, table = read_series("mediapipe", tmp_path)
    assert table.values == pytest.approx(archive.values[1:])
    assert table.frontend_id == archive.frontend_id


def write_openface(path, success: list[int], faces: list[int] | None = None) -> None:
    x = np.full(68, 300.0) + np.arange(68) * 0.1
    y = np.full(68, 240.0)
    for number, place in {36: (260, 200), 45: (340, 200), 48: (280, 280), 54: (320, 280), 60: (284, 281)}.items():
        x[number], y[number] = place
    for number, place in {64: (316, 281), 51: (300, 272), 57: (300, 292), 62: (300, 278), 66: (300, 284)}.items():
        x[number], y[number] = place
    x[8], y[8], y[27], y[33] = 300, 330, 205, 250
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        names = [f"{axis}_{n}" for axis in "xy" for n in range(68)]
        writer.writerow(["frame", " face_id", " timestamp", " confidence", " success", *(f" {n}" for n in names)])
        for frame, well in enumerate(success):
            face = faces[frame] if faces else 0
            writer.writerow([frame + 1, face, round(frame / 30, 4), 0.9, well, *(x if well else 0 * x), *y])


def test_openface_is_read_as_it_writes_with_blanks_in_the_names(tmp_path):
    write_openface(tmp_path / "a.csv", [1] * 10 + [0] + [1] * 10)
    write_list(tmp_path, ("a.csv", "anna", "smile", 0))
    [take] = read_series("openface", tmp_path)
    assert take.values.shape == (21, 68, 2)
    assert take.rate == pytest.approx(30, rel=0.01)
    assert np.isnan(take.values[10]).all()
    mouth_width = take.features().values.reshape(21, 68, 2)[:, [48, 54], 0]
    assert mouth_width[:, 1] - mouth_width[:, 0] == pytest.approx(0.5)  # 40 pixels of 80 between the eyes


def test_two_faces_in_one_file_of_openface_are_named(tmp_path):
    write_openface(tmp_path / "a.csv", [1] * 8, faces=[0, 1] * 4)
    write_list(tmp_path, ("a.csv", "anna", "smile", 0))
    with pytest.raises(SeriesFormatError, match="several faces"):
        read_series("openface", tmp_path)


def write_live_link(path, codes: list[str]) -> None:
    rows = [f"{code},2,{0.1 * (n % 5)},{0.05 * (n % 3)}" for n, code in enumerate(codes)]
    path.write_text("\n".join(["Timecode,BlendShapeCount,JawOpen,MouthPucker", *rows]) + "\n")


def test_live_link_channels_have_the_times_of_their_time_codes(tmp_path):
    codes = [f"13:59:59:{frame:02d}.250" for frame in range(50, 60, 2)]
    write_live_link(tmp_path / "a.csv", [*codes, *(f"14:00:00:{frame:02d}.250" for frame in range(0, 10, 2))])
    write_list(tmp_path, ("a.csv", "anna", "pout", 0))
    [take] = read_series("livelink", tmp_path)
    assert take.times == pytest.approx(np.arange(10) / 30)
    assert (take.unit, take.names, take.values.shape) == ("coefficient", ("JawOpen", "MouthPucker"), (10, 2, 1))


@pytest.mark.parametrize(
    ("code", "error", "told"),
    [("00:00:01:75", SeriesRateError, "frame 75 of a second"), ("1.5", SeriesFormatError, "HH:MM:SS:FF")],
)
def test_a_time_code_that_is_none_is_named(tmp_path, code, error, told):
    write_live_link(tmp_path / "a.csv", ["00:00:01:00", "00:00:01:02", code, "00:00:01:08"])
    write_list(tmp_path, ("a.csv", "anna", "pout", 0))
    with pytest.raises(error, match=told):
        read_series("livelink", tmp_path)
