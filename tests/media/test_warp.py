"""Crops: where they come from, and what lies beyond the border."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facemotion.media.warp import apply, sample, square_matrix, warp


def test_an_unturned_square_is_the_frame_itself():
    frame = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(warp(frame, square_matrix((20, 20), 40, 0, 40), 40), frame)
    part = warp(frame, square_matrix((15, 18), 10, 0, 10), 10)
    np.testing.assert_array_equal(part, frame[13:23, 10:20])


def test_a_quarter_turn_is_a_quarter_turn():
    frame = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    turned = warp(frame, square_matrix((16, 16), 32, np.pi / 2, 32), 32)
    np.testing.assert_allclose(turned.astype(int), np.rot90(frame).astype(int), atol=1)


def plainly_warped(frame: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) by the definition: bilinear between pixel centres, black beyond the border, fractions cut off."""
    height, width = frame.shape[:2]
    crop = np.zeros((size, size, 3), np.uint8)
    for row, column in np.ndindex(size, size):
        x, y = matrix @ [column + 0.5, row + 0.5, 1]
        if not (0 <= x < width and 0 <= y < height):
            continue
        left, top = int(np.floor(x - 0.5)), int(np.floor(y - 0.5))
        for channel in range(3):
            near = [
                [frame[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1), channel] for u in (left, left + 1)]
                for v in (top, top + 1)
            ]
            across, down = x - 0.5 - left, y - 0.5 - top
            crop[row, column, channel] = int([1 - down, down] @ np.array(near) @ [1 - across, across])
    return crop


@pytest.mark.parametrize(
    ("centre", "side", "angle"),
    [((21.3, 17.8), 20.0, 0.31), ((30.9, 3.2), 25.0, -0.7), ((2.5, 30.1), 41.0, 2.9), ((20.0, 18.0), 12.5, 0.0)],
    ids=["inside", "over the top", "over a corner", "enlarged"],
)
def test_crops_are_bilinear_to_the_level(centre, side, angle):
    """The vectors of the shipped encoder show half a level: pictures must be those that it learned from."""
    frame = np.random.default_rng(1).integers(0, 256, (36, 40, 3), dtype=np.uint8)
    matrix = square_matrix(centre, side, angle, 24)
    got, wanted = warp(frame, matrix, 24).astype(int), plainly_warped(frame, matrix, 24).astype(int)
    assert np.abs(got - wanted).max() <= 1  # where a fraction lies next to a whole number
    assert (got != wanted).mean() < 0.005


def test_what_a_network_gets_is_the_same_crop():
    frame = np.random.default_rng(2).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    matrix = square_matrix((33.0, 31.0), 70, 0.2, 32)
    assert sample(frame, matrix, 32).dtype == np.float32
    np.testing.assert_array_equal(sample(frame, matrix, 32), warp(frame, matrix, 32))


def test_shrinking_averages():
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[::2] = 255
    small = warp(frame, square_matrix((32, 32), 64, 0, 8), 8)
    assert np.abs(small.astype(int) - 128).max() <= 2


@settings(max_examples=80)
@given(
    x=st.floats(-300, 400),
    y=st.floats(-300, 400),
    side=st.floats(1, 900),
    angle=st.floats(-4, 4),
    height=st.integers(1, 90),
    width=st.integers(1, 90),
)
def test_crops_at_and_beyond_borders(x, y, side, angle, height, width):
    frame = np.full((height, width, 3), 200, np.uint8)
    matrix = square_matrix((x, y), side, angle, 24)
    crop = warp(frame, matrix, 24)
    assert crop.shape == (24, 24, 3)
    grid = np.stack(np.meshgrid(np.arange(24) + 0.5, np.arange(24) + 0.5), axis=-1)
    places = apply(matrix, grid.reshape(-1, 2)).reshape(24, 24, 2)
    margin = 2 + 2 * side / 24
    outside = (places < -margin).any(-1) | (places > np.array([width, height]) + margin).any(-1)
    assert (crop[outside] == 0).all()


@settings(max_examples=50)
@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(1, 500), st.floats(-3, 3))
def test_the_centre_of_the_crop_is_the_centre_of_the_square(x, y, side, angle):
    middle = apply(square_matrix((x, y), side, angle, 10), np.array([[5.0, 5.0]]))
    np.testing.assert_allclose(middle, [[x, y]], atol=1e-3)
