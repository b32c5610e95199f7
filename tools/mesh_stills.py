"""Stills of real clips with the face mesh's points as weak labels, in the form that `facemotion train sfe` reads.

    python tools/mesh_stills.py OUT CLIP_OR_MANIFEST... [--split train] [--every 5]

The mesh smooths lips: train with a `lip_tolerance` that only says where they are, and let the renders beside teach
their shape. (Without any label on the lips a network learned to misplace those of the one speaker that it saw.) Of a
manifest, only rows of the split are taken. One shard a clip; a run that was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from facemotion.data.manifest import read_manifest
from facemotion.data.still_files import EMOTIONS, POINTS, Shard, StillPerson, write_people, write_shard
from facemotion.face import BlazeFace, FaceTracker
from facemotion.features import FaceMesh
from facemotion.features.landmarks68 import MESH_POINTS
from facemotion.media import read_frames
from facemotion.media.warp import square_matrix, warp
from facemotion.models import Models

SIDE = 160
ROOM = 1.75  # side of the still over the side of the detector's box


def stills_of(path: Path, person: str, every: int, detector: BlazeFace, mesh: FaceMesh) -> Shard | None:
    """Every n-th frame of a clip that has a face; None where there is none."""
    tracker, images, boxes, landmarks = FaceTracker(), [], [], []
    for number, (frame, seconds) in enumerate(read_frames(path)):
        if number % every:
            continue
        face = tracker.push(detector.detect(frame), seconds)
        if face is None or not face.found:
            continue
        points = mesh.landmarks(frame, face.box, face.keypoints)[MESH_POINTS, :2]
        box = face.box.reshape(2, 2)
        side = ROOM * float((box[1] - box[0]).max())
        matrix = square_matrix(tuple(box.mean(axis=0)), side, 0.0, SIDE)
        images.append(warp(frame, matrix, SIDE))
        boxes.append(((box - matrix[:, 2]) * SIDE / side).ravel())
        landmarks.append((points - matrix[:, 2]) * SIDE / side)
    if not images:
        return None
    known = np.ones((len(images), POINTS), np.bool_)
    return Shard(
        np.stack(images),
        np.stack(boxes).astype(np.float32),
        np.stack(landmarks).astype(np.float32),
        known,
        np.zeros((len(images), 0), np.float32),
        np.zeros((len(images), len(EMOTIONS)), np.float32),
        np.full(len(images), person),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("sources", type=Path, nargs="+", help="clips, or manifests (.csv)")
    parser.add_argument("--split", default="train", help="rows of manifests to take; the split of all people")
    parser.add_argument("--every", type=int, default=5, help="take every n-th frame")
    arguments = parser.parse_args()
    clips: list[tuple[Path, str]] = []
    for source in arguments.sources:
        if source.suffix == ".csv":
            manifest = read_manifest(source)
            clips += [(source.parent / r.path, r.subject) for r in manifest.records if r.split == arguments.split]
        else:
            clips.append((source, source.stem))
    people = sorted({person for _, person in clips})
    write_people(arguments.out, [StillPerson(person, person, arguments.split) for person in people])
    detector, mesh = BlazeFace(Models.configured()), FaceMesh(Models.configured())
    for path, person in clips:
        name = f"{path.stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        if (arguments.out / f"{name}.npz").exists():
            continue
        shard = stills_of(path, person, arguments.every, detector, mesh)
        if shard is not None:
            write_shard(arguments.out, name, shard)
            print(f"{path.name}: {len(shard)} stills", flush=True)


if __name__ == "__main__":
    main()
