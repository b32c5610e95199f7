"""Single pictures with landmarks and emotions; needs the assets for the second half."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from facemotion.synth.filming.scene import SceneSettings
from facemotion.synth.people import cast
from facemotion.synth.people.head import INDEX
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.sets import stills
from facemotion.synth.sets.stills import EMOTIONS, RECIPES, StillSettings, emotion_weights, make_stills


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_an_emotion_varies_and_grows_with_intensity(emotion):
    random = np.random.default_rng(0)
    strong = np.array([emotion_weights(emotion, 1.0, random) for _ in range(30)])
    weak = np.array([emotion_weights(emotion, 0.4, random) for _ in range(30)])
    if not RECIPES[emotion][0]:
        assert strong.max() == 0
        return
    assert len(np.unique(strong.round(4), axis=0)) == 30
    assert strong.sum(1).mean() > 1.8 * weak.sum(1).mean()
    assert strong.max() <= 1.2


def test_happiness_smiles_and_sadness_does_not():
    random = np.random.default_rng(1)
    assert emotion_weights("happiness", 1.0, random)[INDEX["mouthSmile_L"]] > 0.3
    assert emotion_weights("sadness", 1.0, random)[INDEX["mouthSmile_L"]] == 0


def test_stills_resume_and_are_labelled(tmp_path, monkeypatch, assets, fits, fits_file):
    monkeypatch.setattr(cast, "parents", lambda: {part: tuple(fits) for part in cast.PARTS})
    monkeypatch.setattr(stills, "fit_portraits", lambda assets, cache: fits)
    settings, scene = StillSettings(people=2, each=3), SceneSettings(width=96, height=96)

    def run(folder):
        return make_stills(folder, assets, fits_file, settings, scene, Spreads())

    assert list(run(tmp_path / "whole")) == [1, 2]
    first = run(tmp_path / "broken")
    next(first)
    first.close()
    assert list(run(tmp_path / "broken")) == [1, 2]
    assert list(run(tmp_path / "broken")) == [2]
    names = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.*"))
    assert len(names) == 2 * (3 + 1 + 1)
    for name in names:
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with (tmp_path / "whole" / "labels" / "s001.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    landmarks = np.load(tmp_path / "whole" / "landmarks" / "s001.npz")["landmarks"]
    assert landmarks.shape == (3, 68, 2)
    assert {row["emotion"] for row in rows} <= {*EMOTIONS, ""}
    with Image.open(tmp_path / "whole" / rows[0]["path"]) as image:
        assert image.size == (96, 96)
