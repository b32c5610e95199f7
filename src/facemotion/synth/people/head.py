"""The 3-D head: ICT-FaceKit light, cut down to what a camera can see.

Coordinates: the model's own, about centimetres; x to the subject's left, y up, z towards the camera.
Reference: Li et al., Learning Formation of Physically-Based Face Attributes, CVPR 2020 (the model, MIT licence).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.npz import DAMAGE, open_npz
from facemotion.errors import AssetError
from facemotion.synth.people.assets import Assets

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

# The expression shapes used, ARKit's names with ICT's endings: _L and _R are the SUBJECT's sides.
SHAPES = (
    "browDown_L", "browDown_R", "browInnerUp_L", "browInnerUp_R", "browOuterUp_L", "browOuterUp_R",
    "cheekPuff_L", "cheekPuff_R", "cheekRaiser_L", "cheekRaiser_R", "cheekSquint_L", "cheekSquint_R",
    "eyeBlink_L", "eyeBlink_R", "eyeLookDown_L", "eyeLookDown_R", "eyeLookIn_L", "eyeLookIn_R",
    "eyeLookOut_L", "eyeLookOut_R", "eyeLookUp_L", "eyeLookUp_R", "eyeSquint_L", "eyeSquint_R",
    "eyeWide_L", "eyeWide_R", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose",
    "mouthDimple_L", "mouthDimple_R", "mouthFrown_L", "mouthFrown_R", "mouthFunnel", "mouthLeft",
    "mouthLowerDown_L", "mouthLowerDown_R", "mouthPress_L", "mouthPress_R", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmile_L", "mouthSmile_R",
    "mouthStretch_L", "mouthStretch_R", "mouthUpperUp_L", "mouthUpperUp_R", "noseSneer_L", "noseSneer_R",
)  # fmt: skip
INDEX = {name: number for number, name in enumerate(SHAPES)}
IDENTITIES = 100


@dataclass(frozen=True, eq=False)
class HeadModel:
    """The parts of the head that are drawn, V vertices in the order face, teeth, gums.

    Attributes:
        neutral: (V, 3) float32, the mean head, mouth closed.
        identity: (100, V, 3) float32, offsets of one standard deviation each.
        expression: (S, V, 3) float32, offsets at weight 1, in the order of SHAPES.
        face: (N, 3) int32 triangles of the face, counter-clockwise seen from outside.
        teeth: (N, 3) int32 triangles of the teeth.
        gums: (N, 3) int32 triangles of the gums and the tongue.
        faces_count: number of vertices of the face; they come first.
        rim: (V,) float32 distance in cm from the outer border of the face along the skin; large elsewhere.
        mouth_loop: (74,) int32 border of the mouth opening, in order round it.
        lids: (2, 42) int32 border of each eye opening, subject's left eye first, in order round it.
        eyes: (2, 3) float32 centres of the eyeballs, the subject's left first.
        eyes_identity: (100, 2, 3) float32, offsets of the centres, of one standard deviation each.
        eye_radius: radius of both eyeballs, cm.
        landmarks: (68,) int32 vertices of the 68-point scheme, subject's right jaw first.
        mesh: (468,) int32 vertex nearest to each face-mesh point.
        mesh_ok: (468,) bool, where the match is good.
    """

    neutral: FloatArray
    identity: FloatArray
    expression: FloatArray
    face: IntArray
    teeth: IntArray
    gums: IntArray
    faces_count: int
    rim: FloatArray
    mouth_loop: IntArray
    lids: IntArray
    eyes: FloatArray
    eyes_identity: FloatArray
    eye_radius: float
    landmarks: IntArray
    mesh: IntArray
    mesh_ok: NDArray[np.bool_]


def load_head(assets: Assets) -> HeadModel:
    """Read the model; the second call in a process costs nothing.

    Args:
        assets: where the model is.
    Raises:
        AssetError: a file is missing or isn't the head model.
    """
    return _load(assets.head)


@lru_cache(maxsize=2)
def _load(path: Path) -> HeadModel:
    try:
        with open_npz(path) as data:
            return _build(dict(data))
    except (OSError, *DAMAGE) as error:
        raise AssetError(f"{path} isn't the head model: {error}.") from error


def _face_mesh(data: dict[str, NDArray[np.generic]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The vertex on which each point of the face mesh lies, and where that match is good.

    A head that has no match of its own is ICT-FaceKit, whose match was made by `tools/match_face_mesh.py`.
    """
    if "mesh" in data:
        return np.asarray(data["mesh"], np.int64), np.asarray(data["mesh_good"], bool)
    table = resources.files("facemotion.synth.people").joinpath("face_mesh.csv").read_text("utf-8")
    rows = np.array([line.split(",") for line in table.splitlines()[2:]], np.int64)
    return rows[:, 0], rows[:, 1] == 1


