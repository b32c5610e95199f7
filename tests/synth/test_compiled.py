"""What numba compiles does what its Python says: every branch of both, on pictures of a few pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from facemotion.synth.drawing import raster, resample, vertices
from facemotion.synth.drawing.compiled import compiled
from facemotion.synth.filming.camera import Grain, _develop

pytestmark = pytest.mark.long  # numba compiles, where its cache is empty

HEIGHT, WIDTH = 18, 22


def scene(columns: int, seed: int = 0):
    """Triangles in front of and behind each other, one without area, some past the border and one far outside."""
    random = np.random.default_rng(seed)
    points = random.uniform(-6, 26, (30, 3)).astype(np.float32)
    points[27:] += 500
    triangles = np.concatenate([random.permutation(27).reshape(9, 3), [[0, 0, 1], [27, 28, 29]]]).astype(np.int32)
    return triangles, points, random.uniform(0, 1, (30, columns)).astype(np.float32)


def canvas():
    return raster.Canvas(np.full((HEIGHT, WIDTH, 3), 9, np.float32), np.full((HEIGHT, WIDTH), -1e9, np.float32))


def both(function, *arguments):
    """What the compiled function and its Python leave in the arrays that they draw into."""
    left = []
    for run in (function, function.py_func):
        copies = [copy(argument) for argument in arguments]
        left.append((run(*copies), copies))
    return left


def copy(argument):
    """An array, or arrays packed as a named tuple, that may be drawn into."""
    if isinstance(argument, tuple):
        return type(argument)(*map(copy, argument))
    return argument.copy() if isinstance(argument, np.ndarray) else argument


def assert_drawn_alike(fast, plain):
    np.testing.assert_allclose(fast.picture, plain.picture, atol=0.05)
    np.testing.assert_allclose(fast.depth, plain.depth, atol=0.01)
    assert (fast.picture != 9).any(axis=2).sum() > 40


@pytest.mark.parametrize("cull", [True, False])
def test_textured_triangles(cull):
    triangles, points, attributes = scene(raster.ATTRIBUTES)
    attributes[:, :4] *= 14  # places in textures of 10 x 12 pixels, some of them past the border
    attributes[:3, raster.ALPHA] = 0
    attributes[3:12, raster.MIX] = 0
    pictures = np.random.default_rng(1).integers(0, 256, (2, 10, 12, 3), dtype=np.uint8)
    textures = raster.Textures(*map(raster.pack, pictures))
    (_, fast), (_, plain) = both(raster.draw_textured, triangles, points, attributes, textures, cull, canvas())
    assert_drawn_alike(fast[-1], plain[-1])


def test_a_sample_is_bilinear_and_stops_at_the_border():
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    texture = raster.pack(picture)
    for u, v in ((2.5, 1.5), (3.1, 2.2), (-9, 1.5), (90, 90)):
        place = np.float32(u), np.float32(v)
        fast, plain = raster._sample(texture, *place), raster._sample.py_func(texture, *place)
        np.testing.assert_allclose(fast, plain, atol=0.01)
    assert raster._sample(texture, np.float32(2.5), np.float32(1.5)) == pytest.approx(tuple(picture[1, 2]))
    assert raster._sample(texture, np.float32(-9), np.float32(1.5)) == pytest.approx(tuple(picture[1, 0]))


def test_colours_of_one_texel_never_run_into_each_other():
    """Extremes side by side, at every share: each channel is the mean that its own four values give."""
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, 0], picture[0, 1], picture[1, 0], picture[1, 1] = (255, 0, 255), (0, 255, 0), (255, 255, 0), (0, 0, 255)
    texture = raster.pack(picture)
    for fx in np.linspace(0, 0.999, 9):
        for fy in np.linspace(0, 0.999, 9):
            rows = picture[0] * (1 - fy) + picture[1] * fy
            found = raster._sample(texture, np.float32(0.5 + fx), np.float32(0.5 + fy))
            np.testing.assert_allclose(found, rows[0] * (1 - fx) + rows[1] * fx, atol=0.2)


def test_sheets():
    triangles, points, attributes = scene(raster.SHEET_ATTRIBUTES, seed=3)
    attributes[:, :2] *= 11
    texture = raster.pack(np.random.default_rng(1).integers(0, 256, (10, 12, 3), dtype=np.uint8))
    flat = np.ascontiguousarray(points[:, :2])
    (_, fast), (_, plain) = both(raster.draw_sheet, triangles, flat, attributes, texture, canvas().picture)
    np.testing.assert_allclose(fast[4], plain[4], atol=0.1)
    assert (fast[4] != 9).any(axis=2).sum() > 40


def test_a_sheet_has_no_gaps():
    """A crooked grid that covers the picture leaves not one pixel of what was there."""
    random = np.random.default_rng(0)
    for _ in range(20):
        grid = np.stack(np.meshgrid(np.linspace(-4, 26, 9), np.linspace(-4, 22, 9)), -1)
        grid[1:-1, 1:-1] += random.uniform(-0.9, 0.9, (7, 7, 2))
        index = np.arange(81).reshape(9, 9)
        a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
        triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
        attributes = np.ones((81, 5), np.float32)
        picture = np.full((HEIGHT, WIDTH, 3), -1, np.float32)
        texture = raster.pack(np.full((4, 4, 3), 200, np.uint8))
        raster.draw_sheet(triangles, grid.reshape(-1, 2).astype(np.float32), attributes, texture, picture)
        np.testing.assert_allclose(picture, 200, atol=0.1)


@pytest.mark.parametrize("cull", [True, False])
def test_coloured_triangles(cull):
    triangles, points, colours = scene(3, seed=5)
    (_, fast), (_, plain) = both(raster.draw_coloured, triangles, points, colours * 255, cull, canvas())
    assert_drawn_alike(fast[-1], plain[-1])


def test_normals_are_of_norm_1_but_for_points_of_no_triangle():
    triangles, points, _ = scene(1)
    (fast, _), (plain, _) = both(vertices.vertex_normals, triangles[:8], points, 30)
    np.testing.assert_allclose(fast, plain, atol=1e-4)
    used = np.isin(np.arange(30), triangles[:8])
    np.testing.assert_allclose(np.linalg.norm(fast, axis=1), used, atol=1e-5)


def test_shapes_are_added_by_their_weights():
    random = np.random.default_rng(0)
    neutral, shapes = random.normal(size=(7, 3)).astype(np.float32), random.normal(size=(4, 7, 3)).astype(np.float32)
    weights = np.array([0.5, 0, 1.2, -0.1], np.float32)
    (fast, _), (plain, _) = both(vertices.blend_shapes, neutral, shapes, weights)
    np.testing.assert_allclose(fast, plain, atol=1e-5)
    np.testing.assert_allclose(fast, neutral + np.tensordot(weights, shapes, 1), atol=1e-5)


def test_points_are_placed():
    random = np.random.default_rng(0)
    points, matrix = random.normal(size=(9, 3)).astype(np.float32), random.normal(size=(3, 4)).astype(np.float32)
    (fast, _), (plain, _) = both(vertices.place, points, matrix)
    np.testing.assert_allclose(fast, plain, atol=1e-5)
    np.testing.assert_allclose(fast, points @ matrix[:, :3].T + matrix[:, 3], atol=1e-5)


def unit(random, count):
    normals = random.normal(size=(count, 3)).astype(np.float32)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def test_light_is_the_new_over_the_old_within_bounds():
    random = np.random.default_rng(0)
    normals, dimmed = unit(random, 50), random.uniform(0.5, 3, 50).astype(np.float32)
    towards, colour = np.array([0.3, -0.2, 0.5], np.float32), np.array([1, 0.9, 0.8], np.float32)
    (fast, _), (plain, _) = both(vertices.relight, dimmed, normals, towards, np.float32(0.7), colour)
    np.testing.assert_allclose(fast, plain, atol=1e-5)
    wanted = np.clip(np.maximum(0.7 + normals @ towards, 0.12) * dimmed, 0.5, 1.5)[:, None] * colour
    np.testing.assert_allclose(fast, wanted, atol=1e-5)
    assert {0.5, 1.5} <= set(np.round(fast[:, 0], 5).tolist())


def test_skin_is_lit_but_for_closed_lids_that_keep_their_light():
    random = np.random.default_rng(0)
    normals, resting = unit(random, 40), unit(random, 40)
    dimmed, opacity, hollow = random.uniform(0.8, 1.2, (3, 40)).astype(np.float32) - np.float32([[0], [0.2], [0.6]])
    lid = np.zeros((2, 60), np.float32)
    lid[0, :10], lid[1, 10:20] = 1, 0.5
    towards, sight = np.array([0.2, 0.1, 0.3], np.float32), np.array([0, 0, 1], np.float32)
    shut, calm, colour = np.float32([1, 0.4]), np.float32([1, 0]), np.float32([1, 0.9, 0.8])
    skin = vertices.Skin(resting, dimmed, opacity, hollow, lid)
    light = vertices.SkinLight(towards, towards, sight, np.float32(0.7), colour)
    empty = np.zeros((40, raster.ATTRIBUTES), np.float32)
    (_, fast), (_, plain) = both(vertices.light_skin, empty, normals, skin, light, vertices.Lids(shut, calm))
    np.testing.assert_allclose(fast[0], plain[0], atol=1e-5)
    table = fast[0]
    np.testing.assert_allclose(table[:, raster.MIX], [1] * 10 + [0.2] * 10 + [0] * 20, atol=1e-6)
    now, then = (vertices.relight(dimmed, n, towards, np.float32(0.7), colour) for n in (normals, resting))
    np.testing.assert_allclose(table[:10, raster.RED : raster.ALPHA], then[:10], atol=1e-5)
    np.testing.assert_allclose(table[10:, raster.RED : raster.ALPHA], now[10:], atol=1e-5)
    wanted = opacity * np.maximum(np.clip((normals[:, 2] - 0.02) / 0.22, 0, 1), hollow)
    np.testing.assert_allclose(table[:, raster.ALPHA], wanted, atol=1e-5)


def test_of_teeth_only_those_near_the_lips_are_lit():
    random = np.random.default_rng(0)
    points = random.uniform(-3, 3, (60, 3)).astype(np.float32)
    triangles = random.permutation(np.arange(20, 60))[:39].reshape(13, 3).astype(np.int32)
    lips = np.array([[0, 0.4, 1], [0, -0.4, 1]], np.float32)
    white = np.array([250, 240, 230], np.float32)
    arguments = (triangles, points, lips, np.eye(3, dtype=np.float32), vertices.MouthLight(white, 0.8, 2.0))
    ((shown, fast), _), ((same, plain), _) = both(vertices.light_mouth, *arguments)
    np.testing.assert_array_equal(shown, same)
    np.testing.assert_allclose(fast, plain, atol=0.01)
    near = (np.abs(points[:, 1]) < 1)[triangles].any(axis=1)
    np.testing.assert_array_equal(shown, triangles[near])
    assert 0 < near.sum() < len(triangles)
    lit = np.isin(np.arange(60), shown)
    np.testing.assert_array_equal((fast > 0).all(axis=1), lit)
    assert (fast[lit] < white).all()


def test_lids_darken_what_lies_along_them():
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (60, 3)).astype(np.float32)
    line = np.array([[-1, 0.1, 0], [-0.2, 0.5, 0], [-0.2, 0.4, 0], [1, -0.3, 0]], np.float32)
    before = np.full(60, 0.8, np.float32)
    shadow = (np.float32(0.5), np.float32(0.3))
    (_, fast), (_, plain) = both(vertices.darken_along, before, points, line, *shadow)
    np.testing.assert_allclose(fast[0], plain[0], atol=1e-5)
    away = np.interp(points[:, 0], line[:, 0], line[:, 1]) - points[:, 1]
    np.testing.assert_allclose(fast[0], 0.8 * (1 - 0.5 * np.exp(-np.square(away / 0.3))), atol=1e-5)


def test_the_grid_is_carried():
    random = np.random.default_rng(0)
    follow, moved = random.normal(size=(7, 9)).astype(np.float32), random.normal(size=(2, 5)).astype(np.float32)
    (fast, _), (plain, _) = both(vertices.carry, follow, moved)
    np.testing.assert_allclose(fast, plain, atol=1e-5)
    np.testing.assert_allclose(fast, follow[:, :5] @ moved.T, atol=1e-5)


def test_blocks_left_out_of_a_blend_move_nothing_that_shows():
    random = np.random.default_rng(0)
    neutral, shapes = random.normal(size=(70, 3)).astype(np.float32), np.zeros((3, 70, 3), np.float32)
    shapes[0, 20:30], shapes[1, 66:], shapes[2] = 0.4, -0.3, 5e-5
    busy = vertices.busy_blocks(shapes)
    np.testing.assert_array_equal(busy, [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1], [0] * 5])
    weights = np.array([0.5, 1.2, 1], np.float32)
    (fast, _), (plain, _) = both(vertices.blend_blocks, neutral, shapes, busy, weights)
    np.testing.assert_allclose(fast, plain, atol=1e-6)
    np.testing.assert_allclose(fast, vertices.blend_shapes(neutral, shapes, weights), atol=1e-4)
    assert (fast != neutral).any(axis=1).sum() == 14


@pytest.mark.parametrize(("size", "wanted"), [((27, 33), (18, 22)), ((40, 31), (17, 9)), ((18, 22), (18, 22))])
def test_pictures_shrink_as_pillow_shrinks_them(size, wanted):
    random = np.random.default_rng(0)
    coarse = random.uniform(50, 205, (size[0] // 3, size[1] // 3, 3))
    levels = coarse.repeat(4, axis=0).repeat(4, axis=1)[: size[0], : size[1]].astype(np.uint8)
    picture = np.ascontiguousarray(levels, np.float32)
    shrinker = resample.Shrinker(size, wanted)
    (fast, _), (plain, _) = both(resample._shrink, picture, *shrinker._rows, *shrinker._columns)
    assert np.abs(fast - plain).max() <= 1
    theirs = np.asarray(Image.fromarray(levels).resize(wanted[::-1], Image.Resampling.LANCZOS), np.float32)
    assert np.abs(shrinker(picture) - theirs).max() <= 1  # Pillow rounds between its passes too
    bright = shrinker(np.where(picture > 128, np.float32(900), np.float32(-300)))
    assert bright.min() == 0
    assert bright.max() == 255


@pytest.mark.parametrize(
    ("blur", "lag"), [((0, 0), (0, 0)), ((0.2, 0.1), (1.5, 0)), ((3, -2), (0, 0)), ((30, 0), (0.4, 2))]
)
def test_a_frame_is_developed(blur, lag):
    random = np.random.default_rng(0)
    picture = random.uniform(0, 255, (HEIGHT, WIDTH, 3)).astype(np.float32)
    gain = random.uniform(0.7, 1.3, (HEIGHT, WIDTH)).astype(np.float32)
    grain = Grain(random.normal(size=(8, 9, 3)).astype(np.float32), 2, 3, 4.0)
    moved = (np.array(blur, np.float32), np.array(lag, np.float32))
    (fast, _), (plain, _) = both(_develop, picture, gain, grain, *moved)
    assert np.abs(fast.astype(int) - plain.astype(int)).max() <= 1
    sharp = _develop(picture, gain, grain, np.zeros(2, np.float32), np.zeros(2, np.float32))
    assert (fast.std() < sharp.std()) == (max(np.abs(blur)) > 1 or max(np.abs(lag)) > 1)


def test_where_machine_code_can_not_be_kept_it_is_compiled_anew():
    """On a read-only disk every command of the data engine ended in numba's own error."""
    names: dict[str, Any] = {}
    exec("def double(number):\n    return 2 * number", names)  # a function of no file, which numba has no cache for
    assert compiled(names["double"])(21) == 42
