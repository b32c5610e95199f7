"""Simulated people as mesh points, without a picture: motions, habits and takes of the data engine on the 3-D head.

A thousand clips take a minute. What the face mesh does to a picture (it smooths, it jitters) is stood in for by noise
that is correlated over time; real or rendered clips stay the judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
USUAL = Spreads()


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
        0.005, "spread of the noise of a point", unit="distances between the outer eye corners", minimum=0
    )
    shared_noise: float = option(
        0.0,
        "spread of the noise that all points share, a small wrong turn, shift and size of the whole face",
        unit="distances between the outer eye corners",
        minimum=0,
    )
    speech: float = option(1.0, "factor on the tempo of lip movements", minimum=0.2, maximum=5)
    slur: float = option(1.0, "factor on how far sounds reach into each other", minimum=0.1, maximum=3)
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
        part="train",
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
        performer, speaks = performers[subject], clip.record.kind == "lip"
        if speaks:
            habits = performer.habits
            habits = replace(habits, tempo=habits.tempo / settings.speech, slur=habits.slur * settings.slur)
            performer = replace(performer, habits=habits)
        _, moments = perform(plan_settings, clip, performer)
        shown = np.flatnonzero(moments.phase) if speaks and settings.cut else np.arange(len(moments.phase))
        shown = np.arange(shown[0], shown[-1] + 1) if len(shown) > 1 else np.arange(len(moments.phase))
        points = bodies[subject] + np.tensordot(moments.weights[shown], expression, axes=1)
        noise = _noise(rng, len(points), settings.noise)
        values = np.stack([_features(frame, own) for frame, own in zip(points, noise, strict=True)])
        if settings.shared_noise:
            values = _misalign(values, settings.shared_noise, rng)
        times = moments.times[shown]
        records.append(clip.record)
        sequences.append(FeatureSequence(values, times - times[0], frontend_id))
    return records, sequences


def _places(head: HeadModel) -> NDArray[np.int32]:
    """(478,) vertex of each mesh point; those of the irises are filled in afterwards."""
    return np.concatenate([head.mesh, np.zeros(MESH_POINTS - len(head.mesh), np.int32)])


def _features(points: FloatArray, noise: FloatArray) -> FloatArray:
    """(478, 3) head coordinates (y up, z towards the camera) -> what FaceMesh gives of such a face."""
    for iris, corners in IRISES.items():
        points[iris] = points[list(corners)].mean(axis=0)
    seen = align(points * np.array([1, -1, -1], np.float32))[POINTS]
    return np.asarray(seen + noise, np.float32).ravel()


def _misalign(values: FloatArray, spread: float, rng: np.random.Generator) -> FloatArray:
    """(T, 3P) points, each frame turned, shifted and scaled a little, drifting over about five frames."""
    points = values.reshape(len(values), -1, 3)
    turn, shift, size = np.split(spread * _drift(rng, (len(values), 7)), [3, 6], axis=1)
    wrong = np.cross(turn[:, None], points) + shift[:, None] + size[:, None] * points
    return np.asarray(points + wrong, np.float32).reshape(values.shape)


def _noise(rng: np.random.Generator, length: int, spread: float) -> FloatArray:
    """(T, P, 3): half of the variance white, half that of a first-order process of about five frames."""
    shape = (length, len(POINTS), 3)
    slow = _drift(rng, shape)
    noise = spread * np.sqrt(0.5) * (slow + rng.standard_normal(shape))
    return np.asarray(noise, np.float32)


def _drift(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """A first-order process over the first axis, of deviation 1, that forgets within about five frames."""
    slow = np.empty(shape, np.float32)
    slow[0] = rng.standard_normal(shape[1:])
    fresh = rng.standard_normal(shape).astype(np.float32)
    for i in range(1, shape[0]):
        slow[i] = 0.8 * slow[i - 1] + 0.6 * fresh[i]
    return slow
