"""Tracking: fills, gaps, rivals, and the crop and quality of what is tracked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facemotion.config import FaceSettings
from facemotion.errors import NoFaceError, SeveralFacesError
from facemotion.face import BlazeFace, Detections, FaceTracker, TrackedFace, carry, crop_face, look_at
from facemotion.models import Models


def seen(*boxes: tuple[float, float, float, float]) -> Detections:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(array, np.zeros((len(array), 6, 2), np.float32), np.full(len(array), 0.9, np.float32))


A, B = (10, 10, 60, 60), (100, 10, 150, 60)


def test_a_short_miss_is_filled_and_counted_a_long_one_is_a_gap():
    tracker = FaceTracker(FaceSettings(max_fill_seconds=0.1, min_face_share=0.3))
    assert tracker.push(seen(), 0.0) is None  # nothing to fill from
    first = tracker.push(seen(A), 0.04)
    filled = tracker.push(seen(), 0.08)
    assert first is not None
    assert filled is not None
    assert not filled.found
    np.testing.assert_array_equal(filled.box, first.box)
    assert tracker.push(seen(), 0.12) is not None
    assert tracker.push(seen(), 0.16) is None
    assert tracker.face_share == pytest.approx(0.2)
    with pytest.raises(NoFaceError, match="20%"):
        tracker.check()


def test_the_track_stays_on_one_person_when_a_larger_face_comes_by():
    tracker = FaceTracker()
    tracker.push(seen(A), 0.0)
    larger = (100, 0, 200, 100)
    face = tracker.push(seen(larger, (12, 10, 62, 60)), 0.04)
    assert face is not None
    assert face.box[0] == 12


def test_two_faces_of_similar_size_in_many_frames_are_refused():
    tracker = FaceTracker()
    for number in range(20):
        tracker.push(seen(A, B) if number % 2 else seen(A), number / 25)
    with pytest.raises(SeveralFacesError):
        tracker.check()


def test_a_small_face_in_the_background_is_no_rival():
    tracker = FaceTracker()
    for number in range(20):
        tracker.push(seen(A, (100, 10, 120, 30)), number / 25)
    tracker.check()
    assert tracker.rivals == 0


def test_a_face_is_carried_by_the_shift_turn_and_scale_of_its_landmarks():
    """Turned by a quarter, twice as large, and 30 right and 7 down of where that leaves it."""
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(20, 60, (40, 2))

    def moved(points: np.ndarray) -> np.ndarray:
        return 2 * points @ np.array([[0, 1], [-1, 0]]) + [30, 7]

    face = TrackedFace(np.array([20, 10, 60, 40], np.float32), rng.uniform(20, 60, (6, 2)).astype(np.float32), True)
    later = carry(face, landmarks, moved(landmarks))
    np.testing.assert_allclose(later.keypoints, moved(face.keypoints), atol=1e-3)
    middle, half = moved(np.array([[40, 25]]))[0], np.array([40, 30])
    np.testing.assert_allclose(later.box, [*(middle - half), *(middle + half)], atol=1e-3)  # upright still
    still = carry(face, landmarks, landmarks)
    np.testing.assert_allclose(still.box, face.box, atol=1e-4)


def test_while_the_detector_rests_the_face_is_found_and_so_are_rivals():
    tracker = FaceTracker(FaceSettings(rival_share=0.4))
    face = tracker.push(seen(A, B), 0.0)
    for number in range(1, 4):
        assert tracker.follow(face, number / 25) is face
    assert (tracker.frames, tracker.found, tracker.rivals) == (4, 4, 4)
    with pytest.raises(SeveralFacesError):
        tracker.check()


def test_no_face_at_all():
    tracker = FaceTracker()
    tracker.push(seen(), 0.0)
    with pytest.raises(NoFaceError, match="No face"):
        tracker.check()


@settings(max_examples=60)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_counts_add_up(pattern):
    tracker = FaceTracker()
    faces = [tracker.push(seen(A) if hit else seen(), number / 25) for number, hit in enumerate(pattern)]
    assert tracker.frames == len(pattern)
    assert tracker.found == sum(pattern)
    assert sum(face is not None and face.found for face in faces) == sum(pattern)
    # A filled frame always follows a found one by no more than the setting allows.
    for number, face in enumerate(faces):
        if face is not None and not face.found:
            assert any(pattern[max(0, number - 11) : number])


def test_track_and_crops_of_a_clip(talking_frames):
    frames = talking_frames.copy()
    frames[0] = 0  # a camera that opens its shutter late
    frames[7] = 0
    detector, tracker = BlazeFace(Models.shipped()), FaceTracker()
    faces = [tracker.push(detector.detect(frame), number / 25) for number, frame in enumerate(frames)]
    tracker.check()
    assert faces[0] is None
    assert [number for number, face in enumerate(faces) if face is None or not face.found] == [0, 7]
    np.testing.assert_array_equal(faces[7].box, faces[6].box)
    crop = crop_face(frames[15], faces[15].box)
    assert crop.shape == (112, 112, 3)
    assert crop.std() > 20


def test_a_crop_is_centred_above_its_box():
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[95:105, 95:105] = 255
    crop = crop_face(frame, np.array([50, 55, 150, 155], np.float32), 110)
    row = int(np.argmax(crop[..., 0].sum(axis=1)))
    column = int(np.argmax(crop[..., 0].sum(axis=0)))
    assert 49 <= row <= 56
    assert 49 <= column <= 56
    assert crop_face(frame, np.array([-500, -500, -400, -400], np.float32)).max() == 0


def test_quality_tells_dark_from_bright_and_blurred_from_sharp(drawn_face):
    box = BlazeFace(Models.shipped()).detect(drawn_face).boxes[0]
    plain, dark = look_at(drawn_face, box), look_at(drawn_face // 5, box)
    assert dark.brightness < 45 < plain.brightness
    blurred = drawn_face.astype(np.float32)
    for _ in range(12):
        blurred = (blurred + np.roll(blurred, 1, 0) + np.roll(blurred, 1, 1) + np.roll(blurred, -1, 1)) / 4
    assert look_at(blurred.astype(np.uint8), box).sharpness < plain.sharpness / 4
    assert plain.face_px == pytest.approx(max(box[2] - box[0], box[3] - box[1]))
