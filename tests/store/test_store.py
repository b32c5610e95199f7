"""What every TemplateStore does, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import insert, select

from facemotion.errors import StoreError, StoreUnavailableError, UnknownUserError, UserExistsError
from facemotion.store import check_user, open_store, sql, tables
from facemotion.store.listing import count_outdated, count_users, user_page
from facemotion.types import Embedding

from .samples import make_template


def test_a_closed_store_answers_nothing_more(store_url):
    with open_store(store_url) as store:
        pass
    store.close()  # twice does no harm
    for call in (store.users, lambda: store.factors("alice"), lambda: store.delete("alice")):
        with pytest.raises(StoreError, match="is closed; open it again"):
            call()


def test_a_template_comes_back_as_it_was_put(store_url):
    put = make_template(takes=3)
    with open_store(store_url) as store:
        store.put(put)
    with open_store(store_url) as store:
        got = store.get("alice", "motion")
    assert (got.user, got.factor, got.model_id) == ("alice", "motion", "encoder-1")
    assert got.vectors.dtype == np.float32
    np.testing.assert_allclose(got.vectors, put.vectors, atol=1e-6)


def test_each_factor_is_kept_apart_and_a_second_put_replaces(store_url):
    with open_store(store_url) as store:
        store.put(
            make_template(factor="motion"), make_template(factor="appearance", takes=2, dimension=64, model_id="sface")
        )
        assert store.factors("alice") == ("appearance", "motion")
        newer = make_template(seed=1, takes=5, model_id="encoder-2")
        store.put(newer)
        np.testing.assert_allclose(store.get("alice", "motion").vectors, newer.vectors, atol=1e-6)
        assert store.get("alice", "motion").model_id == "encoder-2"
        assert store.get("alice", "appearance").vectors.shape == (2, 64)


def test_a_whole_put_leaves_nothing_else_of_the_user(store_url):
    with open_store(store_url) as store:
        for user in ("alice", "bob"):
            store.put(make_template(user), make_template(user, "appearance", dimension=64, model_id="sface"))
        enrolled = store.find("alice").enrolled
        store.put(make_template("alice", seed=1), whole=True)
        assert store.factors("alice") == ("motion",)
        assert store.factors("bob") == ("appearance", "motion")
        found = store.find("alice")
        assert (found.takes, found.model_ids) == ({"motion": 3}, {"motion": "encoder-1"})
        assert found.enrolled == enrolled < found.changed
        assert store.find("eve") is None


COMPOSED, DECOMPOSED = "Zo\u00eb", "Zoe\u0308"  # one name, as it is typed and as macOS writes it in file names


def keep_as_earlier_versions_did(store, template):
    """A row under the very name of a template, whatever its form."""
    now = datetime.now(UTC).replace(tzinfo=None)
    with store.database.write() as connection:
        current = connection.execute(select(tables.store)).one()
        row = store.protector.seal(template, current.key_id, current.transform_id, now, now)
        connection.execute(insert(tables.templates).values(**row))
        store.sealer.adopt_users(connection)  # as when this version opens such a store


@pytest.mark.parametrize(("one", "other"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_a_name_in_both_of_its_forms_is_one_user(store_url, one, other):
    template = make_template(one)
    probe = Embedding(template.vectors[0].copy(), template.model_id)
    with open_store(store_url) as store:
        store.put(template)
        assert store.compare(other, "motion", probe)[0] == pytest.approx(1, abs=1e-5)
        with pytest.raises(UserExistsError):
            store.put(make_template(other), replace=False)
        store.put(make_template(other, "appearance"))
        assert [user.user for user in store.users()] == [COMPOSED]
        assert store.factors(one) == ("appearance", "motion")
        assert [name for name, _ in store.search("motion", probe)] == [COMPOSED]
        store.revoke(other)
        store.delete(other)
        assert store.users() == []


def test_who_enrolled_under_a_decomposed_name_before_is_found_and_enrols_again(store_url):
    old = make_template(DECOMPOSED)
    probe = Embedding(old.vectors[1].copy(), old.model_id)
    with open_store(store_url) as store:
        keep_as_earlier_versions_did(store, old)
        keep_as_earlier_versions_did(store, make_template(DECOMPOSED, "appearance"))
        for name in (COMPOSED, DECOMPOSED):
            assert store.compare(name, "motion", probe)[1] == pytest.approx(1, abs=1e-5)
            assert store.find(name).user == COMPOSED
        store.put(make_template(COMPOSED, seed=1))
        assert store.compare(DECOMPOSED, "motion", probe)[1] < 0.9
        assert store.compare(COMPOSED, "appearance", probe)[1] == pytest.approx(1, abs=1e-5)
        with store.database.read() as connection:
            assert set(connection.scalars(select(tables.templates.c.user))) == {COMPOSED}


def test_of_two_rows_of_one_name_the_composed_one_counts_until_both_are_replaced(store_url):
    kept, old = make_template(COMPOSED, seed=1), make_template(DECOMPOSED)
    with open_store(store_url) as store:
        keep_as_earlier_versions_did(store, old)
        keep_as_earlier_versions_did(store, kept)
        probe = Embedding(kept.vectors[0].copy(), kept.model_id)
        for name in (COMPOSED, DECOMPOSED):
            assert store.compare(name, "motion", probe)[0] == pytest.approx(1, abs=1e-5)
        store.put(make_template(DECOMPOSED, seed=2), whole=True)
        with store.database.read() as connection:
            assert list(connection.scalars(select(tables.templates.c.user))) == [COMPOSED]


@pytest.mark.parametrize("name", [None, 7, b"alice", "e\u0301" * 129])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(StoreError, match="user name"):
        check_user(name)


def test_the_length_of_a_name_is_that_of_its_composed_form():
    assert check_user("e\u0301" * 128) == "\u00e9" * 128


def test_of_two_who_enrol_one_new_name_one_is_told_that_it_is_taken(store_url):
    with open_store(store_url) as store:
        begin, ends = threading.Barrier(4), []

        def enrol(seed: int) -> None:
            begin.wait()
            try:
                store.put(make_template("alice", seed=seed), whole=True, replace=False)
                ends.append(seed)
            except UserExistsError:
                ends.append("taken")

        threads = [threading.Thread(target=enrol, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, ends))[1:] == ["taken"] * 3
        (winner,) = (end for end in ends if end != "taken")
        np.testing.assert_allclose(store.get("alice", "motion").vectors, make_template(seed=winner).vectors, atol=1e-6)


def test_replacing_needs_every_user_to_be_there(store_url):
    with open_store(store_url) as store:
        store.put(make_template("alice"))
        with pytest.raises(UnknownUserError):
            store.put(make_template("alice", seed=1), make_template("eve"), replace=True)
        np.testing.assert_allclose(store.get("alice", "motion").vectors, make_template().vectors, atol=1e-6)
        store.put(make_template("alice", seed=1), replace=True)
        np.testing.assert_allclose(store.get("alice", "motion").vectors, make_template(seed=1).vectors, atol=1e-6)


def test_what_is_put_inside_a_transaction_is_kept_with_it_or_not_at_all(store_url):
    with open_store(store_url) as store:
        with suppress(ZeroDivisionError), store.database.write():
            store.put(make_template("alice"))
            assert store.factors("alice") == ("motion",)  # as the transaction sees it
            raise ZeroDivisionError
        assert store.users() == []
        store.put(make_template("alice"))
        with suppress(ZeroDivisionError), store.database.write():
            store.delete("alice")
            assert store.find("alice") is None
            raise ZeroDivisionError
        assert store.find("alice") is not None
        with store.database.write():
            store.delete("alice")
            store.put(make_template("bob"))
        assert [one.user for one in store.users()] == ["bob"]


def test_users_are_listed_by_name_without_vectors(store_url):
    before = datetime.now(UTC) - timedelta(seconds=1)
    with open_store(store_url) as store:
        assert store.users() == []
        store.put(make_template("bob"))
        store.put(make_template("Zoë", takes=4), make_template("Zoë", "appearance", takes=2, model_id="sface"))
        store.put(make_template("alice"))
        users = store.users()
        first = users[2].enrolled
        store.put(make_template("bob", seed=9))
        again = store.users()[2]
    assert [user.user for user in users] == ["Zoë", "alice", "bob"]
    assert users[0].takes == {"motion": 4, "appearance": 2}
    assert users[0].model_ids == {"motion": "encoder-1", "appearance": "sface"}
    assert before <= users[2].enrolled <= datetime.now(UTC) + timedelta(seconds=1)
    assert again.enrolled == first < again.changed


def test_pages_hold_everybody_once_and_find_letters_in_either_form_of_unicode(store_url):
    def pages(limit: int, **more) -> list[str]:
        found, after = [], ""
        while True:
            page = user_page(store.database, after=after, limit=limit, **more)
            assert len(page.users) <= limit
            found += [one.user for one in page.users]
            if not (after := page.next):
                return found

    with open_store(store_url) as store:
        assert pages(3) == []
        for number in range(7):
            store.put(make_template(f"user_{number}", dimension=8, model_id=f"encoder-{number % 2}"))
        store.put(make_template("USERS%", "appearance", model_id="sface"), make_template("USERS%"))
        keep_as_earlier_versions_did(store, make_template(DECOMPOSED))
        everybody = sorted([COMPOSED, "USERS%", *(f"user_{number}" for number in range(7))])
        for limit in (1, 2, 9, 10):
            assert sorted(pages(limit)) == everybody
        assert sorted(pages(2, find="USER_")) == [f"user_{number}" for number in range(7)]
        assert pages(2, find="%") == ["USERS%"]
        assert pages(2, find=COMPOSED[2]) == [COMPOSED]  # kept in the other form
        late = {"motion": "encoder-1", "appearance": "sface"}
        assert count_users(store.database) == 9
        assert count_outdated(store.database, late) == len(pages(2, lacking=late)) == 8
        assert "USERS%" not in pages(2, lacking=late)
        assert user_page(store.database, limit=9, find="USERS%").users == (store.find("USERS%"),)
        store.put(make_template("Zo\u00eb"))
        assert pages(2, find="zoe\u0308") == ["Zo\u00eb"]  # as the file names of macOS write it


def test_unknown_users_have_a_name_for_it(store_url):
    with open_store(store_url) as store:
        store.put(make_template())
        for ask in (
            lambda: store.get("eve", "motion"),
            lambda: store.get("alice", "appearance"),
            lambda: store.delete("eve"),
        ):
            with pytest.raises(UnknownUserError):
                ask()
        assert store.factors("eve") == ()
        store.delete("alice")
        with pytest.raises(UnknownUserError):
            store.get("alice", "motion")
        assert store.users() == []


def test_a_probe_is_compared_with_everybody_of_its_factor_and_model(store_url):
    probe = Embedding(make_template(seed=1).vectors[0].copy(), "encoder-1")
    with open_store(store_url) as store:
        assert list(store.search("motion", probe)) == []
        store.put(make_template("bob", seed=1), make_template("alice", seed=2, takes=2))
        store.put(make_template("alice", "appearance", seed=1), make_template("old", seed=1, model_id="encoder-0"))
        found = dict(store.search("motion", probe))
        assert list(found) == ["alice", "bob"]
        for user, cosines in found.items():
            np.testing.assert_allclose(cosines, store.compare(user, "motion", probe), atol=1e-6)
        assert found["bob"][0] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["a\nb", " a", "a ", "a\x00b", "a\u200bb", "\ud800"])
def test_names_that_could_hide_in_a_log_are_refused_and_nothing_of_the_call_is_kept(store_url, name):
    with open_store(store_url) as store:
        with pytest.raises(StoreError, match="printable"):
            store.put(make_template("alice"), make_template(name))
        assert store.users() == []


def test_names_are_data_never_sql(store_url):
    name = "x'; DROP TABLE facemotion_templates; -- %s"
    with open_store(store_url) as store:
        store.put(make_template(name), make_template("alice"))
        assert store.get(name, "motion").user == name
        store.delete(name)
        assert [user.user for user in store.users()] == ["alice"]


def test_threads_and_stores_at_once_lose_nothing(store_url):
    failures = []

    def work(number):
        try:
            with open_store(store_url) as store:
                for turn in range(5):
                    store.put(make_template(f"user{number}", seed=turn), make_template("shared", seed=turn))
                    store.get("shared", "motion")
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with open_store(store_url) as store:
        assert [user.user for user in store.users()] == ["shared", "user0", "user1", "user2", "user3"]


def test_a_server_that_stops_is_named_and_found_again(postgres):
    with open_store(postgres.database()) as store:
        store.put(make_template())
        postgres.stop()
        with pytest.raises(StoreUnavailableError):
            store.get("alice", "motion")
        postgres.start()
        np.testing.assert_allclose(store.get("alice", "motion").vectors, make_template().vectors, atol=1e-6)


def test_a_search_reads_some_rows_at_a_time(store_url, monkeypatch):
    monkeypatch.setattr(sql, "SEARCHED_AT_ONCE", 2)
    names = ["anna", "ben", "carla", "dora", "emil"]
    templates = [make_template(name, "appearance", seed) for seed, name in enumerate(names)]
    with open_store(store_url) as store:
        store.put(*templates, make_template("frida"), make_template("gus", "appearance", model_id="another"))
        probe = Embedding(templates[3].vectors[0], "encoder-1")
        found = dict(store.search("appearance", probe))
        assert list(found) == names
        assert found["dora"][0] == pytest.approx(1, abs=1e-6)
        rest = store.search("appearance", probe)
        assert next(rest)[0] == "anna"
        store.delete("ben")
        store.delete("dora")
        assert [user for user, _ in rest] == ["ben", "carla", "emil"]  # ben's row was read with anna's


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(StoreUnavailableError, match="can't be reached"):
        open_store("postgresql://nobody:secret@127.0.0.1:1/none")


def test_an_unknown_database_is_named_without_its_password(postgres):
    url = f"postgresql://facemotion:hunter2@127.0.0.1:{postgres.port}/none"
    with pytest.raises(StoreUnavailableError, match="check the user, password and database name") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)
