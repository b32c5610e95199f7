"""Traces of screens: what is measured of made-up films, and what follows from it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

import facemotion as fm
from facemotion.config import Settings, VerifierSettings
from facemotion.errors import PresentationAttackError
from facemotion.frontend import Acquirer, Frontend
from facemotion.models import Models
from facemotion.presentation import PresentationDetector, TraceTaker
from facemotion.presentation.signs import SIGNS, read_signs
from facemotion.presentation.traces import COLUMNS, ROWS, _row_means
from facemotion.store import open_store
from facemotion.verifier import Verifier

BOX = np.array([120, 80, 200, 160], np.float32)
REST = np.random.default_rng(5).uniform([125, 85], [195, 155], (262, 2))
NAMES = [sign.name for sign in SIGNS]
SUSPICION = "Bands run across the picture."


def wall(seed: int = 0) -> np.ndarray:
    """(240, 320, 3) a room with things to follow, and a little noise of its own."""
    random = np.random.default_rng(seed)
    return np.kron(random.integers(60, 200, (30, 40, 3)), np.ones((8, 8, 1))).astype(np.float64)


def signs_of(frames, moves) -> dict[str, float]:
    """Signs of frames in whose middle a face lies, moved so far in each."""
    taker = TraceTaker()
    random = np.random.default_rng(1)
    for number, (frame, move) in enumerate(zip(frames, moves, strict=True)):
        noisy = np.clip(frame + random.normal(0, 1.5, frame.shape), 0, 255).astype(np.uint8)
        points = (REST + move + random.normal(0, 0.1, REST.shape)).astype(np.float32)
        taker.push(noisy, BOX + np.tile(move, 2).astype(np.float32), points, 0.1 * number)
    return dict(zip(NAMES, read_signs(taker.traces()), strict=True))


STILL = [np.zeros(2)] * 10
PLAIN = [wall()] * 10


def test_a_fine_pattern_over_the_face_is_seen():
    down, across = np.mgrid[:240, :320]
    pattern = 6 * np.cos(2 * np.pi * (0.21 * across + 0.13 * down))[..., None]
    assert signs_of([frame + pattern for frame in PLAIN], STILL)["waves"] > signs_of(PLAIN, STILL)["waves"] + 2


def test_bands_that_run_are_seen_and_a_lamp_that_dims_is_not():
    down = np.arange(240)[:, None, None]
    bands = [frame * (1 + 0.04 * np.cos(2 * np.pi * (7 * down / 240 + 0.3 * k))) for k, frame in enumerate(PLAIN)]
    dimmed = [frame * (1 - 0.02 * k) for k, frame in enumerate(PLAIN)]
    assert signs_of(bands, STILL)["bands"] > signs_of(dimmed, STILL)["bands"] + 1


@pytest.mark.parametrize("shape", [(240, 320), (481, 640), (288, 360)])
def test_rows_are_averaged_as_areas_are(shape):
    """OpenCV's own average: a mean just between two levels may be rounded the other way."""
    luma = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    wanted = cv2.resize(luma, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
    differ = np.abs(_row_means(luma) - wanted)
    assert differ.max() <= 1
    assert differ.mean() < 0.01


def test_a_held_picture_moves_its_surroundings_and_not_the_room():
    """A camera in a hand moves both, and a person before a camera that stands neither."""
    moves = [np.array([round(6 * np.sin(0.9 * k)), 0]) for k in range(10)]
    frames, shaken = [], []
    for move in moves:
        room = wall()
        room[25:215, 40:280] = np.roll(wall(3), move[0], axis=1)[25:215, 40:280]
        frames.append(room)
        shaken.append(np.roll(wall(), move[0], axis=1))
    held, by_hand, standing = (signs_of(film, moves)["cut"] for film in (frames, shaken, PLAIN))
    assert held > 0.8
    assert abs(by_hand) < 0.4
    assert abs(standing) < 0.4


def test_the_score_is_the_largest_line_and_its_parts_say_why():
    detector = PresentationDetector(Models.shipped())
    genuine, parts = detector.weigh(np.array([1.8, 0.5, 0.0]))
    assert genuine < 0
    for name, value in (("waves", 9.0), ("bands", 4.0), ("cut", 1.5)):
        signs = np.array([1.8, 0.5, 0.0])
        signs[NAMES.index(name)] = value
        score, parts = detector.weigh(signs)
        assert score > 0
        assert NAMES[int(parts.argmax())] == name


def test_a_picture_too_flat_for_spots_to_follow_has_none_that_moved():
    taker = TraceTaker()
    for number in range(2):
        taker.push(np.full((64, 1300, 3), 90 + number, np.uint8), BOX, REST.astype(np.float32), 0.1 * number)
    assert not taker.traces().flows.any()


def test_too_few_frames_say_nothing():
    taker = TraceTaker()
    for number in range(3):
        taker.push(wall().astype(np.uint8), BOX, REST.astype(np.float32), 0.1 * number)
    found = PresentationDetector(Models.shipped()).judge(taker.traces())
    assert found.score < 0
    assert not found.reason


def test_a_take_with_the_bands_of_a_refresh_is_suspected_and_the_take_itself_is_not(clips, acquired):
    frontend = Frontend.load(Settings())
    assert not acquired("talk1").quality.suspicion
    assert acquired("talk1").quality.attack_score < 0
    acquirer = Acquirer(frontend)
    for number, (frame, seconds) in enumerate(fm.media.read_frames(clips / "talk1.mp4", frontend.settings.media)):
        down = np.arange(len(frame))[:, None, None] / len(frame)
        lit = frame * (0.9 + 0.09 * np.cos(2 * np.pi * (6 * down + 0.37 * number)))
        acquirer.push(lit.astype(np.uint8), seconds)
    assert acquirer.finish().quality.suspicion == SIGNS[NAMES.index("bands")].sentence


def suspected(acquisition):
    return replace(acquisition, quality=replace(acquisition.quality, attack_score=1.0, suspicion=SUSPICION))


@pytest.mark.parametrize("mode", ["warn", "refuse"])
def test_suspicions_bring_a_warning_or_a_refusal(mode, acquired, tmp_path):
    verifier = Verifier.load(Settings(verifier=VerifierSettings(presentation=mode)))
    good, bad = acquired("talk1"), suspected(acquired("talk2"))
    assert verifier.verify(good, acquired("talk2")).warnings == ()
    with open_store(tmp_path / "store.db") as store:
        if mode == "refuse":
            with pytest.raises(PresentationAttackError, match="Bands run"):
                verifier.verify(good, bad)
            with pytest.raises(PresentationAttackError, match="Sit before the camera yourself"):
                verifier.enrol(store, "anna", [good, bad])
            verifier.enrol(store, "anna", [good, acquired("talk2")])
            with pytest.raises(PresentationAttackError):
                verifier.check(store, "anna", bad)
            return
        assert verifier.verify(good, bad).warnings == (SUSPICION,)
        assert SUSPICION in verifier.enrol(store, "anna", [good, bad]).warnings
        assert SUSPICION in verifier.review([good, bad]).warnings
        assert verifier.check(store, "anna", bad).accepted


def test_nothing_is_looked_for_where_the_settings_say_so(talking_frames, encode):
    frontend = Frontend.load(Settings(verifier=VerifierSettings(presentation="off")))
    assert frontend.attacks is None
    quality = frontend.acquire(encode(talking_frames)).quality
    assert quality.attack_score < 0  # from 0 on a screen is suspected
    assert quality.suspicion == ""
