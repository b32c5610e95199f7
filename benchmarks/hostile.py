"""What got through once, tried again: hostile clients, clips and cards, and somebody who can write the database.

    python benchmarks/hostile.py [--write]

Starts `facemotion serve` on loopback with a store in a file, and does to it what an attacker did. With --write the
table goes into docs/results/security.md. The tests hold each of these, on PostgreSQL too.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import socket
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import av
import httpx
import numpy as np
import psutil
from sections import write_section
from serving import STILL, served, take

import facemotion as fm
from facemotion.errors import FacemotionError, ModelError
from facemotion.models import Models
from facemotion.models.pull import pull

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
BACK = "https://shop.example.com/back"
SETTINGS = f'[limits]\nrequests_per_minute = 1e6\nconnections = 100\n[sessions]\nreturn_addresses = ["{BACK}"]\n{STILL}'
PINGING_SECONDS = 20.0


@dataclass
class Target:
    """A service under attack.

    Attributes:
        client: an administrator's.
        url, key: of it.
        process: of the server.
        store: the file of its database.
    """

    client: fm.Client
    url: str
    key: str
    process: psutil.Process
    store: Path

    def connect(self) -> socket.socket:
        """A bare connection."""
        host, port = self.url.removeprefix("http://").split(":")
        one = socket.create_connection((host, int(port)))
        one.settimeout(10)
        return one

    def live(self) -> socket.socket:
        """A live session over which nothing was said."""
        one, key = self.connect(), base64.b64encode(os.urandom(16)).decode()
        one.sendall(
            "GET /v1/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):  # what comes with the head is lost
            head += one.recv(1)
        return one

    def verify(self, user: str, clip: bytes, nonce: str = "") -> str:
        """accepted or rejected with its reason, or the name of an error."""
        nonce = nonce or self.client.nonce(user)
        head = {"authorization": f"Bearer {self.key}"}
        files = {"clip": ("clip.mp4", clip)}
        answer = httpx.post(
            f"{self.url}/v1/users/{user}/verify", headers=head, data={"nonce": nonce}, files=files, timeout=120
        ).json()
        return answer["evidence"]["outcome"] if "evidence" in answer else answer["error"]

    def tables(self, *names: str) -> dict[str, list[tuple]]:
        """Rows of tables, as a thief copies them."""
        with sqlite3.connect(self.store) as database:
            return {name: database.execute(f"SELECT * FROM facemotion_{name}").fetchall() for name in names}

    def put_back(self, state: dict[str, list[tuple]]) -> None:
        """Write rows in place of those that are there."""
        with sqlite3.connect(self.store) as database:
            for name, rows in state.items():
                database.execute(f"DELETE FROM facemotion_{name}")
                for row in rows:
                    database.execute(f"INSERT INTO facemotion_{name} VALUES ({','.join('?' * len(row))})", row)


def bomb(side: int = 4096, packets: int = 1500) -> bytes:
    """One key frame, then a packet of a few bytes again and again."""
    draft, out = io.BytesIO(), io.BytesIO()
    with av.open(draft, "w", format="matroska") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = side
        video.pix_fmt, video.options = "yuv420p", {"preset": "ultrafast"}
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(np.full((side, side, 3), 90, np.uint8), format="rgb24")
            container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode(None))
    draft.seek(0)
    with av.open(draft) as source, av.open(out, "w", format="matroska") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        parts = [bytes(packet) for packet in source.demux(video=0) if packet.dts is not None]
        for number in range(packets):
            packet = av.Packet(parts[min(number, 1)])
            packet.pts = packet.dts = number
            packet.time_base, packet.is_keyframe, packet.stream = Fraction(1, 1000), number == 0, stream
            target.mux(packet)
    return out.getvalue()


def decoding(target: Target) -> str:
    """The processor time that a small file takes."""
    clip = bomb()
    before = target.process.cpu_times()
    outcome = target.verify("mallory", clip)
    after = target.process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return f"{len(clip) / 1000:.0f} kB: {outcome} after {spent:.1f} s of one core"


def pinging(target: Target) -> str:
    """Memory while a socket pings and never reads."""
    before, sent = target.process.memory_info().rss, 0
    with target.live() as one, suppress(OSError):
        pings = (b"\x89\xfd" + bytes(4) + bytes(125)) * 500
        end = time.monotonic() + PINGING_SECONDS
        while time.monotonic() < end:
            one.sendall(pings)
            sent += len(pings)
    grown = (target.process.memory_info().rss - before) / 2**20
    return f"cut off after {sent / 1000:.0f} kB of pings; memory grew by {max(0, grown):.1f} MiB"


def unfinished(target: Target) -> str:
    """Memory while first messages of live sessions never end."""
    before = target.process.memory_info().rss
    with ExitStack() as stack:
        for _ in range(90):
            one = stack.enter_context(target.live())
            with suppress(OSError):
                one.sendall(b"\x02\xff" + (2 * 10**6).to_bytes(8, "big") + bytes(4) + bytes(1_800_000))
        grown = (target.process.memory_info().rss - before) / 2**20
    return f"90 sockets with 1.8 MB each: memory grew by {max(0, grown):.1f} MiB"


def made_up_nonces(target: Target) -> str:
    """Nonces of live sessions that nobody gave out."""
    heard: Counter[str] = Counter()
    for number in range(40):
        with target.live() as one:
            hello = f'{{"user": "a", "nonce": "made up {number:2}", "purpose": "verify"}}'.encode()
            one.sendall(bytes([0x81, 0x80 | len(hello)]) + bytes(4) + hello)
            answer = b""
            while b"Error" not in answer and (more := one.recv(1000)):
                answer += more
            heard["RateError" if b"RateError" in answer else "NonceError"] += 1
    return ", ".join(f"{name}: {count}" for name, count in sorted(heard.items()))


def hoarded(target: Target) -> str:
    """Nonces of a user, got by another caller until there are no more."""
    codes: Counter[int] = Counter()
    for _ in range(25):
        ask = {"purpose": "verify"}
        codes[httpx.post(f"{target.url}/v1/users/alice/nonces", json=ask, timeout=20).status_code] += 1
    given = target.client.nonce("alice")
    return f"{codes[201]} given, {codes[429]} refused; the key of another still gets {'one' if given else 'none'}"


def seen_takes(target: Target) -> str:
    """A take of the enrolment of now, and the recording of an attempt, to enrol again."""
    target.verify("alice", take(22, 0.7))
    errors = []
    for seed in (20, 22):
        nonce = target.client.nonce("alice", "enrol-again")
        files = [("takes", ("a.mp4", take(number, 0.7))) for number in (23, seed)]
        head, url = {"authorization": f"Bearer {target.key}"}, f"{target.url}/v1/users/alice/enrolment"
        errors.append(httpx.put(url, headers=head, data={"nonce": nonce}, files=files, timeout=120).json()["error"])
    target.client.unlock("alice")
    return ", ".join(errors)


def sessions_put_back(target: Target) -> str:
    """The row of a session of before its code was used, and of before it ended."""
    made = target.client.start_session("alice", return_to=BACK)

    def page(what: str, token: str) -> dict[str, str]:
        return httpx.post(f"{target.url}/v1/page/{what}", json={"token": token}, timeout=20).json()

    def collected() -> str:
        try:
            return str(target.client.session_result(made.id, code).status)
        except FacemotionError as error:
            return type(error).__name__

    token = page("open", made.address.partition("#session=")[2])["token"]
    opened = target.tables("service_sessions")
    code = page("end", token)["code"]
    ended = target.tables("service_sessions")
    first = collected()
    target.put_back(ended)
    again = collected()
    target.put_back(opened)
    return f"its result once: {first}; then {again}, {page('nonce', token).get('error', 'a nonce')}"


def at_once(target: Target) -> str:
    """One recording by four nonces at a time."""
    nonces = [target.client.nonce("alice") for _ in range(4)]
    clip = take(7, 0.7)
    with ThreadPoolExecutor(4) as pool:
        outcomes = Counter(pool.map(lambda nonce: target.verify("alice", clip, nonce), nonces))
    target.client.unlock("alice")
    return ", ".join(f"{name}: {count}" for name, count in sorted(outcomes.items()))


def enrolled_again(target: Target) -> str:
    """Takes and attempts of before."""
    old = [take(seed, 0.7) for seed in (0, 1, 7)]
    target.client.enrol("alice", [take(20, 0.7), take(21, 0.7)], replace=True)
    outcomes = Counter(target.verify("alice", clip) for clip in old)
    target.client.unlock("alice")
    return ", ".join(f"{name}: {count}" for name, count in sorted(outcomes.items()))


def silent_replacement(target: Target) -> str:
    """A nonce to enrol, for somebody who is enrolled."""
    nonce = target.client.nonce("alice", "enrol")
    files = [("takes", ("a.mp4", take(seed, 0.7))) for seed in (30, 31)]
    head = {"authorization": f"Bearer {target.key}"}
    url = f"{target.url}/v1/users/alice/enrolment"
    answers = [
        httpx.request(method, url, headers=head, data={"nonce": nonce}, files=files, timeout=120).json()["error"]
        for method in ("PUT", "POST")
    ]
    return ", ".join(answers)


def guesses(target: Target) -> str:
    """Wrong attempts, each followed by one that comes to nothing, until the first wait; names of nobody count alike."""
    wrong = 0
    for seed in range(40, 55):
        try:
            wrong += target.verify("nobody", take(seed, 0.7)) == "unknown user"
            target.verify("nobody", b"no clip")
        except FacemotionError as error:
            return f"{type(error).__name__} after {wrong} wrong attempts"
    return f"no wait after {wrong} wrong attempts"


def idle(target: Target) -> str:
    """Idle connections beyond the limit, while others ask."""
    with ExitStack() as stack:
        for _ in range(250):
            stack.enter_context(target.connect())
        answered = sum(httpx.get(f"{target.url}/health").status_code == 200 for _ in range(20))
    return f"250 idle, 100 allowed: {answered} of 20 requests of others answered"


def made_up_key(target: Target) -> str:
    """A row of a key that somebody wrote into the database."""
    row_id, name, _, *rest = target.tables("service_keys")["service_keys"][0]
    assert row_id in target.key
    row = ("00000001", name, "admin", *rest)
    with sqlite3.connect(target.store) as database:
        database.execute(f"INSERT INTO facemotion_service_keys VALUES ({','.join('?' * len(row))})", row)
    head = {"authorization": f"Bearer fm_00000001_{target.key.split('_', 2)[2]}"}
    return f"status {httpx.get(f'{target.url}/v1/users', headers=head).status_code}"


def rolled_back(target: Target) -> str:
    """A template put back with its seal, and recordings that were removed."""
    names = ("templates", "users", "service_recordings", "service_memories")
    before = target.tables(*names)
    target.client.enrol("alice", [take(60, 0.7), take(61, 0.7)], replace=True)
    target.put_back(before)
    outcomes = [target.verify("alice", take(62, 0.7))]
    target.client.delete("alice")
    target.client.enrol("alice", [take(63, 0.7), take(64, 0.7)])
    target.verify("alice", take(65, 0.7))
    target.put_back({"service_recordings": []})
    outcomes.append(target.verify("alice", take(65, 0.7)))
    return ", ".join(outcomes)


def deleted(target: Target) -> str:
    """What is left in the files of somebody who is deleted."""
    target.client.delete("alice")
    target.client.enrol("alice", [take(66, 0.7), take(67, 0.7)])
    rows = target.tables("templates", "service_recordings")
    values = (value for of in rows.values() for row in of for value in row if isinstance(value, bytes))
    kept = [value for value in values if len(value) > 100]
    target.client.delete("alice")
    files = b"".join(path.read_bytes() for path in target.store.parent.glob("store.db*"))
    return f"{sum(value[:60] in files for value in kept)} of {len(kept)} values"


def cards(_: Target) -> str:
    """Cards whose file or source leads elsewhere."""
    entry = 'bytes = 5\nrole = "encoder"\nsha256 = "{sha}"\nfile = "{file}"\nsources = ["{source}"]\n'
    refused = 0
    tried = [("../../x.onnx", "https://h/x"), ("/tmp/x.onnx", "https://h/x"), ("x.onnx", "http://h/x"),
             ("x.onnx", "pypi:--index-url=http://h==1:x"), ("x.onnx", "pypi:./folder:x")]  # fmt: skip
    for file, source in tried:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "c.toml").write_text("[mine]\n" + entry.format(sha="0" * 64, file=file, source=source))
            try:
                pull("mine", Models(Path(folder)))
            except ModelError as error:
                refused += "plain name" in str(error) or "a source is" in str(error)
    return f"{refused} of {len(tried)} refused before anything was fetched"


ATTACKS = {
    "a socket that pings and never reads": pinging,
    "first messages of live sessions that never end": unfinished,
    "a session put back after its code was used, and as it was before it ended": sessions_put_back,
    "40 made-up nonces of live sessions": made_up_nonces,
    "all unused nonces of a user, got by somebody else": hoarded,
    "one recording by four nonces at once": at_once,
    "an attempt and two enrolment takes of before, after the user enrolled again": enrolled_again,
    "a take and an attempt of before, as takes to enrol again": seen_takes,
    "a nonce to enrol, for an enrolled user, by PUT and POST": silent_replacement,
    "wrong attempts between others that come to nothing": guesses,
    "idle connections": idle,
    "an administrator's key written into the database": made_up_key,
    "templates and recordings put back with their seals; recordings removed": rolled_back,
    "a deleted user's templates and recordings in the files": deleted,
    "model cards whose file or source leads elsewhere": cards,
    # Last: who sent it may send nothing more for a while.
    "4096 x 4096 pixels, 1500 packets of a few bytes": decoding,
}


def main() -> int:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), 1, SETTINGS) as (url, key, process),
        fm.Client(url, key, seconds=120) as client,
    ):
        target = Target(client, url, key, process, Path(folder) / "store.db")
        client.enrol("alice", [take(0, 0.7), take(1, 0.7)])
        for name, attack in ATTACKS.items():
            rows.append(f"| {name} | {attack(target)} |")
            print(rows[-1], flush=True)
    table = "| attack | outcome |\n|---|---|\n" + "\n".join(rows)
    if given.write:
        write_section(PAGE, "hostile", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
