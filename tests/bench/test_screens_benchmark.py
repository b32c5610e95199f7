"""Films of screens that benchmarks/screens.py makes, and how it judges people whom it doesn't know."""

from __future__ import annotations

import numpy as np
import pytest
from screen_films import KINDS, Camera, Draws, Shown, screen, straight
from screen_fit import GENUINE, MARGIN, biases, directions, judged

from facemotion.config import MediaSettings
from facemotion.media import read_frames

CAMERA = Camera((32, 180), exposure=1 / 60, readout=0.02, blur=0.5, noise=0.0, gain=1.0, crf=20)


def test_a_pulsed_light_makes_bands_unless_the_exposure_holds_whole_pulses():
    rows = CAMERA.pulses(0.0, 210, 0.5)[:, 0]
    assert np.ptp(rows) > 0.05
    crossings = np.count_nonzero(np.diff(np.signbit(rows - 1)))
    assert crossings == pytest.approx(2 * 210 * CAMERA.readout, abs=1)
    assert np.ptp(CAMERA.pulses(0.0, 240, 0.5)) < 1e-6  # four pulses in a sixtieth of a second


def test_a_clip_is_filmed_on_a_screen_and_without_one():
    frames = np.random.default_rng(0).integers(0, 255, (6, 60, 80, 3), np.uint8)
    shown = Shown(frames, np.arange(6) / 25, np.zeros((6, 0, 2), np.float32))
    for film in (screen(shown, KINDS["monitor"], Draws(1, 1.0)), straight(shown, Draws(1, 1.0), by_hand=True)):
        seen = list(read_frames(film, MediaSettings(min_seconds=0.1)))
        assert 4 <= len(seen) <= 8
        assert seen[0][0].shape[0] in (360, 480)


def test_nobody_is_judged_by_a_zero_that_knows_them():
    """Whoever shows more than all others passes for an attack; the shipped zero, which knows them, lets them pass."""
    spread = [
        {"part": "fit", "person": f"p{k}", "real": k < 5, "family": GENUINE[0], "signs": [k / 4, 0.0, -k / 4]}
        for k in range(10)
    ]
    odd = {"part": "report", "person": "odd", "real": True, "family": GENUINE[0], "signs": [9.0, 0.0, 0.0]}
    spread[3]["signs"][1] = 1.0
    films = [*spread, odd]
    weights = directions(films)
    own = (np.array(odd["signs"]) @ weights + biases(films, weights)).max()
    assert own == pytest.approx(-MARGIN)
    scores = judged(films)
    assert scores[-1] > 0
    assert (scores[:3] < 0).all()
