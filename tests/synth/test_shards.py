"""Shards: what the training of feature extractors reads."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

from facemotion.data.still_files import EMOTIONS, StillPerson, Stills, read_people, write_people, write_shard
from facemotion.errors import DataError
from facemotion.face import BlazeFace
from facemotion.models import Models
from facemotion.synth.people import cast
from facemotion.synth.people.head import INDEX, SHAPES
from facemotion.synth.sets import shards
from facemotion.synth.sets.shards import StillRenderer, expression, make_shards, shoot_person, skin_tone


def test_expressions_are_possible_and_named_by_shares():
    random = np.random.default_rng(0)
    named = 0
    for _ in range(200):
        weights, shares = expression(random)
        assert weights.shape == (len(SHAPES),)
        assert (weights >= 0).all()
        assert (weights <= 1.15).all()
        assert weights[INDEX["mouthClose"]] <= weights[INDEX["jawOpen"]] + 1e-9
        assert shares.shape == (len(EMOTIONS),)
        assert shares.sum() == pytest.approx(0, abs=1e-6) or shares.sum() == pytest.approx(1)
        named += bool(shares.any())
    assert 40 < named < 110


def test_a_person_becomes_a_shard(head, person, tmp_path):
    random = np.random.default_rng(1)
    shard = shoot_person(StillRenderer(head, person), "a", 3, BlazeFace(Models.shipped()), random)
    assert shard.images.shape == (3, 160, 160, 3)
    write_people(tmp_path, [StillPerson("a", "male_52", "train", tone=skin_tone(head, person))])
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


def test_shards_resume_and_are_a_set_to_train_on(tmp_path, monkeypatch, assets, fits, fits_file):
    monkeypatch.setattr(cast, "parents", lambda: {part: tuple(fits) for part in cast.PARTS})
    monkeypatch.setattr(shards, "fit_portraits", lambda assets, cache: fits)

    def run(folder, part="train"):
        return list(make_shards(folder, assets, fits_file, people=2, each=2, part=part, seed=3))

    assert run(tmp_path / "whole") == [(1, ""), (2, "")]
    first = make_shards(tmp_path / "broken", assets, fits_file, people=2, each=2, part="train", seed=3)
    next(first)
    first.close()
    assert run(tmp_path / "broken") == [(1, ""), (2, "")]
    assert run(tmp_path / "broken") == [(2, "")]
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "broken").iterdir())
    for name in names:
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [person.name for person in read_people(tmp_path / "whole")] == ["train-3-s001", "train-3-s002"]
    assert len(Stills(tmp_path / "whole", "train").boxes) == 4


def test_who_is_never_detected_is_left_out(tmp_path, monkeypatch, assets, fits, fits_file):
    monkeypatch.setattr(cast, "parents", lambda: {part: tuple(fits) for part in cast.PARTS})
    monkeypatch.setattr(shards, "fit_portraits", lambda assets, cache: fits)
    monkeypatch.setattr(
        StillRenderer, "shoot", lambda self, weights, random: (np.zeros((160, 160, 3), np.uint8), None, None)
    )
    assert list(make_shards(tmp_path, assets, fits_file, people=1, each=1, part="train", seed=3)) == [
        (1, "train-3-s001")
    ]
    assert not list(tmp_path.iterdir())


def test_a_process_that_is_killed_is_named(tmp_path, monkeypatch, assets, fits, fits_file):
    def killed(*_: object) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr(cast, "parents", lambda: {part: tuple(fits) for part in cast.PARTS})
    monkeypatch.setattr(shards, "fit_portraits", lambda assets, cache: fits)
    monkeypatch.setattr(shards, "run_tasks", killed)
    with pytest.raises(DataError, match="A process that drew stills was killed"):
        list(make_shards(tmp_path, assets, fits_file, people=1, each=1, part="train", seed=3))
