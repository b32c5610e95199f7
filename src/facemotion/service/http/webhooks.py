"""Results of sessions, signed and sent by POST to the one address of the settings; sent again if it doesn't answer.

Sending is a task of its own in each worker and has a deadline. So a webhook that hangs or answers by an error delays
only later results. Due results are in the database, so a restart loses nothing. Only one worker at a time sends a
result. A result may arrive twice, if the answer to the first was lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import ssl
import time
from pathlib import Path

import httpx

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


class Webhooks:
    """Sends results of sessions; it belongs to one event loop.

    Args:
        sessions: whose results are sent.
        settings: with a webhook.
    Raises:
        SettingsError: the secret can't be read, or is too short.
    """

    def __init__(self, sessions: Sessions, settings: SessionSettings) -> None:
        self._sessions = sessions
        self._seconds = settings.webhook_seconds
        self._to = settings.webhook
        self._secret = read_secret(settings.webhook_secret)

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        # A connection for each result, to that very address: no redirect, and no proxy, password or certificate that
        # the environment or a .netrc names. Certificates are those that the system trusts.
        async with httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            verify=ssl.create_default_context(),
            timeout=self._seconds,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"user-agent": f"facemotion/{__version__}", "content-type": "application/json"},
        ) as client:
            while True:
                try:
                    await self._send_due(client)
                except StoreError as error:
                    log.warning("Results for the webhook couldn't be looked up: %s", type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)

    async def _send_due(self, client: httpx.AsyncClient) -> None:
        lease = 2 * self._seconds + POLL_SECONDS
        due = await asyncio.to_thread(self._sessions.claim_hooks, lease)
        await asyncio.gather(*(self._send(client, session) for session in due))

    async def _send(self, client: httpx.AsyncClient, session: Session) -> None:
        problem = ""
        try:
            body = messages.SessionResult.of(session, told=True).model_dump_json().encode()
            async with asyncio.timeout(self._seconds):
                signature = sign(body, self._secret, int(time.time()))
                # Streamed, as nothing of the answer is wanted but its status.
                async with client.stream(
                    "POST", self._to, content=body, headers={"facemotion-signature": signature}
                ) as answer:
                    status = answer.status_code
            if not 200 <= status < 300:
                problem = f"status {status}"
        except (TimeoutError, httpx.TimeoutException):
            problem = "no answer in time"
        # No connection, no TLS, an answer that isn't of HTTP, the address of no host, or no result that can be told.
        except (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL) as error:
            problem = type(error).__name__
        if problem:
            log.warning("The webhook didn't take a result: %s", problem)
        await asyncio.to_thread(self._sessions.settle_hook, session.id, problem)


def sign(body: bytes, secret: bytes, at: int) -> str:
    """The value of the head `Facemotion-Signature`: `t=TIME,v1=HMAC`, the HMAC-SHA256 of time, full stop and body.

    Args:
        body: of the request.
        secret: shared with whoever checks it.
        at: seconds since 1970, UTC.
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
