"""Effects of cameras, detectors and light on a still that don't change its labels. For training only. None mirrors,
since left and right are part of the secret.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from facemotion.config import option
from facemotion.media.warp import CROP_MARGIN, CROP_SHIFT_UP, Matrix, square_matrix, warp

Picture = NDArray[np.uint8]

SIDE = 112


@dataclass(frozen=True)
class PhotometricSettings:
    """Strength of each augmentation; 0 leaves it out.

    The detector's box jitters by 0.3% (centre) and 1% (side) from frame to frame of a still head, and by ten times
    that between people and poses: the shift and the zoom cover the latter.
    """

    shift: float = option(0.03, "spread of the crop's centre", unit="box sides", minimum=0, maximum=0.3)
    zoom: float = option(0.06, "spread of the logarithm of the crop's side", minimum=0, maximum=0.3)
    turn: float = option(8.0, "spread of the crop's rotation", unit="degrees", minimum=0, maximum=45)
    low_resolution: float = option(0.4, "share of stills that lose pixels", minimum=0, maximum=1)
    blur: float = option(0.3, "share of stills out of focus or moved", minimum=0, maximum=1)
    colour: float = option(0.25, "spread of the logarithm of gains, gamma, contrast, saturation", minimum=0, maximum=1)
    light: float = option(0.3, "share of stills with a gradient of light across them", minimum=0, maximum=1)
    grey: float = option(0.05, "share of stills without colour", minimum=0, maximum=1)
    occluders: float = option(0.2, "share of stills with something before the face", minimum=0, maximum=1)
    noise: float = option(8.0, "largest spread of sensor noise", unit="grey levels", minimum=0, maximum=64)
    compression: float = option(0.4, "share of stills compressed", minimum=0, maximum=1)


def photograph(
    image: Picture, box: NDArray[np.float32], settings: PhotometricSettings, rng: np.random.Generator
) -> tuple[Picture, Matrix]:
    """One augmented face crop.

    Args:
        image: (S, S, 3) uint8 RGB.
        box: (4,) x0 y0 x1 y1 pixels.
        settings: strengths.
        rng: source of the draws.
    Returns:
        (112, 112, 3) uint8 RGB, and the (2, 3) map from its pixels to those of the image.
    """
    matrix = jitter_crop(box, settings, rng)
    face = warp(image, matrix, SIDE)
    if rng.random() < settings.occluders:
        face = occlude(face, rng)
    if settings.colour:
        face = recolour(face, settings.colour, rng)
    if rng.random() < settings.grey:
        face = np.repeat(face.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    if rng.random() < settings.light:
        face = shade(face, rng)
    if rng.random() < settings.blur:
        face = blur(face, rng)
    if rng.random() < settings.low_resolution:
        face = lose_pixels(face, rng)
    if settings.noise:
        face = add_noise(face, settings.noise, rng)
    if rng.random() < settings.compression:
        face = compress(face, rng)
    return face, matrix


def jitter_crop(box: NDArray[np.float32], settings: PhotometricSettings, rng: np.random.Generator) -> Matrix:
    """(2, 3) map from crop pixels to image pixels of a crop as `face.crop` cuts it, but shifted, zoomed and turned."""
    side = float(max(box[2] - box[0], box[3] - box[1]))
    x, y = rng.normal(0, settings.shift, 2) * side
    centre = float(box[0] + box[2]) / 2 + x, float(box[1] + box[3]) / 2 + y - CROP_SHIFT_UP * side
    zoom = float(np.exp(rng.normal(0, settings.zoom)))
    return square_matrix(centre, CROP_MARGIN * side * zoom, np.radians(rng.normal(0, settings.turn)), SIDE)


def lose_pixels(face: Picture, rng: np.random.Generator) -> Picture:
    """Shrink and enlarge again, as a face that was small in its frame."""
    size = int(SIDE * rng.uniform(0.3, 0.9))
    down = Image.Resampling.BOX if rng.random() < 0.5 else Image.Resampling.BILINEAR
    up = Image.Resampling.BILINEAR if rng.random() < 0.7 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(face).resize((size, size), down).resize((SIDE, SIDE), up))


def blur(face: Picture, rng: np.random.Generator) -> Picture:
    """Out of focus, or moved along a line while the shutter was open."""
    if rng.random() < 0.6:
        return np.asarray(Image.fromarray(face).filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6))))
    length, angle = int(rng.integers(2, 7)), rng.uniform(0, np.pi)
    total = np.zeros(face.shape, np.float32)
    for step in np.linspace(-0.5, 0.5, length):
        dx, dy = round(step * length * np.cos(angle)), round(step * length * np.sin(angle))
        total += np.roll(face, (dy, dx), axis=(0, 1))
    return np.asarray(total / length, np.uint8)


def recolour(face: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """Exposure, white balance, contrast, saturation and gamma of another camera."""
    exposure, contrast, saturation, gamma = np.exp(rng.normal(0, strength * np.array([0.8, 0.6, 0.9, 0.7])))
    balance = np.exp(rng.normal(0, 0.4 * strength, 3))
    # Gamma, exposure and balance act on each channel alone: 256 entries instead of 37,632 powers.
    levels = 255 * (np.arange(256)[:, None] / 255) ** gamma * exposure * balance
    picture = np.stack([levels[face[..., k], k] for k in range(3)], axis=2).astype(np.float32)
    grey = picture.mean(axis=2, keepdims=True)
    middle = grey.mean()
    picture = middle + np.float32(contrast) * (grey - middle + np.float32(saturation) * (picture - grey))
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def shade(face: Picture, rng: np.random.Generator) -> Picture:
    """Light that falls off across the face."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.7)
    steps = np.linspace(-0.7, 0.7, SIDE, dtype=np.float32)
    ramp = 1 + strength * (np.cos(angle) * steps[None, :] + np.sin(angle) * steps[:, None])
    return np.asarray(np.clip(face * ramp[..., None], 0, 255), np.uint8)


