"""The example site: somebody logs in there by a motion, on the page and in a frame of the site."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .conftest import ANNA_AGAIN, ANNA_ONCE_MORE, axe

EXAMPLE = Path(__file__).parents[2] / "examples" / "site" / "site.py"


@pytest.fixture(scope="module")
def site(server, site_address) -> Iterator[str]:
    """The example as its README runs it."""
    service = server.url.replace("127.0.0.1", "localhost")
    environment = os.environ | {
        "SITE": site_address,
        "FACEMOTION_URL": service,
        "FACEMOTION_KEY": server.keys["verify"],
    }
    with subprocess.Popen([sys.executable, EXAMPLE], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == f"Open {site_address}\n"
        yield site_address
        process.terminate()


def log_in(visitor, site: str, user: str, framed: bool = False) -> None:
    visitor.page.goto(site)
    visitor.page.get_by_label("User name").fill(user)
    visitor.page.get_by_label("in this page").set_checked(framed)
    visitor.press("Log in")


def comes_back(visitor) -> bool:
    """Whether the motion lets in. On a busy machine takes have gaps and are turned away, until the name is locked."""
    visitor.begin("Let me in")
    back, verdict, again = (visitor.page.locator(f"#{name}") for name in ("login", "verdict", "again"))
    for _ in range(8):
        back.or_(verdict).first.wait_for()
        if back.count() or visitor.page.locator("#verdict-title").inner_text() == "You're in":
            back.wait_for()
            return True
        if again.is_hidden() or again.is_disabled():
            return False
        again.click()
    return False


def test_somebody_logs_in_on_the_page_and_is_back_on_the_site(server, visit, filmed, anna, site):
    host = site.removeprefix("http://")
    with visit(server, filmed(ANNA_AGAIN, ANNA_ONCE_MORE)) as visitor:
        log_in(visitor, site, "site")
        visitor.wait("Show that it's you")
        assert f"{host} asks for the secret motion of site" in visitor.page.locator("#visit-text").inner_text()
        assert not visitor.page.get_by_role("button", name="Enrol").is_visible()
        assert "#" not in visitor.page.url  # the address is used up, and isn't shown to whoever looks on
        assert axe(visitor.page) == []
        visitor.shot("visit", both=True)
        visitor.page.reload()
        for _ in range(3):
            if comes_back(visitor):
                break
            server.call("POST", "/v1/users/site/unlock")
            log_in(visitor, site, "site")
        visitor.page.get_by_role("heading", name="Here is site").wait_for()
        assert not visitor.errors
    ended = [row["outcome"] for row in server.trail("site") if row["action"] == "session"]
    assert ended[-4:] == ["made", "opened", "accepted", "collected"]


def test_a_frame_tells_the_site_alone_and_whoever_goes_back_is_not_logged_in(server, visit, site):
    with visit(server, None) as visitor:
        log_in(visitor, site, "nobody-there", framed=True)
        frame = visitor.page.frame_locator("iframe")
        frame.get_by_role("button", name="Back to").click()
        visitor.page.get_by_role("heading", name="Here is nobody").wait_for()
        visitor.page.locator("form").wait_for()


def test_a_name_that_can_t_be_one_is_refused_on_the_site(visit, server, site):
    with visit(server, None) as visitor:
        log_in(visitor, site, "no such name")
        visitor.page.get_by_role("alert").filter(has_text="user").wait_for()


def test_a_form_without_a_name_is_answered_in_words(site):
    """The connection was cut by the fault of a handler."""
    answer = httpx.post(f"{site}/login")
    assert answer.status_code == 400
    assert "user" in answer.text


def test_an_address_that_was_sent_to_another_browser_logs_nobody_in(server, site):
    """Whoever began a session can't have somebody else come back with its code."""
    with httpx.Client(base_url=site) as mine, httpx.Client(base_url=site) as another:
        token = mine.post("/", data={"user": "nobody-there"}).text.partition("#session=")[2]
        own = server.call("POST", "/v1/page/open", "", json={"token": token}).json()["token"]
        left = server.call("POST", "/v1/page/end", "", json={"token": own}).json()
        back = {name: left[name] for name in ("session", "code", "state")}
        another.post("/", data={"user": "nobody-there"})  # which gives that browser a state, but not this one
        for browser in (httpx, another):
            refused = browser.get(f"{site}/back", params=back)
            assert (refused.status_code, refused.text) == (400, "Begin to log in once more.")
        assert mine.get("/back", params=back).status_code == 303  # the code is good still, for the browser that began


def test_a_page_of_an_unlisted_origin_can_t_frame_the_page(server, visit):
    with visit(server, None) as visitor:
        address = server.url.replace("127.0.0.1", "localhost")
        visitor.page.route("http://evil.localhost/", lambda route: route.fulfill(
            body=f'<iframe src="{address}/"></iframe>', content_type="text/html"))  # fmt: skip
        visitor.page.goto("http://evil.localhost/")
        assert visitor.page.frames[1].url.startswith("chrome-error:")
        assert f"{address}/" in visitor.requests  # it answered; the browser didn't show it


def test_words_of_a_proxy_that_can_not_reach_the_service_are_not_shown(server, visit):
    """The page said: Unexpected token '<'."""
    with visit(server, None) as visitor:
        visitor.page.route("**/v1/page/open", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
        visitor.come("/#session=made-up").wait("The server can't be reached", 10)
