"""The page: nothing of other sites, nothing inline, frames never mirrored."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

import facemotion.errors
import facemotion.service
from facemotion.service.http.docs_page import render
from facemotion.service.http.messages import SessionOutcome
from facemotion.service.live import protocol
from facemotion.service.problems import Problem

STATIC = Path(facemotion.service.__file__).parent / "static"
SERVED = [path for path in STATIC.iterdir() if not path.name.endswith(".d.ts")]  # which the type checker alone reads
TYPES = (STATIC / "types.d.ts").read_text("utf-8")


def test_the_page_and_its_files_are_served_with_a_strict_policy(server):
    for path in ("/", "/admin", "/docs", *(f"/static/{one.name}" for one in SERVED)):
        answer = server.call("GET", path, "")
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
    assert server.call("GET", "/", "").headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "styles"),
    [("/", ["style.css"]), ("/admin", ["style.css", "admin.css"]), ("/docs", ["style.css", "docs.css"])],
)
def test_a_page_carries_its_styles_and_the_policy_allows_these_alone(server, path, styles):
    answer = server.call("GET", path, "")
    inside = re.findall(r"<style>(.*?)</style>", answer.text, re.S)
    assert inside == [(STATIC / name).read_text("utf-8") for name in styles]
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in inside]
    allowed = re.search("style-src ([^;]+)", answer.headers["content-security-policy"])[1].split()
    assert allowed == ["'self'", *(f"'sha256-{digest}'" for digest in digests)]
    assert "stylesheet" not in answer.text


def test_the_page_of_operations_names_all_of_them_and_needs_no_script(server):
    answer = server.call("GET", "/docs", "")
    description = server.call("GET", "/openapi.json", "").json()
    html, policy = answer.text, answer.headers["content-security-policy"]
    assert "script-src" not in policy
    assert "connect-src" not in policy
    assert not re.search(r"<script|<form|\son\w+=|\sstyle=|//", re.sub(r"<style>.*?</style>", "", html, flags=re.S))
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            section = re.search(f'<section id="{operation["operationId"]}">(.*?)</section>', html, re.S)[1]
            assert f"{method.upper()} {path}" in section
            assert all(f"<code>{one['name']}</code>" in section for one in operation.get("parameters", []))
    for name, schema in description["components"]["schemas"].items():
        section = re.search(f'<section id="message-{name}">(.*?)</section>', html, re.S)[1]
        assert all(f"<code>{field}</code>" in section for field in schema.get("properties", {}))
    ids = set(re.findall(r'id="([\w-]+)"', html))
    assert set(re.findall(r'href="#([\w-]+)"', html)) <= ids
    assert set(re.findall(r'(?:href|src)="(?!#)([^"]+)"', html)) == {"openapi.json", "static/icon.svg", "./"}


def test_what_a_description_says_is_text_on_the_page():
    told = {"schema": {"type": "string"}, "name": "q", "in": "query", "description": "<b>`bold` & more"}
    operation = {"operationId": "ask", "summary": "Ask <i>.", "parameters": [told], "responses": {"204": {}}}
    html = render(
        {
            "openapi": "3.1.0",
            "info": {"title": "<t>", "version": "1", "summary": "s"},
            "paths": {"/a": {"get": operation}},
            "components": {"schemas": {}},
        }
    )
    assert "&lt;b&gt;<code>bold</code> &amp; more" in html
    assert "Ask &lt;i&gt;." in html
    assert "&lt;t&gt; 1" in html


@pytest.mark.parametrize("name", ["", "%2e%2e%2fsettings.py", "index", "style.css/x", "%00"])
def test_no_other_file_is_served(server, name):
    assert server.call("GET", f"/static/{name}", "").status_code == 404


@pytest.mark.parametrize("path", ["/nowhere", "/static/nothing.js", "/v1/users/alice/nothing"])
def test_where_nothing_is_the_answer_says_what_there_is(server, path):
    answer = server.call("GET", path, "")
    assert answer.status_code == 404
    assert answer.json()["message"] == "There is nothing at this address; the page at /docs lists all operations."


@pytest.mark.parametrize(
    ("page", "scripts"),
    [
        ("index.html", tuple(path.name for path in STATIC.glob("*.js") if not path.name.startswith("admin"))),
        ("admin.html", ("admin.js",)),
    ],
)
def test_what_the_page_names_is_there_and_its_own(page, scripts):
    html = (STATIC / page).read_text("utf-8")
    names = [name for name in re.findall(r'(?:src|href)="([^"]+)"', html) if name != "./"]
    assert names
    assert all(name.startswith("static/") and (STATIC.parent / name).is_file() for name in names)
    assert not re.search(r"<script>|<style>|\son\w+=|\sstyle=", html)
    ids = set(re.findall(r'id="([\w-]+)"', html))
    for script in scripts:
        assert set(re.findall(r'\$\("([\w-]+)"\)', (STATIC / script).read_text("utf-8"))) <= ids


OWN_TYPES = {
    "input": "HTMLInputElement",
    "form": "HTMLFormElement",
    "button": "HTMLButtonElement",
    "video": "HTMLVideoElement",
    "canvas": "HTMLCanvasElement",
    "meter": "HTMLMeterElement",
    "svg": "SVGSVGElement",
    "path": "SVGPathElement",
    "title": "SVGTitleElement",
}
"""Interfaces of elements that scripts ask more of than of any element."""


def test_scripts_know_every_element_by_its_type():
    typed = dict(re.findall(r'"([\w-]+)": (\w+)', TYPES))
    html = "".join((STATIC / page).read_text("utf-8") for page in ("index.html", "admin.html"))
    elements = re.findall(r'<(\w+)[^>]*? id="([\w-]+)"', html)
    assert typed == {name: OWN_TYPES.get(tag, "HTMLElement") for tag, name in elements}


def test_scripts_know_the_fields_of_every_live_message():
    live = TYPES.partition("// Messages of live sessions.")[2].partition("// Messages of REST.")[0]
    typed = dict(re.findall(r"^export type (\w+) = \{ (.*) \};$", live, re.M))
    for name, body in typed.items():
        model = Problem if name == "Problem" else getattr(protocol, name)
        assert re.findall(r"(\w+): ", body) == list(model.model_fields), name
    answers = re.search(r"^export type Answer = (.*);$", TYPES, re.M)[1].split(" | ")
    assert {"Problem", "FrameGuidance", "StepAsked", *answers} == set(typed)


def imported(script: str) -> set[str]:
    """A script and all that it can't begin without."""
    found, waiting = set(), [script]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += re.findall(r'^import .*?"\./(\w+\.js)";$', (STATIC / name).read_text("utf-8"), re.M)
    return found


