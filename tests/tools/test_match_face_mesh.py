"""The vertex of the head on which each point of the mesh lies, found from a canonical face made of the head itself."""

from __future__ import annotations

import struct
import zipfile

import numpy as np
import pytest
from tools.match_face_mesh import GEOMETRY, canonical_face, match

from facemotion.synth.people.head import INDEX
from facemotion.synth.sources.clay import clay_head


def field(number: int, kind: int, content: bytes) -> bytes:
    return bytes([number << 3 | kind]) + content


def sized(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return field(number, 2, length + bytes([size]) + content)


@pytest.mark.parametrize("packed", [False, True])
def test_points_of_the_mesh_find_their_vertices(tmp_path, packed):
    head = clay_head()
    wanted = head["mesh"]
    ajar = head["neutral"] + 0.05 * head["expression"][INDEX["jawOpen"]]  # lips that meet would lie in one place
    neutral = ajar.astype(float)
    skin = int(head["faces"][head["face_material"] == 0].max()) + 1
    tilt = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
    face = 0.9 * neutral[wanted] @ tilt + [1, -2, 3]
    numbers = [float(value) for point in face for value in (*point, 0.5, 0.5)]
    vertices = (
        sized(3, struct.pack(f"<{len(numbers)}f", *numbers))
        if packed
        else b"".join(field(3, 5, struct.pack("<f", value)) for value in numbers)
    )
    mesh = field(1, 0, b"\x00") + vertices + field(4, 0, b"\x81\x02")
    with zipfile.ZipFile(tmp_path / "bundle.task", "w") as archive:
        archive.writestr(GEOMETRY, sized(1, mesh) + sized(2, b"\x08\x21"))
    read = canonical_face(tmp_path / "bundle.task")
    np.testing.assert_allclose(read, face, rtol=1e-6)
    found, distance = match(read, neutral, head["landmarks68"], skin)
    np.testing.assert_array_equal(found, wanted)
    assert distance.max() < 1e-4
