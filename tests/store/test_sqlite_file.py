"""The file of an SQLite store: what is refused, what survives, and what is really gone."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from facemotion.errors import StoreCorruptError, StoreError, StoreFullError, StoreUnavailableError
from facemotion.store import open_store
from facemotion.store.database import _set_pragmas, parse_url

from .samples import make_template


def contents(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))


def payloads(path: Path) -> list[bytes]:
    with sqlite3.connect(path) as connection:
        found = [row[0] for row in connection.execute("SELECT payload FROM facemotion_templates")]
    connection.close()
    return found


def test_a_new_store_is_its_owners_alone(tmp_path):
    with open_store(tmp_path / "s.db") as store:
        store.put(make_template())
        for file in tmp_path.glob("s.db*"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_text_under_the_stores_name_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.db"
    path.write_text("Dear diary, " * 500)
    with pytest.raises(StoreCorruptError, match="isn't a facemotion store"):
        open_store(path)
    assert path.read_text() == "Dear diary, " * 500


def test_another_programs_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError, match="another program"):
        open_store(path)
    assert b"facemotion" not in path.read_bytes()
    assert len(path.read_bytes()) == len(before)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "s.db"
    with open_store(path) as store:
        for number in range(40):
            store.put(make_template(f"user{number}"))
    raw = bytearray(path.read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    path.write_bytes(raw)

    def read():
        with open_store(path) as store:
            return [store.get(f"user{number}", "motion") for number in range(40)]

    with pytest.raises(StoreCorruptError):
        read()


@pytest.mark.once
def test_whatever_bits_flip_no_wrong_template_comes_back_and_every_error_has_a_name(tmp_path):
    path = tmp_path / "s.db"
    with open_store(path) as store:
        for number in range(4):
            store.put(make_template(f"user{number}", seed=number, takes=2, dimension=32))
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(150):
        raw = bytearray(good)
        for _ in range(rng.choice((1, 3, 30))):
            raw[rng.integers(len(raw) if rng.random() < 0.7 else 200)] ^= 1 << int(rng.integers(8))
        (tmp_path / "damaged.db").write_bytes(raw)
        try:
            with open_store(tmp_path / "damaged.db") as store:
                for user in store.users():
                    vectors = store.get(user.user, "motion").vectors
                    expected = make_template(seed=int(user.user[4:]), takes=2, dimension=32).vectors
                    np.testing.assert_allclose(vectors, expected, atol=1e-6)
                    outcomes["read"] += 1
        except StoreError:
            outcomes["refused"] += 1
        for file in tmp_path.glob("damaged.db*"):
            file.unlink()
    assert min(outcomes.values()) > 20


def test_a_store_of_a_later_version_is_left_alone(tmp_path):
    path = tmp_path / "s.db"
    open_store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facemotion_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match="later version"):
        open_store(path)


def test_folders_and_urls_that_hold_no_store_are_refused(tmp_path):
    with pytest.raises(StoreError, match="is a folder"):
        open_store(tmp_path)
    with pytest.raises(StoreError, match="doesn't exist"):
        open_store(tmp_path / "absent" / "s.db")
    for url in ("sqlite://", "sqlite:///:memory:", "mysql://host/db", "http://host/db", "postgresql://host:port/db"):
        with pytest.raises(StoreError):
            parse_url(url)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_store_that_may_not_be_written_is_refused(tmp_path):
    path = tmp_path / "s.db"
    open_store(path).close()
    path.chmod(0o400)
    with pytest.raises(StoreError, match="Permission"):
        open_store(path)


def test_a_writer_that_never_ends_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("facemotion.store.database.BUSY_SECONDS", 0.1)
    path = tmp_path / "s.db"
    with open_store(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="Another process"):
            store.put(make_template())
        other.rollback()
        other.close()
        store.put(make_template())


def test_deleted_and_replaced_vectors_are_gone_from_every_byte_of_the_file(tmp_path):
    path = tmp_path / "s.db"
    with open_store(path) as store:
        # Large enough for overflow pages too.
        store.put(make_template("mallory-xyzzy"), make_template("bob", takes=20, dimension=512))
        first = payloads(path)
        store.put(make_template("bob", seed=1, takes=20, dimension=512))
        store.delete("mallory-xyzzy")
        left = contents(path)
        assert payloads(path)[0][:64] in left  # the search does find what is there
    for payload in first:
        for start in range(0, len(payload) - 16, 16):
            assert payload[start : start + 16] not in left
    assert b"xyzzy" not in left


FULL_DISK = """
import resource, signal, sys
from facemotion.errors import StoreFullError
from facemotion.store import open_store
sys.path.insert(0, sys.argv[2])
from samples import make_template
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1])
store.put(make_template("alice"))
size = 200_000
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
for number in range(2000):
    try:
        store.put(make_template(f"user{number}", takes=20))
    except StoreFullError as error:
        print(number, error)
        break
