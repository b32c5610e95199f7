"""The administrators' view."""

from __future__ import annotations

import json
from pathlib import Path

from . import films
from .conftest import PHONE, axe


def test_administrators_see_and_unlock(server, visit):
    other = (films.SAMPLES / "ben-brows-smile-1.mp4").read_bytes()
    takes = [(films.SAMPLES / f"ben-wink-pout-{k}.mp4").read_bytes() for k in (1, 2)]
    assert server.enrol("rosa", takes).status_code == 201
    for clip in (takes[0], other):  # a recording that was seen before, whose score is high, and another motion
        assert not server.verify("rosa", clip).json()["accepted"]
    server.verify("nobody-knows", other)
    assert server.enrol("sam", takes[:1]).json()["error"] == "EnrolmentError"
    with visit(server, None) as visitor:
        visitor.come("/admin")
        visitor.page.get_by_label("Key with the role admin").fill("fm_wrong")
        visitor.press("Open")
        visitor.page.get_by_role("alert").filter(has_text="key").wait_for()
        visitor.page.get_by_label("Key with the role admin").fill(server.keys["admin"])
        visitor.press("Open")
        visitor.page.get_by_role("heading", name="Scores of the motion").wait_for()
        rows = server.call("GET", "/v1/audit?newest=true&limit=1000").json()["entries"]
        for kind, outcome in {"refused recordings": "replay", "of names that nobody has": "unknown user"}.items():
            figure = visitor.page.locator("#numbers div", has_text=kind).locator("strong").inner_text()
            assert int(figure) == [row["outcome"] for row in rows if row["action"] == "verify"].count(outcome) > 0
        drawn = "[...document.querySelectorAll('#histogram rect.replayed')].filter((r) => r.getAttribute('height') > 0)"
        assert visitor.page.evaluate(f"Math.max(...{drawn}.map((r) => Number(r.getAttribute('x'))))") > 500
        failed = visitor.page.locator("#entries tr", has_text="sam").first
        assert "enrolment" in failed.inner_text()
        assert "refused: EnrolmentError" in failed.inner_text()
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
        with visitor.page.expect_download() as saved:
            visitor.press("Export the whole audit trail")
        lines = Path(saved.value.path()).read_text("utf-8").splitlines()
        assert [json.loads(line)["number"] for line in lines] == list(range(1, len(lines) + 1))
        assert json.loads(lines[-1])["action"] == "unlock"
        visitor.page.on("dialog", lambda dialog: dialog.accept())
        visitor.press("Delete rosa")
        visitor.page.get_by_text("Nobody of that name.").wait_for()
        visitor.page.set_viewport_size(PHONE)
        visitor.page.get_by_label("Find").fill("")
        cut = "[...document.querySelectorAll('.wide')].filter((table) => table.scrollWidth > table.clientWidth).length"
        assert visitor.page.evaluate(cut) == 0
        assert axe(visitor.page) == []
        visitor.press("Sign out")
        assert visitor.page.evaluate("sessionStorage.getItem('key')") is None
    assert not server.call("GET", "/v1/users/rosa").json()["enrolled"]


def test_whoever_types_fast_sees_each_user_once(server, visit):
    takes = [(films.SAMPLES / f"ben-wink-pout-{k}.mp4").read_bytes() for k in (1, 2)]
    assert server.enrol("typed", takes).status_code == 201
    with visit(server, None) as visitor:
        visitor.come("/admin")
        page, held, holding = visitor.page, [], [True]
        find, rows = page.get_by_label("Find"), page.locator("#users tr")
        page.get_by_label("Key with the role admin").fill(server.keys["admin"])
        # How a user stands comes late, so listings overlap.
        page.route("**/v1/users/*", lambda route: held.append(route) if holding else route.continue_())

        def let_go() -> None:
            holding.clear()
            while held:
                held.pop().continue_()
            page.wait_for_timeout(300)

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
        find.fill("typed")
        page.wait_for_timeout(100)
        find.fill("nobody at all")
        page.get_by_text("Nobody of that name.").wait_for()
        assert held
        let_go()
        assert rows.all_inner_texts() == ["Nobody of that name."]
