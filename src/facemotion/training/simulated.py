"""Simulated people as mesh points, without a picture: motions, habits and takes of the data engine on the 3-D head.

A thousand clips take a minute. What the face mesh does to a picture is stood in for by its error as measured on real
speakers: mostly one error of alignment that all points share, which comes and goes within a tenth of a second
(docs/synth.md). Real or rendered clips stay the judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facemotion.config import option
from facemotion.features.mesh import POINTS, align
from facemotion.synth.assets import Assets
from facemotion.synth.dataset import DatasetSettings, make_performers, make_plan, perform
from facemotion.synth.head import IDENTITIES, HeadModel, load_head
from facemotion.synth.takes import Spreads
from facemotion.training.sampling import SamplerSettings
from facemotion.types import ClipRecord, FeatureSequence, FloatArray

# The irises are no part of the head's skin: each is put between the corners of its eye (right, left of the subject).
IRISES = {468: (33, 133), 473: (263, 362)}
MESH_POINTS = 478
# The error of a mesh, measured by benchmarks/speech.py on real speakers: standard deviations of a move along the three
# axes, of a turn about them in radians and of growth, then of what each point has of its own, in distances between the
# outer eye corners; and the seconds after which it has changed.
ALIGNMENT = np.array([0.001, 0.0035, 0.0011, 0.0065, 0.0011, 0.0014, 0.006])
OWN = np.array([1.0, 1.0, 0.4])
ERROR_SECONDS = 0.1
USUAL = Spreads()
PART = "train"


@dataclass(frozen=True)
class SimulationSettings:
    """Simulated people to train on beside the recorded ones; they need the data engine's assets (FACEMOTION_ASSETS)."""

    subjects: int = option(0, "simulated people; 0 for none", minimum=0, maximum=100000)
    motions: int = option(5, "facial motions of each", minimum=0, maximum=100)
    lips: int = option(3, "lip movements of each", minimum=0, maximum=100)
    takes: int = option(4, "takes of each motion", minimum=2, maximum=1000)
    near_misses: int = option(2, "motions of each that get a near miss, performed as a motion of its own", minimum=0)
    reorders: int = option(0, "motions of each that get a near miss of the same steps in another order", minimum=0)
    mimics: int = option(0, "motions of each that another person mimics", minimum=0)
    seed: int = option(0, "of people, motions and takes", minimum=0)
    shape: float = option(0.8, "spread of the shape of heads", unit="standard deviations of the head model", minimum=0)
    noise: float = option(
        0.0025, "spread of a point's own error", unit="distances between the outer eye corners", minimum=0
    )
    alignment: float = option(1.0, "error of alignment that all points share, relative to real speakers'", minimum=0)
    cut: bool = option(False, "cut lip movements to where the lips move, as corpora of speech are")
    batch: SamplerSettings = field(default_factory=SamplerSettings)


def simulate(
    settings: SimulationSettings, assets: Assets, frontend_id: str, spreads: Spreads = USUAL
) -> tuple[list[ClipRecord], list[FeatureSequence]]:
    """Perform every clip of a planned data set on heads of random shape.

    Args:
        settings: how many people, motions and takes. assets: of the data engine.
        frontend_id: of the face-mesh features that the sequences stand beside.
        spreads: of people and takes.
    Returns:
        Records and their sequences, values (T, 3 x len(POINTS)) as FaceMesh makes them.
    Raises:
        AssetError: the head model is missing.
    """
    head = load_head(assets)
    plan_settings = DatasetSettings(
        subjects=settings.subjects,
        motions=settings.motions,
        lips=settings.lips,
        takes=settings.takes,
        near_misses=settings.near_misses,
        reorders=settings.reorders,
        mimics=settings.mimics,
        impostor_takes=settings.takes,
        part=PART,
        seed=settings.seed,
        spreads=spreads,
    )
    performers = make_performers(plan_settings)
    places = _places(head)
    neutral, expression = head.neutral[places], head.expression[:, places]
    records, sequences = [], []
    bodies: dict[str, FloatArray] = {}
    for number, clip in enumerate(make_plan(plan_settings)):
        rng = np.random.default_rng([settings.seed, number])
        subject = clip.record.subject
        if subject not in bodies:
            weights = settings.shape * rng.standard_normal(IDENTITIES).astype(np.float32)
            bodies[subject] = neutral + np.tensordot(weights, head.identity[:, places], axes=1)
        _, moments = perform(plan_settings, clip, performers[subject])
        shown = np.arange(len(moments.times))
        if settings.cut and clip.record.kind == "lip":
            moving = np.flatnonzero(moments.phase)
            shown = np.arange(moving[0], moving[-1] + 1) if len(moving) > 1 else shown
        points = bodies[subject] + np.tensordot(moments.weights[shown], expression, axes=1)
        seen, times = np.stack([_features(frame) for frame in points]), moments.times[shown]
        seen += _error(rng, seen.mean(axis=0), times, settings)
        records.append(clip.record)
        sequences.append(FeatureSequence(seen.reshape(len(seen), -1), times - times[0], frontend_id))
    return records, sequences


def _places(head: HeadModel) -> NDArray[np.int32]:
    """(478,) vertex of each mesh point; those of the irises are filled in afterwards."""
    return np.concatenate([head.mesh, np.zeros(MESH_POINTS - len(head.mesh), np.int32)])


def _features(points: FloatArray) -> FloatArray:
    """(478, 3) head coordinates (y up, z towards the camera) -> (P, 3), what FaceMesh gives of such a face."""
    for iris, corners in IRISES.items():
        points[iris] = points[list(corners)].mean(axis=0)
    return np.asarray(align(points * np.array([1, -1, -1], np.float32))[POINTS], np.float32)


def _error(
    rng: np.random.Generator, places: FloatArray, times: NDArray[np.float64], settings: SimulationSettings
) -> FloatArray:
    """(T, P, 3) error of the mesh about points at `places` (P, 3), a first-order process."""
    count = len(ALIGNMENT)
    states = rng.standard_normal((len(times), count + 3 * len(places))).astype(np.float32)
    for i, step in enumerate(np.diff(times), start=1):
        kept = float(np.exp(-step / ERROR_SECONDS))
        states[i] = kept * states[i - 1] + np.sqrt(1 - kept**2) * states[i]
    shared = states[:, None, :count] * ALIGNMENT * settings.alignment
    moved = shared[..., :3] + np.cross(shared[..., 3:6], places) + shared[..., 6:] * places
    own = states[:, count:].reshape(len(times), -1, 3) * OWN * settings.noise
    return np.asarray(moved + own, np.float32)
