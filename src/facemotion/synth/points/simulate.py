"""Simulated people as mesh points, without a picture: motions, habits and takes of the data engine on the 3-D head.

A thousand clips take some ten seconds. Points lie where the head has them, with the error of the face mesh as measured
on real speakers: mostly one error of alignment that all points share, which comes and goes within a tenth of a second
(docs/explanation/synth.md). With `response`, points move as the mesh shows rendered people. Tests always use real or
rendered clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from facemotion.config import option
from facemotion.errors import DataError
from facemotion.features.mesh import POINTS, align
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.cast import engine_version
from facemotion.synth.people.head import IDENTITIES, load_head
from facemotion.synth.points.response import MeshResponse, first_order, load_response
from facemotion.synth.sets.plan import DatasetSettings, make_performers, make_plan, perform
from facemotion.system.files import file_sha256
from facemotion.types import ClipKind, ClipRecord, FeatureSequence, FloatArray

# The irises are no part of the head's skin: each is put between the corners of its eye (right, left of the subject).
IRISES = {468: (33, 133), 473: (263, 362)}
MESH_POINTS = 478
# The error of a mesh, measured by benchmarks/speech.py on real speakers. ALIGNMENT: standard deviations of a move along
# the three axes, of a turn about them in radians, and of growth. OWN: those of each point's own error. Lengths are in
# distances between the outer eye corners. ERROR_SECONDS: the time after which the error has changed.
ALIGNMENT = np.array([0.001, 0.0035, 0.0011, 0.0065, 0.0011, 0.0014, 0.006])
OWN = np.array([1.0, 1.0, 0.4])
ERROR_SECONDS = 0.1

_PEOPLE = "under [simulation.people]"
_MOVED_TO_PEOPLE = ("motions", "lips", "takes", "near_misses", "reorders", "mimics", "seed")


@dataclass(frozen=True)
class SimulationSettings:
    """Simulated people as mesh points; they need the data engine's assets (FACEMOTION_ASSETS)."""

    MOVED: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "subjects": f"subjects {_PEOPLE}, or leave [simulation] out where nobody is simulated",
            **{name: f"{name} {_PEOPLE}" for name in _MOVED_TO_PEOPLE},
            "batch": "[simulation_batch]",
        }
    )

    people: DatasetSettings = field(default_factory=DatasetSettings)
    shape: float = option(0.8, "spread of the shape of heads", unit="standard deviations of the head model", minimum=0)
    noise: float = option(
        0.0025, "spread of a point's own error", unit="distances between the outer eye corners", minimum=0
    )
    alignment: float = option(1.0, "error of alignment that all points share, relative to real speakers'", minimum=0)
    response: str = option(
        "",
        "file of `facemotion train response`, how the mesh shows rendered people; empty for the head's own points",
    )
    responding: float = option(
        1.0,
        "share of clips made by the response, if there is one, its error in place of noise and alignment",
        minimum=0,
        maximum=1,
    )
    cut: bool = option(False, "cut lip movements to where the lips move, as corpora of speech are")


class HeadPoints:
    """The mesh's points on the head model, where the head has them."""

    def __init__(self, assets: Assets) -> None:
        """Raises AssetError where the head model is missing."""
        head = load_head(assets)
        places = np.concatenate([head.mesh, np.zeros(MESH_POINTS - len(head.mesh), np.int32)])
        self._neutral, self._identity = head.neutral[places], head.identity[:, places]
        self._expression = head.expression[:, places]

    def body(self, identity: FloatArray) -> FloatArray:
        """(478, 3) points of a person at rest, from (IDENTITIES,) weights; the points of the irises are still unset."""
        return np.asarray(self._neutral + np.tensordot(identity, self._identity, axes=1), np.float32)

    def features(self, body: FloatArray, weights: FloatArray | None = None) -> FloatArray:
        """What FaceMesh would give for a body if it saw the head exactly.

        Args:
            body: see `body`.
            weights: (T, S) of the head's shapes; at rest if not given.
        Returns:
            (T, P, 3), or (P, 3) at rest.
        """
        points = body.copy() if weights is None else body + np.tensordot(weights, self._expression, axes=1)
        for iris, corners in IRISES.items():
            points[..., iris, :] = points[..., corners, :].mean(axis=-2)
        # The head's coordinates have y up and z towards the camera.
        return np.asarray(align(points * np.array([1, -1, -1], np.float32))[..., POINTS, :], np.float32)


