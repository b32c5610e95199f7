"""How `facemotion.presentation` weighs its signs: each by itself, the largest decides.

A sign counts in standard deviations of genuine films of the people to fit. Its zero lies a margin beyond every genuine
film of real people, and beyond nearly all of rendered ones; whoever is judged in a report is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Film = dict[str, Any]
"""One row of docs/results/screens.json."""
GENUINE = ("as it is", "filmed by a camera that stands", "filmed by a camera held by hand")
MARGIN = 1.0
"""Standard deviations of genuine films by which a line's zero lies beyond the farthest of real people."""
RENDERED_PERCENTILE = 97.0


def directions(films: Sequence[Film]) -> Floats:
    """(S, L) weights of the signs in each line, one for each sign: genuine films to fit have a spread of 1 along it."""
    chosen = [film["signs"] for film in films if film["part"] == "fit" and film["family"] in GENUINE]
    return np.diag(1 / np.std(chosen, axis=0))


def biases(films: Sequence[Film], weights: Floats, without: str = "") -> Floats:
    """(L,) minus the zero of each line, by all genuine films but those of one person."""
    films = [film for film in films if film["family"] in GENUINE and film["person"] != without]
    along = np.array([film["signs"] for film in films]) @ weights
    real = np.array([film["real"] for film in films])
    rendered = np.percentile(along[~real], RENDERED_PERCENTILE, axis=0)
    return -np.maximum(along[real].max(axis=0) + MARGIN, rendered)


def judged(films: Sequence[Film]) -> Floats:
    """(N,) scores of films, each by lines whose zeros don't know its person."""
    weights = directions(films)
    own = {person: biases(films, weights, person) for person in {film["person"] for film in films}}
    return np.array([(np.array(film["signs"]) @ weights + own[film["person"]]).max() for film in films])
