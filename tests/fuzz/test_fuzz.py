"""Input of strangers ends in an answer or in a named error, whatever it is: clips, live frames and live messages,
multipart bodies, model cards, manifests, settings.

`make test` tries each target for a second, `make check` for twenty more; FACEMOTION_FUZZ_SECONDS=600 for ten minutes.
"""

from __future__ import annotations

import asyncio
import io
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request

from facemotion.config import MediaSettings, Settings, read_toml, to_toml
from facemotion.data.manifest import check_manifest, read_manifest
from facemotion.media import read_frames
from facemotion.models.cards import SHIPPED_CARDS, read_cards
from facemotion.service.http.uploads import read_form
from facemotion.service.live.frames import read_frame
from facemotion.service.live.protocol import read_command, read_first
from facemotion.service.settings import LimitSettings, ServiceSettings

from . import mutate

Target = tuple[Callable[[bytes], object], list[bytes]]
LIMITS = MediaSettings(max_decoded_megapixels=20, max_side_px=1024, max_seconds=3, max_mebibytes=1)
BOUNDARY = "fuzz"


@pytest.fixture
def decoding(encode) -> Target:
    frames = np.random.default_rng(0).integers(0, 256, (14, 48, 64, 3), np.uint8)
    kinds = [
        ("mp4", "libx264"),
        ("matroska", "libx264"),
        ("webm", "libvpx"),
        ("avi", "mpeg4"),
        ("mpegts", "libx264"),
    ]

    def read(data: bytes) -> None:
        for _ in read_frames(data, LIMITS, max_wall_seconds=60):
            pass

    return read, [encode(frames, container=container, codec=codec) for container, codec in kinds]


@pytest.fixture
def live_frames() -> Target:
    seeds = []
    for more in ({}, {"progressive": True}):
        out = io.BytesIO()
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)).save(out, "JPEG", **more)
        seeds.append(struct.pack("<d", 1.5) + out.getvalue())
    return lambda data: read_frame(data, LIMITS), seeds


@pytest.fixture
def live_messages() -> Target:
    def read(data: bytes) -> None:
        text = data.decode("utf-8", "surrogatepass" if data.isascii() else "replace")
        for reader in (read_first, read_command):
            try:
                reader(text)
            except mutate.FacemotionError:
                continue

    return read, [
        b'{"user": "alice", "nonce": "abc", "purpose": "verify"}',
        b'{"user": "a.b@c", "nonce": "\\u00e9", "purpose": "enrol-again"}',
        b'{"purpose": "try"}',
        b'{"go": true}',
        b'{"done": true}',
        b'{"enrol": true}',
    ]


@pytest.fixture
def multipart() -> Target:
    def part(name: str, value: str, more: str = "") -> str:
        return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'

    def read(data: bytes) -> None:
        chance = random.Random(len(data))
        pieces = [data[place : place + 50] for place in range(0, len(data), 50)] if chance.random() < 0.5 else [data]

        async def receive() -> dict:
            body = pieces.pop(0) if pieces else b""
            return {"type": "http.request", "body": body, "more_body": bool(pieces)}

        head = [(b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode())]
        form = asyncio.run(read_form(Request({"type": "http", "headers": head}, receive), LimitSettings()))
        form.refuse_others({"nonce", "clip"})
        form.text("nonce")
        form.files("clip", 1)

    end = f"--{BOUNDARY}--\r\n"
    return read, [
        (part("nonce", "abc") + part("clip", "film", '; filename="a.mp4"\r\nContent-Type: video/mp4') + end).encode(),
        (part("nonce", "é") + part("clip", "x" * 200) * 3 + end).encode(),
        (part("clip", "", "; filename*=utf-8''x") + end).encode(),
    ]


def of_files(path: Path, *readers: Callable[[Path], object]) -> Callable[[bytes], None]:
    """A target that reads files."""

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for reader in readers:
            try:
                reader(path)
            except mutate.FacemotionError:
                continue

    return read


@pytest.fixture
def cards(tmp_path) -> Target:
    shipped = SHIPPED_CARDS.read_bytes()
    return of_files(tmp_path / "cards.toml", read_cards), [shipped[:4000], shipped[-3000:]]


@pytest.fixture
def manifests(tmp_path) -> Target:
    def check(path: Path) -> None:
        check_manifest(read_manifest(path))

    head = "clip,subject,motion,kind,take,split,onset,offset\n"
    rows = "a.mp4,s1,wink,genuine,1,train,0.5,1.5\nb.mp4,s2,wink~1,near miss,2,test,,\nc/d.mp4,s1,pout,mimic,3,,0,1\n"
    return of_files(tmp_path / "clips.csv", check), [(head + rows).encode(), (head + rows.replace(",", ";")).encode()]


@pytest.fixture
def settings(tmp_path) -> Target:
    kinds = (Settings, ServiceSettings)
    readers = [lambda path, kind=kind: read_toml(kind, path) for kind in kinds]
    return of_files(tmp_path / "settings.toml", *readers), [to_toml(kind()).encode() for kind in kinds]


TARGETS = ["decoding", "live_frames", "live_messages", "multipart", "cards", "manifests", "settings"]


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_made_up_input_ends_in_an_answer_or_a_named_error(request, name):
    target, seeds = request.getfixturevalue(name)
    assert mutate.fuzz(name, target, seeds, mutate.seconds(mutate.SHORTEST)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_so_does_more_of_it(request, name):
    target, seeds = request.getfixturevalue(name)
    assert mutate.fuzz(name, target, seeds, mutate.seconds(mutate.LONGEST)) > 0


def test_an_input_follows_from_its_number_and_a_finding_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(mutate, "SEEDS", tmp_path)
    assert mutate.mutated([b"seed" * 9], 5) == mutate.mutated([b"seed" * 9], 5)

    def trips(data: bytes) -> None:
        if b"\xff" in data:
            raise ZeroDivisionError

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        mutate.fuzz("tripping", trips, [b"seed" * 9], 5)
    assert b"\xff" in mutate.kept("tripping")[0]
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        mutate.fuzz("tripping", trips, [b"seed"], 0)  # what was found is tried first from then on
