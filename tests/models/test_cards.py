"""Cards, hashes and opening of models."""

from __future__ import annotations

import contextlib
import shutil

import numpy as np
import pytest

from facemotion.errors import MissingModelError, ModelError, ModelHashError, UnknownModelError
from facemotion.models import Models
from facemotion.models.cards import SHIPPED_FOLDER
from facemotion.system.files import file_sha256

SHIPPED = Models.shipped()
CARD = """
[{name}]
file = "{name}.onnx"
sha256 = "{sha}"
bytes = 10
role = "encoder"
licence = "MIT"
source = "a test"
"""


@pytest.mark.parametrize("name", sorted(SHIPPED.cards()))
def test_every_shipped_card_is_complete_and_its_file_is_the_one_described(name):
    entry = SHIPPED.card(name)
    assert len(entry.sha256) == 64
    assert entry.licence
    assert entry.source
    assert entry.preprocessing
    assert entry.output
    path = SHIPPED_FOLDER / entry.file
    if path.exists() or not entry.sources:
        assert path.stat().st_size == entry.bytes
        assert SHIPPED.path(name) == path
        SHIPPED.open(name)
    if entry.role == "encoder":
        assert entry.frontend
        assert entry.operating_points
        assert entry.default_point in [point.name for point in entry.operating_points]


def test_every_shipped_file_has_a_card():
    files = {path.name for path in SHIPPED_FOLDER.glob("*.onnx")}
    assert files == {entry.file for entry in SHIPPED.cards().values() if (SHIPPED_FOLDER / entry.file).exists()}


def models_with(tmp_path, **entry) -> Models:
    (tmp_path / "mine.toml").write_text(CARD.format(**{"name": "mine", "sha": "0" * 64} | entry))
    return Models(tmp_path)


def test_unknown_missing_and_altered_models(tmp_path):
    models = models_with(tmp_path)
    with pytest.raises(UnknownModelError, match="'mine'"):
        models.path("mime")
    with pytest.raises(MissingModelError, match="put it at"):
        models.path("mine")
    (tmp_path / "mine.onnx").write_bytes(b"other")
    with pytest.raises(ModelHashError, match="SHA-256"):
        models.path("mine")


def test_a_card_with_the_right_hash_opens_and_its_id_names_the_hash(tmp_path):
    shutil.copy(SHIPPED_FOLDER / "blazeface_short.onnx", tmp_path / "mine.onnx")
    sha = file_sha256(tmp_path / "mine.onnx")
    models = models_with(tmp_path, sha=sha)
    assert models.open("mine").get_inputs()[0].shape == [1, 128, 128, 3]
    assert models.card("mine").model_id == f"mine@{sha[:12]}"


def test_a_file_that_is_no_network_is_a_named_error(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(b"no network at all")
    with pytest.raises(ModelError, match="can't open"):
        models_with(tmp_path, sha=file_sha256(tmp_path / "mine.onnx")).open("mine")


def test_bad_cards_are_named_errors(tmp_path):
    models = Models(tmp_path)
    (tmp_path / "bad.toml").write_text("not toml at all [")
    with pytest.raises(ModelError, match=r"bad\.toml"):
        models.cards()
    (tmp_path / "bad.toml").write_text(CARD.format(name="bad", sha="0" * 64) + 'colour = "red"\n')
    with pytest.raises(ModelError, match="unknown key 'colour'"):
        models.cards()
    (tmp_path / "bad.toml").write_text(CARD.format(name="blazeface", sha="0" * 64))
    with pytest.raises(ModelError, match="redefines"):
        models.cards()


def test_a_provider_that_this_build_lacks_is_named():
    with pytest.raises(ModelError, match="NoSuchProvider"):
        Models(None, providers=("NoSuchProvider",)).open("blazeface")


def test_weights_that_the_hash_does_not_cover_are_not_read(tmp_path):
    """ONNX may keep them in a file beside the model, where anybody could change them unnoticed."""
    onnx = pytest.importorskip("onnx")
    weights = onnx.numpy_helper.from_array(np.ones(64, np.float32), "w")
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [64]) for name in ("x", "y")]
    add = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    graph = onnx.helper.make_graph([add], "g", ends[:1], ends[1:], [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "mine.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    models = models_with(tmp_path, sha=file_sha256(path))
    with contextlib.chdir(tmp_path), pytest.raises(ModelError, match="can't open"):
        models.open("mine")
