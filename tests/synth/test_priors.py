"""The spreads that takes are drawn with, against the captures that they were fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from facemotion.errors import AssetError
from facemotion.synth.people.assets import CAPTURE, EXPRESSIONS, Assets
from facemotion.synth.performance.habits import COMPANIONS
from facemotion.synth.performance.priors import measure, movements, of_samples, packaged_priors, priors_report
from facemotion.synth.performance.spreads import Spreads


@pytest.fixture
def captures_folder(assets_folder):
    if not (assets_folder / CAPTURE).exists():
        pytest.skip("needs both captures in the assets folder (docs/explanation/synth.md)")
    return assets_folder


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


def test_defaults_are_what_the_captures_say():
    found, spreads = packaged_priors(), Spreads()
    assert found["movements"] > 300
    assert spreads.onset_seconds == pytest.approx(found["onset"]["median"], abs=0.01)
    assert spreads.offset_seconds == pytest.approx(found["offset"]["median"], abs=0.01)
    assert spreads.tremor == pytest.approx(found["tremor"], abs=0.005)
    # Lengths vary by the take's tempo and each step's own; sizes by the take, the step and the shape.
    timing = np.hypot(spreads.take_tempo, spreads.step_timing)
    size = np.sqrt(spreads.take_intensity**2 + spreads.step_intensity**2 + spreads.shape_intensity**2)
    assert found["repetitions"]["repetitions"] > 300
    assert timing == pytest.approx(found["repetitions"]["duration"], abs=0.03)
    assert size == pytest.approx(found["repetitions"]["intensity"], abs=0.05)


def test_most_companions_are_seen_in_the_capture():
    seen = packaged_priors()["companions"]
    assert set(seen) == {f"{a} {b}" for a, b, _ in COMPANIONS}
    assert np.mean([weight > 0.05 for weight in seen.values()]) > 0.5  # the rest are guesses at what one performer hid


def test_packaged_priors_are_what_the_captures_give(captures_folder):
    measured, packaged = measure(Assets(captures_folder)), packaged_priors()
    assert set(measured) == set(packaged)
    for name, value in packaged.items():
        assert measured[name] == pytest.approx(value, rel=1e-6), name


def test_a_folder_without_captures_gives_what_was_measured_before(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEMOTION_ASSETS", str(tmp_path))
    assert priors_report() == packaged_priors()
    with pytest.raises(AssetError, match="where it is published"):
        priors_report(tmp_path)


def test_a_capture_that_is_another_file_is_named(tmp_path):
    for name in (CAPTURE, EXPRESSIONS):
        np.savez(tmp_path / name, other=np.zeros(3))
    with pytest.raises(AssetError, match="isn't what was published .*synth.md says where"):
        priors_report(tmp_path)
