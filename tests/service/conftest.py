"""A real server on loopback, and takes as a camera would give them: no two alike."""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facemotion.config import Settings
from facemotion.encoder import Encoder
from facemotion.frontend import Acquisition
from facemotion.models import Models
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.http.app import create_app
from facemotion.service.http.server import uvicorn_config
from facemotion.service.migrate import open_served
from facemotion.service.settings import ServerSettings, ServiceSettings
from facemotion.store.sql import SqlStore
from facemotion.types import Embedding, FeatureSequence
from facemotion.verifier import EarlierEncoder, Verifier

from .live_client import messages
from .webhook_receiver import Receiver, receiving

PREFIX = {"verify": "v", "enrol": "e", "admin": "a"}


class Server:
    """A running service and how to call it."""

    def __init__(self, url: str, keys: dict[str, str], store: Path | str, store_key: str = "") -> None:
        self.url, self.keys, self.store, self.store_key = url, keys, store, store_key
        self.http = httpx.Client(base_url=url, timeout=120)  # an enrolment on a busy machine

    def call(self, method: str, path: str, role: str = "admin", **more: Any) -> httpx.Response:
        """One request with the key of a role; role "" sends none."""
        head = {"authorization": f"Bearer {self.keys[role]}"} if role else {}
        return self.http.request(method, path, headers=head | more.pop("headers", {}), **more)

    def trail(self, user: str = "", session: str = "") -> list[dict[str, Any]]:
        """The rows of the audit trail about a user, or about a session; all of them where neither is named."""
        rows = self.call("GET", "/v1/audit?newest=true&limit=1000").json()["entries"]
        return [
            row
            for row in rows
            if user in ("", row["user"]) and session in ("", json.loads(row["detail"] or "{}").get("session"))
        ]

    def deeds(self, user: str = "", session: str = "") -> list[str]:
        """What was done and how it ended, see trail."""
        return [f"{row['action']}: {row['outcome']}" for row in self.trail(user, session)]

    def nonce(self, user: str, purpose: str = "verify", role: str = "admin") -> str:
        answer = self.call("POST", f"/v1/users/{user}/nonces", role, json={"purpose": purpose})
        assert answer.status_code == 201, answer.text
        return answer.json()["nonce"]

    def enrol(self, user: str, takes: list[bytes], method: str = "POST", role: str = "admin") -> httpx.Response:
        nonce = self.nonce(user, "enrol" if method == "POST" else "enrol-again", role)
        return self.call(method, f"/v1/users/{user}/enrolment", role, **form(nonce, takes=takes))

    def verify(self, user: str, clip: bytes, role: str = "admin", nonce: str = "") -> httpx.Response:
        nonce = nonce or self.nonce(user, "verify", role)
        return self.call("POST", f"/v1/users/{user}/verify", role, **form(nonce, clip=[clip]))


def form(nonce: str, **files: list[bytes]) -> dict[str, Any]:
    """Arguments of httpx for a multipart body."""
    parts = [(name, (f"{name}.mp4", data, "video/mp4")) for name, all_of in files.items() for data in all_of]
    return {"data": {"nonce": nonce}, "files": parts}


@contextmanager
def running(
    store: Path | str, settings: ServiceSettings | None = None, doubt: float = 0.0, **more: Any
) -> Iterator[Server]:
    """Serve a store in a thread, on a free port of loopback."""
    settings = settings or ServiceSettings()
    # A drawn head stands still to the pixel, so that its takes are nearly replays of each other, as no real head's are.
    replay = replace(
        settings.replay,
        likeness=0.95,
        piece_likeness=0.99,
        warped_likeness=1.0,
        found_share=1.0,
        surface_likeness=1.0,
        surface_piece_likeness=1.0,
        surface_joined_likeness=1.0,
        surface_warped_likeness=1.0,
        doubt=doubt,
    )
    settings = replace(settings, server=replace(settings.server, port=0), replay=replay)
    with open_served(store) as opened:
        keys = {role: ApiKeys(opened.database).add(f"{role} key", role) for role in ("verify", "enrol", "admin")}
        store_key = opened.protector.key.name
    uv = uvicorn.Server(uvicorn_config(create_app(store, settings, **more), settings))
    thread = threading.Thread(target=uv.run)
    thread.start()
    try:
        while not uv.started:
            assert thread.is_alive(), "the server didn't start"
            time.sleep(0.01)
        port = uv.servers[0].sockets[0].getsockname()[1]
        scheme = "https" if settings.server.tls_certificate else "http"
        server = Server(f"{scheme}://127.0.0.1:{port}", keys, store, store_key)
        try:
            yield server
        finally:
            server.http.close()
    finally:
        uv.should_exit = True
        thread.join()
        for name in ("facemotion", "uvicorn"):  # they write to what one test captures, which is closed in the next
            logging.getLogger(name).handlers.clear()


