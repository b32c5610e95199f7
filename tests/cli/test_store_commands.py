"""`facemotion store`: keys, rotation, revocation, as an administrator types them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import StoreKeyError, UnknownUserError
from facemotion.store import open_store
from facemotion.types import Template


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Path of a store with one user, made by default as the command line would."""
    path = tmp_path / "s.db"
    monkeypatch.setenv("FACEMOTION_STORE", str(path))
    return path


def enrol(path, **keys) -> Template:
    template = Template("alice", "motion", np.eye(3, 8, dtype=np.float32), "m@1")
    with open_store(path, **keys) as opened:
        opened.put(template)
    return template


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["store", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_rotate_and_revoke_keep_the_template(store):
    template = enrol(store)
    assert run("rotate") == "Users whose templates are now under a new key: 1.\n"
    assert json.loads(run("rotate", "--json")) == {"rotated": True, "users": 1}
    assert "alice" in run("revoke", "alice")
    assert json.loads(run("revoke", "alice", "--json")) == {"user": "alice", "revoked": True}
    with open_store(store) as opened:
        np.testing.assert_allclose(opened.get("alice", "motion").vectors, template.vectors, atol=1e-6)
    with pytest.raises(UnknownUserError):
        run("revoke", "eve")


def test_a_printed_key_opens_what_it_made_and_rotation_takes_the_last(store, monkeypatch, tmp_path):
    old, new = run("key").strip(), run("key").strip()
    monkeypatch.setenv("FACEMOTION_STORE_KEY", old)
    enrol(store)
    with pytest.raises(StoreKeyError, match="Add a new key"):
        run("rotate")
    (tmp_path / "keys").write_text(f"{old}\n{new}\n")
    (tmp_path / "keys").chmod(0o600)
    monkeypatch.setenv("FACEMOTION_STORE_KEY", f"file:{tmp_path / 'keys'}")
    assert "under a new key" in run("rotate")
    monkeypatch.setenv("FACEMOTION_STORE_KEY", new)
    with open_store(store) as opened:
        assert opened.factors("alice") == ("motion",)
    monkeypatch.delenv("FACEMOTION_STORE_KEY")
    with pytest.raises(StoreKeyError):
        run("rotate")


def test_index_gives_each_face_a_code_and_takes_all_away_again(store):
    face = Template("alice", "appearance", np.eye(2, 8, dtype=np.float32), "m@1")
    with open_store(store) as opened:
        opened.put(face)
    assert run("index").startswith("Faces that were given a search code: 1. ")
    assert json.loads(run("index", "--json")) == {"indexed": True, "made": 0}
    assert json.loads(run("index", "--remove", "--json")) == {"indexed": False}
    assert run("index", "--remove") == "The search codes are deleted; new faces get none.\n"
    assert json.loads(run("index", "--json"))["made"] == 1
