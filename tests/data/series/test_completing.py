"""The face mesh of people of whom only some points were recorded."""

from __future__ import annotations

import numpy as np
import pytest
from tests.data.series.samples import mouth, series, write_speaker
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import read_manifest
from facemotion.data.series.completing import MeshCompletion, complete_series
from facemotion.data.series.grid33 import NAMES
from facemotion.data.series.importing import import_series
from facemotion.data.series.plain import pack_series
from facemotion.errors import SeriesFormatError
from facemotion.features import load_extractor
from facemotion.features.mesh import POINTS
from facemotion.models import Models
from facemotion.system.files import file_sha256
from facemotion.types import FeatureSequence

DIMENSION = 3 * len(POINTS)
PIXELS = 80.0  # between the eyes of the filmed faces
COLUMNS = np.array([3 * POINTS.tolist().index(int(name.split(".")[1])) + axis for name in NAMES for axis in (0, 1)])


def filmed_faces(count: int = 10, noise: float = 0.0) -> list[FeatureSequence]:
    """Clips whose whole mesh goes with the nine points by one linear map, but for noise."""
    rng = np.random.default_rng(0)
    others = rng.normal(0, 0.3, (18, DIMENSION))
    rest = rng.normal(0, 0.4, DIMENSION)
    clips = []
    for seed in range(count):
        points = mouth(seed, 30).reshape(30, 18).astype(np.float64) / PIXELS
        values = rest + (points - mouth(0, 1).reshape(18) / PIXELS) @ others
        values += noise * rng.normal(size=values.shape)
        values[:, COLUMNS] = points
        clips.append(FeatureSequence(values.astype(np.float32), np.arange(30) / 25, "mesh@0"))
    return clips


def test_a_face_is_drawn_from_its_points_whatever_the_camera():
    completion = MeshCompletion.fit(filmed_faces(), NAMES, 2)
    assert completion.explained > 0.97
    hidden = filmed_faces(41)[40]
    for zoom in (1.0, 0.4):
        points = np.asarray(zoom * mouth(40, 30), np.float32)
        size = completion.size([points.mean(axis=0)])
        assert size == pytest.approx(1 / (zoom * PIXELS), rel=0.03)
        drawn = completion(points, size)
        moved = hidden.values - hidden.values.mean(axis=0)
        error = np.square(drawn - drawn.mean(axis=0) - moved).sum() / np.square(moved).sum()
        assert error < 0.03


def test_what_no_point_foretells_is_said():
    assert MeshCompletion.fit(filmed_faces(noise=0.2), NAMES, 2).explained < 0.6


def test_points_that_the_features_lack_and_too_few_clips_are_refused():
    with pytest.raises(SeriesFormatError, match=r"mesh\.10 isn't a point"):
        MeshCompletion.fit(filmed_faces(), ("mesh.10", *NAMES[1:]), 2)
    with pytest.raises(SeriesFormatError, match="4 filmed clips show too little"):
        MeshCompletion.fit(filmed_faces(4), NAMES, 2)


def test_an_import_gets_features_of_the_mesh_beside_its_own(tmp_path):
    for number, name in enumerate(("s1", "s2")):
        write_speaker(tmp_path / "in", name, seed=number)
    own = import_series("grid33", tmp_path / "in", tmp_path / "out")
    cache = FeatureCache(tmp_path / "out" / "features", "mesh@0")
    done = complete_series(tmp_path / "out", filmed_faces(), cache)
    assert (done.clips, done.subjects, done.filmed, done.frontend_id) == (8, 2, 10, "mesh@0")
    manifest = read_manifest(tmp_path / "out" / "manifest.csv")
    _, drawn = read_features(cache, manifest)
    _, points = read_features(FeatureCache(cache.folder, own.frontend_id), manifest)
    assert [clip.values.shape for clip in drawn] == [(len(clip.values), DIMENSION) for clip in points]
    for mesh, nine in zip(drawn, points, strict=True):
        moved = nine.values[:, 7] - nine.values[:, 7].mean()  # the lower inner lip, in pixels
        assert mesh.values[:, COLUMNS[7]] - mesh.values[:, COLUMNS[7]].mean() == pytest.approx(moved / PIXELS, abs=0.02)


def test_takes_of_other_points_are_refused_before_anything_is_written(tmp_path):
    write_speaker(tmp_path / "in", "s1")
    import_series("grid33", tmp_path / "in", tmp_path / "out")
    path = sorted((tmp_path / "out" / "clips").rglob("*.npz"))[2]
    path.write_bytes(pack_series(series(values=mouth(0)[:, :8], names=NAMES[:8])))
    with pytest.raises(SeriesFormatError, match="has other points than .*; import them apart"):
        complete_series(tmp_path / "out", filmed_faces(), FeatureCache(tmp_path / "mesh", "mesh@0"))
    assert not (tmp_path / "mesh").exists()


def test_lengths_in_eye_distances_are_kept(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(2):
        other = series(unit="eye distance", values=mouth(number) / PIXELS * 1.2, repetition=number)
        (tmp_path / "in" / f"{number}.npz").write_bytes(pack_series(other))
    import_series("series", tmp_path / "in", tmp_path / "out")
    cache = FeatureCache(tmp_path / "cache", "mesh@0")
    complete_series(tmp_path / "out", filmed_faces(), cache)
    _, drawn = read_features(cache, read_manifest(tmp_path / "out" / "manifest.csv"))
    spans = [np.ptp(clip.values[:, COLUMNS[7]]) for clip in drawn]
    wanted = [np.ptp(mouth(n)[:, 3, 1]) / PIXELS * 1.2 for n in range(2)]
    assert spans == pytest.approx(wanted, rel=0.2)


def test_the_command_tells_how_much_of_the_mesh_it_can_foretell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_speaker(tmp_path / "in", "s1")
    import_series("grid33", tmp_path / "in", tmp_path / "out")
    cache = FeatureCache(tmp_path / "features", load_extractor("face-mesh", Models.shipped()).frontend_id)
    rows = ["path,subject,motion,kind,repetition,session,split"]
    for number, clip in enumerate(filmed_faces()):
        (tmp_path / f"{number}.mp4").write_bytes(bytes([number]))
        rows.append(f"{number}.mp4,anna,m{number // 2},lip,{number % 2},1,train")
        cache.write(
            file_sha256(tmp_path / f"{number}.mp4"), FeatureSequence(clip.values, clip.times, cache.frontend_id)
        )
    (tmp_path / "like.csv").write_text("\n".join(rows) + "\n")
    result = CliRunner().invoke(app, ["data", "complete", "out", "like.csv", "--split", "train"])
    assert result.exit_code == 0, result.output
    assert "4 takes of 1 subjects have features of the face mesh in features" in result.output
    assert "foretells 100% of how the mesh moves" in result.output
