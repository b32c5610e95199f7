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
        assert axe(visitor.page) == []
        visitor.shot("study")
        visitor.press("Read what is kept")
        visitor.page.locator("#demo").wait_for()
        visitor.press("Skip")
        visitor.wait("Before the camera starts")
        assert "The clips show your face." in visitor.page.locator("#study-text").inner_text()
        assert axe(visitor.page) == []
        visitor.shot("study-consent")
        visitor.press("Not now")
        visitor.wait("Take part in a study")
        assert not studied.joinpath("consent.csv").exists()
        visitor.begin("Read what is kept")
        visitor.hinted("make the motion \u201cany motion\u201d")
        visitor.shot("study-take")
        visitor.wait("That was all here")  # a moment after the thanks
    (one,) = read_manifest(studied / "manifest.csv").records
    assert (one.subject, one.motion) == ("p01", "any motion")
    assert (studied / one.path).stat().st_size > 10_000
    assert server.call("GET", f"/v1/sessions/{made['session']}", "enrol").json()["result"]["reason"] == "accepted"
