"""Made-up input from seeds: what a hostile client, or a damaged file, sends.

Each input follows from its number alone, so that a finding can be had again. The seeds of a target are those that its
test gives, and the files of its folder in `seeds`, where findings are kept.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from facemotion.errors import FacemotionError

SEEDS = Path(__file__).with_name("seeds")
SECONDS = "FACEMOTION_FUZZ_SECONDS"
"""Environment variable: processor seconds that each target gets."""
MOST_BYTES = 60_000
SHORTEST, LONGEST = 1.0, 20.0
"""Processor seconds of each target in `make test` and in `make check`, where the variable isn't set."""
ODD = (b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80", b"-1", b"1e999", b"NaN", b"\"", b"\\ud800",
       b"\r\n", b"[", b"{", b"9" * 30, "\u2028é".encode(), b"../")  # fmt: skip
"""What parsers trip over."""


def seconds(default: float) -> float:
    """How long a target is tried."""
    return float(os.environ.get(SECONDS, default))


def kept(name: str) -> list[bytes]:
    """The seeds that are kept for a target."""
    folder = SEEDS / name
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def mutated(seeds: Sequence[bytes], number: int) -> bytes:
    """One input: a seed with a few changes; every hundredth is nothing but noise."""
    chance = random.Random(number)
    if number % 100 == 99:
        return chance.randbytes(chance.randrange(300))
    data = bytearray(chance.choice(seeds))
    for _ in range(1 << chance.randrange(5)):
        where = chance.randrange(len(data) + 1)
        length = min(1 << chance.randrange(10), len(data))
        match chance.randrange(7):
            case 0 if data:
                data[where % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                data[where : where + chance.randrange(1, 5)] = chance.choice(ODD)
            case 2:
                data[where:where] = chance.choice(ODD) * chance.randrange(1, 4)
            case 3:
                del data[where : where + length]
            case 4:
                data[where:where] = data[where : where + length] * chance.randrange(1, 3)
            case 5:
                other = chance.choice(seeds)
                begin = chance.randrange(len(other) + 1)
                data[where : where + length] = other[begin : begin + length]
            case 6 if chance.random() < 0.1:
                del data[where:]
    return bytes(data[:MOST_BYTES])


def fuzz(name: str, target: Callable[[bytes], object], given: Sequence[bytes], budget: float) -> int:
    """Try a target until its time is up; whatever it raises but named errors is a finding, and kept as a seed.

    Args:
        name: of the folder of its seeds. target: takes one input. given: seeds beside those that are kept.
        budget: processor seconds.
    Returns:
        How many inputs were tried.
    """
    seeds = [*given, *kept(name)]
    end, number = time.process_time() + budget, 0
    for seed in seeds:
        _try(name, target, seed)
    while time.process_time() < end:
        _try(name, target, mutated(seeds, number))
        number += 1
    return number


def _try(name: str, target: Callable[[bytes], object], data: bytes) -> None:
    begin = time.process_time()
    try:
        target(data)
    except FacemotionError:
        pass
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__} from what is kept as {_keep(name, data)}") from error
    spent = time.process_time() - begin
    assert spent < 20, f"{spent:.0f} s went into what is kept as {_keep(name, data)}"


def _keep(name: str, data: bytes) -> Path:
    path = SEEDS / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
