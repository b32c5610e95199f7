"""Where clips to train on come from: manifests, simulated people, and the people of them who are watched."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facemotion.data.cache import FeatureCache, fingerprint_clip, read_features
from facemotion.data.manifest import check_manifest, read_manifest
from facemotion.errors import DataError, TrainingError
from facemotion.features import MESH
from facemotion.synth.people.assets import Assets
from facemotion.synth.points.response import MeshResponse
from facemotion.synth.points.simulate import response_of, simulate
from facemotion.training.encoder.material.dataset import TrainingSet, TrainingSource, make_training_set
from facemotion.training.encoder.settings import StoppingSettings, TrainingSettings
from facemotion.types import FeatureSequence


def load_training_set(settings: TrainingSettings, frontend_id: str) -> TrainingSet:
    """Read the manifests of the settings, check them, and take their features from the cache.

    Raises:
        ManifestError, DataError, AssetError: see `load_recorded` and `load_simulated`.
        TrainingError: nothing to learn.
    """
    response = load_people_response(settings, frontend_id)
    sources = [*load_recorded(settings, frontend_id), *load_simulated(settings, response, frontend_id)]
    return join_sources(sources, settings)


def load_recorded(settings: TrainingSettings, frontend_id: str) -> list[TrainingSource]:
    """The manifests of the settings, checked, with their features from the cache.

    Raises:
        ManifestError: see `check_manifest`.
        DataError: a clip wasn't extracted yet.
        TrainingError: the settings name recordings with rest, but no source.
    """
    cache = FeatureCache(Path(settings.features), frontend_id)
    sources: list[TrainingSource] = []
    for source in settings.sources:
        manifest = read_manifest(Path(source.manifest))
        check_manifest(manifest, labelled=settings.task == "motions")
        chosen = manifest.select(split=source.split or None, kinds=source.kinds)
        chosen = chosen.leave_out(source.without_subjects, source.without_motions)
        acquired, sequences = read_features(cache, chosen)
        sources.append(TrainingSource(acquired.records, sequences, source.batch))
    if settings.resting:
        if not sources:
            raise TrainingError("Rest is given to clips of sources; name one, or leave resting out.")
        _, rested = read_features(cache, read_manifest(Path(settings.resting)))
        sources[0] = dataclasses.replace(sources[0], resting=tuple(rested))
    return sources


def check_simulation(settings: TrainingSettings) -> None:
    """See that simulated people, if any are wanted, fit the features of the settings.

    Raises:
        DataError: the extractor isn't the face mesh, whose points are all that simulated people have.
    """
    if settings.simulation is not None and settings.extractor != MESH:
        raise DataError(
            f"Simulated people have points of {MESH} alone, no features of {settings.extractor}; leave "
            "[simulation] out or train on the mesh."
        )


def load_people_response(settings: TrainingSettings, frontend_id: str) -> MeshResponse | None:
    """The response of the simulated people of the settings; None where there are no people, or they have none.

    Raises:
        DataError: as in `check_simulation` and `load_response`.
    """
    check_simulation(settings)
    return response_of(settings.simulation, frontend_id) if settings.simulation is not None else None


def load_simulated(settings: TrainingSettings, response: MeshResponse | None, frontend_id: str) -> list[TrainingSource]:
    """The simulated people of the settings, or none. They are used for training, never for tests.

    Args:
        settings: the settings of the training.
        response: the response of `load_people_response`.
        frontend_id: the front end of the recorded features.
    Raises:
        DataError: as in `check_simulation`.
        AssetError: the assets aren't there.
    """
    check_simulation(settings)
    if settings.simulation is None:
        return []
    records, sequences = simulate(settings.simulation, response, Assets.find(), frontend_id)
    fitted_on = response.fingerprints if response is not None else frozenset()
    return [TrainingSource(records, sequences, settings.simulation_batch, fitted_on)]


def refuse_fitted(response: MeshResponse | None, held_out: Sequence[FeatureSequence]) -> None:
    """Check that the response of simulated people wasn't fitted on clips that folds hold out.

    Raises:
        DataError: it was fitted on one of them.
    """
    if response is not None and response.fingerprints & set(map(fingerprint_clip, held_out)):
        raise DataError("The response of [simulation] was fitted on clips that folds hold out; fit it on other people.")


def join_sources(sources: Sequence[TrainingSource], settings: TrainingSettings) -> TrainingSet:
    """What a run of these settings trains on, with the people set aside whom it watches.

    Raises:
        ModelMismatchError, TrainingError: as in `make_training_set` and `set_aside`.
    """
    trained_on, watched = set_aside(sources, settings.stopping, settings.seed)
    return make_training_set(trained_on, settings.task, watched)


def set_aside(
    sources: Sequence[TrainingSource], settings: StoppingSettings, seed: int
) -> tuple[list[TrainingSource], TrainingSource | None]:
    """Take the people who are watched, and not trained on, out of the first source.

    Args:
        sources: one or more; all but the first stay whole.
        settings: how many people.
        seed: draws them.
    Returns:
        The sources to train on, and the watched people; None if nobody is to be watched.
    Raises:
        TrainingError: nobody would be left to train on.
    """
    if not settings.people:
        return list(sources), None
    first, *others = sources
    people = sorted({record.subject for record in first.records})
    count = max(1, round(settings.people * len(people)))
    if count >= len(people):
        raise TrainingError(
            f"Of {len(people)} people {count} can't be watched and the others trained on; set people = 0 under "
            "[stopping]."
        )
    watched = set(np.random.default_rng([seed, len(people)]).permutation(people)[:count])
    aside = [i for i, record in enumerate(first.records) if record.subject in watched]
    left = [i for i, record in enumerate(first.records) if record.subject not in watched]
    return [first.at(left), *others], first.at(aside)
