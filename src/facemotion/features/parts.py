"""Which features belong to which part of the face, for extractors whose features are points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import SettingsError
from facemotion.features import MESH, OF_LANDMARKS, landmarks68, mesh


def select_parts(extractor: str, parts: Sequence[str], depth: bool = True) -> NDArray[np.bool_]:
    """Features of some parts of the face.

    Args:
        extractor: "face-mesh", or the name of an extractor of landmarks, such as "sfe-l-landmarks".
        parts: names such as "lips", "jaw", "left brow"; empty for every point.
        depth: take the third coordinate too, where there is one.
    Returns:
        (D,) bool, true for the features taken.
    Raises:
        SettingsError: features of this extractor are no points, or it knows no such part (those that it knows are
            named).
    """
    groups: Mapping[str, slice | Sequence[int]]
    if extractor == MESH:
        groups, points, coordinates = mesh.PARTS, len(mesh.POINTS), 3
    elif extractor.endswith(OF_LANDMARKS):
        groups, points, coordinates = landmarks68.MOVING, 68, 2
    else:
        raise SettingsError(f"Features of {extractor!r} are no points of a face; leave parts empty and depth true.")
    taken = np.zeros((points, coordinates), np.bool_)
    for part in parts or ("",):
        if part and part not in groups:
            raise SettingsError(f"{extractor!r} knows no part {part!r}; choose among {', '.join(groups)}.")
        group = groups[part] if part else slice(None)
        taken[group if isinstance(group, slice) else list(group)] = True
    if not depth:
        taken[:, 2:] = False
    return taken.ravel()
