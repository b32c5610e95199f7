"""Whether users get through while somebody attacks the service in many ways at once.

    python benchmarks/service_attacked.py [--seconds 120] [--clients 2] [--workers 2] [--write]

Starts `facemotion serve` on loopback. CLIENTS users verify with clips of a second, by a key of theirs, and pause
between two attempts. First nobody else is there. Then an attacker with a key of their own, at another address of
loopback, does all at once and again and again what ATTACKS lists. An attempt got through if a comparison answers it
within ten seconds; busy answers are tried again until then. With --write the figures go into docs/results/security.md.
Other load on the machine moves them.
"""

from __future__ import annotations

import argparse
import base64
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import httpx
from hostile import bomb
from sections import write_section
from serving import STILL, served, take

import facemotion as fm
from facemotion.errors import BusyError, FacemotionError, LockedError, RateError
from facemotion.service.guard.auth import ApiKeys
from facemotion.service.migrate import open_database

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
PATIENCE = 10.0
"""Seconds within which a user wants an answer."""
PAUSE = 1.0
"""Seconds between two attempts of a user."""
ELSEWHERE = "127.0.0.2"
"""Where the attacker's connections come from: another address than the users'."""
MARK = 0.9
"""Share of attempts that must get through under attack."""


@dataclass
class Attacker:
    """Somebody with a key of the role verify.

    Attributes:
        url, key: of the service, and theirs.
        over: set when they are to stop.
        answers: what they were told.
    """

    url: str
    key: str
    over: threading.Event = field(default_factory=threading.Event)
    answers: Counter[str] = field(default_factory=Counter)

    def ask(self, method: str, path: str, key: str = "", **more: Any) -> httpx.Response | None:
        """One request from ELSEWHERE; None where no answer came."""
        head = {"authorization": f"Bearer {key or self.key}"}
        try:
            with httpx.Client(transport=httpx.HTTPTransport(local_address=ELSEWHERE), timeout=30) as client:
                answer = client.request(method, f"{self.url}{path}", headers=head, **more)
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[str(answer.status_code)] += 1
        return answer

    def connect(self) -> socket.socket:
        """A bare connection from ELSEWHERE."""
        host, port = self.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=5, source_address=(ELSEWHERE, 0))

    def send(self, clip: bytes, user: str) -> None:
        """Verify with a clip."""
        answer = self.ask("POST", f"/v1/users/{user}/nonces", json={"purpose": "verify"})
        if answer is not None and answer.status_code == 201:
            self.ask(
                "POST", f"/v1/users/{user}/verify", data={"nonce": answer.json()["nonce"]}, files={"clip": ("c", clip)}
            )
        else:
            self.over.wait(0.2)


def clips_that_cost(attacker: Attacker) -> None:
    """4096 x 4096 pixels in packets of a few bytes."""
    clip = bomb(packets=300)
    while not attacker.over.is_set():
        attacker.send(clip, "mallory")


def wrong_attempts(attacker: Attacker) -> None:
    """Clips that are read and compared, for names that nobody has, each tried once."""
    clip, number = take(999, 3.0), 0
    while not attacker.over.is_set():
        number += 1
        attacker.send(clip, f"guess{number}")


def made_up_keys(attacker: Attacker) -> None:
    """Keys that nobody gave out."""
    number = 0
    while not attacker.over.is_set():
        number += 1
        attacker.ask("GET", "/v1/models", key=f"fm_{number:08d}_{'x' * 43}")


def idle_connections(attacker: Attacker) -> None:
    """Three hundred connections that say nothing, opened again where they are cut off."""
    while not attacker.over.is_set():
        with ExitStack() as stack:
            for _ in range(300):
                with suppress(OSError):
                    stack.enter_context(attacker.connect())
            attacker.over.wait(5)


def slow_bodies(attacker: Attacker) -> None:
    """Twenty uploads at a time, a byte a second each."""
    head = (
        "POST /v1/users/mallory/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
        f"Authorization: Bearer {attacker.key}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
    ).encode()
    while not attacker.over.is_set():
        with ExitStack() as stack:
            uploads = []
            for _ in range(20):
                with suppress(OSError):
                    uploads.append(stack.enter_context(attacker.connect()))
            for part in (head, *[b"-"] * 15):
                for upload in uploads:
                    with suppress(OSError):
                        upload.sendall(part)
                if attacker.over.wait(1):
                    return