def _build(data: dict[str, NDArray[np.generic]]) -> HeadModel:
    names = [str(name) for name in data["expression_names"]]
    material = [str(name) for name in data["materials"]]
    faces, part = np.asarray(data["faces"]), np.asarray(data["face_material"])
    neutral = np.asarray(data["neutral"], np.float32)

    def quads(name: str) -> NDArray[np.int64]:
        return np.asarray(faces[part == material.index(name)], np.int64)

    # Back teeth and the throat never show at the openings used; a third of the triangles would be theirs.
    teeth = quads("M_Teeth")
    teeth = teeth[neutral[teeth[:, 0], 2] > 6.0]
    gums = quads("M_GumsTongue")
    gums = gums[neutral[gums[:, 0], 2] > 2.5]
    kept: list[int] = []
    for group in (quads("M_Face"), teeth, gums):
        kept.extend(sorted(set(group[group >= 0].tolist()) - set(kept)))
    place = np.full(len(neutral), -1, np.int64)
    place[kept] = np.arange(len(kept))
    face_quads = place[quads("M_Face")]
    count = int(face_quads.max()) + 1
    loops = sorted(_loops(face_quads), key=len)
    order = [names.index(name) for name in SHAPES]
    balls = [np.unique(q[q >= 0]) for q in (quads("M_ScleraLeft"), quads("M_ScleraRight"))]
    identity = np.asarray(data["identity"])
    radius = float(np.mean([np.ptp(neutral[ball, 1]) / 2 for ball in balls]))
    # The middle of the widest ring, not the mean of the points: the sclera is open at the front.
    centres = np.stack([(neutral[b].min(0) + neutral[b].max(0)) / 2 for b in balls])
    centres[:, 2] = [neutral[b, 2].max() - radius for b in balls]
    eyes = sorted(loops[:2], key=lambda loop: -float(neutral[kept][loop, 0].mean()))
    mesh, good = _face_mesh(data)
    rim = np.full(len(kept), 1e3, np.float32)
    rim[:count] = _distance(neutral[kept][:count], face_quads, np.array(loops[-1]))
    return HeadModel(
        neutral=neutral[kept],
        identity=identity[:, kept].astype(np.float32),
        expression=np.asarray(data["expression"])[order][:, kept].astype(np.float32),
        face=_triangles(face_quads),
        teeth=_triangles(np.where(teeth < 0, -1, place[teeth])),
        gums=_triangles(np.where(gums < 0, -1, place[gums])),
        faces_count=count,
        rim=rim,
        mouth_loop=np.array(loops[2], np.int32),
        lids=np.array(eyes, np.int32),
        eyes=centres.astype(np.float32),
        eyes_identity=np.stack([identity[:, b].astype(np.float32).mean(1) for b in balls], axis=1),
        eye_radius=radius,
        landmarks=place[np.asarray(data["landmarks68"], np.int64)].astype(np.int32),
        mesh=place[mesh].astype(np.int32),
        mesh_ok=good & (place[mesh] >= 0),
    )


def _triangles(quads: NDArray[np.int64]) -> IntArray:
    first = quads[:, [0, 1, 2]]
    second = quads[quads[:, 3] >= 0][:, [0, 2, 3]]
    return np.concatenate([first, second]).astype(np.int32)


def _loops(quads: NDArray[np.int64]) -> list[list[int]]:
    """Borders of a surface of quads, each in order round the hole."""
    used: dict[tuple[int, int], int] = {}
    for quad in quads.tolist():
        for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
            used[(a, b)] = used.get((a, b), 0) + 1
    follow = {a: b for a, b in used if (b, a) not in used}
    loops = []
    while follow:
        start, current = next(iter(follow.items()))
        loop = [start]
        del follow[start]
        while current != start:
            loop.append(current)
            current = follow.pop(current)
        loops.append(loop)
    return loops


def _distance(points: FloatArray, quads: NDArray[np.int64], border: NDArray[np.int64]) -> FloatArray:
    """Distance along the edges from the border to every point."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    a = quads.ravel()
    b = np.roll(quads, -1, axis=1).ravel()
    length = np.linalg.norm(points[a] - points[b], axis=1)
    graph = coo_matrix((length, (a, b)), shape=(len(points), len(points))).tocsr()
    return np.asarray(dijkstra(graph, directed=False, indices=border, min_only=True), np.float32)