def occlude(face: Picture, rng: np.random.Generator) -> Picture:
    """A hand, a strand, the rim of glasses: a blob or a line of one colour; the points behind keep their labels."""
    picture = Image.fromarray(face.copy())
    draw = ImageDraw.Draw(picture)
    colour = tuple(int(c) for c in face[tuple(rng.integers(SIDE, size=2))].astype(int) + rng.integers(-40, 40, 3))
    x, y = rng.uniform(0, SIDE, 2)
    width, height = rng.uniform(0.08, 0.35, 2) * SIDE
    kind = rng.integers(3)
    if kind == 0:
        draw.ellipse((x - width / 2, y - height / 2, x + width / 2, y + height / 2), fill=colour)
    elif kind == 1:
        draw.rectangle((x - width / 2, y - height / 2, x + width / 2, y + height / 2), fill=colour)
    else:
        ends = rng.uniform(0, SIDE, 4)
        draw.line(ends.tolist(), fill=colour, width=int(rng.integers(1, 7)))
    return np.asarray(picture)


def add_noise(face: Picture, most: float, rng: np.random.Generator) -> Picture:
    """Sensor noise of a random strength, partly shared by the channels."""
    spread = np.float32(most * rng.random() ** 2)
    grain = rng.standard_normal((SIDE, SIDE, 4), dtype=np.float32)
    noise = spread * (np.float32(0.7) * grain[..., :1] + np.float32(0.7) * grain[..., 1:])
    return np.asarray(np.clip(face + noise, 0, 255), np.uint8)


def compress(face: Picture, rng: np.random.Generator) -> Picture:
    """JPEG of a random quality."""
    buffer = io.BytesIO()
    Image.fromarray(face).save(buffer, "JPEG", quality=int(rng.integers(20, 90)))
    return np.asarray(Image.open(buffer).convert("RGB"))


def to_crop(landmarks: NDArray[np.float32], matrix: Matrix) -> NDArray[np.float32]:
    """Landmarks (68, 2) in image pixels -> (68, 2) float32 in crop sides, given the map from crop to image pixels."""
    inverse = np.linalg.inv(matrix[:, :2])
    return ((landmarks - matrix[:, 2]) @ inverse.T / SIDE).astype(np.float32)