def response_of(settings: SimulationSettings, frontend_id: str) -> MeshResponse | None:
    """The response that the settings name, to be read once and handed on; None where they name none.

    Args:
        settings: the settings of simulated people.
        frontend_id: the front end of the features that the people stand beside.
    Raises:
        DataError: as in `load_response`.
    """
    return load_response(Path(settings.response), frontend_id) if settings.response else None


def simulate(
    settings: SimulationSettings, response: MeshResponse | None, assets: Assets, frontend_id: str
) -> tuple[list[ClipRecord], list[FeatureSequence]]:
    """Perform every clip of a planned data set on heads of random shape.

    Args:
        settings: the planned set, and how the mesh shows its people.
        response: how the mesh answers to motions, from `response_of`; None for the head's own points.
        assets: the assets of the data engine.
        frontend_id: the front end of the face-mesh features that the sequences are used with.
    Returns:
        Records and their sequences, values (T, 3 x len(POINTS)) as FaceMesh makes them.
    Raises:
        AssetError: the head model is missing.
    """
    head, people = HeadPoints(assets), settings.people
    performers = make_performers(people)
    records, sequences = [], []
    bodies: dict[str, _Body] = {}
    for number, clip in enumerate(make_plan(people)):
        rng = np.random.default_rng([people.seed, number])
        subject = clip.record.subject
        if subject not in bodies:
            shape = head.body(settings.shape * rng.standard_normal(IDENTITIES).astype(np.float32))
            bodies[subject] = _Body(shape, head.features(shape).ravel(), response.person(rng) if response else None)
        body = bodies[subject]
        _, moments = perform(people, clip, performers[subject])
        shown = np.arange(len(moments.times))
        if settings.cut and clip.record.kind == ClipKind.LIP:
            moving = np.flatnonzero(moments.phase)
            shown = np.arange(moving[0], moving[-1] + 1) if len(moving) > 1 else shown
        weights, times = moments.weights[shown], moments.times[shown]
        if response is not None and body.answer is not None and rng.random() < settings.responding:
            causes = np.concatenate([weights, moments.turn[shown]], axis=1)
            # A constant turn moves the whole clip, which says nothing to an encoder that centres.
            values = np.asarray(body.rest + causes @ body.answer + response.error(rng, times), np.float32)
        else:
            seen = head.features(body.shape, weights)
            values = (seen + _error(rng, seen.mean(axis=0), times, settings)).reshape(len(seen), -1)
        records.append(clip.record)
        sequences.append(FeatureSequence(values, times - times[0], frontend_id))
    return records, sequences


def simulation_version(settings: SimulationSettings) -> str:
    """What simulated people depend on beside the settings: the engine, and the bytes of the response.

    Raises:
        DataError: the response can't be read.
    """
    version = engine_version(settings.people.part)
    if settings.response:
        try:
            version += f" {file_sha256(Path(settings.response))}"
        except OSError as error:
            raise DataError(f"{settings.response} can't be read; make it with `facemotion train response`.") from error
    return version


@dataclass(frozen=True, eq=False)
class _Body:
    """A simulated person at rest, (478, 3) points and (D,) features, and the mesh's answer, (C, D), if it is asked."""

    shape: FloatArray
    rest: FloatArray
    answer: FloatArray | None


def _error(
    rng: np.random.Generator, places: FloatArray, times: NDArray[np.float64], settings: SimulationSettings
) -> FloatArray:
    """(T, P, 3) error of the mesh about points at `places` (P, 3), a first-order process."""
    count = len(ALIGNMENT)
    states = first_order(rng, times, count + 3 * len(places), ERROR_SECONDS)
    shared = states[:, None, :count] * ALIGNMENT * settings.alignment
    moved = shared[..., :3] + np.cross(shared[..., 3:6], places) + shared[..., 6:] * places
    alone = states[:, count:].reshape(len(times), -1, 3) * OWN * settings.noise
    return np.asarray(moved + alone, np.float32)
