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
def test_noise_is_as_strong_as_the_settings_say(assets_folder: Path) -> None:
    assets = Assets(assets_folder)
    clean = simulate(dataclasses.replace(SMALL, noise=0.0), assets, "front")[1]
    noisy = simulate(dataclasses.replace(SMALL, noise=0.02), assets, "front")[1]
    difference = np.concatenate([(a.values - b.values).ravel() for a, b in zip(clean, noisy, strict=True)])
    assert difference.std() == pytest.approx(0.02, rel=0.1)


@pytest.mark.shared
def test_noise_that_all_points_share_moves_the_face_as_one(assets_folder: Path) -> None:
    assets, still = Assets(assets_folder), dataclasses.replace(SMALL, noise=0.0)
    clean = simulate(still, assets, "front")[1]
    wrong = simulate(dataclasses.replace(still, shared_noise=0.01), assets, "front")[1]
    moved = np.concatenate([(a.values - b.values) for a, b in zip(wrong, clean, strict=True)])
    assert 0.005 < moved.std() < 0.03
    # A small turn, shift and size: seven directions explain all of it, up to the shape of the face.
    shares = np.linalg.svd(moved, compute_uv=False) ** 2
    assert shares[:7].sum() > 0.95 * shares.sum()


@pytest.mark.shared
def test_speech_can_be_faster_and_cut_to_where_lips_move(assets_folder: Path) -> None:
    assets, talk = Assets(assets_folder), dataclasses.replace(SMALL, motions=0, near_misses=0, lips=2)
    seconds = {
        name: [s.times[-1] for s in simulate(dataclasses.replace(talk, **changes), assets, "front")[1]]
        for name, changes in {"plain": {}, "fast": {"speech": 2.0}, "cut": {"cut": True}}.items()
    }
    for plain, fast, cut in zip(*seconds.values(), strict=True):
        assert fast < plain
        assert cut < plain
    clear, slurred = (simulate(dataclasses.replace(talk, slur=slur), assets, "front")[1] for slur in (0.4, 1.5))
    travel = [np.mean([np.abs(np.diff(s.values, axis=0)).sum() for s in set_]) for set_ in (clear, slurred)]
    assert travel[0] > 1.1 * travel[1]
