"""From portrait to frame; needs the assets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from facemotion.data.npz import pack
from facemotion.errors import AssetError, NoFaceError, WriteError
from facemotion.models import Models
from facemotion.synth.drawing.raster import Canvas, draw_coloured
from facemotion.synth.filming.render import Renderer
from facemotion.synth.filming.scene import rotation
from facemotion.synth.filming.view import Light, State, View, gaze_rotation, on_screen
from facemotion.synth.people.assets import PORTRAIT_LIST, PORTRAITS, Assets
from facemotion.synth.people.cast import cast, fit_portraits
from facemotion.synth.people.fit import PortraitFitter, load_fits, rodrigues, save_fits
from facemotion.synth.people.head import INDEX, SHAPES, load_head
from facemotion.synth.people.layers import UPPER, fill
from facemotion.synth.performance.motion import parse_program
from facemotion.synth.sets.truth import angles

SIZE = 160
HALF_AN_ARCHIVE = pack(numbers=np.arange(1000))[:300]  # as a copy that was broken off leaves it


def state(person, head, weights=None, turn=(0.0, 0.0, 0.0)):
    marks = person.places[head.landmarks]
    zoom = SIZE * 0.5 / float(np.ptp(marks[:, 1]))
    light = Light(float(person.light[0]), person.light[1:], np.ones(3, np.float32), np.ones(3, np.float32))
    weights = np.zeros(len(SHAPES), np.float32) if weights is None else weights.astype(np.float32)
    return State(weights, rotation(np.array(turn)), np.zeros(3, np.float32), light, zoom, marks.mean(0))


@pytest.fixture(scope="module")
def renderer(head, person):
    return Renderer(head, person, SIZE, SIZE, state(person, head).zoom)


def portrait_crop(person, head):
    at = state(person, head)
    half = SIZE / 2 / at.zoom
    box = (*(at.centre - half), *(at.centre + half))
    image = Image.fromarray(person.layers.open)
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX, box=tuple(map(float, box))), np.float32)


def test_at_rest_the_picture_is_the_portrait(renderer, head, person):
    drawn = renderer.draw(state(person, head))
    assert np.abs(drawn - portrait_crop(person, head)).mean() < 5  # grey levels; half of it is resampling


@pytest.mark.parametrize(
    ("program", "marks"),
    [
        ("wink_left", slice(42, 48)),
        ("wink_right", slice(36, 42)),
        ("jaw_open", slice(48, 68)),
        ("smile", slice(48, 68)),
    ],
)
def test_a_motion_changes_its_own_part_of_the_picture(renderer, head, person, program, marks):
    rest = renderer.draw(state(person, head))
    moved = renderer.draw(state(person, head, parse_program(program).steps[0].weights()))
    change = np.abs(moved - rest).mean(-1)
    points, screen = renderer.geometry(state(person, head))
    low = screen[head.landmarks[marks], :2].min(0).astype(int) - 4
    high = screen[head.landmarks[marks], :2].max(0).astype(int) + 5
    inside = change[low[1] : high[1], low[0] : high[0]].mean()
    assert inside > 4
    assert inside > 4 * change[: SIZE // 8].mean()
    assert len(points) == len(person.neutral)


def test_a_closed_lid_hides_the_eye(renderer, head, person):
    """The white and the iris give way to skin."""
    _, screen = renderer.geometry(state(person, head))
    ring = screen[head.landmarks[42:48], :2]
    low, high = ring.min(0).astype(int), ring.max(0).astype(int) + 1
    opened = renderer.draw(state(person, head))[low[1] : high[1], low[0] : high[0]]
    weights = np.zeros(len(SHAPES))
    weights[INDEX["eyeBlink_L"]] = 1
    closed = renderer.draw(state(person, head, weights))[low[1] : high[1], low[0] : high[0]]
    x, y = screen[head.landmarks[28], :2].astype(int)
    skin = renderer.draw(state(person, head))[y - 2 : y + 3, x - 2 : x + 3].mean((0, 1))
    assert np.abs(closed - skin).mean() < 0.9 * np.abs(opened - skin).mean()


def test_turning_left_moves_the_nose_to_the_right_of_the_frame(renderer, head, person):
    nose = head.landmarks[30]
    ahead = renderer.geometry(state(person, head))[1][nose, 0]
    assert renderer.geometry(state(person, head, turn=(0, 15, 0)))[1][nose, 0] > ahead + 3
    up = renderer.geometry(state(person, head))[1][nose, 1]
    assert renderer.geometry(state(person, head, turn=(12, 0, 0)))[1][nose, 1] < up - 2


def test_what_is_drawn_stands_where_the_ground_truth_says(head, person):
    at = replace(state(person, head, turn=(4, -9, 3)), offset=np.array([0.4, -0.2, 0.1], np.float32), roll=0.05)
    drawn = View(person, at, SIZE, SIZE, (3 * SIZE // 2, SIZE)).place(person.neutral)
    wanted = on_screen(person, person.neutral, at, SIZE, SIZE) * np.array([1, 1.5, 1])
    np.testing.assert_allclose(drawn, wanted, atol=2e-3)


@pytest.mark.parametrize("turn", [(0, 20, 0), (0, -20, 0), (15, 0, 0), (-15, 0, 5)])
def test_the_detector_finds_turned_faces(renderer, head, person, turn):
    from facemotion.face.blazeface import BlazeFace

    frame = renderer.draw(state(person, head, turn=turn)).astype(np.uint8)
    assert len(BlazeFace(Models.shipped()).detect(frame)) == 1


def test_angles_undo_rotation():
    for turn in ((3.0, -12.0, 4.0), (-8.0, 15.0, 0.0), (0.0, 0.0, -9.0)):
        np.testing.assert_allclose(angles(rotation(np.array(turn))), turn, atol=1e-3)


def test_both_eyes_look_the_same_way():
    weights = parse_program("look_left").steps[0].weights()
    ahead = np.array([0, 0, 1.0])
    left, right = gaze_rotation(weights, 0) @ ahead, gaze_rotation(weights, 1) @ ahead
    assert left[0] > 0.3
    assert right[0] > 0.3


def test_fits_follow_the_landmarks(fits):
    for fit in fits.values():
        assert fit.error < 2
        assert abs(fit.yaw) < 12
        np.testing.assert_allclose(fit.rotation @ fit.rotation.T, np.eye(3), atol=1e-4)


def test_neutral_lips_meet_and_eyes_are_open(builder, head, fits):
    for name in fits:
        marks = builder.portrait(name).neutral[head.landmarks]
        assert abs(float((marks[[61, 62, 63], 1] - marks[[67, 66, 65], 1]).mean())) < 0.25  # cm
        assert float(marks[43, 1] - marks[47, 1]) > 0.3


def test_a_morph_is_neither_parent(builder, fits, head):
    names = list(fits)
    recruit = replace(cast(1, "train", 0)[0], first=names[1], second=names[2], share=0.5)
    child, parent = builder.build(recruit), builder.portrait(names[1])
    marks = head.landmarks[31:]
    x, y = np.clip(child.places[marks].astype(int).T, 0, 639)
    assert np.abs(child.layers.open[y, x].astype(float) - parent.layers.open[y, x]).mean() > 3
    assert np.abs(child.neutral[marks] - parent.neutral[marks]).mean() > 0.02
    corner = np.s_[:40, :40]
    np.testing.assert_array_equal(child.layers.open[corner], parent.layers.open[corner])


def test_a_hole_is_filled_from_its_border():
    picture = np.zeros((40, 40, 3), np.float32) + np.linspace(0, 200, 40)[None, :, None].astype(np.float32)
    hole = np.zeros((40, 40), bool)
    hole[12:28, 12:28] = True
    broken = picture.copy()
    broken[hole] = 255
    np.testing.assert_allclose(fill(broken, hole, 600), picture, atol=12)


def test_the_nearer_triangle_wins_and_edges_leave_no_gap():
    points = np.array([[0, 0, 0], [8, 0, 0], [8, 8, 0], [0, 8, 0], [2, 2, 1], [6, 2, 1], [4, 6, 1]], np.float32)
    colours = np.repeat(np.array([[10.0], [200.0]], np.float32), [4, 3], axis=0).repeat(3, 1)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]], np.int32)
    for order in (triangles, triangles[::-1]):
        picture, depth = np.zeros((8, 8, 3), np.float32), np.full((8, 8), -1e9, np.float32)
        draw_coloured(np.ascontiguousarray(order), points, colours, False, Canvas(picture, depth))
        assert picture[0, 0, 0] == pytest.approx(10, abs=1e-3)
        assert picture[3, 4, 0] == pytest.approx(200, abs=1e-3)
        assert (picture > 9).all()


def test_a_rotation_vector_of_zero_turns_nothing():
    np.testing.assert_allclose(rodrigues(np.zeros(3)), np.eye(3))


def test_missing_and_wrong_assets_are_named(tmp_path, monkeypatch, assets_folder):
    monkeypatch.delenv("FACEMOTION_ASSETS", raising=False)
    with pytest.raises(AssetError, match="FACEMOTION_ASSETS"):
        Assets.find()
    with pytest.raises(AssetError, match="ict_facekit"):
        Assets.find(tmp_path)
    for content in (b"no", HALF_AN_ARCHIVE):
        (tmp_path / "fits.npz").write_bytes(content)
        with pytest.raises(AssetError, match="synth fit"):
            load_fits(tmp_path / "fits.npz")
    with pytest.raises(AssetError, match="nobody"):
        PortraitFitter(Assets(assets_folder))("nobody")


@pytest.fixture
def few(assets_folder, tmp_path):
    """A folder of assets that can be spoilt: the real head and a list of one portrait, which isn't there yet."""
    (tmp_path / Assets(assets_folder).head.name).symlink_to(Assets(assets_folder).head)
    (tmp_path / PORTRAIT_LIST).write_text("file,frontal_closed_mouth,prompt\nsomebody.jpg,1,a person\n", "utf-8")
    (tmp_path / PORTRAITS).mkdir()
    return Assets.find(tmp_path)


