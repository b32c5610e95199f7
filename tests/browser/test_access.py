"""For everybody: keyboard, screen reader, light and dark; and nothing from elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from . import films
from .conftest import ANNA_AGAIN, PHONE, axe

ROOT = Path(__file__).parents[2]
VIEWS = ("home", "visit", "stage", "review", "verdict", "compare")
FILL = """() => {
  for (const name of ["guidance", "hint", "heading", "review-title", "verdict-title", "verdict-text", "compare-title",
    "compare-text", "again", "home-again", "next", "erase", "size-word", "scale-title", "curves-title",
    "visit-title", "visit-text", "visit-begin", "visit-back"])
    document.getElementById(name).textContent = "Words";
  for (const one of document.querySelectorAll("button, canvas, #size")) one.hidden = false;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(server, visit, scheme):
    with visit(server, None, color_scheme=scheme) as visitor:
        page = visitor.come().page
        page.evaluate(FILL)
        for view in VIEWS:
            page.evaluate(f"for (const s of document.querySelectorAll('section')) s.hidden = s.id !== '{view}'")
            assert axe(page) == [], view
        visitor.come("/admin")
        assert axe(page) == []


def test_by_keyboard_alone(server, visit, filmed):
    with visit(server, filmed(ANNA_AGAIN)) as visitor:
        keyboard, focused = (
            visitor.come().page.keyboard,
            "document.activeElement.id || document.activeElement.textContent",
        )
        order = []
        for _ in range(5):
            keyboard.press("Tab")
            order.append(visitor.page.evaluate(focused))
        assert order == ["brand", "user", "Let me in", "Enrol, or enrol again", "try"]
        visitor.page.locator("#user").focus()
        keyboard.type("nobody")
        keyboard.press("Enter")
        visitor.guided("Look at the camera")
        assert visitor.page.evaluate(focused) == "heading"
        keyboard.press("Tab")
        assert visitor.page.evaluate(focused) == "cancel"
        keyboard.press("Enter")
        visitor.wait("A motion only you know")


def test_guidance_is_told_to_screen_readers(server, visit, filmed):
    with visit(server, filmed(ANNA_AGAIN)) as visitor:
        visitor.come().name("nobody")
        told = visitor.page.get_by_role("status").filter(has_text="Look at the camera")
        told.wait_for()
        assert told.get_attribute("aria-live") == "polite"


def test_nothing_moves_that_needn_t(server, visit):
    with visit(server, None, reduced_motion="reduce") as visitor:
        visitor.come()
        style = "getComputedStyle(document.getElementById('mark-path')).animationName"
        assert visitor.page.evaluate(style) == "none"


def test_the_policy_stops_what_is_not_ours(server, visit):
    with visit(server, None) as visitor:
        visitor.come()
        visitor.page.evaluate(
            "{const s = document.createElement('script'); s.text = 'window.bad = 1'; document.body.append(s)}"
        )
        visitor.page.evaluate("fetch('https://example.org/').catch(() => { window.stopped = 1 })")
        visitor.until("window.stopped === 1")
        assert visitor.page.evaluate("window.bad") is None


def test_the_preview_is_mirrored_and_the_frames_are_not(server, visit, tmp_path):
    left_white = [films.np.zeros((240, 320, 3), films.np.uint8) for _ in range(30)]
    for frame in left_white:
        frame[:, :160] = 255
    film = films.write(tmp_path / "halves.mjpeg", [left_white])
    with visit(server, film) as visitor:
        visitor.come().name("nobody")
        visitor.guided("Look at the camera")
        shown = visitor.page.locator("#camera").evaluate("video => getComputedStyle(video).transform")
        assert shown.startswith("matrix(-1")
        sent = visitor.page.evaluate(
            """async () => {
              const { Camera } = await import("/static/camera.js");
              const camera = new Camera(document.createElement("video"));
              await camera.open(() => {});
              const shot = await new Promise((resolve) => camera.run(resolve));
              const image = await createImageBitmap(shot.jpeg);
              const canvas = new OffscreenCanvas(image.width, image.height);
              canvas.getContext("2d").drawImage(image, 0, 0);
              return [...canvas.getContext("2d").getImageData(40, 40, 1, 1).data];
            }"""
        )
        assert min(sent[:3]) > 200  # what is left stays left


def test_the_types_hold():
    compiler = os.environ.get("TSC") or shutil.which("tsc")
    if not compiler:
        pytest.skip("needs the TypeScript compiler: npm install --global typescript, or its path in $TSC")
    done = subprocess.run([compiler, "-p", ROOT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_page_of_operations_reads_well_and_asks_for_nothing_elsewhere(server, visit, clean):
    with visit(server, None) as visitor:
        clean.append(visitor.come("/docs"))
        assert axe(visitor.page) == []
        visitor.shot("docs")
        visitor.page.get_by_role("link", name="POST /v1/users/{user}/verify").click()
        section = visitor.page.locator("section#verify")
        section.get_by_role("link", name="Verdict").click()
        assert visitor.page.url.endswith("#message-Verdict")
        visitor.page.set_viewport_size(PHONE)
        assert axe(visitor.page) == []
        assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
