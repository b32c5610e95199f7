"""What a client asks of the service, apart from how requests travel.

Each function is a generator: it gives the requests that it needs and is sent their answers, so that the blocking client
and the one for asyncio are the same but for the waiting.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from facemotion import errors
from facemotion.errors import MissingExtraError, ServerFaultError, ServiceError, UsageError

if TYPE_CHECKING:
    import httpx

ClipSource = Path | str | bytes
Purpose = Literal["verify", "enrol", "enrol-again"]
SessionPurpose = Literal["verify", "enrol", "enrol-again", "study"]
RETRY_SECONDS = 2.0
"""When to try again where the service can't be reached, in seconds."""
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One request, as `request` of httpx takes it."""

    method: str
    path: str
    more: dict[str, Any] = field(default_factory=dict)


Steps = Generator[Call, dict[str, Any], T]


@dataclass(frozen=True)
class Enrolled:
    """What became of an enrolment.

    Attributes:
        takes: number of takes kept.
        warnings: sentences of the service about weaknesses of the motion.
    """

    takes: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class UserPage:
    """Some of those who are enrolled.

    Attributes:
        users: of each the fields of UserStatus in docs/reference/service.md.
        next: give it as `after` to get the next page; "" on the last page.
        total: number of enrolled users.
        outdated: how many of them have a template of an earlier model. Both are None after the first page.
    """

    users: tuple[Mapping[str, Any], ...]
    next: str
    total: int | None
    outdated: int | None


@dataclass(frozen=True)
class Session:
    """A session that was made.

    Attributes:
        id: ask for the result with it.
        address: of the page; send the user's browser there.
        expires_seconds: how long it is good for.
    """

    id: str
    address: str
    expires_seconds: float


@dataclass(frozen=True)
class SessionResult:
    """How a session stands.

    Attributes:
        id: of the session.
        user, purpose, state: as it was made with.
        status: "waiting" until a browser opens the page, "opened", "ended" or "expired".
        accepted: whether the user was verified, or enrolled. None where the service gives no result: it hasn't ended,
            or returns somewhere and wasn't asked for with its code.
        reason: class of the reason, such as "rejected" or "cancelled"; "" where `accepted` is None.
        evidence: factors, quality, operating_point, encoder and ended_at; the fields of SessionOutcome in
            docs/reference/service.md.
    """

    id: str
    user: str
    purpose: str
    state: str
    status: str
    accepted: bool | None
    reason: str
    evidence: Mapping[str, Any]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> SessionResult:
        """Of a SessionResult as the service sends it."""
        outcome = answer["result"] or {"accepted": None, "reason": ""}
        evidence = {name: value for name, value in outcome.items() if name not in ("accepted", "reason")}
        names = ("user", "purpose", "state", "status")
        own = {name: str(answer[name]) for name in names}
        return cls(
            id=answer["session"],
            accepted=None if outcome["accepted"] is None else outcome["accepted"] is True,
            reason=outcome["reason"],
            evidence=evidence,
            **own,
        )


def enrol(user: str, takes: Sequence[ClipSource], replace: bool, proof: str) -> Steps[Enrolled]:
    """See Client.enrol."""
    files = [("takes", _read(take)) for take in takes]
    given = yield from nonce(user, "enrol-again" if replace else "enrol", proof)
    method = "PUT" if replace else "POST"
    answer = yield Call(method, f"{_of(user)}/enrolment", {"data": {"nonce": given}, "files": files})
    return Enrolled(int(answer["takes"]), tuple(answer["warnings"]))


def nonce(user: str, purpose: Purpose, proof: str = "") -> Steps[str]:
    """See Client.nonce."""
    body = {"purpose": purpose} | ({"proof": proof} if proof else {})
    answer = yield Call("POST", f"{_of(user)}/nonces", {"json": body})
    return str(answer["nonce"])


def verify(user: str, clip: ClipSource, given: str) -> Steps[bool]:
    """See Client.verify."""
    file = _read(clip)
    given = given or (yield from nonce(user, "verify"))
    answer = yield Call("POST", f"{_of(user)}/verify", {"data": {"nonce": given}, "files": [("clip", file)]})
    return bool(answer["accepted"])


def status(user: str) -> Steps[dict[str, Any]]:
    """See Client.status."""
    return (yield Call("GET", _of(user)))


def users(after: str, limit: int, find: str, outdated: bool) -> Steps[UserPage]:
    """See Client.users."""
    query = {"after": after, "limit": limit, "find": find, "outdated": outdated}
    answer = yield Call("GET", "/v1/users", {"params": query})
    return UserPage(tuple(answer["users"]), str(answer["next"]), answer["total"], answer["outdated"])


def delete(user: str, proof: str) -> Steps[None]:
    """See Client.delete."""
    yield Call("DELETE", _of(user), {"params": {"proof": proof}} if proof else {})


def unlock(user: str) -> Steps[None]:
    """See Client.unlock."""
    yield Call("POST", f"{_of(user)}/unlock")


def models() -> Steps[dict[str, Any]]:
    """See Client.models."""
    return (yield Call("GET", "/v1/models"))


def start_session(user: str, purpose: SessionPurpose, return_to: str, frame_origin: str, state: str) -> Steps[Session]:
    """See Client.start_session."""
    body = {"user": user, "purpose": purpose, "return_to": return_to, "frame_origin": frame_origin, "state": state}
    answer = yield Call("POST", "/v1/sessions", {"json": body})
    return Session(str(answer["session"]), str(answer["address"]), float(answer["expires_seconds"]))


def session_result(session: str, code: str) -> Steps[SessionResult]:
    """See Client.session_result."""
    query = {"params": {"code": code}} if code else {}
    answer = yield Call("GET", f"/v1/sessions/{quote(session, safe='')}", query)
    return SessionResult.of(answer)


def arguments(url: str, key: str, seconds: float, ca: Path | str | None) -> dict[str, Any]:
    """What both clients of httpx are made with; see Client.

    Raises:
        UsageError, MissingExtraError: see Client.
    """
    check_address(url)
    if find_spec("httpx") is None:
        raise MissingExtraError("The client needs httpx: pip install '.[client]' in the clone.")
    verify: Any = True
    if ca is not None:
        import ssl

        verify = ssl.create_default_context(cafile=str(ca))
    head = {"authorization": f"Bearer {key}"} if key else {}
    return {"base_url": url, "headers": head, "timeout": seconds, "verify": verify}


def content(answer: httpx.Response) -> dict[str, Any]:
    """The body of an answer.

    Raises:
        FacemotionError and its kinds: the service refused, by that name.
    """
    if answer.is_success:
        return dict(answer.json()) if answer.content else {}
    raise _error(answer)


def unreachable(error: Exception) -> ServiceError:
    """What to raise where no answer came."""
    return ServiceError(
        f"The service can't be reached ({type(error).__name__}); try again shortly.", retry_seconds=RETRY_SECONDS
    )


# White space and control characters, which urlsplit drops or keeps; a % that begins no escape; labels of a host's name
# beyond the 63 letters that DNS allows.
_UNFIT_ADDRESS = re.compile(r"[\s\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})|^\w+://(?:[^/@]*@)?(?:[^/:]*\.)?[^./:\[\]]{64,}")


def check_address(url: str) -> None:
    """Hold an address to what one of a service looks like.

    Raises:
        UsageError: see Client.
    """
    try:
        parts = urlsplit(str(url))
        fit = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of a port that is no number, or a bracket that doesn't close
        fit = False
    if not fit or _UNFIT_ADDRESS.search(str(url)) or parts.query or parts.fragment:
        raise UsageError(
            f"{url!r} isn't the address of a service; give it as https://HOST:PORT, or http://HOST:PORT without TLS."
        )


def _of(user: str) -> str:
    """Where a user stands; quoted whole, so that no name is taken for another one and a query."""
    return f"/v1/users/{quote(user, safe='')}"


def _error(answer: httpx.Response) -> errors.FacemotionError:
    """The named error of a refusal."""
    try:
        body = answer.json()
        name, message, retry = str(body["error"]), str(body["message"]), body.get("retry_seconds")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerFaultError(f"The service answered {answer.status_code} without saying why; see its log.")
    kind = getattr(errors, name, ServiceError)
    if not (isinstance(kind, type) and issubclass(kind, errors.FacemotionError)):
        kind = ServiceError
    return kind(message, retry_seconds=retry) if issubclass(kind, ServiceError) else kind(message)


def _read(source: ClipSource) -> tuple[str, bytes, str]:
    if isinstance(source, bytes):
        return ("clip", source, "application/octet-stream")
    if not isinstance(source, str | Path):
        raise UsageError(f"A clip is the path of a file, or its bytes; got {type(source).__name__}.")
    try:
        return ("clip", Path(source).read_bytes(), "application/octet-stream")
    except FileNotFoundError as error:
        raise errors.UnreadableMediaError(f"There is no file {Path(source).absolute()}; check the path.") from error
    except OSError as error:
        raise errors.UnreadableMediaError(f"Can't read {source}: {error.strerror}.") from error
