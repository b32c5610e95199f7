"""Finds which vertex of the head each point of the face mesh lies on, and writes the table that the data engine reads.

    python -m tools.match_face_mesh face_landmarker.task $FACEMOTION_ASSETS
    python -m tools.match_face_mesh face_landmarker.task --clay

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
from facemotion.synth.people.head import INDEX
from facemotion.synth.sources.clay import clay_arrays

ROOT = Path(__file__).parents[1]
SYNTH = ROOT / "src" / "facemotion" / "synth"
TABLE, CLAY_TABLE = SYNTH / "people" / "face_mesh.csv", SYNTH / "sources" / "clay_mesh.csv"
GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"  # in the bundle
CANONICAL, VERTICES = 1, 3  # fields of the geometry, and of the mesh within it
PER_VERTEX = 5  # x, y, z and two texture coordinates
SKIN = 11_248  # vertices of the published face, head and neck; those of mouth and eye sockets follow
GOOD = 0.6  # cm
AJAR = 0.03  # weight of jawOpen
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


def match(
    face: NDArray[np.float64], neutral: NDArray[np.floating], marks: NDArray[np.integer], skin: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The vertex nearest to each point of a bent canonical face, and how far it lies, cm.

    Args:
        face: (468, 3) canonical face, cm.
        neutral: (V, 3) head at rest, cm.
        marks: (68,) vertices of the landmarks.
        skin: number of vertices of the skin, which come first.
    """
    bend = RBFInterpolator(face[list(MESH_POINTS)], neutral[marks[list(LANDMARKS)]], kernel="thin_plate_spline")
    distance, nearest = cKDTree(neutral[:skin]).query(bend(face))
    return nearest, distance


def main() -> None:
    """Write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("bundle", type=Path, help="face_landmarker.task")
    head = options.add_mutually_exclusive_group(required=True)
    head.add_argument("assets", type=Path, nargs="?", help="folder made by `facemotion synth assets`")
    head.add_argument("--clay", action="store_true", help="match the head of clay")
    given = options.parse_args()
    if given.clay:
        data, table = dict(clay_arrays()), CLAY_TABLE
        skin = int(data["faces"][data["face_material"] == 0].max()) + 1
        # At rest both lips of clay have vertices in one place; a little apart each takes its own points.
        data["neutral"] = data["neutral"] + AJAR * data["expression"][INDEX["jawOpen"]]
    else:
        table, skin = TABLE, SKIN
        with np.load(given.assets / HEAD, allow_pickle=False) as stored:
            data = dict(stored)
    vertices, distance = match(canonical_face(given.bundle), data["neutral"].astype(float), data["landmarks68"], skin)
    good = distance < GOOD
    rows = [f"{vertex},{int(fits)}" for vertex, fits in zip(vertices, good, strict=True)]
    notes = "# Vertex of the head nearest to each point of the face mesh, and 1 where they lie less than 0.6 cm apart."
    table.write_text("\n".join([notes, "vertex,good", *rows]) + "\n", "utf-8")
    print(f"{good.sum()} of {len(good)} points have a good match, in {table}.")


if __name__ == "__main__":
    main()
