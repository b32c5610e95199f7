import numpy as np
import pytest

from facemotion.activity import RestWatch, active_span, measure_cues
from facemotion.types import FeatureSequence


def motion(before: int = 15, during: int = 12, after: int = 20, noise: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(before)
    values = noise * rng.normal(size=(before + during + after, 5))
    values[before : before + during] += np.sin(np.linspace(0, 2 * np.pi, during))[:, None] * np.arange(1, 6)
    return values.astype(np.float32), np.arange(len(values)) / 25


@pytest.mark.parametrize(("before", "after"), [(15, 20), (0, 30), (30, 0), (10, 10)])
def test_onset_and_offset_are_found(before: int, after: int) -> None:
    values, times = motion(before, 12, after)
    onset, offset = active_span(values, times)
    slack = 9  # half of the widest window, in frames
    assert before - slack <= onset <= before + 2
    assert before + 12 - 3 <= offset <= min(before + 12 + slack, len(values) - 1)


def test_a_still_clip_is_active_throughout() -> None:
    assert active_span(np.ones((10, 3), np.float32), np.arange(10) / 25) == (0, 9)


def cues(values: np.ndarray, times: np.ndarray):  # type: ignore[no-untyped-def]
    return measure_cues(FeatureSequence(values, times, "front"))


def test_a_flash_is_mostly_neutral() -> None:
    assert cues(*motion(30, 10, 30)).neutral_share > 0.7
    assert cues(*motion(5, 60, 5)).neutral_share < 0.5


def test_a_clip_that_stops_at_the_apex_ends_far_from_rest() -> None:
    values, times = motion(15, 12, 20)
    apex = int(np.linalg.norm(values, axis=1).argmax())
    assert cues(values, times).ending < 0.2
    assert cues(values[: apex + 1].copy(), times[: apex + 1].copy()).ending > 0.6


def test_intensity_grows_with_the_motion_and_a_still_face_has_none() -> None:
    values, times = motion()
    assert cues(2 * values, times).intensity == pytest.approx(2 * cues(values, times).intensity, rel=1e-4)
    assert cues(np.ones((9, 2), np.float32), np.arange(9) / 25).neutral_share == 1


def rests(*levels: tuple[float, float]) -> np.ndarray:
    """Whether each frame at 25 a second rests, of a face that goes to these levels, each held for some seconds."""
    rng = np.random.default_rng(0)
    course = np.concatenate([np.full(round(25 * seconds), level) for level, seconds in levels])
    course = np.convolve(np.pad(course, 3, mode="edge"), np.full(7, 1 / 7), mode="valid")  # a face takes its time
    values = course[:, None] * np.arange(1, 6) + 0.01 * rng.normal(size=(len(course), 5))
    watch = RestWatch()
    return np.array([watch.push(one.astype(np.float32), k / 25) for k, one in enumerate(values)])


def test_a_face_rests_once_it_is_back_and_still() -> None:
    told = rests((0, 0.5), (1, 0.5), (0, 1.0))
    assert not told[15:26].any()  # held at the apex
    assert told[-8:].all()


def test_the_way_from_one_side_to_the_other_is_no_rest() -> None:
    assert not rests((0, 0.5), (1, 0.4), (-1, 0.4))[13:].any()


def test_who_stops_elsewhere_and_stays_there_rests_after_a_second() -> None:
    told = rests((0, 0.5), (1, 2.5))
    assert not told[13 : 13 + 25].any()
    assert told[-10:].all()
