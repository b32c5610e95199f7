"""tools/render_stills.py draws what training reads."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from facemotion.data.stills import EMOTIONS, StillPerson, Stills, write_people, write_shard
from facemotion.face import BlazeFace
from facemotion.synth.head import INDEX, SHAPES

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "render_stills.py"))


def test_expressions_are_possible_and_named_by_shares():
    random = np.random.default_rng(0)
    named = 0
    for _ in range(200):
        weights, shares = TOOL["expression"](random)
        assert weights.shape == (len(SHAPES),)
        assert (weights >= 0).all()
        assert (weights <= 1.15).all()
        assert weights[INDEX["mouthClose"]] <= weights[INDEX["jawOpen"]] + 1e-9
        assert shares.shape == (len(EMOTIONS),)
        assert shares.sum() == pytest.approx(0, abs=1e-6) or shares.sum() == pytest.approx(1)
        named += bool(shares.any())
    assert 40 < named < 110


@pytest.mark.shared
def test_a_person_becomes_a_shard(head, person, tmp_path):
    random = np.random.default_rng(1)
    shard = TOOL["shoot_person"](TOOL["Studio"](head, person), "a", 3, BlazeFace(), random)
    assert shard.images.shape == (3, 160, 160, 3)
    write_people(tmp_path, [StillPerson("a", "male_52", "train", tone=TOOL["skin_tone"](head, person))])
    write_shard(tmp_path, "a", shard)
    stills = Stills(tmp_path, "train")
    size = (stills.boxes[:, 2:] - stills.boxes[:, :2]).max(axis=1)
    assert ((size > 60) & (size < 130)).all()
    # The eyes lie in the upper half of the box, the mouth in the lower, the points inside the still.
    middle = (stills.boxes[:, 1] + stills.boxes[:, 3]) / 2
    assert (stills.landmarks[:, 36:48, 1].mean(axis=1) < middle).all()
    assert (stills.landmarks[:, 48:, 1].mean(axis=1) > middle).all()
    assert (stills.landmarks > 0).all()
    assert (stills.landmarks < 160).all()
    assert -90 < stills.persons["a"].tone < 90
