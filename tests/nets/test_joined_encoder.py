"""Encoders that answer as one."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from facemotion.errors import TrainingError
from facemotion.nets.joined_encoder import JoinedEncoder
from facemotion.nets.sequence_encoder import EncoderSettings, SequenceEncoder
from facemotion.training.encoder.export import check_parity, export_encoder
from facemotion.training.encoder.join import join_encoders
from facemotion.types import FeatureSequence

DIMENSION = 6


def encoders(**second: object) -> list[SequenceEncoder]:
    torch.manual_seed(0)
    shape = {"width": 16, "layers": 1, "heads": 2, "feedforward": 24, "embedding": 8}
    return [SequenceEncoder(DIMENSION, EncoderSettings(**shape | changes)).eval() for changes in ({}, second)]


def clips(count: int) -> list[FeatureSequence]:
    rng = np.random.default_rng(0)
    return [
        FeatureSequence(rng.normal(size=(12, DIMENSION)).astype(np.float32), np.arange(12) / 25, "front")
        for _ in range(count)
    ]


@torch.no_grad()
def test_with_every_direction_cosines_are_the_mean_of_the_encoders_own() -> None:
    pair = encoders(layers=2, embedding=12)
    joined, kept = join_encoders(pair, clips(40), 20)
    values = torch.randn(5, 12, DIMENSION, generator=torch.Generator().manual_seed(1))
    vectors = joined(values)
    own = [encoder(values) for encoder in pair]
    torch.testing.assert_close(vectors @ vectors.T, sum(one @ one.T for one in own) / 2, atol=1e-5, rtol=0)
    assert kept == pytest.approx(1)
    mask = torch.ones(5, 12, dtype=torch.bool)
    mask[:, 9:] = False
    torch.testing.assert_close(joined(values, mask), joined(values[:, :9]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_directions_that_are_kept_are_those_in_which_the_clips_lie() -> None:
    pair = encoders()
    few, kept = join_encoders(pair, clips(40), 4)
    every, _ = join_encoders(pair, clips(40), 16)
    values = torch.from_numpy(np.stack([clip.values for clip in clips(40)]))
    assert few(values).shape == (40, 4)
    assert few.size == 4
    vectors = every(values)
    assert kept == pytest.approx(float((vectors[:, :4] ** 2).sum(1).mean()), abs=1e-5)
    rotated = JoinedEncoder(pair, every.directions[:, 8:12])  # other four keep less
    assert kept > float((vectors[:, 8:12] ** 2).sum(1).mean())
    torch.testing.assert_close(rotated(values).norm(dim=1), torch.ones(40))


@pytest.mark.long
def test_the_file_holds_to_the_joined_network(tmp_path) -> None:
    joined, _ = join_encoders(encoders(layers=2), clips(40), 8)
    export_encoder(joined, tmp_path / "joined.onnx")
    assert check_parity(joined, tmp_path / "joined.onnx") < 1e-5
    session = onnxruntime.InferenceSession(str(tmp_path / "joined.onnx"), providers=["CPUExecutionProvider"])
    (vector,) = session.run(["embedding"], {"values": clips(1)[0].values[None]})
    assert vector.shape == (1, 8)


def test_what_does_not_fit_together_is_refused() -> None:
    one, other = encoders()[0], SequenceEncoder(DIMENSION + 1, EncoderSettings(width=8, heads=2, embedding=8))
    with pytest.raises(ValueError, match="the same features"):
        JoinedEncoder([one, other], torch.eye(16))
    with pytest.raises(ValueError, match="give 16 numbers, the directions are of 8"):
        JoinedEncoder([one, one], torch.eye(8))
    with pytest.raises(TrainingError, match="at least as many clips as numbers"):
        join_encoders([one, one], clips(4), 8)
    with pytest.raises(TrainingError, match="20 numbers of the 16"):
        join_encoders([one, one], clips(40), 20)
