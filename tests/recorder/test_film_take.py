"""One take before a camera: it begins when somebody holds still, and ends when the face rests."""

from __future__ import annotations

import numpy as np
import pytest

from facemotion.frontend import FrameAnswer, Guidance
from facemotion.media import load_clip
from facemotion.recorder.film_take import READY, Ending, Placing, film_take
from facemotion.recorder.frame_reader import CameraReader

from .stand_ins import PACE, PacedCamera

BOX = np.zeros(4, np.float32)


def test_a_take_begins_after_good_guidance_without_a_break():
    placing = Placing()
    seen = [(Guidance.GO, 0.0), (Guidance.GO, 0.5), (Guidance.HOLD_STILL, 0.55), (Guidance.GO, 0.6), (Guidance.GO, 1.1)]
    assert not any(placing.push(*one) for one in seen)
    assert placing.push(Guidance.GO, 1.25)


def test_a_take_ends_at_rest_but_neither_too_early_nor_too_late():
    def end(resting_at: float, longest: float = 6.0) -> float:
        ending = Ending(longest)
        times = np.arange(100, 200) / 10
        return next(
            t - 10 for t in times if ending.push(FrameAnswer(Guidance.GO, BOX, True, t - 10 >= resting_at), float(t))
        )

    assert end(resting_at=1.0) == pytest.approx(3.0)
    assert end(resting_at=4.5) == pytest.approx(4.5)
    assert end(resting_at=99.0) == pytest.approx(6.0)
    assert end(resting_at=1.0, longest=2.0) == pytest.approx(2.0)


@pytest.mark.long
def test_a_take_before_a_camera_is_written_with_the_times_at_which_frames_came(talking_frames, frontend, tmp_path):
    reader, said = CameraReader(PacedCamera(talking_frames[:3])), []
    filmed = film_take(reader, tmp_path / "take.mp4", frontend, lambda view: said.append(view), longest=1.0)
    reader.camera.stopped.set()
    reader.close()
    began = next(number for number, view in enumerate(said) if view.going)
    assert said[began - 1].sentence == READY
    assert said[began].sentence == Guidance.GO.value
    assert all(view.face for view in said)
    clip = load_clip(tmp_path / "take.mp4")
    assert len(clip) == filmed.frames >= 2
    assert filmed.dropped == 0
    assert np.diff(clip.times).min() > 0.5 * PACE  # it has no constant rate that frames were squeezed into
    assert [path.name for path in tmp_path.iterdir()] == ["take.mp4"]
