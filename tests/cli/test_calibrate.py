"""`facemotion calibrate` over cached features and an encoder of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import read_manifest, write_manifest
from facemotion.errors import DataError, EvidenceError, FacemotionError
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.system.files import file_sha256
from facemotion.thresholds import operating_points
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

PEOPLE, MOTIONS, TAKES = 3, 8, 3


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A manifest whose features are cached already, and settings that name a small encoder: the maximum over time."""
    folder = tmp_path_factory.mktemp("calibrate")
    extractor = load_extractor("face-mesh", Models.shipped())
    rng = np.random.default_rng(1)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["values"], ["most"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["most", "w"], ["raw"]),
            helper.make_node("LpNormalization", ["raw"], ["embedding"], axis=1, p=2),
        ],
        "peak",
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, [1, "T", extractor.dimension])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 32])],
        [numpy_helper.from_array(rng.normal(size=(extractor.dimension, 32)).astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    raw = model.SerializeToString()
    models = folder / "models"
    models.mkdir()
    (models / "peak.onnx").write_bytes(raw)
    (models / "peak.toml").write_text(
        f'[peak]\nfile = "peak.onnx"\nsha256 = "{hashlib.sha256(raw).hexdigest()}"\nbytes = {len(raw)}\n'
        f'role = "encoder"\nfrontend = "{extractor.frontend_id}"\n'
    )
    (folder / "config.toml").write_text(f'[runtime]\nmodels_folder = "{models}"\n[verifier]\nencoder = "peak"\n')
    cache, records = FeatureCache(folder / "features", extractor.frontend_id), []
    for s in range(PEOPLE):
        for m in range(MOTIONS):
            shape = np.abs(rng.normal(size=extractor.dimension)) - 0.8
            for k in range(TAKES):
                record = ClipRecord(f"{s}-{m}-{k}.mp4", f"s{s}", f"m{m}", ClipKind.FACIAL, k, 1)
                (folder / record.path).write_bytes(record.path.encode())
                values = np.sin(np.linspace(0, np.pi, 20))[:, None] * shape + 0.1 * rng.normal(size=(20, len(shape)))
                features = FeatureSequence(values.astype(np.float32), np.arange(20) / 20, extractor.frontend_id)
                cache.write(file_sha256(folder / record.path), features)
                records.append(record)
    write_manifest(folder / "manifest.csv", records)
    return folder


def run(world, *arguments: str, manifest: str = "manifest.csv") -> str:
    common = ["calibrate", world / manifest, "--cache", world / "features", "--config", world / "config.toml"]
    result = CliRunner().invoke(app, [str(a) for a in (*common, *arguments)])
    if isinstance(result.exception, FacemotionError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_points_are_found_with_their_evidence_and_kept_where_asked(world):
    answer = json.loads(run(world, "--fmr", "0.05", "--fmr", "0.1", "--json"))
    clips = PEOPLE * MOTIONS * TAKES
    genuine = PEOPLE * MOTIONS * TAKES * (TAKES - 1) // 2
    assert answer["clips"] == clips
    assert answer["kept"] is None
    named = [(point["name"], point["takes"]) for point in answer["points"]]
    assert named == [("fmr-5e-2", 1), ("fmr-1e-1", 1), ("fmr-5e-2", 2), ("fmr-1e-1", 2)]
    for point in answer["points"]:
        # Of three takes, each two that follow each other round make a template, and one is left to probe it.
        assert point["genuine_trials"] == (genuine if point["takes"] == 1 else clips)
        pairs = clips * (clips - 1) // 2 - genuine
        assert point["impostor_trials"] == (pairs if point["takes"] == 1 else clips * (clips - TAKES))
        assert point["subjects"] == PEOPLE
        assert point["fnmr"] < 0.5
    out = run(world, "--fmr", "0.05", "--source", "the door", "--keep")
    assert "own-fmr-5e-2" in out
    kept = operating_points(Models(world / "models"), "peak", "own-fmr-5e-2")
    assert [point.threshold for point in kept] == pytest.approx(
        [answer["points"][place]["threshold"] for place in (0, 2)]
    )
    assert kept[0].source == "the door"
    alone = json.loads(run(world, "--fmr", "0.1", "--takes", "2", "--json"))
    assert [point["takes"] for point in alone["points"]] == [2]


def test_templates_of_more_takes_than_anybody_recorded_are_refused(world):
    with pytest.raises(DataError, match="4 takes or more"):
        run(world, "--takes", "3")


def test_a_rate_beyond_the_evidence_is_refused(world):
    with pytest.raises(EvidenceError, match=r"ask for 0.011 or more, or record more motions, 78 in all"):
        run(world, "--fmr", "0.001")


def test_a_rate_that_is_none_is_refused_before_anything_is_read(world):
    with pytest.raises(EvidenceError, match="above 0, of 1 at most; got 2"):
        run(world, "--fmr", "0.05", "--fmr", "2", manifest="absent.csv")


def test_points_that_a_new_calibration_drops_are_listed(world):
    run(world, "--fmr", "0.05", "--fmr", "0.1", "--keep")
    told = run(world, "--fmr", "0.1", "--fmr", "0.2", "--keep")
    assert "No longer kept, from an earlier calibration of this encoder: own-fmr-5e-2." in told
    answer = json.loads(run(world, "--fmr", "0.2", "--keep", "--json"))
    assert answer["dropped"] == ["own-fmr-1e-1"]
    assert json.loads(run(world, "--fmr", "0.1", "--json"))["dropped"] == [], "nothing is dropped without --keep"


def test_a_damaged_file_of_points_is_written_anew(world):
    path = json.loads(run(world, "--fmr", "0.1", "--keep", "--json"))["kept"]
    Path(path).write_text("half a fi")
    assert json.loads(run(world, "--fmr", "0.1", "--keep", "--json"))["dropped"] == []
    assert [point.name for point in Models(world / "models").operating_points("peak")] == ["own-fmr-1e-1"] * 2


def test_points_of_one_person_say_so(world):
    alone = [record for record in read_manifest(world / "manifest.csv").records if record.subject == "s0"]
    write_manifest(world / "alone.csv", alone)
    assert "of one person" not in run(world, "--fmr", "0.2")
    told = run(world, "--fmr", "0.2", manifest="alone.csv")
    assert "All clips are of one person: the points say nothing about other people." in told


def test_a_clip_that_the_verifier_would_refuse_as_still_is_no_trial(world):
    extractor = load_extractor("face-mesh", Models.shipped())
    records = list(read_manifest(world / "manifest.csv").records)
    still = replace(records[0], path="still.mp4", repetition=TAKES)
    (world / still.path).write_bytes(b"still")
    values = np.zeros((20, extractor.dimension), np.float32)
    cache = FeatureCache(world / "features", extractor.frontend_id)
    cache.write(file_sha256(world / still.path), FeatureSequence(values, np.arange(20) / 20, extractor.frontend_id))
    write_manifest(world / "still.csv", [*records, still])
    answer = json.loads(run(world, "--fmr", "0.1", "--takes", "1", "--json", manifest="still.csv"))
    assert answer["clips"] == len(records)
