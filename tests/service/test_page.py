"""The page: nothing of other sites, nothing inline, frames never mirrored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import facemotion.service

STATIC = Path(facemotion.service.__file__).parent / "static"


def test_the_page_and_its_files_are_served_with_a_strict_policy(server):
    for path in ("/", "/static/app.js", "/static/camera.js", "/static/strings.js", "/static/style.css"):
        answer = server.call("GET", path, "")
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
    assert server.call("GET", "/", "").headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("name", ["", "%2e%2e%2fsettings.py", "index", "style.css/x", "%00"])
def test_no_other_file_is_served(server, name):
    assert server.call("GET", f"/static/{name}", "").status_code == 404


def test_what_the_page_names_is_there_and_its_own():
    html = (STATIC / "index.html").read_text("utf-8")
    named = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert named
    assert all((STATIC / name.removeprefix("/static/")).is_file() for name in named)
    assert not re.search(r"<script>|<style>|\son\w+=|\sstyle=", html)
    ids = set(re.findall(r'id="(\w+)"', html))
    script = (STATIC / "app.js").read_text("utf-8")
    assert set(re.findall(r'\$\("(\w+)"\)', script)) <= ids
    for path in STATIC.iterdir():
        assert not re.search(r"https?://", path.read_text("utf-8").replace("http://www.w3.org", "")), path.name
    assert sum(path.stat().st_size for path in STATIC.glob("*.js")) < 60_000


def test_guidance_has_words_for_everything_the_service_says():
    from facemotion.frontend import Guidance

    strings = (STATIC / "strings.js").read_text("utf-8")
    assert set(re.findall(r"^  ([A-Z_]+):", strings, re.M)) == {one.name for one in Guidance}


def test_frames_are_drawn_as_the_camera_gives_them():
    script = (STATIC / "camera.js").read_text("utf-8")
    assert "scale(" not in script
    assert "transform" not in script
    assert "scaleX(-1)" in (STATIC / "style.css").read_text("utf-8")
