"""What an imperfect camera makes of a perfect picture: blur, rolling shutter, vignette, noise, JPEG."""

from __future__ import annotations

import io

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image

from facemotion.synth.head import FloatArray
from facemotion.synth.scene import Session

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


def _grain() -> FloatArray:
    """A tile of noise of unit variance, slightly coloured and correlated, as after demosaicking."""
    random = np.random.default_rng(20220615)
    white = random.standard_normal((_TILE, _TILE, 4)).astype(np.float32)
    grain = 0.75 * white[..., :1] + 0.66 * white[..., 1:]
    grain = grain + 0.5 * np.roll(grain, 1, 0) + 0.5 * np.roll(grain, 1, 1)
    return np.asarray(grain / grain.std(), np.float32)


@njit(cache=True, fastmath=True, nogil=True)
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
    length = np.sqrt(blur[0] ** 2 + blur[1] ** 2)
    taps = 1 if length < 0.6 else min(7, int(length) + 2)
    still = taps == 1 and abs(lag[0]) < 0.1 and abs(lag[1]) < 0.1
    for j in range(height):
        row = (j + 0.5) / height - 0.5
        for i in range(width):
            red, green, blue = 0.0, 0.0, 0.0
            if still:
                red, green, blue = picture[j, i, 0], picture[j, i, 1], picture[j, i, 2]
            else:
                for tap in range(taps):
                    part = 0.0 if taps == 1 else tap / (taps - 1) - 0.5
                    x = min(max(i - lag[0] * row + blur[0] * part, 0.0), width - 1.001)
                    y = min(max(j - lag[1] * row + blur[1] * part, 0.0), height - 1.001)
                    a, b = int(x), int(y)
                    fx, fy = x - a, y - b
                    w00, w10, w01, w11 = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
                    red += (
                        w00 * picture[b, a, 0]
                        + w10 * picture[b, a + 1, 0]
                        + w01 * picture[b + 1, a, 0]
                        + w11 * picture[b + 1, a + 1, 0]
                    )
                    green += (
                        w00 * picture[b, a, 1]
                        + w10 * picture[b, a + 1, 1]
                        + w01 * picture[b + 1, a, 1]
                        + w11 * picture[b + 1, a + 1, 1]
                    )
                    blue += (
                        w00 * picture[b, a, 2]
                        + w10 * picture[b, a + 1, 2]
                        + w01 * picture[b + 1, a, 2]
                        + w11 * picture[b + 1, a + 1, 2]
                    )
                red, green, blue = red / taps, green / taps, blue / taps
            g = gain[j, i]
            level = noise * np.sqrt(0.25 + 0.75 * (red + green + blue) * g / 384.0)
            y, x = (j + dj) % grain.shape[0], (i + di) % grain.shape[1]
            out[j, i, 0] = min(max(red * g + level * grain[y, x, 0] + 0.5, 0.0), 255.0)
            out[j, i, 1] = min(max(green * g + level * grain[y, x, 1] + 0.5, 0.0), 255.0)
            out[j, i, 2] = min(max(blue * g + level * grain[y, x, 2] + 0.5, 0.0), 255.0)
    return out
