"""Keys: where they come from, what happens without them, and changing them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import select

from facemotion.errors import StoreKeyError
from facemotion.service import backup
from facemotion.store import open_store
from facemotion.store.keys import KeyFile, KeyRing, KeySource, new_key
from facemotion.store.tables import templates as table
from facemotion.system import files

from .samples import make_template


def key_files() -> list[Path]:
    return sorted((Path(os.environ["XDG_CONFIG_HOME"]) / "facemotion" / "store-keys").glob("*"))


def same(store, user="alice", seed=0):
    np.testing.assert_allclose(store.get(user, "motion").vectors, make_template(seed=seed).vectors, atol=1e-6)


def test_a_store_without_a_configured_key_gets_a_key_file_of_its_own(tmp_path):
    for name in ("a.db", "b.db"):
        with open_store(tmp_path / name) as store:
            store.put(make_template())
    files = key_files()
    assert len(files) == 2
    assert len({file.read_text() for file in files}) == 2
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_where_the_system_opens_no_folders_a_store_gets_its_key_and_a_backup(tmp_path, monkeypatch):
    """As on Windows: the key file was said not to be writable."""
    opened = os.open

    def no_folder(path, *more, **named):
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied")
        return opened(path, *more, **named)

    monkeypatch.setattr(os, "open", no_folder)
    for module in (files, backup):
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform="win32"))
    with open_store(tmp_path / "store.db") as store:
        store.put(make_template())
    assert len(key_files()) == 1
    assert backup.write_backup(tmp_path / "store.db", tmp_path / "backup.db").users == 1


def test_without_its_key_a_store_is_a_locked_box(tmp_path):
    with open_store(tmp_path / "s.db") as store:
        store.put(make_template())
    (file,) = key_files()
    kept = file.read_text()
    file.unlink()
    with pytest.raises(StoreKeyError, match=r"store-keys/.*bring it back"):
        open_store(tmp_path / "s.db")
    file.write_text(new_key())
    with pytest.raises(StoreKeyError, match="bring it back"):
        open_store(tmp_path / "s.db")
    file.write_text(kept)
    with open_store(tmp_path / "s.db") as store:
        same(store)


@pytest.mark.parametrize("kind", ["file", "env", "command"])
def test_a_key_comes_from_a_file_the_environment_or_a_command(kind, store_url, tmp_path, monkeypatch):
    key = new_key()
    place = tmp_path / "key"
    place.write_text(f"# a comment\n{key}\n")
    place.chmod(0o600)
    monkeypatch.setenv("MY_KEY", key)
    source = {"file": f"file:{place}", "env": "env:MY_KEY", "command": f"command:cat {place}"}[kind]
    with open_store(store_url, key=source) as store:
        store.put(make_template())
    with open_store(store_url, key=source) as store:
        same(store)
    assert key_files() == []
    with pytest.raises(StoreKeyError):
        open_store(store_url)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("file:/nowhere/key", "Can't read"),
        ("file:/", "Can't read"),
        ("env:NOT_SET_AT_ALL", "isn't set"),
        ("env:EMPTY_KEY", "holds no key"),
        ("env:BAD_KEY", "isn't a key"),
        ("env:SHORT_KEY", "isn't a key"),
        ("command:false", "failed"),
        ("command:no-such-program", "failed"),
        ("command:true", "holds no key"),
        ("command:'", "failed"),
        ("s3cret", "file:PATH"),
        ("file:", "file:PATH"),
    ],
)
def test_a_source_without_a_key_says_so_and_never_repeats_what_it_holds(source, message, tmp_path, monkeypatch):
    monkeypatch.setenv("EMPTY_KEY", "# nothing\n")
    monkeypatch.setenv("BAD_KEY", "s3cret!")
    monkeypatch.setenv("SHORT_KEY", "czNjcmV0")
    with pytest.raises(StoreKeyError, match=message) as caught:
        open_store(tmp_path / "s.db", key=source)
    assert "s3cret" not in str(caught.value)
    assert "czNjcmV0" not in str(caught.value)


def test_a_key_that_others_may_read_is_warned_of(tmp_path, caplog):
    place = tmp_path / "key"
    place.write_text(new_key())
    place.chmod(0o644)
    KeySource(f"file:{place}").load()
    assert "chmod 600" in caplog.text


def test_rotation_changes_every_row_and_the_key_file_and_keeps_the_vectors(store_url):
    with open_store(store_url) as store, open_store(store_url) as other:
        store.put(
            make_template(), make_template("bob", seed=1), make_template("bob", "appearance", takes=2, dimension=16)
        )
        before = key_files()[0].read_text()
        store.rotate()
        after = key_files()[0].read_text()
        assert before != after
        assert len(KeyRing.parse(after, "file").keys) == 1
        same(store)
        same(other, "bob", 1)  # another process, that read the old key, finds the new one
        other.put(make_template("carol"))
        store.rotate()
        same(other, "carol")
        with store.database.read() as connection:
            assert len(set(connection.scalars(select(table.c.key_id)))) == 1
    key_files()[0].write_text(before)
    with pytest.raises(StoreKeyError):
        open_store(store_url)


def test_rotation_of_a_key_that_is_ours_to_bring_takes_the_last_one(store_url, monkeypatch):
    old, new = new_key(), new_key()
    monkeypatch.setenv("FACEMOTION_STORE_KEY", old)
    with open_store(store_url) as store:
        store.put(make_template())
        with pytest.raises(StoreKeyError, match="Add a new key"):
            store.rotate()
        monkeypatch.setenv("FACEMOTION_STORE_KEY", f"{old},{new}")
        store.rotate()
    monkeypatch.setenv("FACEMOTION_STORE_KEY", new)
    with open_store(store_url) as store:
        same(store)


def test_a_transform_key_of_its_own_is_needed_beside_the_key(store_url, monkeypatch):
    monkeypatch.setenv("KEY", new_key())
    monkeypatch.setenv("TURN", new_key())
    with open_store(store_url, key="env:KEY", transform_key="env:TURN") as store:
        store.put(make_template())
    with open_store(store_url, key="env:KEY", transform_key="env:TURN") as store:
        same(store)
    with pytest.raises(StoreKeyError):
        open_store(store_url, key="env:KEY")
    monkeypatch.setenv("TURN", new_key())
    with pytest.raises(StoreKeyError):
        open_store(store_url, key="env:KEY", transform_key="env:TURN")


def test_a_key_file_that_cannot_be_written_is_named_and_no_store_is_made(tmp_path, monkeypatch):
    (tmp_path / "blocked").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "blocked"))
    with pytest.raises(StoreKeyError, match="Can't write the key file"):
        open_store(tmp_path / "s.db")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "free"))
    with open_store(tmp_path / "s.db") as store:
        store.put(make_template())


def test_a_draft_of_a_key_file_never_takes_its_place_half_written(tmp_path):
    file = KeyFile("0" * 32)
    first = file.add()
    second = file.add()
    assert list(KeySource(file.name).load().keys) == [first, second]
    file.drop_all_but(second)
    assert list(KeySource(file.name).load().keys) == [second]
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]


ROTATE_FOREVER = """
import sys
from facemotion.service import backup
from facemotion.store import open_store
with open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    while True:
        store.rotate()
"""


@pytest.mark.parametrize("moment", [0, *(pytest.param(later, marks=pytest.mark.once) for later in range(1, 6))])
def test_a_kill_during_rotation_loses_no_template(store_url, moment):
    with open_store(store_url) as store:
        for number in range(6):
            store.put(make_template(f"user{number}", seed=number))
    with subprocess.Popen([sys.executable, "-c", ROTATE_FOREVER, store_url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 + 0.013 * moment)
        process.send_signal(signal.SIGKILL)
    with open_store(store_url) as store:
        for number in range(6):
            same(store, f"user{number}", number)
        store.rotate()
        for number in range(6):
            same(store, f"user{number}", number)
    assert len(KeyRing.parse(next(file for file in key_files() if file.suffix == ".key").read_text(), "file").keys) == 1
