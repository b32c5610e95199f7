"""Running the service: uvicorn, with a limit to its patience."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from facemotion.config import to_toml
from facemotion.errors import SettingsError, WriteError
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.guard.history import check_coverage
from facemotion.service.http.access_log import logging_config
from facemotion.service.http.connections import BoundedSocket, ImpatientProtocol, TlsOpening
from facemotion.service.http.webhooks import read_secret
from facemotion.service.migrate import open_database
from facemotion.service.settings import ServiceSettings, check_exposure, tls_context

log = logging.getLogger("facemotion.service")

APP = "facemotion.service.http.app:from_environment"

BACKLOG = 512
"""Connections that the system holds for the service; as many are taken at a time, before any can be closed."""
GRACEFUL_SECONDS = 10
"""How long a server that is stopped waits for answers under way."""
MOST_MESSAGE_BYTES = 2 * 2**20
"""Largest message of a live session; a frame of the page has some 40,000 bytes."""


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
        backlog=BACKLOG,
        http=TlsOpening if server.tls_certificate else ImpatientProtocol,
        ws=BoundedSocket,
        ws_max_size=MOST_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # JPEGs don't get smaller
        lifespan="on",
        proxy_headers=False,  # a caller's address is what the socket says, never what a header claims
        server_header=False,
        access_log=False,
        log_config=logging_config(server.log),
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def serve(store: str, settings: ServiceSettings, announce: Callable[[str], None]) -> None:
    """Listen until stopped.

    Args:
        store: path or URL.
        settings: all of the service.
        announce: called with the address once the port is taken.
    Raises:
        SettingsError: the address can't be listened on, or not without TLS and a key; the certificate or the webhook's
            secret is no use.
        WriteError: there is no folder for temporary files.
        AuditError: something is stored that is newer than the audit trail knows.
    """
    if settings.sessions.webhook:
        read_secret(settings.sessions.webhook_secret)  # a mistake in it is told now, not by every worker
    tls_context(settings.server)  # what is wrong with it is told here too
    with open_database(store) as database:
        with database.read() as connection:
            check_coverage(database, connection)  # told here by name; every worker looks again
        keys = ApiKeys(database)
        check_exposure(settings.server, keys.count_valid())
        if strange := [key.id for key in keys.list() if not key.sealed]:
            log.warning(
                "API keys without a seal don't count (%s): an earlier version made them, or somebody else did. See "
                "`facemotion keys list` and `facemotion store seal`.",
                ", ".join(strange),
            )
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
