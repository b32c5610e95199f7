"""Spatial feature extractors: the face of one frame becomes one vector. One file a network."""

from collections.abc import Callable
from functools import partial

from facemotion.config import RuntimeSettings
from facemotion.errors import UnknownModelError
from facemotion.features.base import FeatureExtractor
from facemotion.features.mesh import FaceMesh
from facemotion.features.mobilefacenet import SpatialFeatures, SpatialLandmarks

# The names of the `sfe-` ones are their card's, with "-landmarks" where the landmarks themselves are the features.
EXTRACTORS: dict[str, Callable[[RuntimeSettings | None], FeatureExtractor]] = {
    "face-mesh": FaceMesh,
    "sfe-l": partial(SpatialFeatures, "sfe-l"),
    "sfe-l-landmarks": partial(SpatialLandmarks, "sfe-l"),
    "sfe-l-half": partial(SpatialFeatures, "sfe-l-half"),
    "sfe-l-half-landmarks": partial(SpatialLandmarks, "sfe-l-half"),
}

__all__ = ["EXTRACTORS", "FaceMesh", "FeatureExtractor", "SpatialFeatures", "SpatialLandmarks", "load_extractor"]


def load_extractor(name: str, runtime: RuntimeSettings | None = None) -> FeatureExtractor:
    """The extractor of that name.

    Raises:
        UnknownModelError: no such extractor. MissingModelError, ModelHashError: its file.
    """
    if name not in EXTRACTORS:
        raise UnknownModelError(f"There is no feature extractor {name!r}; choose among {', '.join(EXTRACTORS)}.")
    return EXTRACTORS[name](runtime)
