"""Figures of benchmarks/landmarks.py on answers that are known."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from facemotion.data.still_files import EMOTIONS, Shard, StillPerson, Stills, write_people, write_shard
from facemotion.face import BlazeFace
from facemotion.features.landmarks68 import RIGID
from facemotion.models import Models

BENCH = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "landmarks.py"))


@pytest.fixture
def stills(tmp_path: Path, drawn_face) -> Stills:
    image = drawn_face[48:208, 48:208]
    box = BlazeFace(Models.shipped()).detect(image).boxes[0]
    rng = np.random.default_rng(0)
    face = rng.normal(0, 0.3, (68, 2))
    face[RIGID[:, 0].astype(int)] = RIGID[:, 1:]
    landmarks = np.stack([80 + 40 * (face + rng.normal(0, 0.02, (68, 2))) for _ in range(6)]).astype(np.float32)
    write_people(
        tmp_path,
        [StillPerson("a", "p", "benchmark", "female", 25, 50.0), StillPerson("b", "q", "benchmark", "male", 70, -60.0)],
    )
    write_shard(
        tmp_path,
        "a",
        Shard(
            np.tile(image, (6, 1, 1, 1)),
            np.tile(box, (6, 1)),
            landmarks,
            np.ones((6, 68), bool),
            np.zeros((6, 3), np.float32),
            np.zeros((6, len(EMOTIONS)), np.float32),
            np.array(["a", "b"] * 3),
        ),
    )
    return Stills(tmp_path, "benchmark")


def test_an_error_that_is_known_is_found(stills):
    """A finder that is off by 2 pixels on one person and right on the other."""
    order = iter([*range(6), *[0] * 1000])

    def find(frame, box, keypoints):
        index = next(order)
        return stills.landmarks[index] + np.array([2.0 * (stills.people[index] == "b"), 0])

    told = BENCH["on_renders"](find, stills, BlazeFace(Models.shipped()))
    scale = np.linalg.norm(stills.landmarks[:, 36] - stills.landmarks[:, 45], axis=1)
    wrong = float((200 / scale[1::2]).mean())
    assert told["groups"]["sex"]["female"]["nme_51"] == 0
    assert told["groups"]["sex"]["male"]["nme_51"] == pytest.approx(wrong, abs=0.01)
    assert told["groups"]["age"]["60-89"] == told["groups"]["skin"]["dark (ITA < -30)"]
    assert told["nme_68"] == pytest.approx(wrong / 2, abs=0.01)
    assert told["worst_group_over_mean"] == pytest.approx(2, abs=0.01)
    assert told["openings"]["lips"] == {"correlation": 1.0, "gain": 1.0}


def test_gain_of_openings_within_people():
    rng = np.random.default_rng(0)
    true = np.tile(rng.normal(0, 0.3, (68, 2)), (20, 1, 1))
    true += rng.normal(0, 0.01, true.shape)
    true[:, 36], true[:, 45] = (-0.5, 0), (0.5, 0)
    true[:, (61, 62, 63)] = np.array([[-0.1, 0.7], [0, 0.7], [0.1, 0.7]])
    gap = rng.uniform(0, 0.2, 20)
    found = true.copy()
    for faces, factor in ((true, 1.0), (found, 0.6)):
        faces[:, (67, 66, 65)] = faces[:, (61, 62, 63)] + np.array([0, 1]) * factor * gap[:, None, None]
    found[10:, (67, 66, 65), 1] += 0.3  # one person's lips are thought apart at rest: no error of motion
    names = np.array(["a"] * 10 + ["b"] * 10)
    told = BENCH["openings"](found, true, names)["lips"]
    assert told["correlation"] == 1.0
    assert told["gain"] == pytest.approx(0.6, abs=1e-3)


def test_emotions_by_group_and_confusion(stills):
    """A network that says happiness to everybody: right on the first person's face, wrong on the second's."""

    class Happy:
        def run(self, names, inputs):
            assert names == ["emotions"]
            assert inputs["faces"].shape == (1, 3, 112, 112)
            return [np.eye(7, dtype=np.float32)[1:2]]

    for index, person in enumerate(stills.people):
        stills.emotions[index] = np.eye(7)[1 if person == "a" else 6]
    stills.emotions[5] = 0  # an expression without a name
    told = BENCH["emotions"](Happy(), stills)
    assert told["stills"] == 5
    assert told["accuracy"] == pytest.approx(3 / 5)
    assert told["groups"]["sex"] == {"female": 1.0, "male": 0.0}
    assert told["confusion"][1][1] == 3
    assert told["confusion"][6][1] == 2
    assert "| anger | 0 | 2 | 0 | 0 | 0 | 0 | 0 |" in BENCH["emotion_table"]("sfe-e", told)
