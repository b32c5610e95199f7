"""A client for asyncio; what its methods do, give and raise is written beside those of Client."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from facemotion.client import calls
from facemotion.client.blocking import ANSWER_SECONDS
from facemotion.client.calls import (
    ClipSource,
    Enrolled,
    Purpose,
    Session,
    SessionPurpose,
    SessionResult,
    Steps,
    T,
    UserPage,
)


class AsyncClient:
    """Talks to one service from one event loop; close it, or use it with `async with`.

    Args:
        url: address of the service, such as https://verify.example.com or https://example.com/face.
        key: API key; "" for a service on this machine that admits local callers without one.
        seconds: how long to wait for an answer; an enrolment of several takes can take long on a busy service.
        ca: PEM file of the authority that signed the service's certificate; default: the public authorities.
    Raises:
        UsageError: the address isn't one of a service: it lacks https:// or http://, or the name of a host.
        MissingExtraError: httpx isn't installed.
    """

    def __init__(
        self, url: str, key: str = "", *, seconds: float = ANSWER_SECONDS, ca: Path | str | None = None
    ) -> None:
        given = calls.arguments(url, key, seconds, ca)
        import httpx

        self._transport_error = httpx.TransportError
        self._http = httpx.AsyncClient(**given)

    async def enrol(
        self, user: str, takes: Sequence[ClipSource], *, replace: bool = False, proof: str = ""
    ) -> Enrolled:
        """See Client.enrol."""
        return await self._run(calls.enrol(user, takes, replace, proof))

    async def nonce(self, user: str, purpose: Purpose = "verify", *, proof: str = "") -> str:
        """See Client.nonce."""
        return await self._run(calls.nonce(user, purpose, proof))

    async def verify(self, user: str, clip: ClipSource, nonce: str = "") -> bool:
        """See Client.verify."""
        return await self._run(calls.verify(user, clip, nonce))

    async def start_session(
        self,
        user: str,
        purpose: SessionPurpose = "verify",
        *,
        return_to: str = "",
        frame_origin: str = "",
        state: str = "",
    ) -> Session:
        """See Client.start_session."""
        return await self._run(calls.start_session(user, purpose, return_to, frame_origin, state))

    async def session_result(self, session: str, code: str = "") -> SessionResult:
        """See Client.session_result."""
        return await self._run(calls.session_result(session, code))

    async def status(self, user: str) -> dict[str, Any]:
        """See Client.status."""
        return await self._run(calls.status(user))

    async def users(self, after: str = "", *, limit: int = 100, find: str = "", outdated: bool = False) -> UserPage:
        """See Client.users."""
        return await self._run(calls.users(after, limit, find, outdated))

    async def delete(self, user: str, *, proof: str = "") -> None:
        """See Client.delete."""
        await self._run(calls.delete(user, proof))

    async def unlock(self, user: str) -> None:
        """See Client.unlock."""
        await self._run(calls.unlock(user))

    async def models(self) -> dict[str, Any]:
        """See Client.models."""
        return await self._run(calls.models())

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, steps: Steps[T]) -> T:
        try:
            call = next(steps)
            while True:
                call = steps.send(await self._ask(call))
        except StopIteration as done:
            result: T = done.value
            return result

    async def _ask(self, call: calls.Call) -> dict[str, Any]:
        try:
            answer = await self._http.request(call.method, call.path, **call.more)
        except self._transport_error as error:
            raise calls.unreachable(error) from error
        return calls.content(answer)
