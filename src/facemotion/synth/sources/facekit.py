"""ICT-FaceKit light, as published, becomes one file with all shapes of the head."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import AssetError
from facemotion.synth.people.head import IDENTITIES, SHAPES
from facemotion.synth.sources.repositories import Repository, packaged_table
from facemotion.system.files import room_for, whole

FOLDER = "FaceXModel"
NEUTRAL = f"{FOLDER}/generic_neutral_mesh.obj"
INDICES = f"{FOLDER}/vertex_indices.json"
PUPILS = ("PupilDilate_L", "PupilDilate_R")  # published beside the shapes of SHAPES
LANDMARKS = "idx_to_landmark_verts"


@lru_cache(maxsize=1)
def facekit() -> Repository:
    """The repository of the head, with the files that `pack_head` reads."""
    return Repository(
        name="ICT-FaceKit",
        address="https://github.com/ICT-VGL/ICT-FaceKit.git",
        commit="da5f95a607f5e6b37755b38d3385d7f2853732e5",
        licence="MIT",
        files={row["path"]: row["sha256"] for row in packaged_table("facekit.csv")},
    )


def pack_head(source: Path, out: Path, report: Callable[[int, int], None] = lambda *_: None) -> None:
    """Write the head with all its shapes as one npz, whole or not at all.

    Offsets are kept as float16: their error is below 0.01 mm.

    Args:
        source: a copy of ICT-FaceKit.
        out: the file to write.
        report: told how many shapes are read, and of how many.
    Raises:
        AssetError: a file of the copy can't be read.
        WriteError: the file can't be written.
    """
    expressions = (*PUPILS, *SHAPES)
    try:
        neutral, base = read_vertices(source / NEUTRAL), _read_topology(source / NEUTRAL)
        offsets = []
        for number, name in enumerate([*expressions, *(f"identity{k:03d}" for k in range(IDENTITIES))]):
            moved = read_vertices(source / FOLDER / f"{name}.obj")
            offsets.append((moved - neutral).astype(np.float16))
            report(number + 1, len(expressions) + IDENTITIES)
        marks = json.loads((source / INDICES).read_text("utf-8"))[LANDMARKS]
    except (OSError, ValueError, KeyError) as error:
        raise AssetError(f"{source} can't be read as ICT-FaceKit: {error}.") from error
    count = len(expressions)
    with room_for(out), whole(out) as draft, draft.open("wb") as file:
        np.savez_compressed(
            file,
            neutral=neutral.astype(np.float32),
            identity=np.stack(offsets[count:]),
            expression=np.stack(offsets[:count]),
            expression_names=np.array(expressions),
            landmarks68=np.array(marks, np.int32),
            **base,
        )


def read_vertices(path: Path) -> NDArray[np.float64]:
    """Vertices (V, 3) of a Wavefront OBJ file.

    Args:
        path: the file.
    Raises:
        OSError: it can't be read.
        ValueError: it holds no vertices, or something else than three numbers for one.
    """
    with path.open(encoding="utf-8") as file:
        return _numbers([line[2:] for line in file if line.startswith("v ")], 3)


def _numbers(lines: list[str], columns: int) -> NDArray[np.float64]:
    return np.array(" ".join(lines).split(), np.float64).reshape(len(lines), columns)


def _read_topology(path: Path) -> dict[str, Any]:
    """Texture coordinates, quads (a triangle has -1 in the last place) and the material of each."""
    corners: list[list[int]] = []
    texture: list[list[int]] = []
    part: list[int] = []
    materials: list[str] = []
    places: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("vt "):
                places.append(line[3:])
            elif line.startswith("usemtl "):
                materials.append(line.split()[1])
            elif line.startswith("f "):
                pairs = [corner.split("/")[:2] for corner in line.split()[1:]]
                padding = [-1] * (4 - len(pairs))
                corners.append([int(vertex) - 1 for vertex, _ in pairs] + padding)
                texture.append([int(place) - 1 for _, place in pairs] + padding)
                part.append(len(materials) - 1)
    return {
        "faces": np.array(corners, np.int32),
        "uv": _numbers(places, 2).astype(np.float32),
        "uv_faces": np.array(texture, np.int32),
        "face_material": np.array(part, np.uint8),
        "materials": np.array(materials),
    }
