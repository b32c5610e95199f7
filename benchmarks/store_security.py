"""What the template store stands up to: kills at random moments, stopped servers, full disks, and thieves.

    python benchmarks/store_security.py [--kills 300] [--only FAULT] [--write]

Every fault is real: a process of its own is killed by SIGKILL, a PostgreSQL server (Debian's, if it is installed) is
stopped without a checkpoint, a small disk is mounted (as root). `--write` puts the figures into
docs/results/security.md, between the marks of this script.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sqlalchemy import select, update

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "store"))

from postgres import Postgres, missing
from samples import make_template, revision_of, turn_back

from facemotion.errors import StoreCorruptError, StoreFullError, StoreKeyError, StoreUnavailableError
from facemotion.store import open_store, schema
from facemotion.store.database import Database, _engine, parse_url
from facemotion.store.keys import new_key
from facemotion.store.tables import templates as table

USERS = 12
RESULTS = ROOT / "docs" / "results" / "security.md"
BEGIN, END = "<!-- store: begin, written by benchmarks/store_security.py -->", "<!-- store: end -->"


def killed(work: Callable[[Callable[[], object]], None], seconds: float) -> None:
    """Run `work` in a process of its own and kill it so many seconds after it called the function that it is given."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            work(lambda: os.write(writing, b"!"))
        finally:
            os._exit(0)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def close_to(vectors: np.ndarray, seed: int) -> bool:
    return bool(np.abs(vectors - make_template(seed=seed).vectors).max() < 1e-5)


def enrolment(url: str, moments: np.ndarray) -> dict[str, int]:
    """Kill while both templates of a user are replaced by others, over and over."""

    def work(ready: Callable[[], object]) -> None:
        store = open_store(url)
        seed = int(close_to(store.get("alice", "motion").vectors, 1))
        ready()
        while True:
            seed = 1 - seed
            store.put(make_template("alice", "motion", seed), make_template("alice", "appearance", seed))

    with open_store(url) as store:
        store.put(make_template("alice", "motion", 0), make_template("alice", "appearance", 0))
    seen, before = {"as before": 0, "replaced": 0, "half or lost": 0}, 0
    for moment in moments:
        killed(work, moment)
        with open_store(url) as store:
            pair = [store.get("alice", factor).vectors for factor in ("motion", "appearance")]
        whole = [seed for seed in (0, 1) if all(close_to(vectors, seed) for vectors in pair)]
        if not whole:
            seen["half or lost"] += 1
            continue
        seen["as before" if whole[0] == before else "replaced"] += 1
        before = whole[0]
    return seen


def rotation(url: str, moments: np.ndarray) -> dict[str, int]:
    """Kill while all templates are put under new keys, over and over."""

    def work(ready: Callable[[], object]) -> None:
        store = open_store(url)
        ready()
        while True:
            store.rotate()

    with open_store(url) as store:
        for seed in range(USERS):
            store.put(make_template(f"user{seed}", seed=seed))
    seen = {"templates read back": 0, "half or lost": 0}
    for moment in moments:
        killed(work, moment)
        with open_store(url) as store:
            for seed in range(USERS):
                good = close_to(store.get(f"user{seed}", "motion").vectors, seed)
                seen["templates read back" if good else "half or lost"] += 1
    return seen


def migration(url: str, moments: np.ndarray) -> dict[str, int]:
    """Kill while a store of the first revision, full of templates, is brought up to date by being opened.

    Args:
        moments: in times that this takes unharmed.
    """

    def work(ready: Callable[[], object]) -> None:
        ready()
        open_store(url).close()

    with open_store(url) as store:
        for seed in range(USERS):
            store.put(make_template(f"user{seed}", seed=seed))
    # What a store says that it is must be what it is; `_engine` opens it without bringing it up to date.
    bare = Database(_engine(parse_url(url)), url)
    lengths = []
    for _ in range(5):
        turn_back(bare)
        bare.close()
        start = time.perf_counter()
        open_store(url).close()
        lengths.append(time.perf_counter() - start)
    seen = {"before": 0, "after": 0, "templates read back": 0, "half or lost": 0}
    for moment in moments:
        turn_back(bare)
        bare.close()
        killed(work, moment * float(np.median(lengths)))
        named, there = revision_of(bare)
        bare.close()
        whole = (named, there) in (("0001", False), (schema.STORE.newest(), True))
        seen["half or lost" if not whole else "after" if there else "before"] += 1
        with open_store(url) as store:
            for seed in range(USERS):
                good = close_to(store.get(f"user{seed}", "motion").vectors, seed)
                seen["templates read back" if good else "half or lost"] += 1
    return seen