def test_a_portrait_without_a_face_is_named(few, tmp_path):
    Image.fromarray(np.full((300, 300, 3), 90, np.uint8)).save(tmp_path / PORTRAITS / "somebody.jpg")
    with pytest.raises(NoFaceError, match="somebody"):
        fit_portraits(few, tmp_path / "fits.npz")
    assert not (tmp_path / "fits.npz").exists()


def test_a_portrait_that_is_no_picture_is_named(few, tmp_path):
    (tmp_path / PORTRAITS / "somebody.jpg").write_bytes(b"no picture")
    with pytest.raises(AssetError, match="somebody"):
        fit_portraits(few, tmp_path / "fits.npz")


@pytest.mark.parametrize("content", [b"", b"no npz", HALF_AN_ARCHIVE, "other arrays"])
def test_a_head_that_is_none_is_named(few, tmp_path, content):
    head = few.head
    head.unlink()
    if isinstance(content, bytes):
        head.write_bytes(content)
    else:
        np.savez(head, other=np.zeros(3))
    with pytest.raises(AssetError, match="head model"):
        load_head(few)


def test_fits_that_find_no_room_are_named(fits, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match="room"):
        save_fits(list(fits.values()), tmp_path / "file" / "fits.npz")


def test_a_winking_lid_has_a_dark_edge(renderer, head, person):
    """The edge of a winking lid is a line darker than most of what lies round it, all along."""
    wink = state(person, head, parse_program("wink_left").steps[0].weights())
    picture = renderer.draw(wink).mean(-1)
    edge = renderer.geometry(wink)[1][head.mesh[list(UPPER[0][1:-1])], :2]
    for x, y in edge:
        column = picture[int(y) - 5 : int(y) + 7, int(x)]
        assert column[4:8].min() < 0.9 * np.median(column)


def test_no_tooth_shows_above_the_upper_lip(renderer, head, person, monkeypatch):
    wide = state(person, head, parse_program("jaw_wide").steps[0].weights())
    _, screen = renderer.geometry(wide)
    lip = int(screen[head.landmarks[50:53], 1].min()) - 3
    with_mouth = renderer.draw(wide)
    monkeypatch.setattr(renderer, "_draw_mouth", lambda *_: None)
    without = renderer.draw(wide)
    np.testing.assert_array_equal(with_mouth[:lip], without[:lip])
    assert np.abs(with_mouth - without).max() > 30
