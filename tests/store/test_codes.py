"""The index of faces: a search by it finds whom a search of everybody finds, and opens few templates."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from facemotion.enrolment import find_duplicates
from facemotion.store import codes, open_store
from facemotion.store.sql import SqlStore
from facemotion.store.tables import codes as table
from facemotion.types import Embedding, OperatingPoint, Template

from .samples import make_template
from .test_seals import files_of

PEOPLE = 16
LEAST = 0.3


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector, axis=-1, keepdims=True)).astype(np.float32)


PROBE = Embedding(unit(np.random.default_rng(0).normal(size=32)), "encoder-1")
COSINES = (0.9, 0.6, 0.4)
"""Of the first people's faces with the probe; the others' is about 0."""


def faces() -> list[Template]:
    """Faces of PEOPLE, two takes each."""
    rng, made = np.random.default_rng(1), []
    for number in range(PEOPLE):
        other = rng.normal(size=32)
        other = unit(other - (other @ PROBE.vector) * PROBE.vector)
        cosine = COSINES[number] if number < len(COSINES) else 0.0
        mean = cosine * PROBE.vector + np.sqrt(1 - cosine**2) * other
        takes = unit(mean + rng.normal(size=(2, 32)) * 0.01)
        made.append(Template(f"user{number:02}", "appearance", takes, "encoder-1"))
    return made


@pytest.fixture
def store(store_url) -> Iterator[SqlStore]:
    with open_store(store_url) as opened:
        opened.put(*faces())
        yield opened


def found(store: SqlStore, least: float = LEAST) -> dict[str, list[float]]:
    """Who reaches `least`, with rounded cosines."""
    near = store.search("appearance", PROBE, least)
    return {user: cosines.round(4).tolist() for user, cosines in near if cosines.mean() >= least}


def opened(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose templates a search opens."""
    names: list[str] = []
    compare_all = store.protector.compare_all

    def watched(rows, probe):
        names.extend(row["user"] for row in rows)
        return compare_all(rows, probe)

    with monkeypatch.context() as patch:
        patch.setattr(store.protector, "compare_all", watched)
        found(store)
    return names


def stored(store: SqlStore) -> dict[str, tuple[str, bytes]]:
    with store.database.read() as connection:
        return {row.user: (row.row_id, bytes(row.code)) for row in connection.execute(select(table))}


def test_an_indexed_search_finds_the_same_people_and_opens_few_templates(store, monkeypatch, caplog):
    expected = found(store)
    assert list(expected) == ["user00", "user01", "user02"]
    assert stored(store) == {}
    assert len(opened(store, monkeypatch)) == PEOPLE
    assert store.index() == PEOPLE
    monkeypatch.setattr(codes, "READ_AT_ONCE", 7)
    monkeypatch.setattr(codes, "SLOW", 0)
    assert found(store) == expected
    assert opened(store, monkeypatch) == list(expected)
    assert found(store, -1.0).keys() == {face.user for face in faces()}
    assert "without a search code" not in caplog.text


def test_a_search_that_must_open_many_templates_says_how_to_make_it_fast(store, monkeypatch, caplog):
    monkeypatch.setattr(codes, "SLOW", PEOPLE - 1)
    found(store)
    assert f"opened the templates of {PEOPLE} people" in caplog.text
    assert "`facemotion store index` makes searches fast" in caplog.text


def test_duplicate_faces_are_the_same_with_and_without_an_index(store):
    points = (OperatingPoint("p", 0.5, 0.1, 0.1, 9, 90, 3, "made up"),)
    face = Template("new", "appearance", unit(PROBE.vector + np.float32(0.05) * np.eye(3, 32)), "encoder-1")
    expected = find_duplicates(store, face, points)
    assert expected == ("user00", "user01")
    store.index()
    assert find_duplicates(store, face, points) == expected


def test_once_there_is_an_index_each_face_that_is_written_gets_its_code_and_motions_get_none(store, monkeypatch):
    store.index()
    before = stored(store)
    new = Template("alice", "appearance", unit(np.stack([PROBE.vector, PROBE.vector])), "encoder-1")
    store.put(make_template("alice"), new, whole=True)
    store.put(faces()[5])
    after = stored(store)
    assert set(after) - set(before) == {"alice"}
    assert {user for user in before if after[user] != before[user]} == {"user05"}
    assert opened(store, monkeypatch) == ["alice", "user00", "user01", "user02"]


