"""A client that waits for each answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from facemotion.client import calls
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

ANSWER_SECONDS = 120.0
"""How long to wait for an answer: an enrolment of several takes may wait for its turn."""


class Client:
    """Talks to one service. Safe to use from several threads; close it, or use it with `with`.

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
        self._http = httpx.Client(**given)

    def enrol(self, user: str, takes: Sequence[ClipSource], *, replace: bool = False, proof: str = "") -> Enrolled:
        """Enrol a user by several takes of one motion.

        Args:
            user: 1 to 128 letters a to z and A to Z, digits and . _ @ + -
            takes: paths or bytes of clips.
            replace: True if the user is enrolled already; the takes replace the old ones.
            proof: needed to replace without a key: the nonce of the user's last attempt, which was accepted.
        Raises:
            ProofError: there is none, or it is too old.
            UserExistsError, UnknownUserError: `replace` says otherwise.
            EnrolmentError, MediaError, AcquisitionError and their kinds: the takes can't become a template.
            ServiceError and its kinds: see the module's errors; `retry_seconds` says when to try again.
        """
        return self._run(calls.enrol(user, takes, replace, proof))

    def nonce(self, user: str, purpose: Purpose = "verify", *, proof: str = "") -> str:
        """A nonce for one attempt; ask for it before the user is recorded.

        Args:
            user: whose attempt it is.
            purpose: what the attempt is for.
            proof: see enrol.
        Raises:
            LockedError: too many failures. ServiceError and its kinds.
        """
        return self._run(calls.nonce(user, purpose, proof))

    def verify(self, user: str, clip: ClipSource, nonce: str = "") -> bool:
        """Whether a clip shows the user's motion.

        Args:
            user: who it should be.
            clip: path or bytes of a clip.
            nonce: from `nonce`; by default a new one is asked for.
        Raises:
            MediaError, AcquisitionError and their kinds: there was nothing to compare.
            ChallengeError: the clip is much like an earlier one, so that it would take a step, which no clip holds;
                record a new one, or verify on the page.
            LockedError: too many failures. ServiceError and its kinds.
        """
        return self._run(calls.verify(user, clip, nonce))

    def start_session(
        self,
        user: str,
        purpose: SessionPurpose = "verify",
        *,
        return_to: str = "",
        frame_origin: str = "",
        state: str = "",
    ) -> Session:
        """Make a session: send the user's browser to its address.

        Args:
            user: who is to verify or enrol.
            purpose: the one thing that the page does.
            return_to: address that it returns to, one of `return_addresses` in the service's settings.
            frame_origin: origin of your page that frames it, one of `frame_origins`.
            state: text of your own that comes back with the code; use a different one for each browser.
        Raises:
            ReturnAddressError: the settings don't list the address or the origin.
            UserExistsError, UnknownUserError: the purpose says otherwise. ServiceError and its kinds.
        """
        return self._run(calls.start_session(user, purpose, return_to, frame_origin, state))

    def session_result(self, session: str, code: str = "") -> SessionResult:
        """How a session stands. Where the service gives no result, `accepted` of the answer is None.

        Args:
            session: its id, `Session.id`.
            code: from the page's return. A session with an address to return to, or in a frame, gives its result only
                for it, once.
        Raises:
            SessionError: this key made no such session.
            CodeError: the code is used, expired or of another session.
        """
        return self._run(calls.session_result(session, code))

    def status(self, user: str) -> dict[str, Any]:
        """How a user stands; the fields of UserStatus in docs/reference/service.md."""
        return self._run(calls.status(user))

    def users(self, after: str = "", *, limit: int = 100, find: str = "", outdated: bool = False) -> UserPage:
        """Who is enrolled, page by page; for administrators.

        Args:
            after: `next` of the page before; "" for the first page.
            limit: most users on a page, 1 to 1000.
            find: text that a name must contain, in capital or small letters.
            outdated: only those whose template is of an earlier model.
        """
        return self._run(calls.users(after, limit, find, outdated))

    def delete(self, user: str, *, proof: str = "") -> None:
        """Delete everything kept of a user.

        Args:
            user: name of the user.
            proof: see `enrol`; needed without a key.
        Raises:
            UnknownUserError: nobody of that name is enrolled.
        """
        self._run(calls.delete(user, proof))

    def unlock(self, user: str) -> None:
        """Forget the failures of a user; for administrators."""
        self._run(calls.unlock(user))

    def models(self) -> dict[str, Any]:
        """The models in use and the threshold with its evidence."""
        return self._run(calls.models())

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        try:
            call = next(steps)
            while True:
                call = steps.send(self._ask(call))
        except StopIteration as done:
            result: T = done.value
            return result

    def _ask(self, call: calls.Call) -> dict[str, Any]:
        try:
            answer = self._http.request(call.method, call.path, **call.more)
        except self._transport_error as error:
            raise calls.unreachable(error) from error
        return calls.content(answer)
