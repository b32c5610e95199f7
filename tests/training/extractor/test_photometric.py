from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facemotion.face.crop import crop_face
from facemotion.media.warp import crop_matrix
from facemotion.training.extractor.photometric import SIDE, PhotometricSettings, jitter_crop, photograph, to_crop

STILL = PhotometricSettings(**{field.name: 0.0 for field in fields(PhotometricSettings)})
BOX = np.array([40, 45, 110, 115], np.float32)


def dots(points: np.ndarray) -> np.ndarray:
    """A dark picture with a soft white dot at each point."""
    y, x = np.mgrid[:160, :160] + 0.5
    picture = np.zeros((160, 160), np.float32)
    for px, py in points:
        picture = np.maximum(picture, 255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8))
    return np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)


def test_without_strength_it_is_the_crop_of_run_time() -> None:
    image = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    face, matrix = photograph(image, BOX, STILL, np.random.default_rng(1))
    np.testing.assert_array_equal(face, crop_face(image, BOX, SIDE))
    np.testing.assert_allclose(matrix, crop_matrix(BOX, SIDE))


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_landmarks_go_where_the_picture_goes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    point = rng.uniform(60, 95, (1, 2)).astype(np.float32)
    strong = replace(STILL, shift=0.05, zoom=0.1, turn=15.0)
    face, matrix = photograph(dots(point), BOX, strong, rng)
    weight = face[..., 0].astype(float)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    seen = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
    np.testing.assert_allclose(to_crop(point, matrix)[0] * SIDE, seen, atol=0.3)


@pytest.mark.parametrize("name", [f.name for f in fields(PhotometricSettings)])
def test_each_augmentation_changes_the_face(name: str) -> None:
    image = np.random.default_rng(0).integers(60, 200, (160, 160, 3), dtype=np.uint8)
    strong = replace(
        STILL, **{name: {"turn": 20.0, "noise": 20.0, "shift": 0.1, "zoom": 0.2, "colour": 0.3}.get(name, 1)}
    )
    plain, _ = photograph(image, BOX, STILL, np.random.default_rng(3))
    faces = [photograph(image, BOX, strong, np.random.default_rng(seed))[0] for seed in range(6)]
    assert all(face.shape == (SIDE, SIDE, 3) and face.dtype == np.uint8 for face in faces)
    assert any((face != plain).any() for face in faces)
    assert all(face.std() > 1 for face in faces)
    again, _ = photograph(image, BOX, strong, np.random.default_rng(0))
    np.testing.assert_array_equal(faces[0], again)


def test_left_stays_left() -> None:
    """No draw mirrors: a point left of another stays left of it in every crop."""
    points = np.array([[60, 80], [90, 80]], np.float32)
    for seed in range(200):
        matrix = jitter_crop(BOX, PhotometricSettings(), np.random.default_rng(seed))
        assert np.linalg.det(matrix[:, :2]) > 0
        assert np.diff(to_crop(points, matrix)[:, 0])[0] > 0
