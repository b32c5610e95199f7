import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facemotion.errors import DataError
from facemotion.features.mesh import MOVING, POINTS
from facemotion.synth.filming.scene import Moments
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.head import SHAPES
from facemotion.synth.points.response import CAUSES, MeshResponse, load_response
from facemotion.synth.points.simulate import SimulationSettings, response_of, simulate, simulation_version
from facemotion.synth.sets.plan import DatasetSettings, make_performers, make_plan, perform
from facemotion.types import ClipKind, FeatureSequence

PEOPLE = DatasetSettings(
    part="train", subjects=2, motions=2, lips=1, takes=2, near_misses=1, mimics=0, impostor_takes=2
)
SMALL = SimulationSettings(PEOPLE)


def performances(people: DatasetSettings) -> list[Moments]:
    """What the people of a planned set do."""
    performers = make_performers(people)
    return [perform(people, clip, performers[clip.record.subject])[1] for clip in make_plan(people)]


def test_simulated_people_look_like_mesh_features(assets_folder: Path) -> None:
    records, sequences = simulate(SMALL, None, Assets(assets_folder), "front")
    assert len(records) == len(sequences) == 2 * (2 + 1 + 1) * 2
    assert {r.kind for r in records} == {ClipKind.FACIAL, ClipKind.LIP, ClipKind.NEAR_MISS}
    for sequence in sequences:
        assert sequence.values.shape[1] == 3 * len(POINTS)
        assert sequence.times[0] == 0
    mean = np.concatenate([s.values for s in sequences]).mean(axis=0).reshape(-1, 3)
    lips, right_eye = mean[: len(MOVING["lips"])], mean[len(MOVING["lips"]) :][: len(MOVING["right eye"])]
    assert 0.5 < lips[:, 1].mean() < 1.2  # below the eyes, y down
    assert abs(lips[:, 0].mean()) < 0.1
    assert -0.6 < right_eye[:, 0].mean() < -0.2  # the subject's right is at negative x
    again = simulate(SMALL, None, Assets(assets_folder), "front")[1]
    np.testing.assert_array_equal(sequences[3].values, again[3].values)


def test_noise_is_one_error_of_all_points_and_one_of_each(assets_folder: Path) -> None:
    assets = Assets(assets_folder)

    def errors(**settings: float) -> np.ndarray:
        clean = simulate(dataclasses.replace(SMALL, noise=0.0, alignment=0.0), None, assets, "front")[1]
        noisy = simulate(dataclasses.replace(SMALL, **settings), None, assets, "front")[1]
        rows = [(b.values - a.values).reshape(len(a.values), -1, 3) for a, b in zip(clean, noisy, strict=True)]
        return np.concatenate(rows)

    own, shared = errors(noise=0.02, alignment=0.0), errors(noise=0.0, alignment=1.0)
    assert 0.015 < own[..., :2].std() < 0.025
    assert abs(np.corrcoef(own[:, 0, 1], own[:, 1, 1])[0, 1]) < 0.2
    assert 0.002 < shared[..., 1].std() < 0.008
    assert np.corrcoef(shared[:, 0, 1], shared[:, 1, 1])[0, 1] > 0.95
    assert np.corrcoef(shared[1:, 0, 1], shared[:-1, 0, 1])[0, 1] > 0.4  # it comes and goes, frame by frame


def test_lip_movements_can_be_cut_to_where_the_lips_move(assets_folder: Path) -> None:
    assets, talk = (
        Assets(assets_folder),
        SimulationSettings(dataclasses.replace(PEOPLE, motions=0, near_misses=0, lips=2)),
    )
    whole, cut = (simulate(dataclasses.replace(talk, cut=each), None, assets, "front")[1] for each in (False, True))
    for one, other in zip(whole, cut, strict=True):
        assert other.times[0] == 0
        assert other.times[-1] < one.times[-1]


