"""The search for duplicate faces among many enrolled people: its time and memory, and what its codes find.

    python benchmarks/duplicates.py [--people 100000] [--faces DATA ASSETS] [--folder FOLDER] [--write]

Fills an indexed SQLite store with PEOPLE random unit vectors and takes about them, copies its rows into PostgreSQL
(Debian's, if it is installed), and searches both for a person who is there and for one who isn't. They are random
vectors: these figures are about speed alone. All but the person who is looked for are written as rows, without drawing
the turn of each take, since a random vector that is turned at random is one. A store that --folder names is kept, and
used again.

With --faces real speakers and generated portraits are turned into vectors by the recogniser sface, which must have been
pulled; DATA and ASSETS as for benchmarks/appearance.py. All their pairs are held to all codes: which of the pairs that
reach a threshold a search opens (it can't miss one), and how many others it opens in vain. --write puts the figures
into docs/results/scaling.md, between the marks of this script.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import secrets
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from sections import write_section
from sqlalchemy import insert, select

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "store"))

from postgres import Postgres, missing

from facemotion.enrolment import find_duplicates
from facemotion.store import open_store
from facemotion.store.codes import _whose, current_writing, highest, rounded
from facemotion.store.keys import new_key
from facemotion.store.protect import Label, turning
from facemotion.store.sql import SqlStore
from facemotion.store.tables import codes, store, templates, users
from facemotion.types import OperatingPoint, Template

PAGE = ROOT / "docs" / "results" / "scaling.md"
DIMENSION, TAKES, AGREEMENT = 128, 3, 0.9
"""Of sface, of an enrolment, and the cosine of a take with the person."""
AT_ONCE = 500
THRESHOLDS = (0.363, 0.5064, 0.5989)
"""What the makers of sface recommend, and the operating points of its card."""
TURNS = 5
"""Keys that the codes of real faces are made with, one after the other."""


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def enrolled(number: int, count: int = 1) -> list[Template]:
    """People from a number on: random vectors, and takes about them."""
    found = []
    for one in range(number, number + count):
        rng = np.random.default_rng([7, one])
        person = unit(rng.normal(size=DIMENSION))
        apart = unit(rng.normal(size=(TAKES, DIMENSION))) * np.sqrt(1 / AGREEMENT**2 - 1)
        found.append(Template(f"user{one:07}", "appearance", unit(person + apart), "recogniser@1"))
    return found


def fill(opened: SqlStore, people: int) -> None:
    """Enrol whoever is missing."""
    there = len(opened.users())
    opened.index()
    with opened.database.read() as connection:
        writing = current_writing(connection)
    now = datetime(2026, 1, 1)  # without a zone, as the store keeps dates
    cipher = opened.codes._cipher(writing.key_id)
    for number in range(there, people, AT_ONCE):
        rows, kept = [], []
        for face in enrolled(number, min(AT_ONCE, people - number)):
            label = Label(
                row_id=secrets.token_hex(16),
                user=face.user,
                factor=face.factor,
                model_id=face.model_id,
                takes=TAKES,
                dimension=DIMENSION,
                key_id=writing.key_id,
                transform_id=writing.transform_id,
                salt=secrets.token_bytes(32),
                enrolled=now,
                changed=now,
            )
            nonce, bound = secrets.token_bytes(12), label.bytes_to_bind(opened.protector.store_id)
            payload = nonce + opened.protector._cipher(label).encrypt(nonce, face.vectors.tobytes(), bound)
            rows.append(asdict(label) | {"payload": payload})
            code = rounded(opened.codes._turned(face.factor, face.vectors.mean(axis=0), writing.transform_id))
            whose = _whose(face.factor, writing.transform_id, label.row_id, face.user)
            code = nonce + cipher.encrypt(nonce, code, whose)
            kept.append({"user": face.user, "factor": face.factor, "row_id": label.row_id, "code": code})
        with opened.database.write() as connection:
            connection.execute(insert(templates), rows)
            connection.execute(insert(codes), kept)
    if there < people:
        opened.put(*enrolled(people // 2))


def copy(here: SqlStore, there: SqlStore) -> None:
    """All rows of a store, into the tables of another database."""
    for table in (store, templates, codes, users):
        with here.database.read() as source, there.database.write() as target:
            target.execute(table.delete())
            for rows in source.execute(select(table)).mappings().partitions(AT_ONCE):
                target.execute(insert(table), [dict(row) for row in rows])
    there.database.scrub()


def searched(url: str, key: str, people: int) -> list[str]:
    """Cells of a table: processor and wall time of a search, by a face that is there under another name and by a new
    one, the most memory that this process ever had, and by how much a search raised that.
    """
    with open_store(url, key=key) as opened:
        return search(opened, people)


def search(opened: SqlStore, people: int) -> list[str]:
    """See searched."""
    points = (OperatingPoint("p", THRESHOLDS[-1], 0.001, 0.0, 9, 90, 3, "made up"),)
    cells, before = [], peak()
    for number, expected in ((people // 2, (f"user{people // 2:07}",)), (10**6, ())):
        face = Template("new", "appearance", enrolled(number)[0].vectors, "recogniser@1")
        taken = []
        for _ in range(3):
            wall, processor = time.perf_counter(), time.process_time()
            if (found := find_duplicates(opened, face, points)) != expected:
                raise SystemExit(f"found {found}, expected {expected}")
            taken.append((time.process_time() - processor, time.perf_counter() - wall))
        processor, wall = np.median(taken, axis=0)
        cells.append(f"{processor:.2f} s ({wall:.2f} s)")
    return [*cells, f"{peak():.0f} MiB, {peak() - before:.0f} MiB"]


def peak() -> float:
    """The most memory that this process ever had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def speed(folder: Path, people: int) -> str:
    """A row for each database."""
    path, rows = folder / f"{people}.db", []
    key = folder / "key"
    if not key.exists():
        key.touch(0o600)
        key.write_text(new_key(), "utf-8")
    source = f"file:{key}"
    # A process of its own: the peak of memory is that of a search, not of the filling.
    fresh = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1)
    with fresh as pool, open_store(path, key=source) as opened:
        fill(opened, people)
        opened.database.scrub()
        cells = pool.submit(searched, f"sqlite:///{path}", source, people).result()
        rows.append(["SQLite", *cells, f"{path.stat().st_size / 2**20:.0f} MiB"])
        if not missing():
            server = Postgres()
            try:
                url = server.database()
                with open_store(url, key=source) as empty:
                    copy(opened, empty)
                rows.append(["PostgreSQL", *pool.submit(searched, url, source, people).result(), "-"])
            finally:
                server.remove()
    head = ["store", "a face that is there", "a new face", "peak memory, and the part that the search added", "file"]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def faces(data: Path, assets: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, E) of real speakers and generated portraits, and whose they are (N,)."""
    from appearance import best_pictures, still
    from other_speakers import clips_of_speakers

    from facemotion.appearance import Recogniser
    from facemotion.config import load_settings
    from facemotion.face import BlazeFace
    from facemotion.models import Models

    settings = load_settings(None)
    models = Models.of(settings.runtime)
    detector, recogniser = BlazeFace(models, settings.face), Recogniser.load("sface", models)
    names, vectors = [], []
    for path in sorted((assets / "portraits").glob("*.jpg")):
        if (picture := still(path, detector)) is not None:
            names.append(path.stem)
            vectors.append(recogniser(picture).vector)
    clips = dict(clips_of_speakers(data / "grid_people"))
    clips |= dict.fromkeys(sorted((data / "grid_s1").rglob("*.mp[g4]"))[::36], "s1")
    for path, speaker in clips.items():
        names.append(speaker)
        vectors.append(recogniser(best_pictures(path, detector, settings)).vector)
    return np.stack(vectors), np.array(names)


def recall(vectors: np.ndarray, names: np.ndarray) -> str:
    """A row for each threshold: what a search by codes opens, over all ordered pairs and TURNS keys."""
    same = names[:, None] == names[None]
    others = ~np.eye(len(names), dtype=bool)
    cosines = vectors @ vectors.T
    opened = np.zeros((len(THRESHOLDS), *cosines.shape), int)
    for number in range(TURNS):
        turned = vectors @ turning(bytes([number]) * 32, vectors.shape[1]).T.astype(np.float32)
        kept = [rounded(vector) for vector in turned]
        most = np.stack([highest(kept, probe) for probe in turned])
        opened += np.stack([most >= threshold for threshold in THRESHOLDS])
    lines = [
        "| threshold | pairs that reach it | of these opened | other pairs | of these opened |",
        "|---|---|---|---|---|",
    ]
    for threshold, count in zip(THRESHOLDS, opened, strict=True):
        reach, rest = others & (cosines >= threshold), others & (cosines < threshold) & ~same
        lines.append(
            f"| {threshold} | {reach.sum()} | {count[reach].sum() / TURNS / reach.sum():.4f} | {rest.sum()} | "
            f"{count[rest].sum() / TURNS / rest.sum():.4f} |"
        )
    people = len(set(names.tolist()))
    return "\n".join([f"{people} people, {len(names)} faces, {TURNS} keys:", "", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--faces", type=Path, nargs=2, default=None, metavar=("DATA", "ASSETS"))
    parser.add_argument("--folder", type=Path, default=None, help="keep the store here")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found = {}
    if given.faces:
        found["codes"] = recall(*faces(*given.faces))
    if given.people:
        with tempfile.TemporaryDirectory() as other:
            found["duplicates"] = speed(given.folder or Path(other), given.people)
    for name, text in found.items():
        print(text)
        if given.write:
            write_section(PAGE, name, text)


if __name__ == "__main__":
    main()
