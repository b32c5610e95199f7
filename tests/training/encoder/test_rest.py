import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.training.encoder.losses import gate_loss
from facemotion.training.encoder.material import rest
from facemotion.training.encoder.material.augment import AugmentSettings
from facemotion.training.encoder.material.dataset import TrainingSource, draw_batch, make_training_set
from facemotion.training.encoder.material.rest import StillFaces, add_rest, ends_at_rest, film_slower, mark_moving
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.training.encoder.settings import OptimiserSettings, TrainingSettings
from facemotion.training.encoder.train import embed, train_encoder
from facemotion.types import ClipKind, ClipRecord, FeatureSequence, FloatArray

SETTINGS = AugmentSettings(rest=1.0, rest_seconds=1.0, slower=1.0)


def motion(number: int, take: int, features: int = 6) -> FeatureSequence:
    """A motion of a second and a bit: a course of its own for each number, and small differences from take to take."""
    course = np.random.default_rng(number).normal(size=(6, features))
    rng = np.random.default_rng([number, take])
    knots = np.concatenate([np.zeros((1, features)), course * rng.uniform(0.9, 1.1), np.zeros((1, features))])
    at = np.linspace(0, 7, 30 + int(rng.integers(6)))
    values = np.stack([np.interp(at, np.arange(8), knots[:, d]) for d in range(features)], axis=1)
    values += 0.02 * rng.normal(size=values.shape)
    return FeatureSequence(values.astype(np.float32), np.arange(len(values)) / 25, "toy")


def still() -> StillFaces:
    return StillFaces(np.diag(np.full(6, 0.02)).astype(np.float32))


@given(st.integers(0, 500))
def test_rest_leaves_the_motion_where_it_is(seed: int) -> None:
    clip = motion(1, 0)
    quiet = StillFaces(np.zeros((1, 6), np.float32))
    values, times = add_rest(clip.values, clip.times, SETTINGS, quiet, np.random.default_rng(seed))
    inside = (times >= clip.times[0] - 1e-9) & (times <= clip.times[-1] + 1e-9)
    np.testing.assert_array_equal(values[inside], clip.values)
    np.testing.assert_allclose(times[inside], clip.times)
    assert (np.diff(times) > 0.039).all()
    assert times[0] >= clip.times[0] - 1
    assert times[-1] <= clip.times[-1] + 1


def test_a_resting_face_does_not_jump() -> None:
    clip = motion(2, 0)
    largest = np.abs(np.diff(clip.values, axis=0)).max()
    for seed in range(30):
        values, _ = add_rest(clip.values, clip.times, SETTINGS, still(), np.random.default_rng(seed))
        assert np.abs(np.diff(values, axis=0)).max() < 1.5 * largest


def test_still_faces_move_as_those_of_the_clips_do() -> None:
    rng = np.random.default_rng(0)
    deviations = np.array([0.5, 0.1, 0.01, 0.0, 0.0, 0.0])
    short = rest.LONG - 1  # too short to be kept as pieces
    faces = StillFaces.fit([(rng.normal(size=(short, 6)) * deviations).astype(np.float32) for _ in range(200)])
    np.testing.assert_allclose(np.linalg.norm(faces.directions, axis=1)[:3], deviations[:3], rtol=0.25)
    drawn = np.concatenate([faces.draw(rng, np.arange(100) / 25) for _ in range(50)])
    low, high = rest.LIVELY
    np.testing.assert_array_less(low * deviations[:2], drawn.std(axis=0)[:2])
    np.testing.assert_array_less(drawn.std(axis=0)[:2], high * deviations[:2])


def test_a_real_rest_goes_on_and_comes_back_to_its_place() -> None:
    rng = np.random.default_rng(0)
    piece = rng.normal(size=(20, 6)).cumsum(axis=0).astype(np.float32)
    faces = StillFaces.fit([piece])
    assert len(faces.pieces) == 1
    moved, speeds = [], []
    for seed in range(40):
        drawn = faces.draw(np.random.default_rng(seed), np.arange(250) / 25)
        assert drawn.shape == (250, 6)
        moved.append(np.abs(drawn).max())
        speeds.append(np.abs(np.diff(drawn, axis=0)).mean() / np.abs(np.diff(piece, axis=0)).mean())
    low, high = rest.SIZE
    lively = np.array(speeds)
    assert 0.6 * low < lively[lively > 0.3].min()
    assert lively.max() < 1.3 * high
    assert max(moved) < 20 * high  # ten seconds of the piece alone would lead away by hundreds


def test_the_ends_of_a_recording_are_its_rest() -> None:
    values = np.arange(50, dtype=np.float32)[:, None] * np.ones(2, np.float32)
    first, last = ends_at_rest(FeatureSequence(values, np.arange(50) / 25, "toy"))
    assert first[:, 0].tolist() == list(range(8))
    assert last[:, 0].tolist() == list(range(42, 50))


