"""Bad input by the thousand through a real HTTP server: no fault of ours, no crash, no growth.

    python benchmarks/service_fuzz.py [--uploads 10000] [--seconds 3600] [--clients 6] [--write]

Starts `facemotion serve` with a store of its own on loopback and sends it uploads that are wrong in many ways, from
several clients at once, each upload drawn from its number: bit flips and cuts of a valid clip, other types, bombs that
unpack to huge sizes, headers that promise huge pictures, broken forms, wrong words, random paths, bodies that trickle.
Stops after UPLOADS or SECONDS, whichever is first. A finding is any status of 500 or above but 503, a cut connection
(but of a body that trickles), or a server that is gone. With --write the figures go into docs/results/security.md.
"""

from __future__ import annotations

import argparse
import collections
import gzip
import io
import os
import random
import struct
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import httpx
from PIL import Image
from sections import figure_table, write_section
from serving import served, take

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
SETTINGS = """[limits]
requests_per_minute = 1e6
wasted_seconds = 1e6
body_mebibytes = 4.0
upload_seconds = 2.0
queue = 100
queue_seconds = 60.0
[attempts]
free_failures = 1000
lock_failures = 100000
open_nonces = 10000
"""


def bombs() -> dict[str, bytes]:
    """Small files that promise or unpack to something huge."""
    found = {}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clip.mp4", bytes(50_000_000))
    found["zip"] = stream.getvalue()
    found["gzip"] = gzip.compress(bytes(50_000_000))
    for kind, size in (("PNG", (12000, 12000)), ("GIF", (8000, 8000)), ("JPEG", (9000, 9000))):
        stream = io.BytesIO()
        Image.new("L", size).save(stream, kind)
        found[kind.lower()] = stream.getvalue()
    head = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0)
    found["promise"] = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + head + bytes(4)
    found["playlist"] = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    found["concat"] = b"ffconcat version 1.0\nfile /etc/passwd\n"
    found["html"] = b"<html><body>no clip</body></html>"
    return found


def mutate(clip: bytes, dice: random.Random) -> bytes:
    """A clip with bits flipped, bytes cut, repeated or put in."""
    data = bytearray(clip)
    for _ in range(dice.choice((1, 1, 3, 10, 100))):
        place = dice.randrange(len(data))
        act = dice.randrange(5)
        if act == 0:
            data[place] ^= 1 << dice.randrange(8)
        elif act == 1:
            data[place : place + 4] = struct.pack(">I", dice.choice((0, 1, 2**31 - 1, 2**32 - 1, dice.getrandbits(32))))
        elif act == 2:
            del data[place : place + dice.randrange(1, 2000)]
        elif act == 3:
            data[place:place] = data[place : place + dice.randrange(1, 2000)]
        else:
            data[place:place] = dice.randbytes(dice.randrange(1, 64))
        if not data:
            return b""
    return bytes(data)


def trickle(dice: random.Random) -> Iterator[bytes]:
    """A body that takes longer than it may."""
    yield b"--abc\r\nContent-Disposition: form-data; name=clip; filename=c\r\n\r\n"
    for _ in range(20):
        time.sleep(0.2)
        yield dice.randbytes(10)


