import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facemotion.features.mesh import MOVING, POINTS
from facemotion.synth.assets import Assets
from facemotion.training.simulated import SimulationSettings, simulate

SMALL = SimulationSettings(subjects=2, motions=2, lips=1, takes=2, near_misses=1)


@pytest.mark.shared
def test_simulated_people_look_like_mesh_features(assets_folder: Path) -> None:
    records, sequences = simulate(SMALL, Assets(assets_folder), "front")
    assert len(records) == len(sequences) == 2 * (2 + 1 + 1) * 2
    assert {r.kind for r in records} == {"facial", "lip", "near-miss"}
    for sequence in sequences:
        assert sequence.values.shape[1] == 3 * len(POINTS)
        assert sequence.times[0] == 0
    mean = np.concatenate([s.values for s in sequences]).mean(axis=0).reshape(-1, 3)
    lips, right_eye = mean[: len(MOVING["lips"])], mean[len(MOVING["lips"]) :][: len(MOVING["right eye"])]
    assert 0.5 < lips[:, 1].mean() < 1.2  # below the eyes, y down
    assert abs(lips[:, 0].mean()) < 0.1
    assert -0.6 < right_eye[:, 0].mean() < -0.2  # the subject's right is at negative x
    again = simulate(SMALL, Assets(assets_folder), "front")[1]
    np.testing.assert_array_equal(sequences[3].values, again[3].values)


@pytest.mark.shared
def test_noise_is_one_error_of_all_points_and_one_of_each(assets_folder: Path) -> None:
    assets = Assets(assets_folder)

    def errors(**settings: float) -> np.ndarray:
        clean = simulate(dataclasses.replace(SMALL, noise=0.0, alignment=0.0), assets, "front")[1]
        noisy = simulate(dataclasses.replace(SMALL, **settings), assets, "front")[1]
        rows = [(b.values - a.values).reshape(len(a.values), -1, 3) for a, b in zip(clean, noisy, strict=True)]
        return np.concatenate(rows)

    own, shared = errors(noise=0.02, alignment=0.0), errors(noise=0.0, alignment=1.0)
    assert 0.015 < own[..., :2].std() < 0.025
    assert abs(np.corrcoef(own[:, 0, 1], own[:, 1, 1])[0, 1]) < 0.2
    assert 0.002 < shared[..., 1].std() < 0.008
    assert np.corrcoef(shared[:, 0, 1], shared[:, 1, 1])[0, 1] > 0.95
    assert np.corrcoef(shared[1:, 0, 1], shared[:-1, 0, 1])[0, 1] > 0.4  # it comes and goes, frame by frame


@pytest.mark.shared
def test_lip_movements_can_be_cut_to_where_the_lips_move(assets_folder: Path) -> None:
    assets, talk = Assets(assets_folder), dataclasses.replace(SMALL, motions=0, near_misses=0, lips=2)
    whole, cut = (simulate(dataclasses.replace(talk, cut=each), assets, "front")[1] for each in (False, True))
    for one, other in zip(whole, cut, strict=True):
        assert other.times[0] == 0
        assert other.times[-1] < one.times[-1]
