"""t-SNE: embeddings on a page, neighbours kept together (Fig. 9 of the paper). Exact, for up to a few thousand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import EvidenceError
from facemotion.types import FloatArray

Array = NDArray[np.float64]

PERPLEXITY = 15.0  # neighbours that count; fewer where there are few vectors


def tsne(vectors: FloatArray, steps: int = 500) -> Array:
    """Places in the plane for unit vectors.

    Args:
        vectors: (N, E), N >= 4.
        steps: of gradient descent.
    Returns:
        (N, 2) float64; only nearness means something, distances between groups don't.
    Raises:
        EvidenceError: fewer than four vectors, of which neighbourhoods can't be made.
    Reference: van der Maaten and Hinton, Visualizing data using t-SNE, 2008.
    """
    count = len(vectors)
    if count < 4:
        raise EvidenceError(f"A map of embeddings needs four clips or more, got {count}.")
    distances = (2 - 2 * vectors.astype(np.float64) @ vectors.T).clip(0)
    near = _neighbourhoods(distances, min(PERPLEXITY, (count - 1) / 3))
    near = ((near + near.T) / (2 * count)).clip(1e-12)
    places = 1e-2 * np.random.default_rng(0).standard_normal((count, 2))
    speed, gains = np.zeros_like(places), np.ones_like(places)
    rate = max(count / 12, 20.0)
    for step in range(steps):
        target = near * 4 if step < steps // 4 else near  # early exaggeration
        gaps = places[:, None] - places[None]
        kernel = 1 / (1 + np.square(gaps).sum(axis=2))
        np.fill_diagonal(kernel, 0)
        pull = (target - kernel / kernel.sum()) * kernel
        gradient = 4 * (pull[:, :, None] * gaps).sum(axis=1)
        gains = np.where(np.sign(gradient) != np.sign(speed), gains + 0.2, gains * 0.8).clip(0.01)
        speed = (0.5 if step < steps // 4 else 0.8) * speed - rate * gains * gradient
        places = places + speed - (places + speed).mean(axis=0)
    return places


def _neighbourhoods(distances: Array, perplexity: float) -> Array:
    """(N, N) rows of Gaussian neighbourhoods, each of the wanted perplexity, by bisection of its width."""
    count = len(distances)
    low, high, precision = np.zeros(count), np.full(count, np.inf), np.ones(count)
    for _ in range(64):
        weights = np.exp(-distances * precision[:, None])
        np.fill_diagonal(weights, 0)
        weights /= weights.sum(axis=1, keepdims=True).clip(1e-300)
        entropy = -(weights * np.log(weights.clip(1e-300))).sum(axis=1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, precision, low), np.where(wide, high, precision)
        precision = np.where(np.isinf(high), precision * 2, (low + high) / 2)
    return weights
