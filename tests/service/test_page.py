"""The page: nothing of other sites, nothing inline, frames never mirrored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import facemotion.service

STATIC = Path(facemotion.service.__file__).parent / "static"


def test_the_page_and_its_files_are_served_with_a_strict_policy(server):
    for path in ("/", "/admin", *(f"/static/{one.name}" for one in STATIC.iterdir())):
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


@pytest.mark.parametrize(
    ("page", "scripts"),
    [("index.html", ("app.js", "stage.js", "session.js", "compare.js")), ("admin.html", ("admin.js",))],
)
def test_what_the_page_names_is_there_and_its_own(page, scripts):
    html = (STATIC / page).read_text("utf-8")
    named = [name for name in re.findall(r'(?:src|href)="([^"]+)"', html) if name != "/"]
    assert named
    assert all((STATIC / name.removeprefix("/static/")).is_file() for name in named)
    assert not re.search(r"<script>|<style>|\son\w+=|\sstyle=", html)
    ids = set(re.findall(r'id="([\w-]+)"', html))
    for script in scripts:
        assert set(re.findall(r'\$\("([\w-]+)"\)', (STATIC / script).read_text("utf-8"))) <= ids


def test_nothing_leads_elsewhere_and_the_scripts_are_small():
    for path in STATIC.iterdir():
        assert not re.search(r"https?://", path.read_text("utf-8").replace("http://www.w3.org", "")), path.name
    assert sum(path.stat().st_size for path in STATIC.glob("*.js")) < 60_000


def test_every_word_is_used_and_every_used_word_is_there():
    strings = (STATIC / "strings.js").read_text("utf-8")
    for name, scripts in {"WORDS": ("app.js", "stage.js", "session.js", "compare.js"), "ADMIN": ("admin.js",)}.items():
        block = strings.split(f"export const {name} = {{")[1].split("\n};")[0]
        there = set(re.findall(r"^  (\w+):", block, re.M))
        used = {word for one in scripts for word in re.findall(rf"{name}\.(\w+)", (STATIC / one).read_text("utf-8"))}
        assert used <= there
        by_name = {word for word in there if word.endswith("Error")} | {"lost", "cut", "offline", "noTry"}  # of errors
        assert there - by_name <= used


def test_guidance_has_words_for_everything_the_service_says():
    from facemotion.frontend import Guidance

    strings = (STATIC / "strings.js").read_text("utf-8")
    assert set(re.findall(r"^  ([A-Z_]+):", strings, re.M)) == {one.name for one in Guidance}


def test_frames_are_drawn_as_the_camera_gives_them():
    script = (STATIC / "camera.js").read_text("utf-8")
    assert "scale(" not in script
    assert "transform" not in script
    assert "scaleX(-1)" in (STATIC / "style.css").read_text("utf-8")
