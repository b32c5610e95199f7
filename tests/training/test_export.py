from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from facemotion.encoder import Encoder
from facemotion.errors import ModelMismatchError, TrainingError
from facemotion.nets.sequence_encoder import EncoderSettings, SequenceEncoder
from facemotion.signals import resample
from facemotion.training.encoder.export import check_parity, export_encoder
from facemotion.training.encoder.train import embed
from facemotion.types import FeatureSequence

PAPER = EncoderSettings(layers=2, heads=2, feedforward=32, embedding=16)
OURS = EncoderSettings(
    "position+difference", True, "stream", 24, layers=1, heads=4, feedforward=32, embedding=16, pooling="maximum+mean"
)
SMALL = {"width": 24, "layers": 1, "heads": 4, "feedforward": 32, "embedding": 16}
PRINCIPAL = EncoderSettings(
    "position+difference", scaling="stream+clip", components=5, pooling="maximum+segments", segments=5, **SMALL
)
GATED = EncoderSettings(
    "position+difference", True, "stream+clip", network="conformer", pooling="maximum+thirds", gate=True,
    **SMALL,
)  # fmt: skip
LINEAR = EncoderSettings(network="none", embedding=16, pooling="segments", positions=False)
NETS = {"paper": PAPER, "ours": OURS, "principal": PRINCIPAL, "linear": LINEAR, "gated": GATED} | {
    name: EncoderSettings(network=name, **SMALL) for name in ("gru", "tcn", "conformer")
}


@pytest.fixture(scope="module", params=NETS.values(), ids=NETS.keys())
def net(request: pytest.FixtureRequest) -> SequenceEncoder:
    torch.manual_seed(0)
    net = SequenceEncoder(12, request.param).eval()
    net.streams.fit(list(torch.randn(4, 9, 12) * 3 + 1))
    return net


@pytest.fixture(scope="module")
def exported(net: SequenceEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "encoder.onnx"
    export_encoder(net, path)
    return path


def test_the_file_holds_to_the_network_at_any_length(net: SequenceEncoder, exported: Path) -> None:
    assert check_parity(net, exported, (1, 2, 3, 25, 75, 300, 1000)) < 1e-4
    assert [p.name for p in exported.parent.iterdir()] == ["encoder.onnx"]


def test_the_graph_is_lean_and_says_nothing_of_its_maker(net: SequenceEncoder, exported: Path) -> None:
    model = onnx.load(exported)
    assert len(model.graph.node) < (160 if net.gate is None else 340)
    assert model.opset_import[0].version >= 17
    content = exported.read_bytes()
    assert b"stack_trace" not in content
    assert str(Path.cwd()).encode() not in content


def test_another_network_is_told_apart(net: SequenceEncoder, exported: Path) -> None:
    other = SequenceEncoder(12, net.settings).eval()
    with pytest.raises(TrainingError, match="don't ship it"):
        check_parity(other, exported)


def test_the_encoder_takes_features_of_its_front_end_alone(net: SequenceEncoder, exported: Path) -> None:
    encoder = Encoder(onnxruntime.InferenceSession(str(exported)), "encoder@1", "front")
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.1, 40))
    features = FeatureSequence(rng.normal(size=(40, 12)).astype(np.float32), times, "front")
    embedding = encoder(features)
    assert embedding.model_id == "encoder@1"
    np.testing.assert_allclose(embedding.vector, embed(net, [features])[0], atol=1e-4)
    at_25 = resample(features.values, times)
    same = FeatureSequence(at_25, np.arange(len(at_25)) / 25, "front")
    np.testing.assert_allclose(embedding.vector, encoder(same).vector, atol=1e-4)
    with pytest.raises(ModelMismatchError, match="takes features of front, these were made by other"):
        encoder(FeatureSequence(features.values, times, "other"))
