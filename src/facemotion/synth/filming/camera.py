"""What an imperfect camera makes of a perfect picture: blur, rolling shutter, vignette, noise, JPEG."""

from __future__ import annotations

import io
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facemotion.synth.drawing.compiled import compiled
from facemotion.synth.filming.scene import Session
from facemotion.synth.people.head import FloatArray

Frame = NDArray[np.uint8]
_TILE = 512


class Camera:
    """The camera of one session. Frames are made in order; a new take starts with a new camera."""

    def __init__(self, session: Session, width: int, height: int, seed: int) -> None:
        self.session, self.width, self.height = session, width, height
        self._random = np.random.default_rng(seed)
        self._grain = _grain()
        y, x = np.mgrid[0:height, 0:width]
        radius = np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5) / 0.7071
        self._falloff = (1 - session.vignette * radius**2).astype(np.float32)

    @property
    def seen(self) -> tuple[int, int]:
        """Width and height at which pictures are to be drawn for this camera."""
        return max(48, round(self.width * self.session.sharpness)), max(48, round(self.height * self.session.sharpness))

    def expose(self, picture: FloatArray, speed: FloatArray, exposure: float) -> Frame:
        """One frame.

        Args:
            picture: (h, w, 3) float32 0..255, of the size `seen`. speed: (2,) pixels/s at delivered size.
            exposure: factor.
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
            self._grain,
            int(i),
            int(j),
            session.noise,
            speed.astype(np.float32) * np.float32(session.shutter),
            slant(session, speed),
        )
        if session.quality:
            buffer = io.BytesIO()
            Image.fromarray(frame).save(buffer, "JPEG", quality=session.quality)
            frame = np.asarray(Image.open(buffer).convert("RGB"))
        return frame


def slant(session: Session, speed: FloatArray) -> FloatArray:
    """(2,) pixels by which the bottom row lags the top one under a rolling shutter; the middle row is in place."""
    return np.asarray(np.clip(speed * session.readout, -6, 6), np.float32)


@lru_cache(maxsize=1)  # the same for all takes
def _grain() -> FloatArray:
    """A tile of noise of unit variance, slightly coloured and correlated, as after demosaicking."""
    random = np.random.default_rng(20220615)
    white = random.standard_normal((_TILE, _TILE, 4)).astype(np.float32)
    grain = 0.75 * white[..., :1] + 0.66 * white[..., 1:]
    grain = grain + 0.5 * np.roll(grain, 1, 0) + 0.5 * np.roll(grain, 1, 1)
    return np.asarray(grain / grain.std(), np.float32)


@compiled
def _develop(
    picture: FloatArray,
    gain: FloatArray,
    grain: FloatArray,
    di: int,
    dj: int,
    noise: float,
    blur: FloatArray,
    lag: FloatArray,
) -> Frame:
    """Blur along `blur` pixels, slant by `lag`, multiply by `gain`, add noise growing with the root of the signal."""
    height, width = picture.shape[0], picture.shape[1]
    out = np.empty((height, width, 3), np.uint8)
    # Single precision throughout: a number without a type would make doubles of all that it meets.
    zero, one, half, white = np.float32(0), np.float32(1), np.float32(0.5), np.float32(255)
    right, low = np.float32(width - 1.001), np.float32(height - 1.001)
    # The noise is `noise` at mid grey: the sum of three colours of 128 makes it.
    floor, slope = np.float32(0.25 * noise * noise), np.float32(0.75 * noise * noise / 384)
    length = np.sqrt(blur[0] ** 2 + blur[1] ** 2)
    taps = 1 if length < 0.6 else min(7, int(length) + 2)
    share = np.float32(1 / taps)
    still = taps == 1 and abs(lag[0]) < 0.1 and abs(lag[1]) < 0.1
    for j in range(height):
        row = np.float32((j + 0.5) / height - 0.5)
        left, top = -lag[0] * row, np.float32(j) - lag[1] * row
        y = (j + dj) % grain.shape[0]
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
            x = (i + di) % grain.shape[1]
            out[j, i, 0] = int(min(max(red * g + level * grain[y, x, 0] + half, zero), white))
            out[j, i, 1] = int(min(max(green * g + level * grain[y, x, 1] + half, zero), white))
            out[j, i, 2] = int(min(max(blue * g + level * grain[y, x, 2] + half, zero), white))
    return out
