"""Portraits of clay people: the clay head, painted and lit, before a plain wall."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facemotion.synth.drawing.raster import Canvas, draw_coloured
from facemotion.synth.drawing.vertices import vertex_normals
from facemotion.synth.people.fit import Fit
from facemotion.synth.people.head import IDENTITIES, SHAPES, HeadModel

SIDE = 440  # px of a portrait
OVERSAMPLE = 2
SPAN = 30.0  # cm of the head's frame that a portrait shows
MIDDLE = 0.5  # cm, height of its middle
SHAPE = 0.6  # standard deviations of identity
LIGHT, AMBIENT = (0.25, 0.45, 0.86), 0.45
SKINS = ((233, 196, 172), (214, 166, 136), (178, 126, 92), (128, 86, 62), (96, 64, 48))
HAIRS = ((40, 30, 26), (74, 50, 34), (120, 84, 50), (150, 146, 142))
WALLS = ((150, 160, 170), (176, 166, 152), (128, 146, 132), (190, 190, 194))
IRISES = ((70, 48, 34), (62, 84, 66), (70, 96, 124))
SCLERA = (236, 232, 228)
LIPS = (0.86, 0.56, 0.54)  # of the skin's red, green and blue
IRIS_RADIUS, PUPIL_RADIUS, EYE_REACH = 0.62, 0.26, 1.75  # cm


def draw_clay_portrait(head: HeadModel, name: str) -> NDArray[np.uint8]:
    """Draw a clay person.

    Args:
        head: the clay head.
        name: who is drawn; the same name is the same person.
    Returns:
        (440, 440, 3) uint8 RGB.
    """
    shape, random = _cast(name)
    points = (head.neutral + np.tensordot(shape, head.identity, 1)).astype(np.float32)
    eyes = head.eyes + np.tensordot(shape, head.eyes_identity, 1)
    skin, hair, wall, iris = (
        np.array(colours[int(random.integers(len(colours)))], np.float32) for colours in (SKINS, HAIRS, WALLS, IRISES)
    )
    picture = _behind(points, eyes, (skin, hair, wall, iris))
    screen = _screen(points)
    normals = vertex_normals(head.face, points, head.faces_count)
    light = AMBIENT + (1 - AMBIENT) * np.clip(normals @ np.array(LIGHT, np.float32), 0, 1)
    colours = np.zeros((len(points), 3), np.float32)
    colours[: head.faces_count] = _paint(head, points, skin, hair) * light[:, None]
    depth = np.full(picture.shape[:2], -1e9, np.float32)
    draw_coloured(head.face, screen, colours, True, Canvas(picture, depth))
    grain = random.normal(0, 2.0, (SIDE, SIDE, 1))
    small = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.clip(np.asarray(small, np.float32) + grain, 0, 255).astype(np.uint8)


def fit_clay_portrait(head: HeadModel, name: str) -> Fit:
    """What `fit.fit_landmarks` looks for in a portrait of a clay person, exactly; nothing has to be seen for it.

    Args:
        head: the clay head.
        name: who is drawn.
    """
    shape, _ = _cast(name)
    points = head.neutral + np.tensordot(shape, head.identity, 1)
    eyes = head.eyes + np.tensordot(shape, head.eyes_identity, 1)
    border = IRIS_RADIUS * np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    irises = [eye + np.concatenate([np.zeros((1, 3)), border]) + [0, 0, head.eye_radius] for eye in eyes[::-1]]
    landmarks = _screen(np.concatenate([points[head.mesh], *irises])) / OVERSAMPLE
    scale = SIDE / SPAN
    return Fit(
        name=name,
        size=(SIDE, SIDE),
        identity=shape,
        expression=np.zeros(len(SHAPES), np.float32),
        rotation=np.eye(3, dtype=np.float32),
        scale=scale,
        shift=np.array([SIDE / 2, SIDE / 2 + scale * MIDDLE], np.float32),
        landmarks=landmarks.astype(np.float32),
        error=0.0,
    )


def _cast(name: str) -> tuple[NDArray[np.float32], np.random.Generator]:
    """Identity (100,) of a clay person, and a generator for what else there is to choose."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    return (random.standard_normal(IDENTITIES) * SHAPE).astype(np.float32), random


