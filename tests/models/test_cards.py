"""Cards, hashes and opening of models."""

from __future__ import annotations

import shutil

import pytest

from facemotion.config import RuntimeSettings
from facemotion.errors import MissingModelError, ModelError, ModelHashError, UnknownModelError
from facemotion.models import card, load_cards, model_path, open_session
from facemotion.models.cards import SHIPPED_FOLDER, file_sha256

CARD = """
[{name}]
file = "{name}.onnx"
sha256 = "{sha}"
bytes = 10
role = "encoder"
licence = "MIT"
source = "a test"
"""


@pytest.mark.parametrize("name", sorted(load_cards()))
def test_every_shipped_card_is_complete_and_its_file_is_the_one_described(name):
    entry = card(name)
    assert len(entry.sha256) == 64
    assert entry.licence
    assert entry.source
    assert entry.preprocessing
    assert entry.output
    path = SHIPPED_FOLDER / entry.file
    if path.exists() or not entry.sources:
        assert path.stat().st_size == entry.bytes
        assert model_path(name) == path
        open_session(name)
    if entry.role == "encoder":
        assert entry.frontend
        assert entry.operating_points
        assert entry.default_point in [point.name for point in entry.operating_points]


def test_every_shipped_file_has_a_card():
    files = {path.name for path in SHIPPED_FOLDER.glob("*.onnx")}
    assert files == {entry.file for entry in load_cards().values() if (SHIPPED_FOLDER / entry.file).exists()}


def settings_with(tmp_path, **entry) -> RuntimeSettings:
    (tmp_path / "mine.toml").write_text(CARD.format(**{"name": "mine", "sha": "0" * 64} | entry))
    return RuntimeSettings(models_folder=str(tmp_path))


def test_unknown_missing_and_altered_models(tmp_path):
    settings = settings_with(tmp_path)
    with pytest.raises(UnknownModelError, match="'mine'"):
        model_path("mime", settings)
    with pytest.raises(MissingModelError, match="put it at"):
        model_path("mine", settings)
    (tmp_path / "mine.onnx").write_bytes(b"other")
    with pytest.raises(ModelHashError, match="SHA-256"):
        model_path("mine", settings)


def test_a_card_with_the_right_hash_opens_and_its_id_names_the_hash(tmp_path):
    shutil.copy(SHIPPED_FOLDER / "blazeface_short.onnx", tmp_path / "mine.onnx")
    sha = file_sha256(tmp_path / "mine.onnx")
    settings = settings_with(tmp_path, sha=sha)
    assert open_session("mine", settings).get_inputs()[0].shape == [1, 128, 128, 3]
    assert card("mine", settings).model_id == f"mine@{sha[:12]}"


def test_a_file_that_is_no_network_is_a_named_error(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(b"no network at all")
    with pytest.raises(ModelError, match="can't open"):
        open_session("mine", settings_with(tmp_path, sha=file_sha256(tmp_path / "mine.onnx")))


def test_bad_cards_are_named_errors(tmp_path):
    settings = RuntimeSettings(models_folder=str(tmp_path))
    (tmp_path / "bad.toml").write_text("not toml at all [")
    with pytest.raises(ModelError, match=r"bad\.toml"):
        load_cards(settings)
    (tmp_path / "bad.toml").write_text(CARD.format(name="bad", sha="0" * 64) + 'colour = "red"\n')
    with pytest.raises(ModelError, match="unknown key 'colour'"):
        load_cards(settings)
    (tmp_path / "bad.toml").write_text(CARD.format(name="blazeface", sha="0" * 64))
    with pytest.raises(ModelError, match="redefines"):
        load_cards(settings)


def test_a_provider_that_this_build_lacks_is_named():
    with pytest.raises(ModelError, match="NoSuchProvider"):
        open_session("blazeface", RuntimeSettings(providers=("NoSuchProvider",)))
