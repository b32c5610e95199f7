"""Motions that everybody makes, to hold a new secret motion against: packaged ones of simulated people, and clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facemotion.encoder import Encoder
from facemotion.errors import AcquisitionError, MediaError, SettingsError
from facemotion.frontend import Frontend
from facemotion.models.cards import SHIPPED_FOLDER
from facemotion.signals import RATE
from facemotion.types import FeatureSequence, FloatArray

PACKAGED = SHIPPED_FOLDER / "common_motions.npz"
"""Made by tools/common_motions.py: features, so that they outlive a new encoder."""


def packaged_motions(frontend_id: str) -> list[tuple[str, FeatureSequence]]:
    """Name and features of every packaged take: a plain smile, a blink, an open mouth and so on, by several people.

    Args:
        frontend_id: of the extractor in use; nothing is packaged for another one than the default.
    """
    with np.load(PACKAGED) as stored:
        if str(stored["frontend_id"]) != frontend_id:
            return []
        takes = {name: stored[name].astype(np.float32) for name in stored.files if name != "frontend_id"}
    return [
        (name.partition("/")[0], FeatureSequence(values, np.arange(len(values)) / RATE, frontend_id))
        for name, values in takes.items()
    ]


def common_motions(wanted: str, frontend: Frontend, encoder: Encoder) -> dict[str, FloatArray]:
    """Vectors (N, E) of the takes of each common motion, by its name.

    Args:
        wanted: "packaged", "off", or a folder of clips to look at besides.
    Raises:
        SettingsError: there is no such folder, or one of its files shows no motion.
    """
    if wanted == "off":
        return {}
    found = packaged_motions(encoder.frontend_id)
    if wanted != "packaged":
        folder = Path(wanted)
        if not folder.is_dir():
            raise SettingsError(f"There is no folder {folder} of common motions; correct it in the settings.")
        clips = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        found += [(repr(path.stem), _features(path, frontend)) for path in clips]
    vectors: dict[str, list[FloatArray]] = {}
    for name, features in found:
        vectors.setdefault(name, []).append(encoder(features).vector)
    return {name: np.stack(takes) for name, takes in vectors.items()}


def _features(path: Path, frontend: Frontend) -> FeatureSequence:
    try:
        return frontend.acquire(path).features
    except (MediaError, AcquisitionError) as error:
        # Not raised as it is: the user who enrols at that moment would take it for a fault of their own clip.
        raise SettingsError(f"{path} can't be used as a common motion, take it out of the folder: {error}") from error