def making(fresh: Callable[[], str], moments: np.ndarray) -> dict[str, int]:
    """Kill while a store is made (all revisions, the store's row, its key file) and first written to."""
    seen = {"before the first user": 0, "first user whole": 0, "half or lost": 0}
    for moment in moments:
        url = fresh()

        def work(ready: Callable[[], object], url: str = url) -> None:
            ready()
            with open_store(url) as store:
                store.put(make_template())
            time.sleep(60)

        killed(work, moment)
        with open_store(url) as store:
            users = store.users()
            good = not users or close_to(store.get("alice", "motion").vectors, 0)
        state = "first user whole" if users else "before the first user"
        seen[state if good else "half or lost"] += 1
    return seen


def stopped_server(server: Postgres, times: int) -> dict[str, int]:
    """Stop the server without a checkpoint in the midst of enrolments, start it again, count what was acknowledged."""
    url, acknowledged, refused = server.database(), 0, 0
    with open_store(url) as store:
        for _ in range(times):
            for _ in range(5):
                store.put(make_template(f"user{acknowledged}"))
                acknowledged += 1
            server.crash()
            try:
                store.put(make_template("nobody"))
            except StoreUnavailableError:
                refused += 1
            server.start()
        kept = sum(close_to(store.get(f"user{n}", "motion").vectors, 0) for n in range(acknowledged))
    return {"stops": times, "enrolments acknowledged": acknowledged, "of these lost": acknowledged - kept,
            "refused with StoreUnavailableError": refused}  # fmt: skip


def full_disk(folder: Path) -> dict[str, int] | None:
    """Fill a disk of 1 MB with enrolments."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        return None
    stored = 0
    try:
        with open_store(folder / "s.db") as store:
            try:
                for stored in range(10_000):
                    store.put(make_template(f"user{stored}"))
            except StoreFullError:
                pass
            kept = sum(close_to(store.get(f"user{n}", "motion").vectors, 0) for n in range(stored))
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    return {"enrolments before the disk was full": stored, "of these lost": stored - kept}


def thieves(folder: Path, people: int = 400) -> list[tuple[str, str]]:
    """What stolen rows are good for: linking people, being put back, being moved to somebody else."""
    os.environ["SHARED_KEY"], os.environ["TURN_A"], os.environ["TURN_B"] = new_key(), new_key(), new_key()
    a = open_store(folder / "a.db", key="env:SHARED_KEY", transform_key="env:TURN_A")
    b = open_store(folder / "b.db", key="env:SHARED_KEY", transform_key="env:TURN_B")
    names = [f"user{n:03}" for n in range(people)]
    plain = np.stack([make_template(seed=n).vectors for n in range(people)])
    for store in (a, b):
        store.put(*(make_template(name, seed=n) for n, name in enumerate(names)))
    rows_a, rows_b = rows(a), rows(b)
    stolen = np.frombuffer(b"".join(row["payload"][12:-16] for row in rows_a.values()), np.uint8)
    share = np.bincount(stolen, minlength=256) / len(stolen)
    entropy = -float((share * np.log2(share)).sum())
    turned_a, turned_b = turned(a, rows_a, names), turned(b, rows_b, names)
    for name in names:
        a.revoke(name)
    turned_again = turned(a, rows(a), names)
    moved = refused = 0
    for n, name in enumerate(names[:-1]):
        other = rows(a)[names[n + 1]]
        with a.database.write() as connection:
            values = {key: value for key, value in other.items() if key != "user"}
            connection.execute(update(table).where(table.c.user == name).values(**values))
        moved += 1
        try:
            a.get(name, "motion")
        except StoreCorruptError:
            refused += 1
    try:
        open_store(folder / "a.db", key="env:TURN_A")
        opened = "opened"
    except StoreKeyError:
        opened = "refused with StoreKeyError"
    a.close()
    b.close()
    return [
        (f"a store of {people} people, no key", f"{opened}; entropy of its vectors {entropy:.4f} bits a byte"),
        ("turned vectors against the plain ones (encryption key known, transform key not)", linked(turned_a, plain)),
        ("the same people in two stores, both decrypted, by cosine", linked(turned_a, turned_b)),
        ("the same, by the angles between the takes of a person", linked(grams(turned_a), grams(turned_b))),
        ("leaked turned vectors against the rows after `revoke`", linked(turned_a, turned_again)),
        ("control: plain vectors against themselves", linked(plain, plain)),
        ("rows moved to another user", f"{refused} of {moved} refused with StoreCorruptError"),
    ]  # fmt: skip


def rows(store) -> dict[str, dict]:
    with store.database.read() as connection:
        return {row["user"]: dict(row) for row in connection.execute(select(table)).mappings()}


def turned(store, found: dict[str, dict], names: list[str]) -> np.ndarray:
    return np.stack([store.protector._open(found[name])[1] for name in names])


def grams(vectors: np.ndarray) -> np.ndarray:
    products = vectors @ vectors.transpose(0, 2, 1)
    inner = products[:, [0, 0, 1], [1, 2, 2]]
    return (inner / np.linalg.norm(inner, axis=1, keepdims=True))[:, None]


def linked(a: np.ndarray, b: np.ndarray) -> str:
    """How often the best match of a person's first take in `a` is the same person in `b`."""
    scores = a[:, 0] @ b[:, 0].T
    hits = int((scores.argmax(1) == np.arange(len(a))).sum())
    return f"{hits} of {len(a)} people found (chance: 1); mean cosine of one person {np.diag(scores).mean():+.3f}"