def test_recordings_with_rest_have_a_say_in_what_is_learned() -> None:
    records, sequences = toys(range(3), range(2))
    long = np.concatenate([np.zeros((20, 6)), sequences[0].values, np.zeros((20, 6))]).astype(np.float32)
    rested = FeatureSequence(long, np.arange(len(long)) / 25, "toy")
    plain = TrainingSource(records, sequences, SamplerSettings(motions=3, takes=2))
    without = make_training_set([plain])
    data = make_training_set([dataclasses.replace(plain, resting=(rested,))])
    assert data.digest != without.digest
    assert data.fingerprints > without.fingerprints
    assert len(data.still.pieces) == 2
    assert not data.still.pieces[0].any()


def test_a_slower_camera_gives_fewer_frames_of_the_same_seconds() -> None:
    clip = motion(3, 0)
    slow = dataclasses.replace(SETTINGS, lowest_rate=10, highest_rate=10)
    values, times = film_slower(clip.values, clip.times, slow, np.random.default_rng(0))
    assert len(values) == pytest.approx(10 * clip.times[-1], abs=1)
    for value, second in zip(values, times, strict=True):
        wanted = [np.interp(second, clip.times, clip.values[:, d]) for d in range(6)]
        np.testing.assert_allclose(value, wanted, atol=1e-5)


def test_what_nobody_knows_of_is_not_asked_of_a_gate() -> None:
    wanted = mark_moving((1.0, 2.0), (0.6, 2.4), np.arange(8) * 0.4)
    np.testing.assert_array_equal(wanted, [0, 0, np.nan, 1, 1, 1, np.nan, 0])
    odds = torch.tensor([-9.0, -9.0, 50.0, 9.0, 9.0, 9.0, -50.0, -9.0])
    assert float(gate_loss(odds, torch.from_numpy(wanted))) < 1e-3
    assert float(gate_loss(-odds, torch.from_numpy(wanted))) > 8
    assert float(gate_loss(odds, torch.full((8,), float("nan")))) == 0


def toys(motions: range, takes: range) -> tuple[list[ClipRecord], list[FeatureSequence]]:
    both = [(m, t) for m in motions for t in takes]
    return [ClipRecord(f"{m}-{t}", "s", str(m), ClipKind.FACIAL, t, 1) for m, t in both], [
        motion(m, t) for m, t in both
    ]


def test_a_batch_says_when_the_motion_is_on() -> None:
    data = make_training_set(
        [TrainingSource(*toys(range(6), range(3)), SamplerSettings(motions=6, takes=2, splices=2))]
    )
    settings = TrainingSettings(encoder=EncoderSettings(gate=True), augmentation=SETTINGS)
    batch = draw_batch(data, settings, np.random.default_rng(0))
    assert batch.moving is not None
    assert [len(one) for one in batch.moving] == [len(clip) for clip in batch.clips]
    said = np.concatenate(batch.moving)
    assert {0.0, 1.0} <= set(said[np.isfinite(said)].tolist())
    without = dataclasses.replace(settings, encoder=EncoderSettings())
    assert draw_batch(data, without, np.random.default_rng(0)).moving is None


@pytest.mark.long
def test_an_encoder_with_a_gate_hardly_hears_rest() -> None:
    """Trained for seconds: a second of held frames and a tremor on both sides cost a take little of its likeness."""
    data = make_training_set([TrainingSource(*toys(range(20), range(3)), SamplerSettings(motions=10, takes=2))])
    shape = EncoderSettings("position+difference", True, "stream+clip", width=24, layers=1, heads=2, feedforward=32)
    shape = dataclasses.replace(shape, embedding=16, pooling="maximum+thirds", gate=True)
    settings = TrainingSettings(
        encoder=shape,
        augmentation=AugmentSettings(trimming=0, rest=0.8, rest_seconds=1.5),
        optimiser=OptimiserSettings(steps=80, learning_rate=5e-3),
    )
    net = train_encoder(settings, data)
    new = [motion(m, t) for m in range(100, 110) for t in range(2)]
    rng = np.random.default_rng(1)

    def rested(clip: FeatureSequence) -> FeatureSequence:
        ends = [np.repeat(clip.values[[end]], 25, axis=0) for end in (0, -1)]
        values: FloatArray = np.concatenate([ends[0], clip.values, ends[1]])
        return FeatureSequence(
            np.asarray(values + 0.02 * rng.normal(size=values.shape), np.float32), np.arange(len(values)) / 25, "toy"
        )

    tight, rested_vectors = embed(net, new), embed(net, [rested(clip) for clip in new])
    own = (tight * rested_vectors).sum(axis=1)
    others = tight[::2] @ rested_vectors[::2].T
    assert own.mean() > 0.85  # without the gate it is 0.11
    assert others[~np.eye(10, dtype=bool)].mean() < 0.5
