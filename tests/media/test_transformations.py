"""However a film is stored, its motion is the same; and a film that is really mirrored isn't the same film."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from transformations import CONTROLS, SAMPLE, TRANSFORMATIONS, Film, Transformation, encode

import facemotion as fm
from facemotion.config import Settings
from facemotion.media import Source, read_frames

Embed = Callable[[Source, float | None], NDArray[np.float32]]


@pytest.fixture(scope="module")
def verifier() -> fm.Verifier:
    return fm.Verifier.load(Settings())


@pytest.fixture(scope="module")
def film() -> Film:
    """Every third frame, which suffices to know the motion and costs a third."""
    return Film.load(SAMPLE, every=3)


@pytest.fixture(scope="module")
def embed(verifier) -> Embed:
    """The vector of a clip, made once for all clips that are read alike, pixel by pixel and time by time."""
    known: dict[bytes, NDArray[np.float32]] = {}

    def vector(source: Source, rate: float | None) -> NDArray[np.float32]:
        digest = hashlib.sha256()
        for frame, seconds in read_frames(source, rate=rate):
            digest.update(frame.tobytes() + np.float64(round(seconds, 6)).tobytes() + str(frame.shape).encode())
        if digest.digest() not in known:
            known[digest.digest()] = verifier.embed(verifier.frontend.acquire(source, rate)).vector
        return known[digest.digest()]

    return vector


@pytest.fixture(scope="module")
def reference(film, embed) -> NDArray[np.float32]:
    return embed(encode(film), None)


REPRESENTATIVES = {
    "container": ("mp4 in fragments", "Matroska", "MPEG-TS", "MPEG-PS", "Flash video", "AVI of H.264 with B-frames"),
    "display matrix": ("turned left", "turned and mirrored, by H.264 itself"),
    "pixels": ("4:3, mp4",),
    "times": ("Matroska from 3600 s on", "WebM from 3600 s on"),
    "tracks": ("a cover first, mp4",),
    "pictures": ("folder of 16-bit grey PNGs", "folder of 12-bit grey TIFFs", "raw MJPEG"),
    "control": ("mirrored, and nothing says so",),
}
"""What is tried on every Python: of those that go the same ways through PyAV and Pillow, one."""


def _tried(transformations: Sequence[Transformation]) -> list[Any]:
    def marks(each: Transformation) -> tuple[Any, ...]:
        return () if each.name in REPRESENTATIVES[each.kind] else (pytest.mark.once,)

    return [pytest.param(each, id=f"{each.kind}: {each.name}", marks=marks(each)) for each in transformations]


@pytest.mark.parametrize("transformation", _tried(TRANSFORMATIONS))
def test_the_way_a_film_is_stored_leaves_its_motion_as_it_is(transformation, film, embed, reference, tmp_path):
    vector = embed(*transformation.make(film, tmp_path))
    assert float(vector @ reference) > transformation.least


@pytest.mark.parametrize("control", _tried(CONTROLS))
def test_a_film_that_is_really_mirrored_is_another_motion(control, film, embed, reference, verifier, tmp_path):
    vector = embed(*control.make(film, tmp_path))
    assert float(vector @ reference) < verifier.point.threshold


def test_every_kind_of_storage_is_tried_on_every_python():
    known = {(each.kind, each.name) for each in (*TRANSFORMATIONS, *CONTROLS)}
    chosen = {(kind, name) for kind, names in REPRESENTATIVES.items() for name in names}
    assert chosen < known
    assert {kind for kind, _ in chosen} == {kind for kind, _ in known}
