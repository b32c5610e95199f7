"""Spatial feature extractors: the face of one frame becomes one vector. One file a network."""

from collections.abc import Callable

from facemotion.errors import UnknownModelError
from facemotion.features.base import FeatureExtractor, Observation
from facemotion.features.mesh import FaceMesh
from facemotion.features.spatial import SpatialFeatures, SpatialLandmarks
from facemotion.models import Models

MESH = "face-mesh"
OF_SERIES = "series-"  # before the id of imported points, which no extractor made
OF_LANDMARKS = "-landmarks"  # after a card's name: the landmarks themselves are the features
EXTRACTORS: dict[str, Callable[[Models], FeatureExtractor]] = {MESH: FaceMesh}
"""Extractors with code of their own, by the names of their cards. The files of all other cards of extractors are those
that `facemotion train sfe` exports."""

__all__ = [
    "EXTRACTORS",
    "MESH",
    "FaceMesh",
    "FeatureExtractor",
    "Observation",
    "SpatialFeatures",
    "SpatialLandmarks",
    "extractor_names",
    "frontend_of",
    "load_extractor",
]


def extractor_names(models: Models) -> list[str]:
    """What load_extractor knows: EXTRACTORS and every card of an extractor, a deployment's own too.

    Raises:
        ModelError: a card can't be read.
    """
    others = [name for name, card in models.cards().items() if card.role == "extractor" and name not in EXTRACTORS]
    return [*EXTRACTORS, *(name + suffix for name in others for suffix in ("", OF_LANDMARKS))]


def load_extractor(name: str, models: Models) -> FeatureExtractor:
    """The extractor of that name: one of EXTRACTORS, the name of a card, or that name and "-landmarks".

    Raises:
        UnknownModelError: no such extractor.
        MissingModelError, ModelHashError: its file.
        ModelError: a file without landmarks is asked for them, or one that `facemotion train sfe` didn't export.
    """
    names = extractor_names(models)
    if name not in names:
        raise UnknownModelError(f"There is no feature extractor {name!r}; choose among {', '.join(names)}.")
    if name in EXTRACTORS:
        return EXTRACTORS[name](models)
    if name.endswith(OF_LANDMARKS):
        return SpatialLandmarks(name.removesuffix(OF_LANDMARKS), models)
    return SpatialFeatures(name, models)


def frontend_of(name: str, models: Models) -> str:
    """The id of the front end whose features training settings mean by the name of an extractor.

    Imported series of points (`facemotion data import`) have no extractor: the name is the id itself.

    Raises:
        UnknownModelError, ModelError: see `load_extractor`.
    """
    return name if name.startswith(OF_SERIES) else load_extractor(name, models).frontend_id
