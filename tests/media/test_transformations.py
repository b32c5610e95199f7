"""However a film is stored, its motion is the same; and a film that is really mirrored isn't the same film."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from transformations import CONTROLS, LEAST, SAMPLE, TRANSFORMATIONS, Film, Transformation, encode

import facemotion as fm
from facemotion.media import Source, read_frames

Embed = Callable[[Source, float | None], NDArray[np.float32]]


@pytest.fixture(scope="module")
def verifier() -> fm.Verifier:
    return fm.Verifier.load()


@pytest.fixture(scope="module")
def film() -> Film:
    """Every second frame, which suffices to know the motion and costs half."""
    return Film.load(SAMPLE, every=2)


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


def _named(transformation: Transformation) -> str:
    return f"{transformation.kind}: {transformation.name}"


@pytest.mark.parametrize("transformation", TRANSFORMATIONS, ids=_named)
def test_the_way_a_film_is_stored_leaves_its_motion_as_it_is(transformation, film, embed, reference, tmp_path):
    vector = embed(*transformation.make(film, tmp_path))
    assert float(vector @ reference) > LEAST


@pytest.mark.parametrize("control", CONTROLS, ids=_named)
def test_a_film_that_is_really_mirrored_is_another_motion(control, film, embed, reference, verifier, tmp_path):
    vector = embed(*control.make(film, tmp_path))
    assert float(vector @ reference) < verifier.point.threshold
