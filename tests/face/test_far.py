"""Faces that are too small for the detector in the whole frame."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from facemotion.face import BlazeFace, FarLook
from facemotion.face.far import AT_ONCE, PARTS, REMEMBERED_SECONDS, parts
from facemotion.models import Models


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (960, 540), (33, 17), (1, 1), (4096, 8)])
def test_a_small_face_lies_whole_in_a_part_wherever_it_is(width, height):
    squares = parts(width, height)
    assert all(0 <= x <= width - side and 0 <= y <= height - side for x, y, side in squares)
    for share in PARTS:
        side = max(1, min(round(share * max(width, height)), width, height))
        own = [(x, y) for x, y, one in squares if one == side]
        small = max(1, side // 2 - 1)
        for left, top in np.random.default_rng(0).integers(0, [width - small + 1, height - small + 1], (40, 2)):
            assert any(x <= left and left + small <= x + side and y <= top and top + small <= y + side for x, y in own)


def test_a_far_face_is_found_remembered_for_a_while_and_not_seen_in_patterns(drawn_face):
    look, frame = FarLook(BlazeFace(Models.shipped())), np.full((480, 640, 3), 120, np.uint8)
    frame[40:90, 500:550] = np.asarray(Image.fromarray(drawn_face).resize((50, 50), Image.Resampling.BOX))
    turns = -(-len(parts(640, 480)) // AT_ONCE)
    assert any(look.look(frame, number / 25, 90.0) for number in range(turns))
    empty, then = np.full_like(frame, 120), turns / 25
    assert look.look(empty, then, 90.0)
    assert not look.look(empty, then + REMEMBERED_SECONDS + 1, 90.0)
    assert not any(
        FarLook(BlazeFace(Models.shipped())).look(frame, 0, 5.0) for _ in range(2)
    )  # larger than what counts as small
    noise = np.random.default_rng(1).normal(128, 50, (15, 20, 3)).clip(0, 255).astype(np.uint8)
    blotches = np.asarray(Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC))
    assert not any(look.look(blotches, 100 + number / 25, 90.0) for number in range(turns))