"""


def test_a_file_that_may_not_grow_is_named_and_what_was_stored_stays(tmp_path):
    path = tmp_path / "s.db"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path, Path(__file__).parent],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    count = int(done.stdout.split()[0])
    assert count > 1
    assert "make room" in done.stdout
    with open_store(path) as store:
        assert len(store.users()) == count + 1
        np.testing.assert_allclose(store.get("alice", "motion").vectors, make_template("alice").vectors, atol=1e-6)


def test_a_connection_that_can_not_be_set_up_is_closed_at_once(tmp_path):
    """Left to the garbage collector it would go on locking a store whose disk is full."""
    connection = sqlite3.connect(tmp_path / "s.db")
    with pytest.raises(sqlite3.OperationalError):
        _set_pragmas(("PRAGMA locking_mode=EXCLUSIVE", "PRAGMA no sense"), connection, None)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_full_disk_is_named_and_what_was_stored_stays(small_disk):
    with open_store(small_disk / "s.db") as store:
        store.put(make_template("user0", takes=20))

        def fill():
            for number in range(1000):
                store.put(make_template(f"user{number}", takes=20))

        with pytest.raises(StoreFullError, match="make room"):
            fill()
        assert 1 < len(store.users()) < 1000
        np.testing.assert_allclose(store.get("user0", "motion").vectors, make_template(takes=20).vectors, atol=1e-6)


def film_goes_on(film, size: int) -> bool:
    try:
        return film.write(bytes(size)) > 0
    except OSError:
        return False


def test_a_store_on_a_disk_that_others_filled_can_be_read(small_disk):
    with open_store(small_disk / "s.db") as store:
        store.put(make_template("alice"))
    assert [path.name for path in small_disk.iterdir()] == ["s.db"]
    for name, size in (("film", 4096), ("rest", 1)):
        with (small_disk / name).open("wb", buffering=0) as film:
            while film_goes_on(film, size):
                pass
    with open_store(small_disk / "s.db") as store:
        np.testing.assert_allclose(store.get("alice", "motion").vectors, make_template("alice").vectors, atol=1e-6)
        with pytest.raises(StoreFullError, match="make room"):
            store.put(make_template("bob"))
        assert [user.user for user in store.users()] == ["alice"]
    (small_disk / "film").unlink()
    (small_disk / "rest").unlink()
    with open_store(small_disk / "s.db") as store:
        store.put(make_template("bob"))
        assert len(store.users()) == 2


ENROL_FOREVER = """
import sys
from facemotion.store import open_store
sys.path.insert(0, sys.argv[2])
from samples import make_template
with open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    seed = 0
    while True:
        seed = 1 - seed
        store.put(make_template("alice", "motion", seed), make_template("alice", "appearance", seed))
"""


@pytest.mark.parametrize("moment", [0, *(pytest.param(later, marks=pytest.mark.once) for later in range(1, 8))])
def test_a_kill_during_enrolment_leaves_the_old_template_or_the_new_one(tmp_path, moment):
    path = tmp_path / "s.db"
    with open_store(path) as store:
        store.put(make_template("alice", "motion", 0), make_template("alice", "appearance", 0))
    arguments = [sys.executable, "-c", ENROL_FOREVER, path, Path(__file__).parent]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.003 * moment)
        process.send_signal(signal.SIGKILL)
    with open_store(path) as store:
        motion, appearance = store.get("alice", "motion").vectors, store.get("alice", "appearance").vectors
    seed = int(np.abs(motion - make_template(seed=1).vectors).max() < 1e-6)
    np.testing.assert_allclose(motion, make_template(seed=seed).vectors, atol=1e-6)
    np.testing.assert_allclose(appearance, make_template(seed=seed).vectors, atol=1e-6)