def request(number: int, clip: bytes, huge: dict[str, bytes], ask: Callable[[], str]) -> tuple[str, dict[str, Any]]:
    """Kind and arguments of the upload of that number; `ask` gives a nonce."""
    dice = random.Random(number)
    path = "/v1/users/fuzz/verify"
    kinds = {"mutated": 697, "bomb": 50, "noise": 80, "form": 80, "words": 50, "path": 40, "slow": 3}
    kind = dice.choices(list(kinds), list(kinds.values()))[0]
    if kind == "mutated":
        files = {"clip": ("c", mutate(clip, dice))}
    elif kind == "bomb":
        files = {"clip": ("c", dice.choice(list(huge.values())))}
    elif kind == "noise":
        files = {"clip": ("c", dice.randbytes(dice.randrange(0, 20000)))}
    elif kind == "form":
        head = {"content-type": "multipart/form-data; boundary=" + "".join(dice.choices("abc-'\"; =é", k=9))}
        head = {name: value.encode() for name, value in head.items()}
        body = b"--abc\r\nContent-Disposition: form-data; name=clip\r\n\r\n" + dice.randbytes(dice.randrange(500))
        return kind, {"method": "POST", "url": path, "content": mutate(body, dice), "headers": head}
    elif kind == "slow":
        head = {"content-type": "multipart/form-data; boundary=abc", "content-length": "100000"}
        return kind, {"method": "POST", "url": path, "content": trickle(dice), "headers": head}
    elif kind == "words":
        value = dice.choice((None, 0, -1, 1e300, "", "x" * 5000, [], {}, {"purpose": None}, {"purpose": "admin"}))
        return kind, {"method": "POST", "url": "/v1/users/fuzz/nonces", "json": value}
    else:
        name = "".join(
            dice.choices(("a", "b", "%2f", "/", ".", "..", "?", "&", "=", "%00", "%e2%80%ae", "%ff", "0"), k=20)
        )
        url = f"/v1/{name}"
        return kind, {"method": dice.choice(("GET", "POST", "PUT", "DELETE", "PATCH")), "url": url}
    return kind, {"method": "POST", "url": path, "files": files, "data": {"nonce": ask()}}


def main() -> int:
    """Run, print a table, and fail on a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    clip, huge = take(0, length=0.52, side=160), bombs()
    answers: collections.Counter[int] = collections.Counter()
    kinds: collections.Counter[str] = collections.Counter()
    findings: list[str] = []
    sizes: list[float] = []
    lock = threading.Lock()
    numbers = iter(range(given.uploads))
    # In memory where there is such a folder: it isn't the disk that is tried here.
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shared) as folder, served(Path(folder), 1, SETTINGS) as (url, key, process):
        start = time.monotonic()
        end = start + given.seconds

        def work(_: int) -> None:
            with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=120) as client:

                def ask() -> str:
                    answer = client.post("/v1/users/fuzz/nonces", json={"purpose": "verify"})
                    return answer.json().get("nonce", "")

                while time.monotonic() < end and process.is_running():
                    with lock:
                        number = next(numbers, None)
                    if number is None:
                        return
                    kind, status, finding = "?", 0, ""
                    try:
                        kind, arguments = request(number, clip, huge, ask)
                        answer = client.request(**arguments)
                        status = answer.status_code
                        if status >= 500 and status != 503:
                            finding = f"{number} {kind}: {status} {answer.text[:200]}"
                    except httpx.LocalProtocolError:
                        kind = "not sent: httpx refuses the header"
                    except httpx.TransportError as error:
                        if kind == "slow":  # the answer came, and the connection was closed, before the body's end
                            status = 408
                        else:
                            finding = f"{number} {kind}: {error!r}"
                    with lock:
                        kinds[kind] += 1
                        if status:
                            answers[status] += 1
                        if finding:
                            findings.append(finding)
                        if sum(kinds.values()) % 100 == 0:
                            sizes.append(process.memory_info().rss / 2**20)

        with ThreadPoolExecutor(given.clients) as pool:
            list(pool.map(work, range(given.clients)))
        spent = time.monotonic() - start
        alive = process.is_running()
        log = (Path(folder) / "log").read_text("utf-8")
        faults = log.count("Unexpected error")
    tenth = max(1, len(sizes) // 10)
    rows = {
        "uploads": ", ".join(f"{name} {count}" for name, count in kinds.most_common())
        + f"; {sum(kinds.values())} in all, by {given.clients} clients in {spent:.0f} s",
        "answers": ", ".join(f"{status}: {count}" for status, count in sorted(answers.items())),
        "statuses of 500, cut connections": str(len(findings)),
        "unexpected errors in the log": str(faults),
        "server alive at the end": "yes" if alive else "no",
        "memory after the first and at the last tenth": f"{sizes[tenth - 1]:.0f} MiB, {sizes[-1]:.0f} MiB"
        if sizes
        else "too few uploads",
    }
    table = figure_table(rows)
    print(table)
    print(*findings[:20], sep="\n")
    if given.write:
        write_section(PAGE, "fuzz", table)
    return int(bool(findings) or not alive)


if __name__ == "__main__":
    sys.exit(main())
