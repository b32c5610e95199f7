"""What protects the vectors: the transform keeps cosines and nothing else, rows can't be read, moved or altered."""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from facemotion.errors import ModelMismatchError, StoreCorruptError, StoreKeyError, UnknownUserError
from facemotion.store import open_store
from facemotion.store.keys import new_key
from facemotion.store.protect import turn_back_each, turn_each, turning
from facemotion.store.tables import templates as table
from facemotion.types import Embedding

from .samples import make_template


def unit(seed, dimension=128):
    vector = np.random.default_rng(seed).normal(size=dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@given(secret=st.binary(min_size=32, max_size=32), dimension=st.integers(1, 200), seed=st.integers(0, 1000))
def test_the_transform_keeps_every_cosine_and_can_be_undone(secret, dimension, seed):
    a, b = unit(seed, dimension), unit(seed + 1, dimension)
    turned = turn_each(np.stack([a, b]), [secret] * 2)
    assert turned[0] @ turned[1] == pytest.approx(a.astype(float) @ b.astype(float), abs=1e-12)
    np.testing.assert_allclose(turn_back_each(turned, [secret] * 2), [a, b], atol=1e-12)
    np.testing.assert_allclose(turned[0], turning(secret, dimension) @ a, atol=1e-12)


def test_the_matrices_are_uniform_over_all_orthogonal_ones():
    matrices = np.array([turn_each(np.eye(4), [bytes([n, 7] * 16)] * 4) for n in range(256)])
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(4), (256, 4, 4)), atol=1e-12
    )
    # Haar: every entry has mean 0 and variance 1/E, the determinant is +1 or -1 with equal chance.
    assert np.abs(matrices.mean(0)).max() < 5 * 0.5 / 16
    assert np.abs(matrices.var(0) - 0.25).max() < 0.08
    assert 90 < (np.linalg.det(matrices) > 0).sum() < 166


def test_the_transform_is_the_same_on_every_machine_for_ever():
    # Stored vectors depend on it: these figures must never change.
    (got,) = turn_each(np.array([[1, 0, 0]], np.float32), [b"a fixed secret of 32 bytes......"])
    np.testing.assert_allclose(got, [0.42273065247771946, 0.046514238440651556, -0.9050608935745972], atol=1e-12)


def test_a_probe_is_compared_as_with_the_plain_vectors(store_url):
    template = make_template(takes=4)
    probe = Embedding(unit(5), "encoder-1")
    with open_store(store_url) as store:
        store.put(template)
        got = store.compare("alice", "motion", probe)
        assert got.shape == (4,)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, template.vectors @ probe.vector, atol=1e-6)
        np.testing.assert_allclose(
            store.compare("alice", "motion", Embedding(template.vectors[2], "encoder-1"))[2], 1, atol=1e-6
        )
        with pytest.raises(ModelMismatchError, match="enrol again"):
            store.compare("alice", "motion", Embedding(unit(5), "encoder-2"))
        with pytest.raises(UnknownUserError):
            store.compare("eve", "motion", probe)


def rows(store):
    with store.database.read() as connection:
        return {(row["user"], row["factor"]): dict(row) for row in connection.execute(select(table)).mappings()}


def alter(store, user, /, **values):
    with store.database.write() as connection:
        connection.execute(update(table).where(table.c.user == user, table.c.factor == "motion").values(**values))


def test_stored_bytes_hold_neither_the_vectors_nor_anything_that_compares_with_them(store_url):
    template = make_template()
    with open_store(store_url) as store:
        store.put(template)
        row = rows(store)["alice", "motion"]
        _, turned = store.protector._open(row)
    for vector in template.vectors:
        assert vector.tobytes()[:16] not in row["payload"]
    # Even decrypted: no take resembles its own original, nor do takes keep their angles to each other.
    assert np.abs((turned * template.vectors).sum(1)).max() < 0.4
    same = make_template()
    assert np.abs(turned @ turned.T - same.vectors @ same.vectors.T)[~np.eye(3, dtype=bool)].max() > 0.001


