"""The detector against the original network, and its decoding against plain loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from facemotion.config import FaceSettings
from facemotion.face.blazeface import BlazeFace, anchors, decode, letterbox, overlap, weighted_nms
from facemotion.models import Models


def test_parity_with_the_original_network():
    """Stored answers of the TensorFlow Lite interpreter; made by tools/reference_outputs.py."""
    session = Models.shipped().open("blazeface")
    with np.load(Path(__file__).with_name("blazeface_reference.npz")) as stored:
        for number, image in enumerate(stored["images"]):
            tensor = image[None].astype(np.float32) / 255 * 2 - 1
            regressors, logits = session.run(["regressors", "classificators"], {"input": tensor})
            np.testing.assert_allclose(regressors, stored[f"regressors.{number}"], atol=1e-3)
            np.testing.assert_allclose(logits, stored[f"classificators.{number}"], atol=1e-3)


def test_a_face_is_found_where_it_is(drawn_face):
    detector = BlazeFace(Models.shipped())
    found = detector.detect(drawn_face)
    assert len(found) == 1
    right_eye, left_eye, nose, mouth = found.keypoints[0, :4]
    np.testing.assert_allclose(right_eye, [104, 107], atol=6)  # the subject's right is on the left of the picture
    np.testing.assert_allclose(left_eye, [152, 107], atol=6)
    np.testing.assert_allclose(mouth, [128, 164], atol=6)
    assert right_eye[1] < nose[1] < mouth[1]

    canvas = np.full((480, 640, 3), 100, np.uint8)
    canvas[200:456, 300:556] = drawn_face
    moved = detector.detect(canvas)
    np.testing.assert_allclose(moved.boxes[0] - [300, 200, 300, 200], found.boxes[0], atol=9)


def test_no_face_is_an_empty_answer():
    for frame in (np.zeros((240, 320, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)):
        found = BlazeFace(Models.shipped()).detect(frame)
        assert found.boxes.shape == (0, 4)
        assert found.keypoints.shape == (0, 6, 2)
        assert len(found) == 0


def test_two_faces_are_two_detections(drawn_face):
    assert (
        len(
            BlazeFace(Models.shipped(), FaceSettings(min_score=0.4)).detect(
                np.concatenate([drawn_face, drawn_face], axis=1)
            )
        )
        == 2
    )


def test_anchors_are_the_published_grid():
    grid = anchors()
    assert grid.shape == (896, 2)
    np.testing.assert_array_equal(grid[0], [4, 4])
    np.testing.assert_array_equal(grid[1], [4, 4])
    np.testing.assert_array_equal(grid[2], [12, 4])
    np.testing.assert_array_equal(grid[512], [8, 8])
    np.testing.assert_array_equal(grid[518], [24, 8])


def test_decoding_by_hand():
    raw = np.array([[2, -3, 10, 20, *range(12)]], np.float32)
    boxes, points = decode(raw, np.array([[50, 60]], np.float32))
    np.testing.assert_allclose(boxes, [[47, 47, 57, 67]])
    np.testing.assert_allclose(points[0, 1], [52, 63])


def test_letterbox_keeps_the_shape():
    tensor, scale, offset = letterbox(np.full((240, 480, 3), 255, np.uint8))
    assert scale == 128 / 480
    assert offset == (0, 32)
    assert (tensor[0, 32:96] == 1).all()
    assert (tensor[0, :32] == 0).all()
    assert (tensor[0, 96:] == 0).all()


@pytest.mark.parametrize("shape", [(480, 640), (481, 641), (288, 360), (540, 960), (700, 400), (3, 500)])
def test_frames_are_shrunk_as_pillow_shrinks_them(shape):
    """To the level: where the detector puts the box moves by a quarter of a pixel otherwise."""
    height, width = shape
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    tensor, scale, (left, top) = letterbox(frame)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    wanted = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    inner = tensor[0, int(top) : int(top) + size[1], int(left) : int(left) + size[0]]
    np.testing.assert_allclose((inner + 1) * 127.5, wanted, atol=1e-4)


def naive_nms(boxes, keypoints, scores, iou):
    """Plain loops over the same rule."""
    left = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    out = []
    while left:
        best = left[0]
        group = [i for i in left if i == best or float(overlap(boxes[best], boxes[i : i + 1])[0]) > iou]
        total = sum(scores[i] for i in group)
        out.append(
            (
                sum(scores[i] * boxes[i] for i in group) / total,
                sum(scores[i] * keypoints[i] for i in group) / total,
                scores[best],
            )
        )
        left = [i for i in left if i not in group]
    return out


@settings(max_examples=80)
@given(data=st.data(), count=st.integers(0, 12), iou=st.floats(0.0625, 0.9375, width=32))
def test_weighted_nms_equals_the_naive_loop(data, count, iou):
    whole = {"min_value": 0, "max_value": 60, "width": 32}
    corners = data.draw(hnp.arrays(np.float32, (count, 2), elements=st.floats(**whole)))
    sizes = data.draw(hnp.arrays(np.float32, (count, 2), elements=st.floats(1, 60, width=32)))
    scores = data.draw(hnp.arrays(np.float32, count, elements=st.floats(0.5, 1, width=32)))
    boxes = np.concatenate([corners, corners + sizes], axis=1)
    points = np.repeat(corners[:, None], 6, axis=1)
    got = weighted_nms(boxes, points, scores, iou)
    want = naive_nms(boxes, points, scores, iou)
    assert len(got[2]) == len(want)
    for box, keypoints, score, expected in zip(*got, want, strict=True):
        np.testing.assert_allclose(box, expected[0], atol=1e-3)
        np.testing.assert_allclose(keypoints, expected[1], atol=1e-3)
        assert score == expected[2]
    # What is left doesn't depend on the order of equal-worthy input beyond ties, and never exceeds it.
    assert len(got[2]) <= count
    assert (np.diff(got[2]) <= 0).all()


def test_overlap_of_known_boxes():
    box = np.array([0, 0, 10, 10], np.float32)
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(overlap(box, others), [1, 1 / 3, 0], atol=1e-6)
