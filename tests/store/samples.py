"""Templates to store; stands alone, so that a script in a process of its own can import it."""

from __future__ import annotations

import numpy as np

from facemotion.types import Template


def make_template(user="alice", factor="motion", seed=0, *, takes=3, dimension=128, model_id="encoder-1") -> Template:
    vectors = np.random.default_rng(seed).normal(size=(takes, dimension)).astype(np.float32)
    return Template(user, factor, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), model_id)
