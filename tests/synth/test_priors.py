"""The spreads that takes are drawn with, against the captures that they were fitted to; needs the assets."""

from __future__ import annotations

import numpy as np
import pytest

from facemotion.synth.people.head import INDEX
from facemotion.synth.performance.habits import COMPANIONS
from facemotion.synth.performance.priors import capture_priors, movements, of_samples, repetition_priors
from facemotion.synth.performance.spreads import Spreads


def test_one_smooth_hump_is_one_movement():
    curve = np.concatenate([np.zeros(20), np.linspace(0, 1, 11), np.ones(10), np.linspace(1, 0, 16), np.zeros(20)])
    (move,) = movements(curve)
    assert move.apex == 1
    assert move.reached - move.start == pytest.approx(8, abs=2)
    assert move.end - move.left == pytest.approx(11, abs=3)


def test_spread_ignores_outliers():
    random = np.random.default_rng(0)
    samples = [*np.exp(random.normal(0, 0.3, 400)), *[1e6] * 10]
    found = of_samples([float(sample) for sample in samples])
    assert found.sigma == pytest.approx(0.3, abs=0.06)
    assert found.median == pytest.approx(1, abs=0.06)


def test_defaults_are_what_the_captures_say(assets):
    capture, repetition, spreads = capture_priors(assets), repetition_priors(assets), Spreads()
    assert capture.movements > 300
    assert spreads.onset_seconds == pytest.approx(capture.onset.median, abs=0.01)
    assert spreads.offset_seconds == pytest.approx(capture.offset.median, abs=0.01)
    assert spreads.tremor == pytest.approx(capture.tremor, abs=0.005)
    # Lengths vary by the take's tempo and each step's own; sizes by the take, the step and the shape.
    timing = np.hypot(spreads.take_tempo, spreads.step_timing)
    size = np.sqrt(spreads.take_intensity**2 + spreads.step_intensity**2 + spreads.shape_intensity**2)
    assert repetition.repetitions > 300
    assert timing == pytest.approx(repetition.duration, abs=0.03)
    assert size == pytest.approx(repetition.intensity, abs=0.05)


def test_most_companions_are_seen_in_the_capture(assets):
    coactive = capture_priors(assets).coactive
    seen = [coactive[INDEX[a], INDEX[b]] > 0.05 for a, b, _ in COMPANIONS]
    assert np.mean(seen) > 0.5  # the rest are guesses at what one performer did not show