def _screen(points: NDArray[np.floating]) -> NDArray[np.float32]:
    scale = SIDE * OVERSAMPLE / SPAN
    middle = SIDE * OVERSAMPLE / 2
    x, y = middle + scale * points[:, 0], middle - scale * (points[:, 1] - MIDDLE)
    return np.ascontiguousarray(np.stack([x, y, points[:, 2]], 1), np.float32)


def _behind(
    points: NDArray[np.float32], eyes: NDArray[np.floating], colours: tuple[NDArray[np.float32], ...]
) -> NDArray[np.float32]:
    """What the face is drawn over: wall, hair, neck, clothes and eyes."""
    skin, hair, wall, iris = colours
    image = Image.new("RGB", (SIDE * OVERSAMPLE,) * 2, _colour(wall))
    draw = ImageDraw.Draw(image)

    def oval(x: float, y: float, across: float, down: float, colour: NDArray[np.floating]) -> None:
        corners = _screen(np.array([[x - across, y + down, 0], [x + across, y - down, 0]]))
        draw.ellipse([float(value) for value in corners[:, :2].ravel()], fill=_colour(colour))

    width = float(points[:, 0].max())
    oval(0, 4.4, width + 0.9, 9.4, hair)
    for side in (-1, 1):  # ears
        oval(side * (width + 0.1), 1.6, 0.9, 2.2, 0.85 * skin)
    oval(0, -17.5, 11.5, 6.5, 0.5 * wall + 20)
    for eye in eyes:
        oval(float(eye[0]), float(eye[1]), EYE_REACH, EYE_REACH, np.array(SCLERA))
        oval(float(eye[0]), float(eye[1]), IRIS_RADIUS, IRIS_RADIUS, iris)
        oval(float(eye[0]), float(eye[1]), PUPIL_RADIUS, PUPIL_RADIUS, np.array((12, 10, 10)))
        oval(float(eye[0]) + 0.2, float(eye[1]) + 0.22, 0.1, 0.1, np.array((250, 250, 250)))
    return np.asarray(image, np.float32).copy()


def _colour(values: NDArray[np.floating]) -> tuple[int, int, int]:
    red, green, blue = np.clip(values, 0, 255).astype(int).tolist()
    return red, green, blue


def _paint(
    head: HeadModel, points: NDArray[np.float32], skin: NDArray[np.float32], hair: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Colours (F, 3) of the face."""
    face = points[: head.faces_count]
    x, y = face[:, 0], face[:, 1]
    colours = np.repeat(skin[None], len(face), 0)

    def tint(share: NDArray[np.floating], colour: NDArray[np.floating]) -> None:
        colours[:] += np.clip(share, 0, 1)[:, None] * (colour - colours)

    marks = points[head.landmarks]
    lips = marks[48:60]
    middle, reach = lips.mean(0), np.ptp(lips, axis=0) / 2
    tint(1.6 - ((x - middle[0]) / reach[0]) ** 2 - 1.35 * np.abs(y - middle[1]) / reach[1], skin * np.array(LIPS))
    inner = marks[[60, 61, 62, 63, 64]]
    seam = np.interp(x, inner[:, 0], inner[:, 1], left=99, right=99)
    tint(0.75 * np.exp(-(((y - seam) / 0.11) ** 2)), 0.35 * skin)
    for brow in (marks[17:22], marks[22:27]):
        line = np.interp(x, brow[:, 0], brow[:, 1], left=99, right=99)
        tint(0.9 * np.exp(-(((y - line) / 0.33) ** 4)), 0.7 * hair)
    for lid in head.lids:  # lashes, and the shade of the socket
        away = np.linalg.norm(face[:, None, :2] - points[lid][None, :, :2], axis=2).min(1)
        above = np.where(y > points[lid][:, 1].mean(), 1.0, 0.45)
        tint(0.8 * above * np.exp(-((away / 0.16) ** 2)), np.array((34, 26, 24)))
        tint(0.25 * np.exp(-((away / 0.9) ** 2)), 0.55 * skin)
    for side in (-1, 1):  # nostrils and cheeks
        tint(0.85 * np.exp(-(((x - side * 0.62) / 0.3) ** 2) - ((y - marks[33, 1] - 0.1) / 0.2) ** 2), 0.25 * skin)
        tint(0.25 * np.exp(-(((x - side * 4.0) / 1.7) ** 2) - ((y + 0.4) / 1.5) ** 2), skin * np.array(LIPS))
    tint((np.hypot(x / 8.2, np.maximum(y - 1.5, 0) / 7.6) - 0.97) * 12, hair)
    return colours.astype(np.float32)