def test_a_code_goes_with_its_template(store, request, store_url):
    store.index()
    kept = stored(store)
    store.put(make_template("user01"), whole=True)  # no face any more
    store.delete("user02")
    assert set(kept) - set(stored(store)) == {"user01", "user02"}
    assert kept["user03"][1] in files_of(request, store_url)
    assert kept["user02"][1] not in files_of(request, store_url)


def test_rotation_and_revocation_make_codes_anew(store, monkeypatch, caplog):
    expected = found(store)
    store.index()
    before = stored(store)
    store.rotate()
    rotated = stored(store)
    store.revoke("user03")
    assert all(rotated[user] != before[user] for user in before)
    assert {user for user in before if stored(store)[user] != rotated[user]} == {"user03"}
    assert found(store) == expected
    assert opened(store, monkeypatch) == list(expected)
    assert "altered" not in caplog.text


def test_a_code_that_is_gone_altered_or_somebody_elses_hides_nobody(store, monkeypatch, caplog):
    expected = found(store)
    store.index()
    kept = stored(store)
    with store.database.write() as connection:
        connection.execute(delete(table).where(table.c.user == "user00"))
        connection.execute(update(table).where(table.c.user == "user01").values(code=b"x" * 60))
        connection.execute(update(table).where(table.c.user == "user02").values(code=kept["user09"][1]))
    assert found(store) == expected
    assert "2 search codes were altered" in caplog.text
    store.put(faces()[0])
    old = stored(store)["user00"]
    store.put(faces()[0])
    with store.database.write() as connection:  # of the writing before
        connection.execute(update(table).where(table.c.user == "user00").values(row_id=old[0], code=old[1]))
    assert found(store) == expected


def test_an_index_that_was_interrupted_is_finished_by_the_next_call(store, monkeypatch):
    monkeypatch.setattr(codes, "MADE_AT_ONCE", 4)

    def stop(made: int, lacking: int) -> None:
        if made == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.index(stop)
    assert len(stored(store)) == 8
    told: list[tuple[int, int]] = []
    assert store.index(lambda made, lacking: told.append((made, lacking))) == PEOPLE - 8
    assert told == [(4, 8), (8, 8)]
    assert store.index() == 0


def test_an_index_that_is_dropped_leaves_nothing(store, request, store_url):
    expected = found(store)
    store.index()
    code = stored(store)["user04"][1]
    store.drop_index()
    store.put(faces()[4])
    assert stored(store) == {}
    assert code not in files_of(request, store_url)
    assert found(store) == expected


def test_codes_are_encrypted_and_those_of_two_stores_have_nothing_in_common(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    face, plain = faces()[0], []
    for name in ("a", "b"):
        with open_store(tmp_path / f"{name}.db") as store:
            store.put(face)
            store.index()
            (row_id, sealed), now = stored(store)[face.user], store.protector
            with store.database.read() as connection:
                writing = codes.current_writing(connection)
            plain += store.codes._open("appearance", [(face.user, row_id, sealed)], writing)
            assert plain[-1]
            assert plain[-1] not in sealed
            assert codes.rounded(face.vectors.mean(axis=0))[codes.SCALE_BYTES :] not in plain[-1]
            assert now.store_id.encode() not in sealed
    one, other = (np.frombuffer(code, np.int8)[codes.SCALE_BYTES :].astype(float) for code in plain)
    assert abs(one @ other) / np.linalg.norm(one) / np.linalg.norm(other) < 0.6  # 0.18 is one standard deviation


@given(st.integers(0, 10**6), st.integers(2, 40))
def test_no_product_lies_above_what_a_code_allows_or_far_below(seed, dimension):
    rng = np.random.default_rng(seed)
    vectors = unit(rng.normal(size=(5, dimension)) ** 3)
    probe = unit(rng.normal(size=dimension))
    most = codes.highest([codes.rounded(vector) for vector in vectors], probe)
    products = vectors @ probe
    assert (products <= most).all()
    assert (most - products).max() <= np.abs(vectors).max() / codes.LEVELS * np.abs(probe).sum() + 2 * codes.ROUNDING
