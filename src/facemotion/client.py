"""A client of the service (docs/reference/service.md), for back ends in Python."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote, urlsplit

from facemotion import errors
from facemotion.errors import MissingExtraError, ServerFaultError, ServiceError, UsageError

if TYPE_CHECKING:
    import httpx

ClipSource = Path | str | bytes
ANSWER_SECONDS = 120.0
"""How long to wait for an answer: an enrolment of several takes may wait for its turn."""
RETRY_SECONDS = 2.0
"""When to try again where the service can't be reached, in seconds."""


@dataclass(frozen=True)
class Enrolled:
    """What became of an enrolment.

    Attributes:
        takes: number of takes kept. warnings: what the service found weak about the motion, in its words.
    """

    takes: int
    warnings: tuple[str, ...]


class Client:
    """Talks to one service. Safe to use from several threads; close it, or use it with `with`.

    Args:
        url: address of the service, such as https://verify.example.com or https://example.com/face.
        key: API key; "" for a service on this machine that lets its own in.
        seconds: how long to wait for an answer; a busy service takes its time over an enrolment of several takes.
        ca: PEM file of the authority that signed the service's certificate; default: those that everyone trusts.
    Raises:
        UsageError: the address isn't one of a service: it lacks https:// or http://, or the name of a host.
        MissingExtraError: httpx isn't installed.
    """

    def __init__(
        self, url: str, key: str = "", *, seconds: float = ANSWER_SECONDS, ca: Path | str | None = None
    ) -> None:
        _check_address(url)
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError("The client needs httpx: pip install '.[client]' in the clone.") from error
        self._transport_error = httpx.TransportError
        verify: Any = True
        if ca is not None:
            import ssl

            verify = ssl.create_default_context(cafile=str(ca))
        head = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=head, timeout=seconds, verify=verify)

    def enrol(self, user: str, takes: Sequence[ClipSource], *, replace: bool = False) -> Enrolled:
        """Enrol a user by several takes of one motion.

        Args:
            user: 1 to 128 letters a to z and A to Z, digits and . _ @ + -
            takes: paths or bytes of clips.
            replace: the user is enrolled already and gets these takes in place of the old ones.
        Raises:
            UserExistsError, UnknownUserError: `replace` says otherwise.
            EnrolmentError, MediaError, AcquisitionError and their kinds: the takes can't become a template.
            ServiceError and its kinds: see the module's errors; `retry_seconds` says when to try again.
        """
        files = [("takes", _read(take)) for take in takes]
        nonce = self.nonce(user, "enrol-again" if replace else "enrol")
        method = "PUT" if replace else "POST"
        answer = self._call(method, f"{_of(user)}/enrolment", data={"nonce": nonce}, files=files)
        return Enrolled(int(answer["takes"]), tuple(answer["warnings"]))

    def nonce(self, user: str, purpose: Literal["verify", "enrol", "enrol-again"] = "verify") -> str:
        """A nonce for one attempt; ask for it before the user is recorded.

        Raises:
            LockedError: too many failures. ServiceError and its kinds.
        """
        return str(self._call("POST", f"{_of(user)}/nonces", json={"purpose": purpose})["nonce"])

    def verify(self, user: str, clip: ClipSource, nonce: str = "") -> bool:
        """Whether a clip shows the user's motion.

        Args:
            nonce: one asked for earlier; default: one is asked for now.
        Raises:
            MediaError, AcquisitionError and their kinds: there was nothing to compare.
            LockedError: too many failures. ServiceError and its kinds.
        """
        file = _read(clip)
        nonce = nonce or self.nonce(user)
        answer = self._call("POST", f"{_of(user)}/verify", data={"nonce": nonce}, files=[("clip", file)])
        return bool(answer["accepted"])

    def status(self, user: str) -> dict[str, Any]:
        """How a user stands; the fields of UserStatus in docs/reference/service.md."""
        return self._call("GET", _of(user))

    def delete(self, user: str) -> None:
        """Delete everything kept of a user.

        Raises:
            UnknownUserError: nobody of that name is enrolled.
        """
        self._call("DELETE", _of(user))

    def unlock(self, user: str) -> None:
        """Forget the failures of a user; for administrators."""
        self._call("POST", f"{_of(user)}/unlock")

    def models(self) -> dict[str, Any]:
        """The models in use and the threshold with its evidence."""
        return self._call("GET", "/v1/models")

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **body)
        except self._transport_error as error:
            raise ServiceError(
                f"The service can't be reached ({type(error).__name__}); try again shortly.",
                retry_seconds=RETRY_SECONDS,
            ) from error
        if answer.is_success:
            return dict(answer.json()) if answer.content else {}
        raise _error(answer)


# White space and control characters, which urlsplit drops or keeps; a % that begins no escape; labels of a host's name
# beyond the 63 letters that DNS allows.
_UNFIT_ADDRESS = re.compile(r"[\s\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})|^\w+://(?:[^/@]*@)?(?:[^/:]*\.)?[^./:\[\]]{64,}")


def _check_address(url: str) -> None:
    """
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
