"""What an imperfect camera makes of a perfect picture: blur, rolling shutter, vignette, noise, JPEG."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facemotion.synth.drawing.compiled import compiled
from facemotion.synth.filming.scene import Session
from facemotion.synth.people.head import FloatArray

Frame = NDArray[np.uint8]
_TILE = 512  # side of the tile of noise, pixels
_FEWEST = 48  # pixels: no camera sees a picture that is smaller
_CORNER = 0.7071  # of the sides: from the middle of a frame to its corner
_MOST_SLANT = 6  # pixels between the top row and the bottom one
# Noise: weight of the part that all colours have in common, of each colour's own part, and of the neighbours' noise, as
# demosaicking leaves it. None of the three was measured.
_COMMON, _EACH, _NEIGHBOUR = 0.75, 0.66, 0.5
# At mid grey a quarter of the noise's variance comes from the sensor, the rest from light; it grows with the signal.
_SENSOR, _SHOT, _MID_GREY = 0.25, 0.75, 384  # mid grey is the sum of three colours of 128
_STILL, _SHORT = 0.1, 0.6  # pixels: a slant and a blur below these aren't drawn, since nobody sees them
_MOST_TAPS = 7  # samples along the blur


class Camera:
    """The camera of one session. Frames are made in order; a new take starts with a new camera."""

    def __init__(self, session: Session, width: int, height: int, seed: int) -> None:
        """Set up a camera.

        Args:
            session: what is wrong with it.
            width: width of the frames that it delivers, pixels.
            height: height of these frames, pixels.
            seed: seed of the sensor's noise.
        """
        self.session, self.width, self.height = session, width, height
        self._random = np.random.default_rng(seed)
        self._grain = _grain()
        y, x = np.mgrid[0:height, 0:width]
        radius = np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5) / _CORNER
        self._falloff = (1 - session.vignette * radius**2).astype(np.float32)

    @property
    def seen(self) -> tuple[int, int]:
        """Width and height at which pictures are to be drawn for this camera."""
        sharpness = self.session.sharpness
        return max(_FEWEST, round(self.width * sharpness)), max(_FEWEST, round(self.height * sharpness))

    def expose(self, picture: FloatArray, speed: FloatArray, exposure: float) -> Frame:
        """One frame.

        Args:
            picture: (h, w, 3) float32 0..255, of the size `seen`.
            speed: (2,) float32 pixels/s of the head, at the delivered size.
            exposure: factor on all grey levels.
        Returns:
            (H, W, 3) uint8.
        """
        session = self.session
        if picture.shape[:2] != (self.height, self.width):
            image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
            picture = np.asarray(image.resize((self.width, self.height), Image.Resampling.BILINEAR), np.float32)
        i, j = self._random.integers(0, _TILE, 2)
        frame = _develop(
            np.ascontiguousarray(picture),
            self._falloff * np.float32(exposure),
            Grain(self._grain, int(i), int(j), session.noise),
            speed.astype(np.float32) * np.float32(session.shutter),
            slant(session, speed),
        )
        if session.quality:
            buffer = io.BytesIO()
            Image.fromarray(frame).save(buffer, "JPEG", quality=session.quality)
            frame = np.asarray(Image.open(buffer).convert("RGB"))
        return frame


def slant(session: Session, speed: FloatArray) -> FloatArray:
    """How far the bottom row lags the top one under a rolling shutter; the middle row is in place.

    Args:
        session: session of the camera.
        speed: (2,) float32 pixels/s.
    Returns:
        (2,) float32 pixels.
    """
    return np.asarray(np.clip(speed * session.readout, -_MOST_SLANT, _MOST_SLANT), np.float32)


@lru_cache(maxsize=1)  # the same for all takes
def _grain() -> FloatArray:
    """A tile of noise of unit variance, slightly coloured and correlated, as after demosaicking."""
    random = np.random.default_rng(20220615)
    white = random.standard_normal((_TILE, _TILE, 4)).astype(np.float32)
    grain = _COMMON * white[..., :1] + _EACH * white[..., 1:]
    grain = grain + _NEIGHBOUR * np.roll(grain, 1, 0) + _NEIGHBOUR * np.roll(grain, 1, 1)
    return np.asarray(grain / grain.std(), np.float32)


class Grain(NamedTuple):
    """Noise of one frame.

    Attributes:
        tile: (h, w, 3) float32 of variance 1, laid over the frame again and again.
        column: column of the tile at the frame's left border.
        row: row of the tile at the frame's top.
        noise: standard deviation at mid grey, grey levels.
    """

    tile: FloatArray
    column: int
    row: int
    noise: float


@compiled
def _develop(picture: FloatArray, gain: FloatArray, grain: Grain, blur: FloatArray, lag: FloatArray) -> Frame:
    """Blur along `blur` pixels, slant by `lag`, multiply by `gain`, add noise growing with the root of the signal."""
    tile, column, line, noise = grain
    height, width = picture.shape[0], picture.shape[1]
    out = np.empty((height, width, 3), np.uint8)
    # Single precision throughout: a number without a type would make doubles of all that it meets.
    zero, one, half, white = np.float32(0), np.float32(1), np.float32(0.5), np.float32(255)
    right, low = np.float32(width - 1.001), np.float32(height - 1.001)
    floor, slope = np.float32(_SENSOR * noise * noise), np.float32(_SHOT * noise * noise / _MID_GREY)
    length = np.sqrt(blur[0] ** 2 + blur[1] ** 2)
    taps = 1 if length < _SHORT else min(_MOST_TAPS, int(length) + 2)
    share = np.float32(1 / taps)
    still = taps == 1 and abs(lag[0]) < _STILL and abs(lag[1]) < _STILL
    for j in range(height):
        row = np.float32((j + 0.5) / height - 0.5)
        left, top = -lag[0] * row, np.float32(j) - lag[1] * row
        y = (j + line) % tile.shape[0]
        for i in range(width):
            red, green, blue = zero, zero, zero
            if still:
                red, green, blue = picture[j, i, 0], picture[j, i, 1], picture[j, i, 2]
            else:
                for tap in range(taps):
                    part = zero if taps == 1 else np.float32(tap / (taps - 1) - 0.5)
                    fx = min(max(np.float32(i) + left + blur[0] * part, zero), right)
                    fy = min(max(top + blur[1] * part, zero), low)
                    a, b = int(fx), int(fy)
                    fx, fy = fx - np.float32(a), fy - np.float32(b)
                    w00, w10, w01, w11 = (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy
                    red += w00 * picture[b, a, 0] + w10 * picture[b, a + 1, 0]
                    red += w01 * picture[b + 1, a, 0] + w11 * picture[b + 1, a + 1, 0]
                    green += w00 * picture[b, a, 1] + w10 * picture[b, a + 1, 1]
                    green += w01 * picture[b + 1, a, 1] + w11 * picture[b + 1, a + 1, 1]
                    blue += w00 * picture[b, a, 2] + w10 * picture[b, a + 1, 2]
                    blue += w01 * picture[b + 1, a, 2] + w11 * picture[b + 1, a + 1, 2]
                red, green, blue = red * share, green * share, blue * share
            g = gain[j, i]
            level = np.float32(math.sqrt(floor + slope * (red + green + blue) * g))
            x = (i + column) % tile.shape[1]
            out[j, i, 0] = int(min(max(red * g + level * tile[y, x, 0] + half, zero), white))
            out[j, i, 1] = int(min(max(green * g + level * tile[y, x, 1] + half, zero), white))
            out[j, i, 2] = int(min(max(blue * g + level * tile[y, x, 2] + half, zero), white))
    return out
