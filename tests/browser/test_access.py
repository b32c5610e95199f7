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
VIEWS = ("home", "visit", "demo", "consent", "stage", "review", "verdict", "compare")
FILL = """async () => {
  // What is loaded only when it is needed puts in the words of its own view.
  for (const name of ["demo", "review", "trial"]) await import(`/static/${name}.js`);
  for (const name of ["guidance", "hint", "heading", "review-title", "verdict-title", "verdict-text", "compare-title",
    "compare-text", "again", "home-again", "next", "demo-on", "erase", "size-word", "scale-title", "curves-title",
    "visit-title", "visit-text", "visit-begin", "visit-back", "slow", "rate", "name-trouble", "review-next"])
    document.getElementById(name).textContent = "Words";
  document.getElementById("terms").innerHTML = "<div><dt>Words</dt><dd>Words</dd></div>";
  for (const one of document.querySelectorAll("button, canvas, #size")) one.hidden = false;
}"""

SHOW = """(view) => {
  for (const section of document.querySelectorAll("section")) section.hidden = section.id !== view;
  document.body.dataset.view = view;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(server, visit, scheme):
    with visit(server, None, color_scheme=scheme) as visitor:
        page = visitor.come().page
        page.evaluate(FILL)
        for view in VIEWS:
            page.evaluate(SHOW, view)
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
        assert order == ["brand", "user", "Let me in", "Not enrolled yet? Enrol", "try"]  # and then what a motion is
        visitor.page.locator("#user").focus()
        keyboard.type("no name")
        keyboard.press("Enter")
        told = visitor.page.get_by_role("status").filter(has_text="No blank: letters")
        told.wait_for()
        assert visitor.page.evaluate("document.activeElement.ariaDescribedByElements[0].id") == "name-trouble"
        visitor.page.locator("#user").fill("nobody")
        assert told.count() == 0
        keyboard.press("Enter")
        visitor.wait("Before the camera starts")
        keyboard.press("Tab")
        assert visitor.page.evaluate(focused) == "agree"
        keyboard.press("Enter")
        guidance = visitor.page.get_by_role("status").filter(has_text="Look at the camera")
        guidance.wait_for()
        assert guidance.get_attribute("aria-live") == "polite"  # told to screen readers
        assert visitor.page.evaluate(focused) == "heading"
        keyboard.press("Tab")
        assert visitor.page.evaluate(focused) == "cancel"
        keyboard.press("Enter")
        visitor.wait("A motion only you know")


def test_no_camera_starts_before_the_user_agreed_and_who_did_isn_t_asked_again(server, visit, filmed):
    with visit(server, filmed(ANNA_AGAIN)) as visitor:
        visitor.page.add_init_script(
            "window.asked = 0; const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
            "navigator.mediaDevices.getUserMedia = (wanted) => { window.asked += 1; return ask(wanted); }"
        )
        visitor.come().page.get_by_label("Your user name").fill("nobody")
        for decline in ("Not now", "Escape"):
            visitor.press("Let me in")
            visitor.wait("Before the camera starts")
            terms = visitor.page.locator("#terms").inner_text()
            assert [one for one in ("Filmed", "Kept", "For how long", "Who gets it") if one not in terms] == []
            visitor.press(decline) if decline == "Not now" else visitor.page.keyboard.press(decline)
            visitor.wait("A motion only you know")
        assert visitor.page.evaluate("asked") == 0
        visitor.press("Enrol")
        visitor.press("Skip")
        visitor.wait("Before the camera starts")
        assert visitor.page.evaluate("asked") == 0
        visitor.press("I agree, start the camera")
        visitor.guided("Look at the camera")
        assert visitor.page.evaluate("asked") == 1
        visitor.press("Cancel")
        visitor.press("Let me in")  # less is kept than of an enrolment
        visitor.guided("Look at the camera")
        assert visitor.page.evaluate("asked") == 2


WATCH = """() => {
  window.seen = { steps: [], lids: [] };
  new MutationObserver(() => {
    seen.steps.push([...document.querySelectorAll("#demo-steps li")].findIndex((one) => one.className === "now"));
    seen.lids.push(document.querySelector("#demo-head .lid")?.getAttribute("d"));
  }).observe(document.getElementById("demo"), { subtree: true, attributes: true });
}"""


def test_whoever_has_no_motion_yet_sees_one_drawn_and_may_skip_it_and_sees_it_once(server, visit):
    with visit(server, None, PHONE) as visitor:
        page = visitor.come().page
        page.evaluate(WATCH)
        page.get_by_label("Your user name").fill("nobody")
        visitor.press("Enrol")
        visitor.wait("A motion, from rest to rest")
        visitor.until("document.getElementById('demo-on').textContent === 'Go on'")
        seen = page.evaluate(
            "({ steps: seen.steps, lids: new Set(seen.lids).size, last: seen.lids.at(-1) === seen.lids[0] })"
        )
        assert list(dict.fromkeys(seen["steps"])) == [0, 1, 2]
        assert seen["lids"] > 2  # it winks,
        assert seen["last"]  # and ends at rest
        assert page.locator("#demo-head .ring").get_attribute("stroke-dasharray") == "100 100"
        visitor.shot("demo", both=True)
        visitor.press("Show it again")
        visitor.press("Skip")
        visitor.wait("Before the camera starts")
        visitor.shot("consent", both=True)
        visitor.come().press("Try it")  # who knows it already
        visitor.wait("Before the camera starts")
        visitor.press("Not now")
        visitor.press("What is a motion?")
        visitor.wait("A motion, from rest to rest")
        visitor.press("Skip")
        visitor.wait("A motion only you know")


SIGNALS = """
window.told = [];
Object.defineProperty(navigator, "vibrate", { value: (pulses) => told.push("vibration " + pulses.length) });
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (when) {
  told.push("tone " + this.frequency.value);
  start.call(this, when);
};
"""


def test_the_oval_is_green_for_a_face_at_rest_alone_and_whoever_moves_on_is_told_to_rest(server, visit):
    with visit(server, None) as visitor:
        told = visitor.come().page.evaluate(
            """async () => {
              const { Stage } = await import("/static/stage.js");
              const [stage, told] = [new Stage(), []];
              for (const [guidance, moving, restless] of [
                ["GO", false, false], ["GO", true, false], ["GO", true, true], ["CLOSER", true, true],
              ]) {
                await new Promise((resolve) => setTimeout(resolve, 510));
                stage.guide({ box: null, guidance, message: "", moving }, restless);
                told.push([document.getElementById("frame").dataset.mood, stage.said]);
              }
              return told;
            }"""
        )
    assert told == [
        ["ready", "Hold still \u2026"],
        ["", "Hold still \u2026"],  # a blink, perhaps
        ["", "Rest your face, don't move yet"],
        ["", "Come closer"],
    ]


SHIFTS = """
window.shifted = [];
const where = (rect) => [rect.x, rect.y, rect.width, rect.height].map(Math.round).join(" ");
new PerformanceObserver((list) => {
  for (const one of list.getEntries().flatMap((entry) => entry.sources))
    if (document.body.dataset.view === "stage")
      shifted.push(`${one.node?.id || one.node?.nodeName}: ${where(one.previousRect)} to ${where(one.currentRect)}`);
}).observe({ type: "layout-shift", buffered: true });
"""


def test_a_take_on_a_phone_is_heard_and_felt_and_nothing_jumps(server, visit, always):
    with visit(server, always, PHONE) as visitor:
        visitor.page.add_init_script(SIGNALS + SHIFTS)
        visitor.come().name("nobody")
        visitor.guided("Go!")
        go = ["vibration 1", "tone 659", "tone 988"]
        assert visitor.page.evaluate("told") == go
        frame, above, cancel = (visitor.page.locator(name).bounding_box() for name in ("#frame", "#above", "#cancel"))
        assert (frame["x"], frame["y"], frame["width"]) == (0, 0, PHONE["width"])  # the camera takes the screen
        assert above["y"] == 0  # where the lens is
        assert cancel["y"] > 0.75 * PHONE["height"]  # where the thumb is
        visitor.page.locator("#verdict").wait_for()
        assert visitor.page.evaluate("told") == [*go, "vibration 3", "tone 988", "tone 659"]
        assert visitor.page.evaluate("shifted") == []


def test_sound_and_vibration_stay_off_once_they_are_turned_off(server, visit):
    play = "import('/static/sound.js').then((sound) => { sound.readySound(); sound.soundGo(); return told; })"
    with visit(server, None) as visitor:
        visitor.page.add_init_script(SIGNALS)
        visitor.come().page.get_by_label("Your user name").fill("nobody")
        visitor.press("Let me in")
        switch = visitor.page.get_by_role("button", name="Sound and vibration")
        assert switch.get_attribute("aria-pressed") == "true"
        switch.click()
        assert switch.get_attribute("aria-pressed") == "false"
        assert visitor.page.evaluate(play) == []
        visitor.come().page.get_by_label("Your user name").fill("nobody")  # it is remembered
        visitor.press("Let me in")
        assert switch.get_attribute("aria-pressed") == "false"
        assert visitor.page.evaluate(play) == []


def test_on_the_smallest_phone_nothing_is_cut_off(server, visit):
    with visit(server, None, {"width": 320, "height": 568}) as visitor:
        page = visitor.come().page
        page.evaluate(FILL)
        for view in VIEWS:
            page.evaluate(SHOW, view)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
            for button in page.locator(f"#{view} button:visible").all():
                box = button.bounding_box()
                assert box["x"] >= 0, view
                assert box["x"] + box["width"] <= 320, view


def test_nothing_moves_that_needn_t(server, visit):
    with visit(server, None, reduced_motion="reduce") as visitor:
        visitor.come()
        style = "getComputedStyle(document.getElementById('mark-path')).animationName"
        assert visitor.page.evaluate(style) == "none"
        visitor.press("What is a motion?")
        visitor.wait("A motion, from rest to rest")
        heads = visitor.page.locator("#demo-head g")
        assert heads.count() == 3  # at rest, a wink and a pout: a still drawing
        drawn = heads.evaluate_all("heads => heads.map((head) => head.innerHTML)")
        visitor.page.wait_for_timeout(300)
        assert heads.evaluate_all("heads => heads.map((head) => head.innerHTML)") == drawn
        visitor.press("Go on")


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
