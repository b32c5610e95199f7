"""Running the service: uvicorn, with a limit to its patience."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import Multiprocess

from facemotion.config import to_toml
from facemotion.errors import BusyError, SettingsError, WriteError
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.guard.limits import RETRY_SECONDS
from facemotion.service.http.responses import respond
from facemotion.service.migrate import open_database
from facemotion.service.problems import problem_of
from facemotion.service.settings import LimitSettings, ServiceSettings, check_exposure

APP = "facemotion.service.http.app:from_environment"

GRACEFUL_SECONDS = 10
"""How long a server that is stopped waits for answers under way."""
MOST_MESSAGE_BYTES = 2 * 2**20
"""Largest message of a live session; a frame of the page has some 40,000 bytes."""
UNREAD_SECONDS = 30.0
"""A client that takes none of its answer for so long is cut off."""
PARTING_SECONDS = 1.0
"""How long a connection beyond the limit stays open after its answer. Closed at once, with a request on its way, it
would be reset, and the client would lose the answer. It may take as long to say what it asks."""
PARTING_LEAST = 8
"""As many connections may be parting at a time, or as many as the limit allows, if that is more; the next is closed at
once and may be reset before it has read its answer."""

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "facemotion": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection which doesn't get the head of a request together in time, goes on with a body
    that was answered already, or doesn't read; and turns away connections beyond the limit.

    uvicorn itself waits for heads for ever, so that idle connections could use up the server. The limits come from the
    application, by its lifespan state.
    """

    _parting: ClassVar[set[ImpatientProtocol]] = set()
    _timer: asyncio.TimerHandle | None = None
    _patience = 0.0
    _method = b""
    _turned_away = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came: its head must be whole in time."""
        super().connection_made(transport)
        limits: LimitSettings = self.app_state["limits"]
        if len(self.connections) > limits.connections:
            self._part(max(limits.connections, PARTING_LEAST))
            return
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: else who never reads keeps a connection for ever
            transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * UNREAD_SECONDS)
            )
        self._patience = limits.head_seconds
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Bytes came: the timer runs while a head is under way, from its first byte."""
        if self in self._parting:
            self._method = (self._method + data)[:5]
            if not self._turned_away and len(self._method) == 5:
                self._turn_away()
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """An answer went out: what is left of the body that it didn't wait for may not go on for ever."""
        super().on_response_complete()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """A WebSocket takes over; its own rules hold from here."""
        self._cancel()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and so must its timer be."""
        self._cancel()
        self._parting.discard(self)
        super().connection_lost(exc)

    def _part(self, most: int) -> None:
        """Have the connection closed once it was answered, or at once where `most` are parting."""
        self.connections.discard(self)  # its place is free for the next one
        if len(self._parting) >= most:
            self.transport.write(_busy_answer(self.server_state.default_headers, body=False))
            self.transport.close()
            return
        self._parting.add(self)
        self._timer = self.loop.call_later(PARTING_SECONDS, self._turn_away)

    def _turn_away(self) -> None:
        """Answer as soon as the method is known, which decides whether there is a body; close a little later."""
        self._cancel()
        self._turned_away = True
        self.transport.write(_busy_answer(self.server_state.default_headers, body=self._method != b"HEAD "))
        if self.transport.can_write_eof():  # not under TLS
            self.transport.write_eof()
        self._timer = self.loop.call_later(PARTING_SECONDS, self.transport.close)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE and not self._answered_early():
            self._cancel()
        elif self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self._patience, self._too_slow)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        idle = self.conn.their_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete)
        if idle or self._answered_early():
            self.transport.close()

    def _answered_early(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY and self.cycle is not None and self.cycle.response_complete


def _busy_answer(headers: list[tuple[bytes, bytes]], *, body: bool) -> bytes:
    """A whole HTTP answer of status 503.

    Args:
        headers: of every answer of the server.
        body: whether a Problem is its body. Where it has none, its head says nothing of one: it answers any method.
    """
    error = BusyError("The service has too many open connections; try again shortly.", retry_seconds=RETRY_SECONDS)
    answer = respond(503, problem_of(error), {"connection": "close"})
    if not body:
        del answer.headers["content-length"], answer.headers["content-type"]
    lines = [b"HTTP/1.1 503 Service Unavailable"]
    lines += [name + b": " + value for name, value in (*headers, *answer.raw_headers)]
    return b"\r\n".join([*lines, b"", bytes(answer.body) if body else b""])


def uvicorn_config(app: Any, settings: ServiceSettings, *, factory: bool = False) -> uvicorn.Config:
    """How uvicorn runs the application.

    Args:
        app: the application, or the name of a function that makes it (then `factory`).
    """
    server = settings.server
    return uvicorn.Config(
        app,
        factory=factory,
        host=server.host,
        port=server.port,
        root_path=server.root_path,
        workers=server.workers,
        http=ImpatientProtocol,
        ws="websockets-sansio",
        ws_max_size=MOST_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # JPEGs don't get smaller
        lifespan="on",
        proxy_headers=False,  # a caller's address is what the socket says, never what a header claims
        server_header=False,
        access_log=False,
        log_config=LOGGING,
        ssl_certfile=server.tls_certificate or None,
        ssl_keyfile=server.tls_key or None,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def serve(store: str, settings: ServiceSettings, announce: Callable[[str], None]) -> None:
    """Listen until stopped.

    Args:
        store: path or URL. settings: all of the service. announce: called with the address once the port is taken.
    Raises:
        SettingsError: the address can't be listened on, or not without TLS and a key.
        WriteError: there is no folder for temporary files.
    """
    with open_database(store) as database:
        check_exposure(settings.server, ApiKeys(database).count_valid())
    with _temporary_folder() as folder:
        # Worker processes are made anew and read everything from their environment.
        (Path(folder) / "service.toml").write_text(to_toml(settings), "utf-8")
        os.environ["FACEMOTION_SERVICE"] = str(Path(folder) / "service.toml")
        os.environ["FACEMOTION_STORE"] = store
        if settings.server.workers > 1:
            os.environ["FACEMOTION_METRICS"] = folder
        config = uvicorn_config(APP, settings, factory=True)
        with _listen(settings) as listener:
            scheme = "https" if settings.server.tls_certificate else "http"
            host = f"[{settings.server.host}]" if ":" in settings.server.host else settings.server.host
            announce(f"{scheme}://{host}:{listener.getsockname()[1]}")
            if settings.server.workers > 1:
                Multiprocess(config, sockets=[listener]).run()
            else:
                uvicorn.Server(config).run(sockets=[listener])


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="facemotion-")
    except OSError as error:
        raise WriteError(
            f"The service can't make its folder for temporary files ({error.strerror}); set TMPDIR to a folder that it "
            "may write to."
        ) from error


def _listen(settings: ServiceSettings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(f"Can't listen on {host} port {port}: {error.strerror}; choose another.") from error
    listener.set_inheritable(True)
    return listener
