"""The administrators' view."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from facemotion import open_store
from facemotion.service.replays.recording import ATTACKS

from . import films
from .conftest import PHONE, axe

Board = Callable[[], AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def board(server, visit) -> Board:
    """board() is a visit of an administrator, of a service that let nobody in so far.

    rosa is enrolled and failed twice: by a recording that was seen before, whose score is high, and by another motion.
    vera and typed are enrolled, nobody-knows isn't and was tried, and one take was too few to enrol sam.
    """
    other = (films.SAMPLES / "ben-brows-smile-1.mp4").read_bytes()
    takes = [(films.SAMPLES / f"ben-wink-pout-{k}.mp4").read_bytes() for k in (1, 2)]
    assert server.enrol("rosa", takes).status_code == 201
    for clip in (takes[0], other):
        assert not server.verify("rosa", clip).json()["accepted"]
    server.verify("nobody-knows", other)
    assert server.enrol("sam", takes[:1]).json()["error"] == "EnrolmentError"
    with open_store(str(server.store)) as store:
        for user in ("vera", "typed"):
            store.put(dataclasses.replace(store.get("rosa", "motion"), user=user))

    @contextmanager
    def opened() -> Iterator[Any]:
        with visit(server, None) as visitor:
            visitor.come("/admin")
            visitor.page.get_by_label("Key with the role admin").fill(server.keys["admin"])
            visitor.press("Open")
            visitor.page.get_by_role("heading", name="Scores of the motion").wait_for()
            yield visitor

    return opened


def test_a_wrong_key_opens_nothing_and_the_right_one_is_forgotten_with_signing_out(board, server, visit):
    with visit(server, None) as visitor:
        visitor.come("/admin")
        visitor.page.get_by_label("Key with the role admin").fill("fm_wrong")
        visitor.press("Open")
        told = visitor.page.get_by_role("alert").filter(has_text="This key isn't known here")
        told.wait_for()
        form, words = visitor.page.locator("#door").bounding_box(), told.bounding_box()
        assert words["y"] - form["y"] - form["height"] < 40  # px: it is read beside the form
        visitor.shot("admin-door", both=True)
        assert not visitor.page.locator("#board").is_visible()
    with board() as visitor:
        assert visitor.page.evaluate("document.activeElement.closest('#board h1') !== null")  # the form had the focus
        visitor.press("Sign out")
        assert not visitor.page.locator("#board").is_visible()
        assert visitor.page.evaluate("document.activeElement.id") == "key"
        assert visitor.page.evaluate("sessionStorage.getItem('key')") is None


def test_a_service_that_is_away_is_told_in_words(server, visit):
    with visit(server, None) as visitor:
        visitor.page.route("**/v1/models", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
        visitor.come("/admin")
        visitor.page.get_by_label("Key with the role admin").fill(server.keys["admin"])
        visitor.press("Open")
        visitor.page.get_by_role("alert").filter(has_text="The server can't be reached").wait_for()


def test_an_administrator_unlocks_whoever_waits(board, server):
    with board() as visitor:
        visitor.page.get_by_label("Find").fill("rosa")
        row = visitor.page.locator("#users tr", has_text="rosa")
        row.filter(has_text="waits").wait_for()
        visitor.page.wait_for_timeout(300)
        assert axe(visitor.page) == []
        visitor.page.get_by_label("Find").fill("")
        visitor.shot("admin", both=True)
        visitor.page.get_by_label("Find").fill("rosa")
        visitor.press("Unlock rosa")
        row.filter(has_text="free").wait_for()
    assert server.deeds("rosa")[-1] == "unlock: done"


def test_an_administrator_deletes_a_user(board, server):
    with board() as visitor:
        visitor.page.get_by_label("Find").fill("vera")
        visitor.page.on("dialog", lambda dialog: dialog.accept())
        visitor.press("Delete vera")
        visitor.page.get_by_text("Nobody of that name.").wait_for()
        visitor.until("document.activeElement.id === 'find'")  # the button is gone that had the focus
    assert not server.call("GET", "/v1/users/vera").json()["enrolled"]


def test_users_are_listed_a_page_at_a_time_with_their_encoders(board, server):
    many = [f"many-{number}" for number in range(26)]
    with open_store(str(server.store), key=server.store_key) as store, board() as visitor:
        old = dataclasses.replace(store.get("rosa", "motion"), model_id="old@1234567")
        store.put(*(dataclasses.replace(old, user=user) for user in many))
        visitor.page.get_by_label("Find").fill("many-")
        rows = visitor.page.locator("#users tr")
        rows.filter(has_text="old@1234").nth(24).wait_for()
        assert rows.count() == 25
        visitor.press("More")
        rows.nth(25).wait_for()
        assert not visitor.page.get_by_role("button", name="More").is_visible()
        assert "26" in visitor.page.locator("#of-users div", has_text="earlier encoder").inner_text()
        for user in many:
            store.delete(user)


def test_attempts_at_unknown_names_and_refused_recordings_are_counted_and_drawn_apart(board, server):
    with board() as visitor:
        rows = [row["outcome"] for row in server.trail() if row["action"] == "verify"]
        recordings = {*ATTACKS, "step missed"}
        for kind, outcomes in {"refused recordings": recordings, "of names that nobody has": {"unknown user"}}.items():
            figure = visitor.page.locator("#numbers div div", has_text=kind).locator("strong").inner_text()
            assert int(figure) == sum(outcome in outcomes for outcome in rows) > 0
        assert visitor.page.locator("#entries").get_by_text("recording seen before").count() == rows.count("replay")
        drawn = "[...document.querySelectorAll('#histogram rect.replayed')].filter((r) => r.getAttribute('height') > 0)"
        assert visitor.page.evaluate(f"Math.max(...{drawn}.map((r) => Number(r.getAttribute('x'))))") > 500


def test_an_enrolment_that_was_refused_says_why(board):
    with board() as visitor:
        failed = visitor.page.locator("#entries tr", has_text="sam").first
        assert "enrolment" in failed.inner_text()
        assert "refused: EnrolmentError" in failed.inner_text()


def test_the_whole_trail_is_exported(board, server):
    with board() as visitor, visitor.page.expect_download() as saved:
        visitor.press("Export the whole audit trail")
        lines = [json.loads(line) for line in Path(saved.value.path()).read_text("utf-8").splitlines()]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1] == server.trail()[-1]


def test_on_a_phone_no_table_is_cut_off(board):
    with board() as visitor:
        visitor.page.set_viewport_size(PHONE)
        visitor.page.locator("#users tr").first.wait_for()
        cut = "[...document.querySelectorAll('.wide')].filter((table) => table.scrollWidth > table.clientWidth).length"
        assert visitor.page.evaluate(cut) == 0
        # What a row is about stands above it; what it doesn't hold isn't named.
        first = visitor.page.locator("#entries tr").first
        assert first.locator("td").first.evaluate("cell => getComputedStyle(cell, '::before').content") == "none"
        assert first.locator("td:empty:visible").count() == 0
        assert axe(visitor.page) == []


@pytest.mark.usefixtures("board")  # which enrols typed
def test_whoever_types_fast_sees_each_user_once(server, visit):
    with visit(server, None) as visitor:
        visitor.come("/admin")
        page, held, holding = visitor.page, [], [True]
        find, rows = page.get_by_label("Find"), page.locator("#users tr")
        page.get_by_label("Key with the role admin").fill(server.keys["admin"])
        # Who is listed comes late, so listings overlap.
        page.route(re.compile(r"/v1/users\?"), lambda route: held.append(route) if holding else route.continue_())

        def let_go() -> None:
            holding.clear()
            while held:
                held.pop().continue_()
            page.wait_for_timeout(300)

        def wait_for_requests(count: int) -> None:
            for _ in range(200):
                if len(held) == count:
                    return
                page.wait_for_timeout(50)
            raise AssertionError(f"{len(held)} requests for users, not {count}")

        visitor.press("Open")
        for text in ("t", "ty", "typed"):
            find.fill(text)
            page.wait_for_timeout(100)
        assert held
        let_go()
        rows.filter(has_text="typed").first.wait_for()
        assert rows.count() == 1
        holding.append(True)
        page.reload()
        page.get_by_role("heading", name="Scores of the motion").wait_for()
        wait_for_requests(1)
        for number, text in enumerate(("typed", "nobody at all"), 2):
            find.fill(text)
            wait_for_requests(number)
        held.pop().continue_()
        page.get_by_text("Nobody of that name.").wait_for()
        assert len(held) == 2
        let_go()
        assert rows.all_inner_texts() == ["Nobody of that name."]