@contextmanager
def own_folder():
    with tempfile.TemporaryDirectory(prefix="facemotion-faults-") as name:
        os.environ["XDG_CONFIG_HOME"] = str(Path(name) / "config")
        yield Path(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="random moments of each kind")
    parser.add_argument("--only", default="", help="faults with these words alone; --write leaves the other rows")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/results/security.md")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    faults: dict[str, str] = {}

    def report(fault: str, where: str, moments: int, find: Callable[[], dict[str, int] | None]) -> None:
        if arguments.only not in fault or (outcome := find()) is None:
            return
        head = f"| {fault} | {where} |"
        faults[head] = f"{head} {moments} | {', '.join(f'{name}: {n}' for name, n in outcome.items())} |"
        print(faults[head], flush=True)

    with own_folder() as folder:
        numbers = iter(range(10**6))
        fresh = lambda: f"sqlite:///{folder / f'{next(numbers)}.db'}"  # noqa: E731
        places = [("SQLite", fresh)]
        server = None if missing() else Postgres()
        if server is not None:
            places.append(("PostgreSQL", server.database))
        try:
            for where, make in places:
                kills = arguments.kills
                for fault, play, latest in (
                    ("kill -9 during enrolment", lambda moments: enrolment(make(), moments), 0.08),  # noqa: B023
                    ("kill -9 during key rotation", lambda moments: rotation(make(), moments), 0.25),  # noqa: B023
                    ("kill -9 during migration", lambda moments: migration(make(), moments), 3),  # noqa: B023
                    ("kill -9 while a store is made", lambda moments: making(make, moments), 0.3),  # noqa: B023
                ):
                    moments = rng.uniform(0, latest, kills)
                    report(fault, where, kills, lambda: play(moments))  # noqa: B023
            if server is not None:
                report("server stopped and started again", "PostgreSQL", 20, lambda: stopped_server(server, 20))
        finally:
            if server is not None:
                server.remove()
        report("disk full", "SQLite", 1, lambda: full_disk(folder / "disk"))
        stolen = [] if arguments.only else [f"| {had} | {got} |" for had, got in thieves(folder)]
    before, _, rest = RESULTS.read_text("utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    if arguments.only:
        rows_before = [line for line in old.splitlines() if line.startswith("|")]
        split = rows_before.index("| the thief has | result |")
        kept = {" | ".join(line.split(" | ")[:2]) + " |": line for line in rows_before[2:split]}
        faults = dict(sorted({**kept, **faults}.items(), key=lambda item: "PostgreSQL" in item[0]))
        stolen = rows_before[split + 2 :]
    lines = ["| fault | store | moments | outcome |", "|---|---|---|---|", *faults.values()]
    text = "\n".join([*lines, "", "| the thief has | result |", "|---|---|", *stolen])
    print(text)
    if arguments.write:
        RESULTS.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