@pytest.mark.parametrize(
    "change",
    [
        {"user": "bob"},
        {"factor": "appearance"},
        {"model_id": "encoder-2"},
        {"takes": 1, "dimension": 384},
        {"row_id": "0" * 32},
        {"salt": bytes(32)},
        {"payload": bytes(1564)},
        {"payload": b""},
        {"payload": b"short"},
    ],
    ids=lambda change: "+".join(change),
)
def test_a_row_that_was_altered_or_moved_is_refused(store_url, change):
    with open_store(store_url) as store:
        store.put(make_template())
        alter(store, "alice", **change)
        with pytest.raises(StoreCorruptError, match="was altered"):
            store.get(change.get("user", "alice"), change.get("factor", "motion"))
        with pytest.raises(StoreCorruptError):
            store.compare(change.get("user", "alice"), change.get("factor", "motion"), Embedding(unit(1), "encoder-2"))


def test_rows_cannot_be_swapped_between_users_or_stores(store_url, tmp_path):
    with open_store(store_url) as store, open_store(tmp_path / "other.db") as other:
        store.put(make_template("alice", seed=1), make_template("mallory", seed=2))
        mine = rows(store)["mallory", "motion"]
        alter(store, "alice", **{name: value for name, value in mine.items() if name != "user"})
        with pytest.raises(StoreCorruptError):
            store.get("alice", "motion")
        store.get("mallory", "motion")
        other.put(make_template("mallory", seed=2))
        alter(other, "mallory", **mine)
        with pytest.raises((StoreCorruptError, StoreKeyError)):
            other.get("mallory", "motion")


def test_one_key_for_two_stores_still_lets_no_row_cross(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEMOTION_STORE_KEY", new_key())
    with open_store(tmp_path / "a.db") as a, open_store(tmp_path / "b.db") as b:
        for store in (a, b):
            store.put(make_template())
        alter(b, "alice", **rows(a)["alice", "motion"])
        with pytest.raises(StoreCorruptError):
            b.get("alice", "motion")


def test_revoking_makes_what_leaked_worthless_and_keeps_the_user(store_url):
    template = make_template()
    with open_store(store_url) as store:
        store.put(template, make_template("bob"))
        leaked = rows(store)
        _, turned = store.protector._open(leaked["alice", "motion"])
        store.revoke("alice")
        now = rows(store)
        _, turned_now = store.protector._open(now["alice", "motion"])
        np.testing.assert_allclose(store.get("alice", "motion").vectors, template.vectors, atol=1e-6)
        with pytest.raises(UnknownUserError):
            store.revoke("eve")
    assert np.abs((turned * turned_now).sum(1)).max() < 0.4
    assert now["bob", "motion"] == leaked["bob", "motion"]
    assert now["alice", "motion"]["enrolled"] == leaked["alice", "motion"]["enrolled"]


@pytest.mark.once
def test_time_does_not_tell_who_is_enrolled(store_url):
    probe = Embedding(unit(5), "encoder-1")
    face = Embedding(unit(6), "sface-1")
    spent = {"alice": [], "eve": [], "old": []}
    with open_store(store_url) as store:
        store.put(make_template(takes=3), make_template(factor="appearance", takes=3, model_id="sface-1"))
        store.put(make_template("old", model_id="encoder-0"))
        for _ in range(25):
            for user, times in spent.items():
                start = perf_counter()
                for factor, one in (("motion", probe), ("appearance", face)):
                    with suppress(UnknownUserError, ModelMismatchError):
                        store.compare(user, factor, one)
                times.append(perf_counter() - start)
    known, unknown, outdated = (float(np.min(times)) for times in spent.values())
    assert 0.6 < unknown / known < 1.6
    assert 0.6 < outdated / known < 1.6


def test_an_unknown_user_is_unknown_after_a_rotation_too(store_url):
    probe = Embedding(unit(5), "encoder-1")
    with open_store(store_url) as store, open_store(store_url) as other:
        store.put(make_template())
        for _ in range(2):
            store.compare("alice", "motion", probe)
            with pytest.raises(UnknownUserError):
                store.compare("eve", "motion", probe)
            other.rotate()
