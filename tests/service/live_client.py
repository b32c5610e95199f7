"""A client of the live socket, for tests."""

from __future__ import annotations

import io
import json
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from facemotion.media import load_clip

if TYPE_CHECKING:
    from .conftest import Server


def jpeg(frame: NDArray[np.uint8], seconds: float) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG", quality=92)
    return struct.pack("<d", seconds) + out.getvalue()


def messages(clip: bytes) -> list[bytes]:
    loaded = load_clip(clip)
    return [jpeg(frame, 100 + seconds) for frame, seconds in zip(loaded.frames, loaded.times, strict=True)]


class Socket:
    """One live session of a client."""

    def __init__(
        self,
        server: Server,
        user: str,
        purpose: str = "verify",
        nonce: str = "",
        role: str = "verify",
        hello: dict[str, Any] | None = None,
    ) -> None:
        nonce = nonce or server.nonce(user, purpose, role)
        self._open = ExitStack()
        self.socket = self._open.enter_context(connect(server.url.replace("http", "ws") + "/v1/live"))
        with suppress(ConnectionClosed):  # a full service closes at once; why is still to be heard
            self.socket.send(json.dumps(hello or {"user": user, "nonce": nonce, "purpose": purpose}))

    def take(self, frames: list[bytes], patient: bool = True) -> list[dict]:
        """Send a take; a patient client waits for the answer to each frame."""
        answers = []
        for frame in frames:
            self.socket.send(frame)
            if patient:
                answers.append(self.hear())
        return answers

    def say(self, word: str) -> None:
        self.socket.send(json.dumps({word: True}))

    def hear(self) -> dict:
        return json.loads(self.socket.recv(timeout=20))

    def until(self, *fields: str) -> dict:
        """The first message with one of these fields."""
        while True:
            heard = self.hear()
            if any(field in heard for field in fields):
                return heard

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


@contextmanager
def visitor(server: Server, **more: Any) -> Iterator[ClientConnection]:
    with connect(server.url.replace("http", "ws") + "/v1/live", **more) as socket:
        socket.send(json.dumps({"purpose": "try"}))
        yield socket


def wait_for_failures(server: Server, user: str, count: int) -> None:
    """An attempt is charged when it begins, and forgiven a moment after it was cut off."""
    deadline = time.monotonic() + 10
    while server.call("GET", f"/v1/users/{user}").json()["failures"] != count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