@pytest.fixture(scope="session")
def session_environment(tmp_path_factory: pytest.TempPathFactory, film: Callable[..., bytes]) -> Iterator[None]:
    """Folders of our own, and the shipped encoder with a threshold half-way between two motions of the drawing."""
    shipped = Verifier.load(Settings())
    takes = [film("talk", seed) for seed in range(6)] + [film("brow", seed) for seed in range(3)]
    vectors = np.stack([shipped.embed(shipped.frontend.acquire(take)).vector for take in takes])
    cosines = vectors @ vectors.T
    talk, brow = cosines[:, :3].mean(axis=1), cosines[:, 6:].mean(axis=1)  # scores against templates of three takes
    same, other = talk[3:6].min(), max(talk[6:].max(), brow[3:6].max())
    threshold = 0.5 * float(same + other)
    folder = tmp_path_factory.mktemp("config")
    entry = Models.shipped().card("encoder-mesh")
    shutil.copy(Models.shipped().path(entry.name), folder / "drawings.onnx")
    (folder / "drawings.toml").write_text(
        f"""[drawings]
file = "drawings.onnx"
bytes = {entry.bytes}
role = "encoder"
sha256 = "{entry.sha256}"
frontend = "{entry.frontend}"
default_point = "drawings"
[[drawings.operating_points]]
name = "drawings"
threshold = {threshold:.4f}
fmr = 0.1
fnmr = 0.1
genuine_trials = 15
impostor_trials = 18
subjects = 1
source = "takes of two motions by a drawing"
""",
        "utf-8",
    )
    (folder / "config.cfg").write_text(
        # The mouth of a drawing, painted over a face that stands still, moves less than any real one that was measured.
        f'[runtime]\nmodels_folder = "{folder}"\n[verifier]\nencoder = "drawings"\n[quality]\nmin_own_motion = 0.5\n',
        "utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        patch.setenv("FACEMOTION_CONFIG", str(folder / "config.cfg"))
        patch.delenv("FACEMOTION_STORE_KEY", raising=False)
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, session_environment: None) -> Iterator[Server]:
    """One service with the default settings, for tests that don't get in each other's way."""
    settings = ServiceSettings(server=ServerSettings(keyless_on_loopback=True))
    with running(tmp_path_factory.mktemp("store") / "store.db", settings) as one:
        yield one


class RenamedEncoder:
    """The shipped encoder under another id, as after an upgrade."""

    def __init__(self, encoder: Encoder, model_id: str) -> None:
        self._encoder, self.model_id, self.frontend_id = encoder, model_id, encoder.frontend_id

    def __call__(self, features: FeatureSequence) -> Embedding:
        return replace(self._encoder(features), model_id=self.model_id)


@pytest.fixture(scope="session")
def then() -> Verifier:
    """A verifier of the shipped encoder, as before an upgrade."""
    return Verifier.load(Settings())


@pytest.fixture
def served(
    tmp_path: Path, then: Verifier, acquired: Callable[[str], Acquisition]
) -> Iterator[tuple[SqlStore, Verifier]]:
    """A store in which alice enrolled with the encoder of then, and a verifier whose encoder is another."""
    earlier = EarlierEncoder(then.encoder, then.operating_points)
    present = RenamedEncoder(then.encoder, "encoder@now")
    now = Verifier(then.frontend, present, then.operating_points, then.settings, earlier=[earlier])
    with open_served(tmp_path / "store.db") as store:
        then.enrol(store, "alice", [acquired("talk1"), acquired("talk2")])
        yield store, now


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def film(drawn_face: NDArray[np.uint8], encode: Callable[..., bytes]) -> Callable[..., bytes]:
    """film(motion, seed) -> bytes of a take of "talk" or "brow" by the drawing, with a camera's noise: the seed
    decides the noise, the tempo, the size of the motion and where the face is."""

    def make(motion: str, seed: int) -> bytes:
        random = np.random.default_rng([seed, len(motion)])
        length, lead = int(random.integers(17, 20)), int(random.integers(0, 3))
        size, x, y = random.uniform(0.9, 1.1), *random.integers(-6, 7, 2)
        frames = []
        for number in range(length):
            part = np.sin(np.pi * np.clip((number - lead) / (length - 1 - 2 * lead), 0, 1)) * size
            image = Image.fromarray(drawn_face)
            draw = ImageDraw.Draw(image)
            if motion == "talk":
                draw.ellipse((108, 162 - 5 * part, 148, 166 + 15 * part), fill=(60, 15, 20))
            elif part > 0.3:
                draw.ellipse((88, 98, 120, 116), fill=(214, 170, 140))
                draw.line((92, 110, 116, 110), fill=(60, 40, 30), width=2)
            canvas = Image.new("RGB", (320, 240), (90, 120, 150))
            canvas.paste(image.resize((228, 228)), (46 + int(x), 6 + int(y)))
            noisy = np.asarray(canvas, np.float32) + random.normal(0, 3, (240, 320, 1))
            frames.append(np.clip(noisy, 0, 255).astype(np.uint8))
        return encode(np.stack(frames))

    return make


@pytest.fixture(scope="session")
def talk(film: Callable[..., bytes]) -> list[bytes]:
    """Six takes of one motion."""
    return [film("talk", seed) for seed in range(6)]


@pytest.fixture(scope="session")
def brow(film: Callable[..., bytes]) -> list[bytes]:
    """Three takes of another motion."""
    return [film("brow", seed) for seed in range(3)]


@pytest.fixture(scope="session")
def takes(film: Callable[..., bytes]) -> list[list[bytes]]:
    """Four takes of one motion, as messages of the live socket."""
    return [messages(film("talk", seed)) for seed in range(30, 34)]
