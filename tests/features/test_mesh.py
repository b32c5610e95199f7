"""The face mesh: parity, and freedom from the head's pose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facemotion.errors import UnknownModelError
from facemotion.face import BlazeFace
from facemotion.features import FaceMesh, load_extractor
from facemotion.features.mesh import MOVING, POINTS, RIGID, align
from facemotion.models import Models


@pytest.fixture(scope="module")
def mesh() -> FaceMesh:
    return FaceMesh(Models.shipped())


def test_parity_with_the_original_network():
    """Stored answers of the TensorFlow Lite interpreter, in input pixels; made by tools/reference_outputs.py."""
    session = Models.shipped().open("face-mesh")
    with np.load(Path(__file__).with_name("mesh_reference.npz")) as stored:
        for number, image in enumerate(stored["images"]):
            points = session.run(["Identity"], {"input": image[None].astype(np.float32) / 255})[0]
            np.testing.assert_allclose(points, stored[f"Identity.{number}"], atol=1e-3)


def test_landmarks_lie_on_the_face_in_frame_pixels(mesh, drawn_face):
    canvas = np.full((400, 500, 3), 110, np.uint8)
    canvas[100:356, 150:406] = drawn_face
    found = BlazeFace(Models.shipped()).detect(canvas)
    points = mesh.landmarks(canvas, found.boxes[0], found.keypoints[0])
    np.testing.assert_allclose(points[list(MOVING["lips"]), :2].mean(axis=0), [150 + 128, 100 + 164], atol=8)
    np.testing.assert_allclose(points[468, :2], [150 + 104, 100 + 107], atol=10)  # iris of the subject's right eye
    np.testing.assert_allclose(points[473, :2], [150 + 152, 100 + 107], atol=10)


def test_features_do_not_depend_on_where_the_face_is(mesh, drawn_face):
    detector = BlazeFace(Models.shipped())
    features = []
    for left in (20, 60, 140):
        canvas = np.full((300, 420, 3), 110, np.uint8)
        canvas[20:276, left : left + 256] = drawn_face
        found = detector.detect(canvas)
        features.append(mesh(canvas, found.boxes[0], found.keypoints[0]))
    assert features[0].shape == (mesh.dimension,) == (3 * len(POINTS),)
    assert np.abs(features[0] - features[1]).mean() < 0.02
    assert np.abs(features[0] - features[2]).mean() < 0.02


@settings(max_examples=40)
@given(
    angles=st.tuples(*[st.floats(-0.6, 0.6)] * 3),
    scale=st.floats(5, 400),
    shift=st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_alignment_undoes_any_similarity(angles, scale, shift):
    rng = np.random.default_rng(0)
    face = rng.normal(0, 0.3, (478, 3))
    face[RIGID[:, 0].astype(int)] = RIGID[:, 1:]
    (a, b, c) = angles
    rotation = (
        np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        @ np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        @ np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    )
    moved = (scale * face @ rotation + np.array(shift)).astype(np.float32)
    np.testing.assert_allclose(align(moved), face, atol=2e-3)


def test_a_mirrored_face_is_not_turned_back():
    """Left and right are secrets: alignment is a rotation, never a reflection."""
    face = np.random.default_rng(1).normal(0, 0.3, (478, 3)).astype(np.float32)
    face[RIGID[:, 0].astype(int)] = RIGID[:, 1:]
    mirrored = face * np.array([-1, 1, 1], np.float32)
    assert np.abs(align(mirrored) - align(face)).mean() > 0.1
    both = align(np.stack([mirrored, face]))  # a stack is aligned face by face
    np.testing.assert_allclose(both, np.stack([align(mirrored), align(face)]), atol=1e-6)


def test_the_points_are_symmetric_and_named_once():
    assert len(set(POINTS)) == len(POINTS)
    assert len(MOVING["right eye"]) == len(MOVING["left eye"])
    assert len(MOVING["right brow"]) == len(MOVING["left brow"])
    assert RIGID[:, 1].sum() == pytest.approx(0, abs=1e-6)


def test_motion_energy(mesh):
    still = np.random.default_rng(0).normal(0, 0.001, (40, mesh.dimension)).astype(np.float32)
    assert mesh.motion_energy(still) < 0.5
    wink = still.reshape(40, -1, 3).copy()
    eye = [number for number, point in enumerate(POINTS) if point in MOVING["left eye"]]
    wink[15:20, eye, 1] += 0.06
    assert mesh.motion_energy(wink.reshape(40, -1)) > 3


def test_an_unknown_extractor_names_the_known():
    with pytest.raises(UnknownModelError, match="face-mesh"):
        load_extractor("face-mush", Models.shipped())
