"""Settings of the service: a TOML file named by `--service` or FACEMOTION_SERVICE."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from facemotion.config import option
from facemotion.errors import SettingsError

ROOT_PATH = re.compile(
    r"(?!/(?:v1|static|admin|docs|health|ready|metrics|openapi\.json)(?:/|$))(?:/(?!\.{1,2}(?:/|$))[\w.~-]+)*", re.ASCII
)
"""A stripped path must not look like one that still has its prefix; browsers and proxies resolve . and .. away."""


@dataclass(frozen=True)
class ServerSettings:
    """Where the service listens and who may call it."""

    host: str = option("127.0.0.1", "address to listen on")
    port: int = option(8470, "port to listen on; 0 takes a free one", minimum=0, maximum=65535)
    workers: int = option(1, "server processes on the same port", minimum=1, maximum=64)
    root_path: str = option("", "path that a proxy serves the service under, such as /face; it may strip it or not")
    tls_certificate: str = option("", "PEM file of the certificate chain; needed beyond loopback")
    tls_key: str = option("", "PEM file of the certificate's private key")
    tls_ended_by_proxy: bool = option(
        False, "a proxy before the service ends TLS, so plain HTTP beyond loopback is allowed"
    )
    keyless_on_loopback: bool = option(
        True, "callers on this machine may enrol and verify without a key; false behind a proxy"
    )
    try_it: str = option(
        "this-machine",
        "who may compare two takes of their own on the page, without an account",
        choices=("off", "this-machine", "anyone"),
    )
    log: str = option("text", "lines of the log", choices=("text", "json"))

    def __post_init__(self) -> None:
        if not ROOT_PATH.fullmatch(self.root_path):
            raise ValueError(
                "root_path must begin with / and not end with it, such as /face; it may hold no . or .., nor be a path "
                "of an endpoint"
            )
        if self.tls_ended_by_proxy and self.keyless_on_loopback:
            raise ValueError(
                "behind a proxy every caller seems to come from this machine: set keyless_on_loopback = false where "
                "tls_ended_by_proxy is true"
            )


@dataclass(frozen=True)
class LimitSettings:
    """What one caller, and all together, may ask for."""

    body_mebibytes: float = option(40.0, "largest request body, all takes together", unit="MiB", minimum=0.01)
    head_seconds: float = option(
        10.0, "time that a connection has to send the head of a request", unit="s", minimum=0.1
    )
    upload_seconds: float = option(20.0, "time that a body has to arrive", unit="s", minimum=0.1)
    concurrency: int = option(2, "threads that analyse clips and live frames, a worker", minimum=1, maximum=256)
    queue: int = option(8, "requests that may wait for such a thread, a worker; more get 503", minimum=0, maximum=10000)
    queue_seconds: float = option(10.0, "longest time that a request waits for its turn", unit="s", minimum=0.01)
    analysis_seconds: float = option(15.0, "reading and analysing one clip may take", unit="s", minimum=0.1)
    wasted_seconds: float = option(
        20.0,
        "time a minute that one key may spend on unreadable clips of one user, a worker; on those of all its users "
        "three times as much; more get 429",
        unit="s",
        minimum=0.1,
    )
    connections: int = option(200, "open connections, a worker; more get 503", minimum=1, maximum=100000)
    requests_per_minute: float = option(
        600.0, "requests of one key (or address without one), a worker; more get 429", unit="1/min", minimum=1
    )
    wrong_keys_per_minute: float = option(
        30.0, "unknown keys and live nonces of one address, a worker; more get 429", unit="1/min", minimum=1
    )
    live_sessions: int = option(10, "live sessions at once, a worker; more get 503", minimum=1, maximum=1000)


@dataclass(frozen=True)
class AttemptSettings:
    """Nonces and the lock that failures close."""

    nonce_seconds: float = option(120.0, "a nonce is good for", unit="s", minimum=1, maximum=86400)
    open_nonces: int = option(20, "unused nonces that a key has of one user; more get 429", minimum=1, maximum=10000)
    free_failures: int = option(5, "failures before the first wait", minimum=1, maximum=1000)
    wait_seconds: float = option(30.0, "first wait; it doubles with every further failure", unit="s", minimum=0.01)
    longest_wait_seconds: float = option(3600.0, "no wait is longer", unit="s", minimum=0.01)
    lock_failures: int = option(50, "failures after which only an administrator unlocks", minimum=1, maximum=100000)

    def __post_init__(self) -> None:
        if self.free_failures > self.lock_failures:
            raise ValueError("free_failures must not exceed lock_failures")
        if self.wait_seconds > self.longest_wait_seconds:
            raise ValueError("wait_seconds must not exceed longest_wait_seconds")


@dataclass(frozen=True)
class ReplaySettings:
    """When an attempt counts as a replay of an earlier one."""

    likeness: float = option(
        0.82,
        "two attempts count as the same recording from this correlation of the movements of head and face on",
        minimum=0,
        maximum=1,
    )
    piece_likeness: float = option(
        0.92,
        "two attempts count as the same recording if short pieces of one, each where it fits best in the other, have "
        "this mean agreement or more",
        minimum=0,
        maximum=1,
    )
    joined_likeness: float = option(
        0.93,
        "the same where each short piece may lie in either of two earlier recordings of the user",
        minimum=0,
        maximum=1,
    )
    warped_likeness: float = option(
        0.78,
        "two attempts count as the same recording if at least this share of one's movement lies on the way that the "
        "other took, however its clock runs",
        minimum=0,
        maximum=1,
    )
    found_share: float = option(
        0.5,
        "an attempt counts as a replay if this share of its movement lies in longer pieces that earlier recordings of "
        "the user hold, one or several",
        minimum=0.01,
        maximum=1,
    )
    surface_likeness: float = option(
        0.78,
        "two attempts count as the same recording from this correlation of how the face changes on, whatever moves or "
        "covers the picture",
        minimum=0,
        maximum=1,
    )
    surface_piece_likeness: float = option(0.93, "as piece_likeness, of how the face changes", minimum=0, maximum=1)
    surface_joined_likeness: float = option(0.94, "as joined_likeness, of how the face changes", minimum=0, maximum=1)
    surface_warped_likeness: float = option(0.74, "as warped_likeness, of how the face looks", minimum=0, maximum=1)
    doubt: float = option(
        0.1,
        "an attempt is in doubt if surface_likeness or surface_warped_likeness is missed by no more than this",
        minimum=0,
        maximum=1,
    )
    motion_ratio: float = option(
        0.6,
        "two attempts count as the same recording if their courses differ by less than this share of their own change",
        minimum=0,
    )
    frame_share: float = option(
        0.1,
        "two attempts count as the same recording if this share of their frames is equal, pixel by pixel",
        minimum=0.001,
        maximum=1,
    )
    frozen_seconds: float = option(0.8, "longest run of equal frames", unit="s", minimum=0.1)
    one_face: float = option(
        0.93,
        "a clip counts as one of two people if some frames in a row are less like all others, as a correlation",
        minimum=-1,
        maximum=1,
    )
    loop_ratio: float = option(
        0.5,
        "a video counts as a loop if the face a period later differs by less than this share of its own change",
        minimum=0,
    )
    remembered: int = option(
        50, "accepted attempts remembered of each user, and as many others", minimum=1, maximum=100000
    )
    remembered_takes: int = option(
        100,
        "enrolment takes remembered of each user, those of earlier enrolments among them",
        minimum=5,
        maximum=100000,
    )


@dataclass(frozen=True)
class ChallengeSettings:
    """Whether a verification asks for a step that nobody can foresee."""

    when: str = option(
        "doubt",
        "doubt: a verification that is much like an earlier recording asks for a random step after the motion, such as "
        "looking to the left, and a clip that is so is refused; after: each asks for one, and clips can't be verified",
        choices=("off", "doubt", "after"),
    )
    seconds: float = option(5.0, "the step may take", unit="s", minimum=2, maximum=20)


@dataclass(frozen=True)
class RenewalSettings:
    """Whether users of an earlier encoder get a template of the present one without enrolling again."""

    takes: int = option(
        0,
        "a user of an earlier encoder gets a template of the present one after this number of accepted attempts that "
        "are like each other; it is made of them; 0: never",
        minimum=0,
        maximum=20,
    )

    def __post_init__(self) -> None:
        if self.takes == 1:
            raise ValueError("takes of [renewal] must be 0, or 2 and more: one attempt says too little of a motion")


@dataclass(frozen=True)
class AuditSettings:
    """How long the audit trail is kept."""

    keep_days: int = option(
        0, "rows of the audit trail are kept for; 0: for ever", unit="days", minimum=0, maximum=36500
    )


@dataclass(frozen=True)
class SessionSettings:
    """Sessions that back ends send their users to the page for, and where these may go from there."""

    page_address: str = option("", "address of the page for the world, such as https://verify.example.com/face/")
    return_addresses: tuple[str, ...] = option((), "addresses that a session may return to, exactly as it names them")
    frame_origins: tuple[str, ...] = option((), "origins that may frame the page, such as https://shop.example.com")
    session_seconds: float = option(600.0, "a session is good for", unit="s", minimum=1, maximum=86400)
    tries: int = option(3, "rejected verifications after which a session ends", minimum=1, maximum=100)
    open_sessions: int = option(20, "unfinished sessions a key has of one user; more get 429", minimum=1, maximum=10000)
    code_seconds: float = option(120.0, "a code is good for", unit="s", minimum=1, maximum=3600)
    result_seconds: float = option(
        3600.0, "a session is kept after its end, or after it expired", unit="s", minimum=1, maximum=30 * 86400
    )
    webhook: str = option("", "address that results are sent to by POST; none where it is empty")
    webhook_secret: str = option("", "file with the secret that these are signed with, at least 32 bytes")
    webhook_seconds: float = option(5.0, "the webhook must answer within", unit="s", minimum=0.05, maximum=60)
    webhook_tries: int = option(8, "times that a result is sent before it is given up", minimum=1, maximum=30)
    webhook_wait_seconds: float = option(
        2.0, "wait before it is sent again; it doubles each time", unit="s", minimum=0.05, maximum=3600
    )

    def __post_init__(self) -> None:
        for address in (*self.return_addresses, self.page_address, self.webhook):
            if address and not is_web_address(address):
                raise ValueError(
                    f"{address!r} must be an address by https, or by http on this machine, without a fragment or a "
                    "password"
                )
        for origin in self.frame_origins:
            if not is_web_address(origin) or urlsplit(origin)._replace(scheme="", netloc="").geturl():
                raise ValueError(f"{origin!r} must be an origin, such as https://shop.example.com, without a path")
        if self.page_address and not self.page_address.endswith("/"):
            raise ValueError("page_address must end with /, as the page is asked for")
        if self.webhook and not self.webhook_secret:
            raise ValueError("webhook needs webhook_secret: a file with at least 32 bytes that nobody can guess")


@dataclass(frozen=True)
class StudySettings:
    """Whether the page records clips of people who take part in a study, and what it asks of them."""

    folder: str = option("", "folder that clips of a study are kept in; no studies where it is empty")
    consent: str = option("", "file with the text that people agree to; a short one of ours where it is empty")
    motions: tuple[str, ...] = option(("own",), "names of the motions that each person makes, in their order")
    takes: int = option(3, "takes of each motion", minimum=1, maximum=99)

    def __post_init__(self) -> None:
        if not self.motions or len(set(self.motions)) < len(self.motions):
            raise ValueError("motions of [study] must hold one name at least, and none of them twice")


@dataclass(frozen=True)
class ServiceSettings:
    """All settings of the service."""

    server: ServerSettings = field(default_factory=ServerSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    attempts: AttemptSettings = field(default_factory=AttemptSettings)
    replay: ReplaySettings = field(default_factory=ReplaySettings)
    challenge: ChallengeSettings = field(default_factory=ChallengeSettings)
    renewal: RenewalSettings = field(default_factory=RenewalSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    sessions: SessionSettings = field(default_factory=SessionSettings)
    study: StudySettings = field(default_factory=StudySettings)


WITHOUT_ZEROS = r"^[^\x00]*$"
"""Text that every database takes: PostgreSQL keeps no zero character, and SQLite ends a search there."""
USER_PATTERN = r"^[A-Za-z0-9_@+-][A-Za-z0-9._@+-]{0,127}$"
"""Names of users that the service takes; the store takes more."""
USER_RULE = (
    "A user name has 1 to 128 letters a to z and A to Z, digits and . _ @ + - and doesn't begin with a dot; give an id "
    "of these."
)
"""What USER_PATTERN says, for people."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