def test_people_move_as_a_response_shows_them(assets_folder: Path, tmp_path: Path) -> None:
    assets, size = Assets(assets_folder), 3 * len(POINTS)
    plain = dataclasses.replace(SMALL, noise=0.0, alignment=0.0)
    records, head = simulate(plain, None, assets, "front")

    def answer(**changed: np.ndarray) -> list[FeatureSequence]:
        parts = {"usual": (CAUSES, size), "own": (4, CAUSES, size), "shared": (3, size), "alone": (size,)}
        arrays = {name: changed.get(name, np.zeros(shape, np.float32)) for name, shape in parts.items()}
        MeshResponse("front", frozenset(), **arrays, seconds=0.1).save(tmp_path / "response.npz")
        return simulate(plain, load_response(tmp_path / "response.npz", "front"), assets, "front")[1]

    # One cause moves everything, for everybody, without an error: all clips then move along one direction.
    usual, along = np.zeros((CAUSES, size), np.float32), np.linspace(0.5, 1, size)
    usual[SHAPES.index("jawOpen")] = along
    shown = answer(usual=usual)
    for one, other in zip(head, shown, strict=True):
        np.testing.assert_array_equal(one.times, other.times)  # the same performances
        moved = other.values - other.values[0]
        np.testing.assert_allclose(moved, np.outer(moved[:, 0] / 0.5, along), atol=1e-4)
    assert max(np.ptp(sequence.values) for sequence in shown) > 0.1

    turned = np.zeros((CAUSES, size), np.float32)
    turned[-2] = 1
    yaw = [moments.turn[:, 1] for moments in performances(PEOPLE)]
    for sequence, degrees in zip(answer(usual=turned), yaw, strict=True):
        np.testing.assert_allclose(np.diff(sequence.values[:, 7]), np.diff(degrees), atol=1e-3)

    # A person's own answer is the same in all of their clips, and another's is another.
    own = np.zeros((4, CAUSES, size), np.float32)
    own[:, -1] = np.random.default_rng(0).normal(size=(4, size))
    lines: dict[str, list[np.ndarray]] = {}
    for record, sequence in zip(records, answer(own=own), strict=True):
        lines.setdefault(record.subject, []).append(np.linalg.svd(np.diff(sequence.values, axis=0))[2][0])
    for one, two in (("s001", "s001"), ("s002", "s002"), ("s001", "s002")):
        alike = [abs(line @ lines[one][0]) for line in lines[two]]
        assert min(alike) > 0.9999 if one == two else max(alike) < 0.995

    noisy = answer(alone=np.full(size, 0.02, np.float32))
    assert np.concatenate([s.values - s.values.mean(axis=0) for s in noisy]).std() == pytest.approx(0.02, rel=0.1)


def test_a_share_of_the_clips_responds(assets_folder: Path, tmp_path: Path) -> None:
    size = 3 * len(POINTS)
    still = np.zeros((CAUSES, size), np.float32)
    response = MeshResponse("front", frozenset(), still, np.zeros((4, CAUSES, size)), still[:2], still[0], 0.1)
    response.save(tmp_path / "response.npz")
    settings = dataclasses.replace(SMALL, response=str(tmp_path / "response.npz"), responding=0.5)
    shown = simulate(settings, response_of(settings, "front"), Assets(assets_folder), "front")[1]
    moving = [bool(np.ptp(sequence.values, axis=0).max() > 1e-3) for sequence in shown]
    assert 0 < sum(moving) < len(moving)  # nobody who responds moves
    with pytest.raises(DataError, match="fitted on features of front, these are of other"):
        response_of(settings, "other")


def test_the_version_of_simulated_people_names_the_response(tmp_path: Path) -> None:
    plain, path = simulation_version(SMALL), tmp_path / "response.npz"
    answering = dataclasses.replace(SMALL, response=str(path))
    with pytest.raises(DataError, match="can't be read; make it with"):
        simulation_version(answering)
    path.write_bytes(b"one")
    first = simulation_version(answering)
    path.write_bytes(b"two")
    assert len({plain, first, simulation_version(answering)}) == 3
