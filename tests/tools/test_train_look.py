"""The network that knows a recording again learns from takes and their disguises, and its file does what it does."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from tools.look_disguises import disguised, filmed, on_another, wobbled
from tools.look_net import LookNet
from tools.train_look import LENGTH, TEMPERATURE, card, export, losses, rescaled, train

from facemotion.service.replays.surface import SHAPE

TIMES = np.arange(LENGTH) / 25


@pytest.fixture(scope="module")
def films() -> list[list[np.ndarray]]:
    """Four motions of a drawn face, two takes of each, which differ by their timing."""
    random = np.random.default_rng(0)
    places = np.stack(np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[0])), axis=2)
    faces = random.normal(size=SHAPE).cumsum(axis=0).cumsum(axis=1)
    motions = []
    for _ in range(4):
        spot = np.exp(-np.square(places - random.uniform(8, 24, 2)).sum(axis=2) / 30)
        takes = []
        for _ in range(2):
            moved = np.sin(2 * np.pi * random.uniform(0.8, 1.6) * np.arange(30) / 25 + random.uniform(0, 6))
            pictures = faces / faces.std() + 2 * moved[:, None, None] * spot
            takes.append(((pictures - pictures.mean()) / pictures.std()).astype(np.float32))
        motions.append(takes)
    return motions


@pytest.mark.parametrize("change", [filmed, disguised])
def test_a_disguise_is_a_recording_as_the_service_would_take_it(films, change):
    for seed in range(20):
        changed = change(films[0][0][:LENGTH], TIMES, np.random.default_rng(seed))
        assert changed.shape == (LENGTH, *SHAPE)
        assert changed.dtype == np.float32
        assert np.abs(changed.mean(axis=(1, 2))).max() < 1e-4
        assert changed.std(axis=(1, 2)) == pytest.approx(1, abs=1e-3)
    assert np.array_equal(change(films[0][0][:LENGTH], TIMES, np.random.default_rng(19)), changed)


def test_changes_on_another_face_are_those_of_before(films):
    pictures, other = films[0][0][:LENGTH], films[1][0].mean(axis=0)
    worn = on_another(pictures, other)
    assert worn.std(axis=(1, 2)) == pytest.approx(1, abs=1e-3)
    mean = worn.mean(axis=0)
    assert np.corrcoef(mean.ravel(), other.ravel())[0, 1] > 0.95
    changes = [(one - one.mean(axis=0)).ravel() for one in (pictures, worn)]
    assert np.corrcoef(*changes)[0, 1] > 0.8


def test_a_clock_that_wobbles_shows_each_frame_or_a_blend_of_two():
    clock = wobbled(LENGTH, TIMES, np.random.default_rng(0))
    assert clock.sum(axis=1) == pytest.approx(1)
    assert clock.min() >= 0
    assert ((clock > 1e-6).sum(axis=1) <= 2).all()
    places = clock @ np.arange(LENGTH)
    assert np.abs(places - np.arange(LENGTH)).max() <= 2.5
    assert not np.allclose(places, np.arange(LENGTH))


def test_the_loss_is_least_where_disguises_are_known_and_other_takes_are_not():
    random = torch.Generator().manual_seed(0)
    courses = torch.randn(6, LENGTH, 8, generator=random)
    clock = torch.eye(LENGTH).expand(6, -1, -1)
    known, own, others = losses(courses, 3 * courses + 1, clock)
    assert own.numpy() == pytest.approx(1, abs=1e-5)
    assert float(others.max()) < 0.6
    assert losses(courses, courses.roll(1, 0), clock)[0] > known + 1 / TEMPERATURE
    # Another take that begins two frames later is found all the same.
    later = torch.cat([courses[:1, 2:], courses[:1, :2]], dim=1)
    assert float(losses(torch.cat([courses[:1], later]), torch.cat([courses[:1], later]), clock[:2])[2].min()) > 0.9
    turned = torch.from_numpy(wobbled(LENGTH, TIMES, np.random.default_rng(0)))
    assert losses(courses, turned @ courses, turned.expand(6, -1, -1))[1].numpy() == pytest.approx(1, abs=1e-5)


def test_a_run_is_kept_and_its_file_agrees_with_it(tmp_path, films):
    run, path = tmp_path / "look.pt", tmp_path / "look.onnx"
    first = train(films, films, 0.05, run)
    kept = torch.load(run, weights_only=True)
    assert all(torch.equal(kept[name], value) for name, value in first.state_dict().items())
    again = train(films, films, 0.0, run)
    assert all(torch.equal(kept[name], value) for name, value in again.state_dict().items())
    net = rescaled(again, films)
    export(net, path)
    pictures = np.stack(films[0])
    (courses,) = onnxruntime.InferenceSession(path).run(["course"], {"pictures": pictures})
    assert courses.shape == (2, 30, net.dimension)
    assert np.abs(courses.mean(axis=1)).max() < 1e-3
    spread = [onnxruntime.InferenceSession(path).run(None, {"pictures": one[None]})[0][0] for one in films[1]]
    assert 100 < np.median([course.var(axis=0).sum() for course in spread]) < 10_000
    assert card(path, 3, 4)["bytes"] == path.stat().st_size


def test_light_over_a_whole_face_changes_little_of_what_is_seen(films):
    pictures = torch.from_numpy(films[0][0][None])
    light = torch.linspace(0, 0.6, SHAPE[1])[None, None, None]
    net = LookNet()
    plain, lit = net.shown(pictures)[:, :, 0], net.shown(pictures + light)[:, :, 0]
    assert float((lit - plain).abs().mean()) < 0.2 * float(plain.abs().mean())
