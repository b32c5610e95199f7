"""The recipes of docs/how-to/extending.md, each followed with a toy: registered as it says, used once, taken out."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import typer
from fastapi import Request
from numpy.typing import NDArray
from tests.service.conftest import running
from torch import Tensor, nn
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.config import MediaSettings, Settings, VerifierSettings, option, read_toml, to_toml
from facemotion.data.manifest import write_manifest
from facemotion.encoder import Encoder
from facemotion.errors import ModelError, SettingsError
from facemotion.features import EXTRACTORS, Observation, extractor_names, load_extractor
from facemotion.frontend import Frontend
from facemotion.media import load_clip
from facemotion.media.warp import square_matrix, warp
from facemotion.models import Models
from facemotion.nets.blocks import LAYERS
from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.service.http import app as http
from facemotion.service.http.routes import RequestCaller, context_of, routes
from facemotion.service.problems import Message
from facemotion.training.encoder.export import export_encoder
from facemotion.training.encoder.losses import LOSSES, LossSettings, batch_loss
from facemotion.training.encoder.material.dataset import TrainingSet, TrainingSource, make_training_set
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.training.encoder.settings import OptimiserSettings, TrainingSettings
from facemotion.training.encoder.train import embed, train_encoder
from facemotion.types import ClipRecord, FeatureSequence

ROOT = Path(__file__).parents[1]
RECIPES = (ROOT / "docs" / "how-to" / "extending.md").read_text("utf-8")
SAMPLES = ROOT / "src" / "facemotion" / "samples"
TINY = TrainingSettings(
    threads=1,
    encoder=EncoderSettings(width=8, layers=1, heads=2, feedforward=8, embedding=4),
    optimiser=OptimiserSettings(steps=2),
)


@pytest.fixture(scope="module")
def few_clips() -> TrainingSet:
    """Noise of two subjects with two motions of two takes each: enough for a batch."""
    rng = np.random.default_rng(0)
    records = [ClipRecord(f"{s}{m}{k}", f"s{s}", f"m{m}", "facial", k, 1) for s in "01" for m in "01" for k in (0, 1)]
    clips = [FeatureSequence(rng.normal(size=(12, 3)).astype(np.float32), np.arange(12) / 12, "front") for _ in records]
    return make_training_set([TrainingSource(records, clips, SamplerSettings(2, 2, 2))])


# --- an extractor


class FaceTiles:
    """Toy FeatureExtractor: how bright each of 16 tiles of the face is."""

    def __init__(self, models: Models) -> None:
        self._session = models.open("toy-tiles")
        self.frontend_id = f"blazeface/{models.card('toy-tiles').model_id}/tiles-1"
        self.dimension = 16

    def __call__(self, frame: NDArray, box: NDArray, keypoints: NDArray) -> NDArray:
        return self.observe(frame, box, keypoints).values

    def observe(self, frame: NDArray, box: NDArray, keypoints: NDArray) -> Observation:
        middle = (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
        crop = warp(frame, square_matrix(middle, float(box[2] - box[0]), 0.0, 32), 32)
        tensor = crop.astype(np.float32).transpose(2, 0, 1)[None] / 255
        return Observation(self._session.run(["tiles"], {"face": tensor})[0].ravel(), keypoints, None)

    def own_motion(self, points: NDArray, times: NDArray) -> float:
        return float(points.std(axis=0).max())

    def motion_energy(self, values: NDArray) -> float:
        return float(100 * np.percentile(np.abs(values - np.median(values, axis=0)), 95))


@pytest.fixture
def models_with_tiles(tmp_path: Path) -> Models:
    """A folder with a network of four by four mean tiles, and its card."""
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("ReduceMean", ["face"], ["grey"], axes=[1]),
            onnx.helper.make_node("AveragePool", ["grey"], ["tiles"], kernel_shape=[8, 8], strides=[8, 8]),
        ],
        "tiles",
        [tensor("face", onnx.TensorProto.FLOAT, [1, 3, 32, 32])],
        [tensor("tiles", onnx.TensorProto.FLOAT, [1, 1, 4, 4])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "tiles.onnx").write_bytes(model.SerializeToString())
    digest, size = hashlib.sha256(model.SerializeToString()).hexdigest(), len(model.SerializeToString())
    (folder / "tiles.toml").write_text(
        f'[toy-tiles]\nfile = "tiles.onnx"\nsha256 = "{digest}"\nbytes = {size}\nrole = "extractor"\n', "utf-8"
    )
    return Models(folder)


def test_a_new_extractor_reads_clips_through_the_front_end(models_with_tiles, monkeypatch):
    monkeypatch.setitem(EXTRACTORS, "toy-tiles", FaceTiles)
    assert "toy-tiles" in extractor_names(models_with_tiles)
    settings = Settings(verifier=VerifierSettings(extractor="toy-tiles"))
    settings = dataclasses.replace(
        settings,
        runtime=dataclasses.replace(settings.runtime, models_folder=str(models_with_tiles.folder)),
        quality=dataclasses.replace(settings.quality, min_own_motion=0.0),
    )
    features = Frontend.load(settings).acquire(SAMPLES / "anna-wink-pout-1.mp4").features
    assert features.frontend_id.startswith("blazeface/toy-tiles@")
    assert features.values.shape == (len(features.times), 16)
    assert 0 < features.values.min() < features.values.max() < 1
    monkeypatch.undo()
    with pytest.raises(ModelError):  # the card alone says that `facemotion train sfe` exported the file
        load_extractor("toy-tiles", models_with_tiles)


# --- a network


class LeakyMean(nn.Module):
    """Toy layer: every frame moves a learned way towards the mean of its clip."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float, number: int = 0) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x: Tensor, mask: Tensor | None, weights: Tensor | None = None) -> Tensor:
        if mask is None:
            mean = x.mean(dim=1, keepdim=True)
        else:
            kept = mask[..., None].to(x.dtype)
            mean = (x * kept).sum(dim=1, keepdim=True) / kept.sum(dim=1, keepdim=True)
        return x + self.share * (mean - x)


