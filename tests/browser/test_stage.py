"""What one sees while being filmed, state by state: a still of a sample clip stands in the camera's place."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from facemotion.media import load_clip

from . import films
from .conftest import DESKTOP, LANDSCAPE, PHONE, axe

ENTER = """async ([jpeg, width, height]) => {
  const { Stage } = await import("/static/stage.js");
  const { TAKES } = await import("/static/takes_strings.js");
  const { ENROL } = await import("/static/enrol_strings.js");
  const { WORDS } = await import("/static/strings.js");
  const bytes = Uint8Array.from(atob(jpeg), (one) => one.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes]));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  const draw = (scale) => context.drawImage(picture, (width - picture.width * scale) / 2,
    (height - picture.height * scale) / 2, picture.width * scale, picture.height * scale);
  const full = Math.max(width / picture.width, height / picture.height);
  const scale = height > width ? width / 235 : full;
  context.filter = "blur(22px)"; // an upright camera sees more above and below than the clip has
  draw(1.1 * full);
  context.filter = "none";
  draw(scale);
  const video = document.getElementById("camera");
  video.srcObject = canvas.captureStream(10);
  setInterval(() => context.fillRect(0, 0, 1, 1), 100);
  for (const section of document.querySelectorAll("section")) section.hidden = section.id !== "stage";
  document.body.dataset.view = "stage";
  await video.play();
  const stage = (window.stage = new Stage());
  stage.quick = true;
  stage.title(TAKES.enrolling(1, 3), 0, 3);
  stage.hint(ENROL.hintFirst);
  stage.fit(video);
  stage.rate(28, "");
  window.answer = { box: [0.5 - 78 * scale / width, 0.5 - 66 * scale / height, 0.5 + 78 * scale / width,
    0.5 + 78 * scale / height], guidance: "GO", message: "", moving: false };
  window.words = WORDS;
}"""
STATES = {
    "looking": "stage.spoken = 0; stage.guide(answer, false)",
    "restless": "stage.spoken = 0; stage.guide({ ...answer, moving: true }, true)",
    "too-slow": "stage.rate(4, words.slowMachine(6))",
    "going": "stage.rate(28, ''); stage.mood('going'); stage.say(words.go); stage.fill(0.6)",
    "judged": "stage.mood('done'); stage.hint(words.hintDone); stage.say(words.judging); stage.fill(1)",
}
OVAL = """() => {
  const [frame, above, below, oval] = ["frame", "above", "below", "oval"]
    .map((id) => document.getElementById(id).getBoundingClientRect());
  const aside = below.left >= frame.right;
  return [oval.left - frame.left, oval.top - Math.max(frame.top, aside ? 0 : above.bottom), frame.right - oval.right,
    Math.min(frame.bottom, aside ? Infinity : below.top) - oval.bottom];
}"""
"""By how much the oval stays within what can be seen of the picture, px."""


@pytest.mark.parametrize(
    ("size", "shape"),
    [(PHONE, (480, 640)), (LANDSCAPE, (640, 480)), (DESKTOP, (640, 480))],
    ids=["phone", "landscape", "desktop"],
)
def test_every_state_is_within_the_screen_and_axe_finds_nothing(server, visit, size, shape):
    frame = io.BytesIO()
    Image.fromarray(load_clip(films.SAMPLES / "anna-wink-pout-1.mp4").frames[5]).save(frame, "JPEG", quality=92)
    with visit(server, None, size) as visitor:
        page = visitor.come().page
        page.evaluate(ENTER, [base64.b64encode(frame.getvalue()).decode(), *shape])
        boxes = []
        for state, enter in STATES.items():
            page.evaluate(enter)
            page.wait_for_timeout(50)
            assert min(page.evaluate(OVAL)) > 0, state
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state
            boxes.append(page.locator("#cancel").bounding_box())
            visitor.shot(state)
        assert axe(page) == []
        assert all(box == boxes[0] for box in boxes)  # nothing jumps
