"""Somebody takes part in a study, on the page."""

from __future__ import annotations

from facemotion.data.manifest import read_manifest

from .conftest import ANNA, PHONE, axe


def test_somebody_reads_what_is_kept_agrees_and_records_a_clip(server, studied, visit, filmed, clean):
    body = {"user": "p01", "purpose": "study"}
    made = server.call("POST", "/v1/sessions", "enrol", json=body).json()
    with visit(server, filmed(*ANNA), PHONE) as visitor:
        clean.append(visitor)
        visitor.come("/#session=" + made["address"].partition("#session=")[2])
        visitor.wait("Take part in a study")
        assert "never kept" not in visitor.page.inner_text("main")
        assert not visitor.page.locator("footer").is_visible()  # the motion is no secret here
        assert visitor.page.get_by_role("button", name="Leave").is_visible()
        assert axe(visitor.page) == []
        visitor.shot("study", both=True)
        visitor.press("Read what is kept")
        visitor.wait("Before the camera starts")
        assert "The clips show your face." in visitor.page.locator("#study-text").inner_text()
        assert axe(visitor.page) == []
        visitor.shot("study-consent", both=True)
        visitor.press("Not now")
        visitor.wait("Take part in a study")
        assert not studied.joinpath("consent.csv").exists()
        visitor.press("Read what is kept")
        visitor.press("I agree")
        visitor.wait("A motion, from rest to rest")
        assert "make the motion that the page names" in visitor.page.inner_text("#demo-steps")
        visitor.shot("study-demo", both=True)
        visitor.press("Skip")
        visitor.hinted("make the motion \u201cany motion\u201d")
        visitor.shot("study-take", both=True)
        assert visitor.page.inner_text("#heading") == "any motion: take 1 of 1"
        visitor.page.get_by_text("You may close this page.").wait_for()
        assert visitor.page.inner_text("#verdict-title") == "Thank you"
        assert "Your clip is kept." in visitor.page.inner_text("#verdict-text")
        assert axe(visitor.page) == []
        visitor.shot("study-thanks", both=True)
        assert not visitor.page.locator("footer").is_visible()
        visitor.press("Done")
        visitor.wait("A motion only you know")
        assert visitor.page.locator("footer").is_visible()
    (one,) = read_manifest(studied / "manifest.csv").records
    assert (one.subject, one.motion) == ("p01", "any motion")
    assert (studied / one.path).stat().st_size > 10_000
    assert server.call("GET", f"/v1/sessions/{made['session']}", "enrol").json()["result"]["reason"] == "accepted"