def pings(attacker: Attacker) -> None:
    """A live socket that pings and never reads."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        "GET /v1/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    while not attacker.over.is_set():
        with suppress(OSError), attacker.connect() as one:
            one.sendall(head)
            while not attacker.over.is_set():
                one.sendall((b"\x89\xfd" + bytes(4) + bytes(125)) * 100)
        attacker.over.wait(0.1)


ATTACKS: tuple[Callable[[Attacker], None], ...] = (
    clips_that_cost,
    wrong_attempts,
    wrong_attempts,
    made_up_keys,
    idle_connections,
    slow_bodies,
    pings,
)


def attempts(url: str, key: str, clients: int, seconds: float) -> tuple[list[float], Counter[str]]:
    """What becomes of the users' attempts.

    Returns:
        Seconds until the comparison of each attempt that got through, and how many ended otherwise.
    """
    clips, end = [take(seed) for seed in range(12)], time.monotonic() + seconds
    through: list[float] = []
    failed: Counter[str] = Counter()

    def one(number: int) -> None:
        turn = number
        with fm.Client(url, key, seconds=PATIENCE) as client:
            while time.monotonic() < end:
                turn, start, ended = turn + 1, time.monotonic(), "busy"
                while ended == "busy" and time.monotonic() - start < PATIENCE:
                    try:
                        client.verify(f"user{number}", clips[turn % len(clips)])
                        ended = ""
                    except LockedError:  # the drawing's takes fail now and then
                        client.unlock(f"user{number}")
                    except (BusyError, RateError):
                        time.sleep(0.2)
                    except FacemotionError as error:
                        ended = type(error).__name__
                took = time.monotonic() - start
                if ended or took > PATIENCE:
                    failed[ended or "late"] += 1
                else:
                    through.append(took)
                time.sleep(PAUSE)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, range(clients)))
    return through, failed


def row(name: str, through: list[float], failed: Counter[str]) -> str:
    """Of the table."""
    count, ordered = len(through) + failed.total(), sorted(through) or [float("nan")]
    others = ", ".join(f"{word} {number}" for word, number in failed.most_common()) or "none"
    return (
        f"| {name} | {count} | {len(through) / max(1, count):.1%} | {statistics.median(ordered):.1f}, "
        f"{ordered[int(0.99 * len(ordered))]:.1f} s | {others} |"
    )


def main() -> int:
    """Run both halves, print the table, and fail where too few got through."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="of each half")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, served(Path(name), given.workers, STILL) as (url, key, _):
        folder = Path(name)
        with open_database(folder / "store.db", key=f"file:{folder / 'store.key'}") as database:
            attacker = Attacker(url, ApiKeys(database).add("attacker", "verify"))
        with fm.Client(url, key, seconds=60) as client:
            for number in range(given.clients):
                client.enrol(f"user{number}", [take(seed) for seed in (100, 101)])
        alone = attempts(url, key, given.clients, given.seconds)
        threads = [threading.Thread(target=attack, args=(attacker,)) for attack in ATTACKS]
        for thread in threads:
            thread.start()
        attacked = attempts(url, key, given.clients, given.seconds)
        attacker.over.set()
        for thread in threads:
            thread.join()
    told = ", ".join(f"{word}: {number}" for word, number in attacker.answers.most_common())
    table = "\n".join([
        f"{given.clients} users, {given.workers} workers, {given.seconds:g} s each; {os.cpu_count()} cores, load "
        f"average {os.getloadavg()[0]:.1f}. The attacker was answered {told}.",
        "",
        "| users | attempts | got through within 10 s | p50, p99 | others |",
        "|---|---|---|---|---|",
        row("nobody attacks", *alone),
        row("under attack", *attacked),
    ])  # fmt: skip
    print(table)
    if given.write:
        write_section(PAGE, "attacked", table)
    return int(len(attacked[0]) < MARK * (len(attacked[0]) + attacked[1].total()))


if __name__ == "__main__":
    sys.exit(main())
