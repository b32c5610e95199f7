"""Are the renders good enough? Detection, landmarks, and whether measured curves follow the ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.manifest import read_manifest
from facemotion.media import load_clip
from facemotion.models import Models
from facemotion.synth.sets.plan import truth_path
from facemotion.synth.sets.truth import load_truth

# The 68 points on the face mesh (own reading of both schemes): eyelids, inner lips, and a few rigid points.
MESH_LIDS = ((386, 374), (159, 145))  # upper and lower lid; subject's left eye first
MARK_LIDS = (((43, 44), (46, 47)), ((37, 38), (40, 41)))
MESH_LIPS = (13, 14)
MARK_LIPS = (62, 66)
MESH_OF_MARK = {30: 1, 36: 33, 39: 133, 42: 362, 45: 263, 48: 61, 54: 291, 51: 0, 57: 17, 8: 152, 27: 168}


@dataclass(frozen=True)
class ProbeReport:
    """What was found on a data set.

    Attributes:
        frames: frames looked at.
        detected: share of these in which BlazeFace found a face.
        blink: median correlation of the measured opening of the lids with the true one, over clips in which they move.
        blink_clips: number of these clips, an eye each.
        mouth: the same correlation of the opening of the lips.
        mouth_clips: number of clips in which the lips move.
        landmarks: mean distance of eleven face-mesh points from the truth, in percent of the distance between the outer
            eye corners.
    """

    frames: int
    detected: float
    blink: float
    blink_clips: int
    mouth: float
    mouth_clips: int
    landmarks: float


def probe(
    manifest: Path, clips: int, models: Models, progress: Callable[[int, int], None] | None = None
) -> ProbeReport:
    """Look at clips that are evenly spread over a simulated data set.

    Args:
        manifest: file of the data set's manifest.
        clips: number of clips to look at.
        models: models of the deployment, whose detector and mesh look.
        progress: called with the number of clips looked at and the number of all.
    Raises:
        ManifestError: there is no manifest, or a clip has no ground truth.
    """
    from facemotion.face.blazeface import BlazeFace
    from facemotion.features.mesh import FaceMesh

    read = read_manifest(manifest)
    detector, mesh = BlazeFace(models), FaceMesh(models)
    chosen = np.unique(np.linspace(0, len(read) - 1, min(clips, len(read))).round().astype(int))
    frames, detected = 0, 0
    blinks: list[float] = []
    mouths: list[float] = []
    misses: list[float] = []
    for done, number in enumerate(chosen):
        if progress is not None:
            progress(done, len(chosen))
        record = read.records[number]
        clip = load_clip(read.file(record))
        truth = load_truth(read.folder / truth_path(record))
        measured, true = [], []
        for seconds, frame in zip(clip.times, clip.frames, strict=True):
            frames += 1
            detections = detector.detect(frame)
            if not len(detections):
                continue
            detected += 1
            points = mesh.landmarks(frame, detections.boxes[0], detections.keypoints[0])[:, :2]
            marks = truth.landmarks[int(np.argmin(np.abs(truth.times - seconds)))]
            measured.append(_mesh_curves(points))
            true.append(_mark_curves(marks))
            unit = float(np.linalg.norm(marks[45] - marks[36]))
            misses.append(
                float(np.mean([np.linalg.norm(points[m] - marks[k]) for k, m in MESH_OF_MARK.items()])) / unit
            )
        a, b = np.array(measured), np.array(true)
        for column, sink, least in ((0, blinks, 0.06), (1, blinks, 0.06), (2, mouths, 0.05)):
            if len(b) > 8 and np.percentile(b[:, column], 98) - np.percentile(b[:, column], 2) > least:
                sink.append(float(np.corrcoef(a[:, column], b[:, column])[0, 1]))
    return ProbeReport(
        frames=frames,
        detected=detected / max(frames, 1),
        blink=_median(blinks),
        blink_clips=len(blinks),
        mouth=_median(mouths),
        mouth_clips=len(mouths),
        landmarks=100 * float(np.mean(misses)) if misses else float("nan"),
    )


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else float("nan")


def _mesh_curves(points: NDArray[np.float32]) -> tuple[float, float, float]:
    """Opening of the left eye, the right eye and the lips, in distances between the outer eye corners."""
    unit = float(np.linalg.norm(points[263] - points[33]))
    lids = [float(np.linalg.norm(points[upper] - points[lower])) / unit for upper, lower in MESH_LIDS]
    return lids[0], lids[1], float(np.linalg.norm(points[MESH_LIPS[0]] - points[MESH_LIPS[1]])) / unit


def _mark_curves(marks: NDArray[np.float32]) -> tuple[float, float, float]:
    unit = float(np.linalg.norm(marks[45] - marks[36]))
    lids = [
        float(np.linalg.norm(marks[list(upper)].mean(0) - marks[list(lower)].mean(0))) / unit
        for upper, lower in MARK_LIDS
    ]
    return lids[0], lids[1], float(np.linalg.norm(marks[MARK_LIPS[0]] - marks[MARK_LIPS[1]])) / unit
