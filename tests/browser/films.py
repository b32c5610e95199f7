"""Films for a fake camera: the package's sample clips, with grey in between so that a test knows where it is."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import facemotion
from facemotion.media import load_clip

SAMPLES = Path(facemotion.__file__).parent / "samples"
RATE = 30  # Chromium plays Motion JPEG at this rate, whatever is in the file
GREY, LEAD, TAIL = 2.0, 1.2, 1.6  # seconds of nothing, of the face at rest before a motion, and after it
FIRST, LAST = round(RATE * LEAD), round(RATE * TAIL)  # frames at rest of a take, before and after its motion

SWAY = 12.0  # pixels that a head goes to and fro; with less a take is known as made of two others of its clip

Frames = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class Take:
    """One performance: a sample clip, changed as another take of the same motion would be."""

    clip: str
    tempo: float = 1.0
    zoom: float = 1.0
    side: float = 0.0


def noisy(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """What a camera makes of a picture: no two frames of it are alike."""
    grain = np.roll(_grain(), random.integers(0, 240 * 320), axis=0).reshape(picture.shape)
    return np.clip(picture.astype(np.int16) + grain, 0, 255).astype(np.uint8)


@cache
def _grain() -> NDArray[np.int16]:
    return np.random.default_rng(0).normal(0, 2.0, (240 * 320, 3)).round().astype(np.int16)


def play(take: Take, random: np.random.Generator) -> Frames:
    """Frames (240, 320, 3) of a face at rest, a motion, and the face at rest again, with a camera's noise.

    The head sways as no head does twice: without that a take is a recording seen before, whatever its tempo."""
    clip = load_clip(SAMPLES / f"{take.clip}.mp4")
    seconds = float(clip.times[-1] - clip.times[0]) / take.tempo
    moments = np.arange(-LEAD, seconds + TAIL, 1 / RATE)
    places = np.searchsorted(clip.times - clip.times[0], np.clip(moments * take.tempo, 0, None))
    sway = SWAY * np.stack([_wander(moments, random) for _ in range(2)], axis=1)
    frames = []
    for place, away in zip(np.clip(places, 0, len(clip.frames) - 1), sway, strict=True):
        image = Image.fromarray(clip.frames[place])
        width, height = image.size
        half = np.array([width, height]) / (2 * take.zoom)
        middle = np.array([width / 2 + take.side, height / 2]) + away
        box = (*np.clip(middle - half, 0, None), *np.minimum(middle + half, [width, height]))
        frames.append(noisy(np.asarray(image.resize((320, 240), Image.Resampling.BICUBIC, box)), random))
    return frames


def _wander(moments: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """(N,) of size 1, slow and without a period that a film would see."""
    rates, phases = random.uniform(0.15, 0.5, 3), random.uniform(0, 2 * np.pi, 3)
    return np.asarray(np.sin(2 * np.pi * rates * moments[:, None] + phases).sum(axis=1) / np.sqrt(3))


def nothing(seconds: float, random: np.random.Generator) -> Frames:
    """A grey wall."""
    wall = np.full((240, 320, 3), 118, np.uint8)
    return [noisy(wall, random) for _ in range(round(seconds * RATE))]


def two_faces(alone: float = 0.0) -> Frames:
    """Two people beside each other, for two seconds; before that one of them stands there alone for some."""
    random = np.random.default_rng(1)
    one, other = (load_clip(SAMPLES / f"{name}-wink-pout-1.mp4").frames[:60] for name in ("anna", "ben"))
    wall = np.full((240, 160, 3), 118, np.uint8)
    first = [np.concatenate([one[0][:, 60:220], wall], axis=1)] * round(alone * RATE)
    both = [np.concatenate([a[:, 60:220], b[:, 90:250]], axis=1) for a, b in zip(one, other, strict=True)]
    return [noisy(frame, random) for frame in first + both]


def write(path: Path, parts: Sequence[Frames]) -> Path:
    """Motion JPEG that Chromium takes as a camera; played over and over."""
    with path.open("wb") as file:
        for frame in (frame for part in parts for frame in part):
            buffer = io.BytesIO()
            Image.fromarray(frame).save(buffer, "JPEG", quality=92)
            file.write(buffer.getvalue())
    return path


def film(path: Path, takes: Sequence[Take], seed: int = 0) -> Path:
    """Takes one after the other, grey before each."""
    random = np.random.default_rng(seed)
    parts: list[Frames] = []
    for take in takes:
        parts += [nothing(GREY, random), play(take, random)]
    return write(path, parts)
