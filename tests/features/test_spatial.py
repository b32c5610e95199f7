"""Our own extractors, run from files that training exported."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import facemotion.models
from facemotion.errors import ModelError, UnknownModelError
from facemotion.features import SpatialFeatures, SpatialLandmarks, extractor_names, load_extractor
from facemotion.features.landmarks68 import MESH_POINTS, MOVING, RIGID, align_68, motion_energy_68
from facemotion.models import Models
from facemotion.system.files import file_sha256

FILES = Path(facemotion.models.__file__).parent / "files"
BOX = np.array([60, 50, 160, 150], np.float32)
KEYPOINTS = np.zeros((6, 2), np.float32)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """A deployment's own models: shipped files under other names."""
    folder = tmp_path_factory.mktemp("models")
    for name, shipped in (("own-l", "sfe_l_half.onnx"), ("own-e", "sfe_e.onnx")):
        path = shutil.copy(FILES / shipped, folder / f"{name}.onnx")
        with (folder / "own.toml").open("a") as cards:
            cards.write(
                f'[{name}]\nfile = "{name}.onnx"\nsha256 = "{file_sha256(path)}"\nbytes = {path.stat().st_size}\n'
                'role = "extractor"\nlicence = "MIT"\nsource = "shipped under another name"\n'
            )
    return Models(folder)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (200, 240, 3), dtype=np.uint8)


def test_landmarks_are_pixels_of_the_frame_and_follow_it(own, frame):
    extractor = SpatialLandmarks("own-l", own)
    points = extractor.landmarks(frame, BOX, KEYPOINTS)
    assert points.shape == (68, 2)
    # The crop is a square of 110 pixels round (110, 95); its mean face spans 0.2 to 0.8 of it.
    assert 60 < points.mean() < 145
    moved = np.roll(frame, (7, 12), axis=(0, 1))
    shifted = extractor.landmarks(moved, BOX + np.array([12, 7, 12, 7], np.float32), KEYPOINTS)
    np.testing.assert_allclose(shifted, points + np.array([12, 7]), atol=0.02)
    values = extractor(frame, BOX, KEYPOINTS)
    assert values.shape == (extractor.dimension,) == (136,)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, align_68(points).ravel())


def test_features_and_landmarks_are_of_one_file_under_two_names(own, frame):
    features, landmarks = SpatialFeatures("own-l", own), SpatialLandmarks("own-l", own)
    assert features.dimension == 256
    assert features(frame, BOX, KEYPOINTS).shape == (256,)
    assert features.frontend_id != landmarks.frontend_id
    assert features.frontend_id.split("/")[:2] == landmarks.frontend_id.split("/")[:2]
    # Features alone tell as much motion as the landmarks do.
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, frame.shape, dtype=np.uint8) for _ in range(5)]
    of_features = features.motion_energy(np.stack([features(f, BOX, KEYPOINTS) for f in frames]))
    of_landmarks = landmarks.motion_energy(np.stack([landmarks(f, BOX, KEYPOINTS) for f in frames]))
    assert of_features == pytest.approx(of_landmarks, rel=1e-2)
    still = features.motion_energy(np.repeat(features(frame, BOX, KEYPOINTS)[None], 4, axis=0))
    assert still == pytest.approx(0, abs=1e-3)


def test_a_network_of_emotions_gives_features_and_tells_motion(own, frame):
    extractor = load_extractor("own-e", own)
    values = np.stack([extractor(np.roll(frame, k, axis=0), BOX, KEYPOINTS) for k in range(4)])
    assert values.shape == (4, 512) == (4, extractor.dimension)
    assert extractor.motion_energy(values) > 0 == extractor.motion_energy(np.repeat(values[:1], 4, axis=0))
    with pytest.raises(ModelError, match="finds no landmarks"):
        load_extractor("own-e-landmarks", own)


def test_a_deployments_own_extractors_are_known_by_name(own):
    assert {"face-mesh", "sfe-l", "sfe-l-landmarks", "own-l", "own-l-landmarks"} <= set(extractor_names(own))
    assert isinstance(load_extractor("own-l-landmarks", own), SpatialLandmarks)
    assert isinstance(load_extractor("own-l", own), SpatialFeatures)


def test_a_file_that_is_no_extractor_of_ours(own):
    with pytest.raises(ModelError, match="no extractor of ours"):
        SpatialFeatures("face-mesh", own)


def test_an_extractor_that_was_not_put_there(own):
    with pytest.raises(UnknownModelError, match="own-x"):
        load_extractor("own-x", own)


@given(
    st.floats(-3.1, 3.1), st.floats(0.5, 400), st.tuples(st.floats(-500, 500), st.floats(-500, 500)), st.integers(0, 99)
)
def test_alignment_undoes_any_similarity(angle, scale, shift, seed):
    face = np.random.default_rng(seed).normal(0, 0.4, (68, 2))
    face[RIGID[:, 0].astype(int)] = RIGID[:, 1:]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(align_68(scale * face @ turn.T + shift), face, atol=1e-3)


def test_a_mirrored_face_is_not_turned_back():
    face = np.random.default_rng(0).normal(0, 0.4, (68, 2))
    face[RIGID[:, 0].astype(int)] = RIGID[:, 1:]
    assert np.abs(align_68(face * [-1, 1]) - align_68(face)).mean() > 0.1


def test_points_that_fall_together_are_no_error():
    assert np.isfinite(align_68(np.zeros((68, 2)))).all()


def test_motion_energy_is_that_of_the_part_that_moves_most():
    face = np.tile(np.random.default_rng(0).normal(0, 0.4, (68, 2)), (40, 1, 1))
    assert motion_energy_68(face) == 0
    face[10:16, list(MOVING["left eye"]), 1] += 0.05
    assert motion_energy_68(face) == pytest.approx(5, rel=1e-3)


def test_the_table_names_every_point_once():
    assert len(MESH_POINTS) == 68 == len(set(MESH_POINTS.tolist()))
    assert MESH_POINTS.max() < 468
