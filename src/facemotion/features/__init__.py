"""Spatial feature extractors: the face of one frame becomes one vector. One file a network."""

from facemotion.config import RuntimeSettings
from facemotion.errors import UnknownModelError
from facemotion.features.base import FeatureExtractor
from facemotion.features.mesh import FaceMesh

EXTRACTORS = {"face-mesh": FaceMesh}

__all__ = ["EXTRACTORS", "FaceMesh", "FeatureExtractor", "load_extractor"]


def load_extractor(name: str, runtime: RuntimeSettings | None = None) -> FeatureExtractor:
    """The extractor of that name.

    Raises:
        UnknownModelError: no such extractor. MissingModelError, ModelHashError: its file.
    """
    if name not in EXTRACTORS:
        raise UnknownModelError(f"There is no feature extractor {name!r}; choose among {', '.join(EXTRACTORS)}.")
    return EXTRACTORS[name](runtime)
