"""Spatial feature extractors: the face of one frame becomes one vector. One file a network."""

from facemotion.errors import UnknownModelError
from facemotion.features.base import FeatureExtractor
from facemotion.features.mesh import FaceMesh
from facemotion.features.spatial import SpatialFeatures, SpatialLandmarks
from facemotion.models import Models

MESH = "face-mesh"
OF_LANDMARKS = "-landmarks"  # after a card's name: the landmarks themselves are the features

__all__ = [
    "MESH",
    "FaceMesh",
    "FeatureExtractor",
    "SpatialFeatures",
    "SpatialLandmarks",
    "extractor_names",
    "load_extractor",
]


def extractor_names(models: Models) -> list[str]:
    """What load_extractor knows: the face mesh and every card of an extractor, a deployment's own too.

    Raises:
        ModelError: a card can't be read.
    """
    own = [name for name, entry in models.cards().items() if entry.role == "extractor" and name != MESH]
    return [MESH, *(name + suffix for name in own for suffix in ("", OF_LANDMARKS))]


def load_extractor(name: str, models: Models) -> FeatureExtractor:
    """The extractor of that name: "face-mesh", the name of a card, or that name and "-landmarks".

    Raises:
        UnknownModelError: no such extractor. MissingModelError, ModelHashError: its file. ModelError: a file without
            landmarks asked for them, or one that `facemotion train sfe` didn't export.
    """
    names = extractor_names(models)
    if name not in names:
        raise UnknownModelError(f"There is no feature extractor {name!r}; choose among {', '.join(names)}.")
    if name == MESH:
        return FaceMesh(models)
    if name.endswith(OF_LANDMARKS):
        return SpatialLandmarks(name.removesuffix(OF_LANDMARKS), models)
    return SpatialFeatures(name, models)