def is_loopback(host: str) -> bool:
    """Whether an address to listen on, or of a caller, is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_web_address(text: str) -> bool:
    """Whether a text is an absolute address that a browser may be sent to: https, or http on this machine alone."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    # What browsers drop or read in another way than we do has no place in it; nor have names of rights to a host.
    plain = text.isascii() and text.isprintable() and not set(text) & set(" \\<>\"'`{}|^#@;,*")
    return plain and bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host or "")))


def check_exposure(settings: ServerSettings, keys: int) -> None:
    """Refuse to listen beyond this machine without TLS and a key.

    Args:
        settings: as the server will run.
        keys: number of API keys that aren't revoked.
    Raises:
        SettingsError: TLS or a key is missing, or only half of TLS is given.
    """
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingsError("TLS needs both tls_certificate and tls_key; give the other one too.")
    if is_loopback(settings.host):
        return
    if not (settings.tls_certificate or settings.tls_ended_by_proxy):
        raise SettingsError(
            f"Listening on {settings.host} needs TLS: give tls_certificate and tls_key, or tls_ended_by_proxy = true "
            "where a proxy before the service does it."
        )
    if not keys:
        raise SettingsError(
            f"Listening on {settings.host} needs an API key: make one with `facemotion keys add NAME --role verify`."
        )


def tls_context(server: ServerSettings) -> ssl.SSLContext | None:
    """By which connections are encrypted; None where they aren't.

    Raises:
        SettingsError: the certificate or its key can't be read.
    """
    if not (server.tls_certificate and server.tls_key):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(server.tls_certificate, server.tls_key)
    except OSError as error:  # of TLS as well
        raise SettingsError(
            f"tls_certificate or tls_key can't be used ({error.strerror or error}); give PEM files that belong "
            "together."
        ) from error
    return context
