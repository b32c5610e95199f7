"""Results of sessions, sent by POST to the one address of the settings, signed, and again where it doesn't answer.

Sending is the worker's own task and has a deadline: a webhook that hangs or answers by an error holds up nothing but
later results for the same webhook. What is due stands in the database, so that a restart loses nothing; of several
workers each result has one at a time. A result may arrive twice, where the answer was lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import ssl
import time
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from facemotion import __version__
from facemotion.errors import SettingsError, StoreError
from facemotion.service.guard.sessions import Session, Sessions
from facemotion.service.http import messages
from facemotion.service.settings import SessionSettings

log = logging.getLogger("facemotion.service")
POLL_SECONDS = 1.0
"""How often is looked for results that are due."""
LEAST_SECRET = 32
"""Bytes of the secret that results are signed with."""
MOST_LINE = 4096
"""Bytes of the answer that are read at most: its first line."""


class Webhooks:
    """Sends results of sessions; it belongs to one event loop.

    Args:
        sessions: whose results are sent. settings: with a webhook.
    Raises:
        SettingsError: the secret can't be read, or is too short.
    """

    def __init__(self, sessions: Sessions, settings: SessionSettings) -> None:
        self._sessions = sessions
        self._seconds = settings.webhook_seconds
        self._to = urlsplit(settings.webhook)
        self._secret = read_secret(settings.webhook_secret)
        self._tls = ssl.create_default_context() if self._to.scheme == "https" else None

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            try:
                await self._send_due()
            except StoreError as error:
                log.warning("Results for the webhook couldn't be looked up: %s", type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _send_due(self) -> None:
        lease = 2 * self._seconds + POLL_SECONDS
        due = await asyncio.to_thread(self._sessions.claim_hooks, lease)
        await asyncio.gather(*(self._send(session) for session in due))

    async def _send(self, session: Session) -> None:
        body = messages.SessionResult.of(session, told=True).model_dump_json().encode()
        problem = ""
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._post(body)
            if not 200 <= status < 300:
                problem = f"status {status}"
        except TimeoutError:
            problem = "no answer in time"
        except (OSError, ValueError) as error:  # no connection, no TLS, or an answer that isn't of HTTP
            problem = type(error).__name__
        if problem:
            log.warning("The webhook didn't take a result: %s", problem)
        await asyncio.to_thread(self._sessions.settle_hook, session.id, problem)

    async def _post(self, body: bytes) -> int:
        """The status that the webhook answers with. No redirect is followed, and no more of the answer is read."""
        reader, writer = await asyncio.open_connection(
            self._to.hostname, self._to.port or (443 if self._tls else 80), ssl=self._tls, limit=MOST_LINE
        )
        try:
            writer.write(_request(self._to, sign(body, self._secret, int(time.time())), body))
            await writer.drain()
            version, _, rest = (await reader.readline()).partition(b" ")
            if not version.startswith(b"HTTP/1."):
                raise ValueError("The webhook doesn't speak HTTP.")
            return int(rest[:3])
        finally:
            writer.transport.abort()  # a webhook that never closes isn't waited for


def sign(body: bytes, secret: bytes, at: int) -> str:
    """The value of the head `Facemotion-Signature`: `t=TIME,v1=HMAC`, the HMAC-SHA256 of time, full stop and body.

    Args:
        body: of the request. secret: shared with whoever checks it. at: seconds since 1970, UTC.
    """
    digest = hmac.new(secret, b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def read_secret(path: str) -> bytes:
    """The secret of a file, without white space around it.

    Raises:
        SettingsError: there is no such file, or the secret is too short.
    """
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"webhook_secret: {path} can't be read ({error.strerror}).") from error
    if len(secret) < LEAST_SECRET:
        raise SettingsError(
            f"webhook_secret: the secret has {len(secret)} bytes, and {LEAST_SECRET} are needed; make one with "
            "`openssl rand -hex 32`."
        )
    return secret


def _request(to: SplitResult, signature: str, body: bytes) -> bytes:
    target = (to.path or "/") + (f"?{to.query}" if to.query else "")
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {to.netloc}",
        f"User-Agent: facemotion/{__version__}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Facemotion-Signature: {signature}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
