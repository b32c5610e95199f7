import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facemotion.errors import DataError
from facemotion.features.mesh import MOVING, POINTS
from facemotion.synth.assets import Assets
from facemotion.synth.head import SHAPES
from facemotion.training.response import CAUSES, MeshResponse
from facemotion.training.simulated import SimulationSettings, simulate, simulation_version

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


@pytest.mark.shared
def test_people_move_as_a_response_shows_them(assets_folder: Path, tmp_path: Path) -> None:
    assets, size = Assets(assets_folder), 3 * len(POINTS)
    plain = dataclasses.replace(SMALL, noise=0.0, alignment=0.0)
    head = simulate(plain, assets, "front")[1]
    # One shape moves everything, for everybody, without an error: all clips then move along one direction.
    usual = np.zeros((CAUSES, size), np.float32)
    usual[SHAPES.index("jawOpen")] = np.linspace(0.5, 1, size)
    still = MeshResponse(
        np.array(["front"]), usual, np.zeros((2, CAUSES, size)), np.zeros((3, size)), np.zeros(size), np.ones(1)
    )
    still.save(tmp_path / "response.npz")
    answering = dataclasses.replace(plain, response=str(tmp_path / "response.npz"))
    shown = simulate(answering, assets, "front")[1]
    for one, other in zip(head, shown, strict=True):
        np.testing.assert_array_equal(one.times, other.times)  # the same performances
        moved = other.values - other.values[0]
        np.testing.assert_allclose(moved, np.outer(moved[:, 0] / 0.5, usual[SHAPES.index("jawOpen")]), atol=1e-4)
    assert max(np.ptp(sequence.values) for sequence in shown) > 0.1
    halved = simulate(dataclasses.replace(answering, responding=0.5), assets, "front")[1]
    same = [np.allclose(a.values, b.values) for a, b in zip(halved, shown, strict=True)]
    assert 0 < sum(same) < len(same)
    with pytest.raises(DataError, match="fitted on features of front, these are of other"):
        simulate(answering, assets, "other")


def test_the_version_of_simulated_people_names_the_response(tmp_path: Path) -> None:
    plain, path = simulation_version(SMALL), tmp_path / "response.npz"
    answering = dataclasses.replace(SMALL, response=str(path))
    with pytest.raises(DataError, match="can't be read; make it with"):
        simulation_version(answering)
    path.write_bytes(b"one")
    first = simulation_version(answering)
    path.write_bytes(b"two")
    assert len({plain, first, simulation_version(answering)}) == 3