@pytest.mark.long
def test_a_new_network_is_trained_exported_and_run(few_clips, tmp_path, monkeypatch):
    monkeypatch.setitem(LAYERS, "toy", LeakyMean)
    net = train_encoder(dataclasses.replace(TINY, encoder=dataclasses.replace(TINY.encoder, network="toy")), few_clips)
    assert not torch.equal(net.layers[0].share, torch.full((8,), 0.5)), "its weights learn"
    path = tmp_path / "toy.onnx"
    export_encoder(net, path)
    encoder = Encoder(onnxruntime.InferenceSession(str(path)), "toy@1", "front")
    vector = embed(net, few_clips.sequences[:1])[0]
    np.testing.assert_allclose(encoder(few_clips.sequences[0]).vector, vector, atol=1e-4)


# --- a loss


def pull_together(embeddings: Tensor, motions: Tensor, pairs: Tensor, settings: LossSettings) -> Tensor:
    """Toy loss: mean distance, less a margin, of the pairs that show one motion."""
    positives = pairs & (motions[:, None] == motions[None, :])
    distances = (1 - embeddings @ embeddings.T - settings.margin).clamp_min(0)
    return (distances * positives).sum() / positives.sum().clamp_min(1)


def test_a_new_loss_is_what_training_lowers(few_clips, monkeypatch):
    monkeypatch.setitem(LOSSES, "toy", pull_together)
    settings = LossSettings("toy", margin=0.1)
    vectors, motions = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    found = batch_loss(vectors, torch.zeros(3), motions, settings)
    assert found.item() == pytest.approx(1 - 0.6 - 0.1)
    losses: list[float] = []
    train_encoder(
        dataclasses.replace(TINY, loss=settings, optimiser=OptimiserSettings(steps=20, learning_rate=0.01)),
        few_clips,
        progress=lambda step, loss: losses.append(loss),
    )
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("settings", "name", "table"), [(EncoderSettings, "network", LAYERS), (LossSettings, "name", LOSSES)]
)
def test_settings_allow_what_stands_in_the_table(settings, name, table):
    (choices,) = (spec.metadata["choices"] for spec in dataclasses.fields(settings) if spec.name == name)
    assert choices == tuple(table)


# --- a data set


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.stdout


