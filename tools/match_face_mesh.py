"""Finds which vertex of the head each point of the face mesh lies on, and writes the table that the data engine reads.

    python -m tools.match_face_mesh face_landmarker.task $FACEMOTION_ASSETS

The bundle is that of Google's face landmarker (NOTICE says where it is had): beside the networks it holds the canonical
face, the mesh's own model of a face in centimetres. That face is bent onto the head at rest by the thin-plate spline
through 52 landmarks that both name, those of brows, nose, eyes, lips and chin; then each of its points takes the
nearest vertex of the skin. A match is good where the two lie less than GOOD apart.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from facemotion.synth.people.assets import HEAD

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "src" / "facemotion" / "synth" / "people" / "face_mesh.csv"
GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"  # in the bundle
CANONICAL, VERTICES = 1, 3  # fields of the geometry, and of the mesh within it
PER_VERTEX = 5  # x, y, z and two texture coordinates
SKIN = 11_248  # vertices of face, head and neck come first; those of mouth and eye sockets follow
GOOD = 0.6  # cm
# Points of the face mesh at landmarks 8 (chin) and 17 to 67 of the 68-point mark-up.
LANDMARKS = (8, *range(17, 68))
MESH_POINTS = (
    152,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 197, 5, 4, 98, 97, 2, 326, 327,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,  # lips, outside
    78, 81, 13, 311, 308, 402, 14, 178,  # lips, inside
)  # fmt: skip


def canonical_face(bundle: Path) -> NDArray[np.float64]:
    """Points (468, 3) of the canonical face, cm.

    Args:
        bundle: `face_landmarker.task`.
    """
    with zipfile.ZipFile(bundle) as archive:
        geometry = archive.read(GEOMETRY)
    mesh = next(value for field, value in _fields(geometry) if field == CANONICAL)
    numbers = b"".join(value for field, value in _fields(mesh) if field == VERTICES)
    return np.frombuffer(numbers, "<f4").reshape(-1, PER_VERTEX)[:, :3].astype(np.float64)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Fields of a protocol-buffer message, without their types; varints are left out."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == 0:
            _, place = _varint(message, place)
            continue
        size, place = {1: (8, place), 5: (4, place)}.get(kind) or _varint(message, place)
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def match(face: NDArray[np.float64], head: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The vertex nearest to each point of a bent canonical face, and how far it lies, cm.

    Args:
        face: (468, 3) canonical face, cm.
        head: the head's file.
    """
    with np.load(head, allow_pickle=False) as data:
        neutral, marks = data["neutral"].astype(np.float64), data["landmarks68"]
    bend = RBFInterpolator(face[list(MESH_POINTS)], neutral[marks[list(LANDMARKS)]], kernel="thin_plate_spline")
    distance, nearest = cKDTree(neutral[:SKIN]).query(bend(face))
    return nearest, distance


def main() -> None:
    """Write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("bundle", type=Path, help="face_landmarker.task")
    options.add_argument("assets", type=Path, help="folder made by `facemotion synth assets`")
    options.add_argument("--out", type=Path, default=TABLE, help="table to write")
    given = options.parse_args()
    vertices, distance = match(canonical_face(given.bundle), given.assets / HEAD)
    good = distance < GOOD
    rows = [f"{vertex},{int(fits)}" for vertex, fits in zip(vertices, good, strict=True)]
    notes = "# Vertex of the head nearest to each point of the face mesh, and 1 where they lie less than 0.6 cm apart."
    given.out.write_text("\n".join([notes, "vertex,good", *rows]) + "\n", "utf-8")
    print(f"{good.sum()} of {len(good)} points have a good match, in {given.out}.")


if __name__ == "__main__":
    main()
