"""What numba compiles does what its Python says: every branch of both, on pictures of a few pixels."""

from __future__ import annotations

import numpy as np
import pytest

from facemotion.synth import raster
from facemotion.synth.camera import _develop

HEIGHT, WIDTH = 18, 22


def scene(columns: int, seed: int = 0):
    """Triangles in front of and behind each other, one without area, some past the border and one far outside."""
    random = np.random.default_rng(seed)
    points = random.uniform(-6, 26, (30, 3)).astype(np.float32)
    points[27:] += 500
    triangles = np.concatenate([random.permutation(27).reshape(9, 3), [[0, 0, 1], [27, 28, 29]]]).astype(np.int32)
    return triangles, points, random.uniform(0, 1, (30, columns)).astype(np.float32)


def canvas():
    return np.full((HEIGHT, WIDTH, 3), 9, np.float32), np.full((HEIGHT, WIDTH), -1e9, np.float32)


def both(function, *arguments):
    """What the compiled function and its Python leave in the arrays that they draw into."""
    left = []
    for run in (function, function.py_func):
        own = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        left.append((run(*own), own))
    return left


@pytest.mark.parametrize("cull", [True, False])
def test_textured_triangles(cull):
    triangles, points, attributes = scene(raster.ATTRIBUTES)
    attributes[:, :4] *= 14  # places in textures of 10 x 12 pixels, some of them past the border
    attributes[:3, raster.ALPHA] = 0
    attributes[3:12, raster.MIX] = 0
    first, second = np.random.default_rng(1).integers(0, 256, (2, 10, 12, 3), dtype=np.uint8)
    (_, fast), (_, plain) = both(raster.draw_textured, triangles, points, attributes, first, second, cull, *canvas())
    np.testing.assert_allclose(fast[6], plain[6], atol=0.05)
    np.testing.assert_allclose(fast[7], plain[7], atol=0.01)
    assert (fast[6] != 9).any(axis=2).sum() > 40


def test_a_sample_is_bilinear_and_stops_at_the_border():
    texture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    for u, v in ((2.5, 1.5), (3.1, 2.2), (-9, 1.5), (90, 90)):
        fast, plain = raster._sample(texture, u, v), raster._sample.py_func(texture, np.float32(u), np.float32(v))
        np.testing.assert_allclose(fast, plain, atol=0.01)
    assert raster._sample(texture, 2.5, 1.5) == pytest.approx(tuple(texture[1, 2]))
    assert raster._sample(texture, -9, 1.5) == pytest.approx(tuple(texture[1, 0]))


def test_sheets():
    triangles, points, attributes = scene(5, seed=3)
    attributes[:, :2] *= 11
    texture = np.random.default_rng(1).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    flat = np.ascontiguousarray(points[:, :2])
    (_, fast), (_, plain) = both(raster.draw_sheet, triangles, flat, attributes, texture, canvas()[0])
    np.testing.assert_allclose(fast[4], plain[4], atol=0.1)
    assert (fast[4] != 9).any(axis=2).sum() > 40


@pytest.mark.parametrize("cull", [True, False])
def test_coloured_triangles(cull):
    triangles, points, colours = scene(3, seed=5)
    (_, fast), (_, plain) = both(raster.draw_coloured, triangles, points, colours * 255, cull, *canvas())
    np.testing.assert_allclose(fast[4], plain[4], atol=0.05)
    np.testing.assert_allclose(fast[5], plain[5], atol=0.01)
    assert (fast[4] != 9).any(axis=2).sum() > 40


def test_normals_are_of_norm_1_but_for_points_of_no_triangle():
    triangles, points, _ = scene(1)
    (fast, _), (plain, _) = both(raster.vertex_normals, triangles[:8], points, 30)
    np.testing.assert_allclose(fast, plain, atol=1e-4)
    used = np.isin(np.arange(30), triangles[:8])
    np.testing.assert_allclose(np.linalg.norm(fast, axis=1), used, atol=1e-5)


def test_shapes_are_added_by_their_weights():
    random = np.random.default_rng(0)
    neutral, shapes = random.normal(size=(7, 3)).astype(np.float32), random.normal(size=(4, 7, 3)).astype(np.float32)
    weights = np.array([0.5, 0, 1.2, -0.1], np.float32)
    (fast, _), (plain, _) = both(raster.blend_shapes, neutral, shapes, weights)
    np.testing.assert_allclose(fast, plain, atol=1e-5)
    np.testing.assert_allclose(fast, neutral + np.tensordot(weights, shapes, 1), atol=1e-5)


@pytest.mark.parametrize(
    ("blur", "lag"), [((0, 0), (0, 0)), ((0.2, 0.1), (1.5, 0)), ((3, -2), (0, 0)), ((30, 0), (0.4, 2))]
)
def test_a_frame_is_developed(blur, lag):
    random = np.random.default_rng(0)
    picture = random.uniform(0, 255, (HEIGHT, WIDTH, 3)).astype(np.float32)
    gain = random.uniform(0.7, 1.3, (HEIGHT, WIDTH)).astype(np.float32)
    grain = random.normal(size=(8, 9, 3)).astype(np.float32)
    moved = (np.array(blur, np.float32), np.array(lag, np.float32))
    (fast, _), (plain, _) = both(_develop, picture, gain, grain, 2, 3, 4.0, *moved)
    assert np.abs(fast.astype(int) - plain.astype(int)).max() <= 1
    sharp = _develop(picture, gain, grain, 2, 3, 4.0, np.zeros(2, np.float32), np.zeros(2, np.float32))
    assert (fast.std() < sharp.std()) == (max(np.abs(blur)) > 1 or max(np.abs(lag)) > 1)