@pytest.mark.long
def test_a_new_data_set_is_checked_extracted_and_trained_on(encode, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = []
    for path in sorted(SAMPLES.glob("anna-*.mp4")):  # anna-wink-pout-1.mp4: subject, motion, take
        subject, motion, take = re.fullmatch(r"([a-z]+)-(.+)-(\d)", path.stem).groups()
        sample = load_clip(path)
        (tmp_path / path.name).write_bytes(encode(sample.frames[::3], sample.times[::3]))
        records.append(ClipRecord(path.name, subject, f"{subject}-{motion}", "facial", int(take), 1, "train"))
    write_manifest(tmp_path / "manifest.csv", records)
    assert "No problems found." in run("data", "check", "manifest.csv")
    run("features", "manifest.csv", "--cache", "features")
    (tmp_path / "toy.toml").write_text(
        """
        threads = 1
        [[sources]]
        manifest = "manifest.csv"
        split = "train"
        [encoder]
        width = 8
        layers = 1
        heads = 2
        feedforward = 8
        embedding = 4
        [optimiser]
        steps = 2
        """,
        "utf-8",
    )
    run("train", "encoder", "toy.toml", "--run", "run")
    assert len((tmp_path / "run" / "curve.csv").read_text("utf-8").splitlines()) == 1 + 2


# --- a command


def register(group: typer.Typer) -> None:
    """What a file of cli/ has."""
    group.command()(count_frames)


def count_frames(clip: Annotated[Path, typer.Argument(help="A clip.")]) -> None:
    """Print how many frames of a clip are read."""
    from facemotion.media import load_clip

    print(len(load_clip(clip).frames))


@pytest.fixture
def own_commands() -> Iterator[None]:
    """The commands as they are, again after the test."""
    before = list(app.registered_commands)
    yield
    app.registered_commands[:] = before


def test_a_new_command_is_found_run_and_must_be_documented(own_commands):
    register(app)
    assert "Print how many frames of a clip are read." in run("--help")
    assert int(run("count-frames", SAMPLES / "anna-wink-pout-1.mp4")) > 10
    commands = {command.name for command in typer.main.get_group(app).commands.values()}
    sections = re.findall(
        r"^## `facemotion ([a-z-]+)", (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8"), re.M
    )
    assert commands - set(sections) == {"count-frames"}, "the test of the documented commands sees it"


# --- a setting


@dataclass(frozen=True)
class ToyMediaSettings(MediaSettings):
    """MediaSettings with one field more, as the recipe adds it."""

    flicker_hz: float = option(50.0, "mains frequency of the light", unit="Hz", minimum=0, maximum=60)


@dataclass(frozen=True)
class ToySettings(Settings):
    """Settings with it."""

    media: ToyMediaSettings = field(default_factory=ToyMediaSettings)


def test_a_new_setting_is_read_held_to_its_range_and_must_be_documented(tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text("[media]\nflicker_hz = 60\n", "utf-8")
    assert read_toml(ToySettings, path).media.flicker_hz == 60
    path.write_text("[media]\nflicker_hz = 400\n", "utf-8")
    with pytest.raises(SettingsError, match="flicker_hz must be at most 60 Hz, got 400"):
        read_toml(ToySettings, path)
    line = "flicker_hz = 50.0 # Hz, mains frequency of the light"
    assert line in to_toml(ToySettings())
    documented = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    assert set(to_toml(ToySettings()).splitlines()) - set(documented.splitlines()) == {line}, "its test sees it"


# --- an endpoint


class Greeting(Message):
    """Toy message: what the service answers."""

    text: str


def greet(request: Request, caller: RequestCaller) -> Greeting:
    """Greet whoever may verify."""
    caller.require("verify")
    return Greeting(text=f"{context_of(request).settings.server.host} greets a caller with the role {caller.role}")


def routes_with_greeting():
    router = routes()
    router.add_api_route("/v1/greeting", greet, methods=["GET"], operation_id="greet", response_model=Greeting)
    return router


@pytest.mark.long
def test_a_new_endpoint_answers_known_callers_and_must_be_documented(tmp_path, monkeypatch):
    monkeypatch.setattr(http, "routes", routes_with_greeting)
    with running(tmp_path / "store.db") as server:
        assert (
            server.call("GET", "/v1/greeting", "verify", headers={"authorization": "Bearer unknown"}).status_code == 401
        )
        answer = server.call("GET", "/v1/greeting", "verify")
    assert answer.json() == {"text": "127.0.0.1 greets a caller with the role verify"}
    documented = (ROOT / "docs" / "reference" / "service.md").read_text("utf-8")
    paths = [
        path for path in http.create_app(tmp_path / "store.db").openapi()["paths"] if f" {path}`" not in documented
    ]
    assert paths == ["/v1/greeting"], "the test of the documented endpoints sees it"


# --- the page


def test_every_recipe_is_followed_here():
    recipes = re.findall(r"^## (?:A|An) ([a-z ]+)$", RECIPES, re.M)
    followed = re.findall(r"^# --- (?:a|an) ([a-z ]+)$", Path(__file__).read_text("utf-8"), re.M)
    assert recipes == followed