def test_nothing_leads_elsewhere_and_the_scripts_are_small():
    """Whoever is let in every day loads less than 60 kB. All else is asked for when it is needed, such as an enrolment,
    two takes beside each other or a drawing of a motion; all together it may have 95 kB."""
    for path in STATIC.iterdir():
        assert not re.search(r"https?://", path.read_text("utf-8").replace("http://www.w3.org", "")), path.name

    def size(names: set[str]) -> int:
        return sum((STATIC / name).stat().st_size for name in names)

    login = imported("home.js") | imported("app.js")
    assert size(imported("home.js")) < 14_000  # before the first sight
    assert size(login) < 60_000
    assert size(login | imported("visit.js")) < 68_500  # where a site sent its user here
    assert size({path.name for path in STATIC.glob("*.js") if not path.name.startswith("admin")}) < 95_000


def test_nothing_is_asked_for_from_the_root_of_a_site():
    """A proxy may serve the page under a path."""
    for path in STATIC.glob("*.js"):
        assert not re.search(r"""["'`]/(?:v1|static|admin)|location\.(?:host|origin)""", path.read_text("utf-8")), (
            path.name
        )


PAGES = {"index.html": ("PAGE", "DEMO_PAGE", "ENROL_PAGE", "TRIAL_PAGE"), "admin.html": ("ADMIN_PAGE",)}
"""Blocks of words that stand still on a page."""
BLOCKS = ("WORDS", "TAKES", "ENROL", "TRIAL", "DEMO", "VISIT", "STUDY", "ADMIN")
"""Blocks of words that scripts put in."""


def named(block: str) -> set[str]:
    """What one object of the pages' words has words for."""
    (strings,) = (path.read_text("utf-8") for path in STATIC.glob("*strings.js") if defines(path, block))
    return set(re.findall(r"^  (\w+):", strings.split(f"export const {block} = {{")[1].split("\n};")[0], re.M))


def defines(path: Path, block: str) -> bool:
    return f"export const {block} = {{" in path.read_text("utf-8")


def test_every_word_is_used_and_every_used_word_is_there():
    for name in BLOCKS:
        used = {
            word for path in STATIC.glob("*.js") for word in re.findall(rf"\b{name}\.(\w+)", path.read_text("utf-8"))
        }
        assert used == named(name), name
    for name in (word for word in named("FAULTS") if word.endswith("Error")):
        of_browsers = {"InsecureError", "NotAllowedError", "NotFoundError", "NotReadableError", "AbortError"}
        assert name in of_browsers | {"OverconstrainedError"} or hasattr(facemotion.errors, name), name


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_have_no_words_of_their_own(page):
    html = (STATIC / page).read_text("utf-8")
    standing = set().union(*(named(block) for block in PAGES[page]))
    # `faceToo` is put in by the service where faces are compared.
    assert set(re.findall(r'data-(?:words|label)="(\w+)"', html)) == standing - {"faceToo"}
    body = re.sub(r"<(noscript|code)>.*?</\1>", "", html.partition("<body>")[2], flags=re.S)
    assert re.sub(r"<[^>]*>", " ", body).split() == ["facemotion"]
    assert not re.search(r'\s(aria-label|title|placeholder)="', body)


LEARNT = {
    "accepted": "the answer",
    "reason": "the answer",
    "quality": "how well you were seen",
    "ended_at": "the answer",
}
"""What the page says of each field of a session's result that tells of a person; the others tell of the service."""


def test_the_terms_say_all_that_a_site_learns():
    fields = set(SessionOutcome.model_fields)
    assert fields == set(LEARNT) | {"factors", "operating_point", "encoder"}
    (terms,) = re.findall(r"whoOf: .*? => `(.*)`", (STATIC / "strings.js").read_text("utf-8"))
    assert [words for words in LEARNT.values() if words not in terms] == []
    assert "nothing else" not in terms


def test_guidance_has_words_for_everything_the_service_says():
    from facemotion.frontend import Guidance

    strings = (STATIC / "strings.js").read_text("utf-8")
    assert set(re.findall(r"^  ([A-Z_]+):", strings, re.M)) == {one.name for one in Guidance}


def test_frames_are_drawn_as_the_camera_gives_them():
    script = (STATIC / "camera.js").read_text("utf-8")
    assert "scale(" not in script
    assert "transform" not in script
    assert "scaleX(-1)" in (STATIC / "style.css").read_text("utf-8")
