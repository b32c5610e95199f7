"""The head of clay and its people, who need nothing but the package."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import AssetError
from facemotion.face.blazeface import BlazeFace
from facemotion.media import load_clip
from facemotion.models import Models
from facemotion.synth.people.assets import FITS, HEAD, Assets
from facemotion.synth.people.cast import fit_portraits
from facemotion.synth.people.fit import PortraitFitter
from facemotion.synth.people.head import IDENTITIES, INDEX, SHAPES, load_head
from facemotion.synth.sources.building import build_assets, build_clay, digest_of
from facemotion.synth.sources.clay import EYE_RADIUS, clay_head

NAMES = ("female_10", "male_12", "male_52")
LEFT_EYE, INNER_LIPS = [43, 44, 47, 46], [61, 62, 63, 67, 66, 65]  # landmarks: upper, then lower, from the left


@pytest.fixture(scope="module")
def clay(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clay")
    build_clay(folder, NAMES)
    return Assets.find(folder)


@pytest.fixture(scope="module")
def clay_model(clay):
    return load_head(clay)


def gap(points, marks):
    """Mean distance between an upper and a lower edge, cm."""
    upper, lower = np.split(points[marks, 1], 2)
    return float((upper - lower).mean())


def shaped(head, **weights):
    return head.neutral + sum(weight * head.expression[INDEX[name]] for name, weight in weights.items())


def test_the_head_has_all_that_the_published_one_has(clay_model):
    assert clay_model.expression.shape[0] == len(SHAPES)
    assert clay_model.identity.shape[0] == IDENTITIES
    assert all(np.abs(clay_model.expression[INDEX[name]]).max() > 0.05 for name in SHAPES)
    assert all(np.abs(shape).max() > 0.003 for shape in clay_model.identity)
    assert clay_model.eye_radius == pytest.approx(EYE_RADIUS, abs=0.02)
    assert clay_model.mesh_ok.mean() > 0.95
    assert len(np.unique(clay_model.mesh[clay_model.mesh_ok])) > 400


def test_left_and_right_are_mirror_images(clay_model):
    mirrored = clay_model.neutral * [-1, 1, 1]
    other = np.array([np.abs(mirrored - point).sum(1).argmin() for point in clay_model.neutral[::97]])
    for name in ("eyeBlink", "mouthSmile", "browOuterUp", "cheekPuff"):
        left, right = (clay_model.expression[INDEX[f"{name}_{side}"]] for side in "LR")
        np.testing.assert_allclose(left[::97], right[other] * [-1, 1, 1], atol=0.02)


def test_a_blink_closes_its_own_eye(clay_model):
    marks, other = clay_model.landmarks[LEFT_EYE], clay_model.landmarks[[37, 38, 41, 40]]
    assert gap(clay_model.neutral, marks) > 0.6
    shut = shaped(clay_model, eyeBlink_L=1)
    assert abs(gap(shut, marks)) < 0.1
    assert gap(shut, other) == pytest.approx(gap(clay_model.neutral, other))


def test_an_open_jaw_parts_the_lips_and_closed_lips_meet_again(clay_model):
    marks = clay_model.landmarks[INNER_LIPS]
    assert gap(clay_model.neutral, marks) == pytest.approx(0, abs=1e-3)
    opened = gap(shaped(clay_model, jawOpen=1), marks)
    assert opened > 2
    assert abs(gap(shaped(clay_model, jawOpen=1, mouthClose=1), marks)) < 0.3 * opened
    lower_teeth = clay_model.neutral[np.unique(clay_model.teeth), 1] < -3.4
    moved = clay_model.expression[INDEX["jawOpen"]][np.unique(clay_model.teeth), 1]
    assert moved[lower_teeth].max() < -1
    assert moved[~lower_teeth].max() == 0


@pytest.mark.parametrize(
    ("shape", "mark", "axis"), [("mouthSmile_L", 54, 1), ("mouthLeft", 51, 0), ("browInnerUp_L", 22, 1)]
)
def test_shapes_move_what_they_are_named_after(clay_model, shape, mark, axis):
    moved = clay_model.expression[INDEX[shape]][clay_model.landmarks]
    assert moved[mark, axis] > 0.4
    assert np.abs(moved[mark]).max() > 3 * np.abs(moved[[36, 39]]).max()


def test_faces_of_clay_are_found_and_fitted(clay):
    """The fit by the networks agrees with what the portraits were drawn from."""
    fitter, exact = PortraitFitter(clay), fit_portraits(clay, clay.folder / FITS)
    for name in NAMES:
        fit = fitter(name)
        assert fit.error < 2
        assert fit.scale == pytest.approx(exact[name].scale, rel=0.08)
        assert abs(fit.yaw) < 4
        away = np.linalg.norm(fit.landmarks[:468, :2] - exact[name].landmarks[:468, :2], axis=1)
        assert np.median(away) < 0.03 * np.ptp(exact[name].landmarks[:468, 1])


def test_a_clay_folder_is_the_same_each_time(clay, tmp_path):
    assert build_clay(tmp_path / "again", NAMES) == digest_of(clay)
    pictures = [Image.open(io.BytesIO(clay.portrait(name).read_bytes())) for name in NAMES]
    assert len(BlazeFace(Models.shipped()).detect(np.asarray(pictures[0]))) == 1
    assert len({picture.tobytes() for picture in pictures}) == len(NAMES)


def test_clay_is_not_laid_over_the_published_head(tmp_path):
    (tmp_path / HEAD).write_bytes(b"")
    with pytest.raises(AssetError, match="another folder"):
        build_clay(tmp_path, NAMES)


def test_where_the_mesh_lies_on_the_clay_is_current(clay_model):
    """The table was made from the head as it is now: the mesh's points at the landmarks are the landmarks."""
    mesh = np.asarray(clay_head()["mesh"])
    inner = {33: 36, 133: 39, 362: 42, 263: 45, 78: 60, 308: 64, 13: 62, 14: 66, 4: 30, 152: 8}
    for point, mark in inner.items():
        assert clay_model.mesh[point] == clay_model.landmarks[mark]
    assert mesh.max() < clay_model.faces_count


def test_a_person_of_clay_is_filmed_without_any_assets(clay, tmp_path, monkeypatch):
    monkeypatch.delenv("FACEMOTION_ASSETS", raising=False)
    monkeypatch.setattr("facemotion.cli.synth.clay_folder", lambda *, quiet: clay.folder)
    few = dict.fromkeys(("train", "validation", "benchmark"), NAMES)
    monkeypatch.setattr("facemotion.synth.people.cast.parents", lambda: few)
    words = [
        "synth",
        "preview",
        "jaw_open",
        "--clay",
        "--takes",
        "1",
        "--size",
        "64x64",
        "--out",
        str(tmp_path / "out"),
    ]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    assert len(load_clip(tmp_path / "out" / "preview.mp4").frames) > 10


def test_clay_and_copies_are_not_asked_for_at_once(tmp_path):
    answer = CliRunner().invoke(app, ["synth", "assets", str(tmp_path), "--clay", "--fetch"])
    assert "need no copies" in str(answer.exception)
    with pytest.raises(AssetError, match="--fetch"):
        build_assets(tmp_path)
