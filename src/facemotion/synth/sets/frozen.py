"""Benchmarks that nobody changes: Synth-59 in two versions, each frozen by a digest.

Version 2 imitates the paper's recordings: one sitting, an unchanged camera and light, and faces large enough for the
crop of the extractors. A second sitting on another day is reported apart. Its spreads follow from
docs/results/recordings.md by the rule in docs/explanation/synth.md. Version 1, "Synth-59 field", is the hard set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facemotion.data.manifest import MANIFEST, read_manifest
from facemotion.errors import FrozenSetError, SettingsError
from facemotion.synth.filming.scene import SceneSettings
from facemotion.synth.performance.lips import FIRST_SPEECH
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.sets.plan import (
    DatasetSettings,
    Performer,
    PlannedClip,
    make_performers,
    make_plan,
    perform,
    plan_digest,
    scene_digest,
)
from facemotion.synth.sets.truth import load_truth

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FrozenSet:
    """A benchmark.

    Attributes:
        version: of Synth-59.
        title: what it is called.
        settings: all that it follows from.
        digest: `plan_digest` of it.
        scenes: `scene_digest` of it.
    """

    version: int
    title: str
    settings: DatasetSettings
    digest: str
    scenes: str


FIELD = FrozenSet(
    1,
    "Synth-59 field",
    DatasetSettings(spreads=Spreads(speech=FIRST_SPEECH), scene=SceneSettings(width=160, height=160)),
    digest="983a33a8d2b014dee2045a41a7a640c452694391da3660cfbb67d2e95a981de6",
    scenes="6fe2b1f0fb01c162bd4d185ea8b6fe9c7e674014e9cabbbaf9f5118be70c7dc7",
)

STUDIO = FrozenSet(
    2,
    "Synth-59 version 2",
    DatasetSettings(
        sessions=1,
        later_takes=4,
        reorders=2,
        spreads=Spreads(
            take_intensity=0.11,
            step_intensity=0.082,
            shape_intensity=0.07,
            take_tempo=0.052,
            step_timing=0.155,
            head_degrees=0.84,
            nods=0.0,
            flash=0.0,
            flash_motions=0.096,
            other_ending=0.001,
            other_intensity=0.01,
            inconsistent=0.01,
            unfinished=0.0,
        ),
        scene=SceneSettings(
            farthest=0.44,
            take_degrees=1.6,
            take_size=0.044,
            take_light=0.022,
            exposure_drift=0.018,
            sway=0.33,
            softness=0.0,
        ),
    ),
    digest="4ee1b5589fdfaf067b895dffb19a364ec635b6c86ba7f1a3b86feca0d32a3426",
    scenes="c23a23bec2708f6eb8bc0b4f9ccdadfe2d65c38447c43d54011baaa3d59dbd01",
)

SETS = {one.version: one for one in (FIELD, STUDIO)}


def frozen_set(version: int) -> FrozenSet:
    """A version of Synth-59.

    Raises:
        SettingsError: there is no such version.
    """
    if version not in SETS:
        raise SettingsError(f"Synth-59 has the versions {', '.join(map(str, SETS))}, not {version}.")
    return SETS[version]


def checked_set(version: int) -> FrozenSet:
    """A version of Synth-59, after checking that the engine still makes it as frozen; takes some seconds.

    Raises:
        SettingsError: there is no such version.
        FrozenSetError: as in `check_engine`.
    """
    frozen = frozen_set(version)
    check_engine(frozen)
    return frozen


def check_engine(frozen: FrozenSet) -> None:
    """Check that the engine still makes the set as frozen; takes some seconds.

    Raises:
        FrozenSetError: it makes something else, by the digest named.
    """
    for name, found, kept in (
        ("performances", plan_digest(frozen.settings), frozen.digest),
        ("scenes", scene_digest(frozen.settings), frozen.scenes),
    ):
        if found != kept:
            raise FrozenSetError(
                f"The {name} of {frozen.title} have the digest {found}, but it was frozen with {kept}: settings or "
                "engine were changed. Undo that, or make a set of its own with --settings."
            )


def check_folder(folder: Path, frozen: FrozenSet, progress: Progress | None = None) -> int:
    """Check the clips in a folder against a frozen set, by their ground truth.

    Args:
        folder: of a data set, whole or an excerpt.
        frozen: what it should be.
        progress: called with the number of clips done and the number of all.
    Returns:
        Number of clips.
    Raises:
        FrozenSetError: the engine makes something else; a clip isn't planned, or is another version's.
        ManifestError: there is no manifest, or no ground truth.
    """
    clips = read_manifest(folder / MANIFEST).records
    plan = {_stem(clip.record.path): clip for clip in make_plan(frozen.settings)}
    for record in clips:  # before what takes seconds
        clip = plan.get(_stem(record.path))
        if clip is None or replace(record, path=clip.record.path) != clip.record:
            raise FrozenSetError(f"{record.path} of {folder} is no clip of {frozen.title} (digest {frozen.digest}).")
    check_engine(frozen)
    performers = make_performers(frozen.settings)
    for number, record in enumerate(clips):
        clip = plan[_stem(record.path)]
        if not _is_take(folder, clip, performers, frozen):
            other = next((one for one in SETS.values() if one != frozen and _is_of(folder, clip, one)), None)
            told = f"is of {other.title} (digest {other.digest})" if other else "was altered"
            raise FrozenSetError(f"{record.path} of {folder} {told}; {frozen.title} has the digest {frozen.digest}.")
        if progress is not None:
            progress(number + 1, len(clips))
    return len(clips)


def _stem(path: str) -> str:
    return path.rpartition(".")[0]


def _is_of(folder: Path, clip: PlannedClip, frozen: FrozenSet) -> bool:
    """Whether a clip's ground truth is that of the clip of the same name in another frozen set."""
    plan = {_stem(own.record.path): own for own in make_plan(frozen.settings)}
    own = plan.get(_stem(clip.record.path))
    return own is not None and _is_take(folder, own, make_performers(frozen.settings), frozen)


def _is_take(folder: Path, clip: PlannedClip, performers: dict[str, Performer], frozen: FrozenSet) -> bool:
    truth = load_truth(folder / clip.truth)
    take, moments = perform(frozen.settings, clip, performers[clip.record.subject])
    return (
        truth.flags == take.flags
        and len(truth.times) == len(moments.times)
        and bool(np.allclose(truth.times, moments.times, atol=1e-6))
        and bool(np.allclose(truth.weights, moments.weights, atol=1e-3))
        and bool(np.array_equal(truth.phase, moments.phase))
    )
