"""A real browser before a real service: Chromium, whose camera plays a film."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.service.conftest import Server, running

from facemotion.media.write import write_video
from facemotion.service.settings import AttemptSettings, ServiceSettings, SessionSettings, StudySettings
from facemotion.store import open_store
from facemotion.verifier import Verifier

from . import films

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
LANDSCAPE = {"width": 844, "height": 390}
WINDOW = DESKTOP if os.environ.get("FACEMOTION_SCREENSHOTS") else {"width": 640, "height": 560}
"""Where a camera films and a test asks for no other. Without a graphics card a desktop would cost twice as much."""
ANNA = tuple(
    films.Take(f"anna-wink-pout-{1 + k % 2}", tempo, 1 + zoom / 100, side)
    for k, (tempo, zoom, side) in enumerate(
        [(1, 0, 0), (1, 0, 0), (0.86, 6, 4), (1.1, 8, 5), (1.1, 10, -4), (0.9, 8, 5), (0.93, -5, -6), (0.95, 4, 3)]
    )
)
"""Takes of one motion, more than an enrolment needs: on a busy machine one or the other goes by unused, and a film that
began again would show what was recorded before, which the service refuses."""
RATE = 15
"""Frames a second of the camera, where a test asks for no other: half of a film's suffice to know a motion, and cost
the browser and the service half."""
ANNA_AGAIN = films.Take("anna-wink-pout-2", 1.12, 0.97, -5)
ANNA_ONCE_MORE = films.Take("anna-wink-pout-1", 1.04, 1.03, 6)
FURTHER_TAKES = (
    ANNA_AGAIN,
    ANNA_ONCE_MORE,
    films.Take("anna-wink-pout-2", 0.95, 1.02, 2),
    films.Take("anna-wink-pout-1", 0.88, 1.01, -3),
    films.Take("anna-wink-pout-2", 1.02, 0.99, 5),
)


@pytest.fixture(scope="session", autouse=True)
def plain_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody's settings but the defaults."""
    if not CHROMIUM:
        pytest.skip("needs Chromium (Debian: chromium), or its path in $CHROMIUM")
    folder = tmp_path_factory.mktemp("config")
    (folder / "config.cfg").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        patch.setenv("FACEMOTION_CONFIG", str(folder / "config.cfg"))
        patch.delenv("FACEMOTION_STORE_KEY", raising=False)
        yield


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    with sync_api.sync_playwright() as one:
        yield one


class Visitor:
    """One browser with one camera, and what tests do with it."""

    def __init__(self, server: Server, page: Any) -> None:
        self.server, self.page = server, page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda told: told.type == "error" and self.errors.append(told.text))

    def come(self, path: str = "/") -> Visitor:
        self.page.goto(self.server.url.replace("127.0.0.1", "localhost") + path)
        return self

    def name(self, user: str, button: str = "Let me in") -> None:
        self.page.get_by_label("Your user name").fill(user)
        self.begin(button)

    def begin(self, button: str) -> None:
        """Press a button that leads to the camera, skip the drawing of a motion, and agree to what is kept."""
        self.press(button)
        self.page.locator("#demo, #consent, #stage, #verdict").locator("visible=true").wait_for()
        if self.page.locator("#demo").is_visible():
            self.press("Skip")
            self.page.locator("#consent, #stage").locator("visible=true").wait_for()
        if self.page.locator("#consent").is_visible():
            self.press("I agree, start the camera")

    def wait(self, text: str, seconds: float = 90) -> None:
        self._see(self.page.get_by_role("heading", name=text), seconds)

    def guided(self, text: str, seconds: float = 90) -> None:
        self._see(self.page.locator("#guidance", has_text=text), seconds)

    def hinted(self, text: str, seconds: float = 90) -> None:
        self._see(self.page.locator("#hint", has_text=text), seconds)

    def _see(self, wanted: Any, seconds: float) -> None:
        try:
            wanted.wait_for(timeout=1000 * seconds)
        except sync_api.TimeoutError as error:
            raise AssertionError(f"{wanted} never came; the page says: {self.page.inner_text('main')!r}") from error

    def until(self, condition: str, seconds: float = 90) -> None:
        """Wait for a JavaScript expression to be true.

        Playwright's own wait_for_function asks from inside the page, where the page's policy forbids to evaluate
        a string from the second time on.
        """
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"never: {condition}; the page says: {self.page.inner_text('main')!r}"
            self.page.wait_for_timeout(50)

    def taken(self, number: int, of: int = 3) -> None:
        """Bring a take of an enrolment to its end; one that the machine was too busy for is made again."""
        good = f"Take {number} of {of} is good"
        for _ in range(5):
            self._see(self.page.locator("#review"), 90)
            title = self.page.locator("#review-title").inner_text()
            if title == good:
                return
            self.when_grey()
            self.press("Once more")
        raise AssertionError(f"no take {number} was good; the last one: {title!r}")

    def verdict(self, tries: int = 4) -> str:
        """How an attempt ends; a take that was of no use, which isn't counted, is made again."""
        for _ in range(tries):
            self._see(self.page.locator("#verdict"), 90)
            title = self.page.locator("#verdict-title").inner_text()
            if title not in OF_NO_USE:
                return title
            self.press("Try again")
        raise AssertionError(f"no take was of use; the last one: {title!r}")

    def shot(self, name: str, both: bool = False) -> None:
        """Keep pictures of the page, where $FACEMOTION_SCREENSHOTS says so (docs/reference/page.md): light and dark, at
        this width or at both."""
        folder = os.environ.get("FACEMOTION_SCREENSHOTS")
        if not folder:
            return
        own = self.page.viewport_size
        for kind, size in {"desktop": DESKTOP, "phone": PHONE, "landscape": LANDSCAPE}.items():
            if size != own and (not both or size == LANDSCAPE):
                continue
            self.page.set_viewport_size(size)
            for scheme in ("light", "dark"):
                self.page.emulate_media(color_scheme=scheme)
                self.page.wait_for_timeout(600 if both else 150)  # transitions
                path = Path(folder) / f"{name}-{kind}{'-dark' if scheme == 'dark' else ''}.jpg"
                self.page.screenshot(path=path, type="jpeg", quality=82, full_page=True)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(own)

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button).click()

    def when_grey(self) -> None:
        """Wait until the film shows nothing: the next take is whole then."""
        self.until(GREY)


def axe(page: Any) -> list[str]:
    """What axe-core finds wrong, in words."""
    module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    found = module.Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]


def let_in(
    server: Server,
    visit: Callable[..., Any],
    filmed: Callable[..., Path],
    user: str,
    leave: Callable[[Visitor], None],
    come: Callable[[Visitor], None] | None = None,
    size: dict[str, int] = WINDOW,
    rate: int = RATE,
) -> None:
    """Be let in at one of five attempts, each another take: on a busy machine takes have gaps and are cut short."""
    for number, take in enumerate(FURTHER_TAKES):
        if number > 1:
            server.call("POST", f"/v1/users/{user}/unlock")
        with visit(server, filmed(take), size, rate=rate) as visitor:
            if come is None:
                visitor.come().name(user)
            else:
                come(visitor)
            if visitor.verdict() == "You're in":
                leave(visitor)
                return
    raise AssertionError(f"{user} was turned away five times: {outcomes(server, user)}")


def outcomes(server: Server, user: str) -> list[str]:
    """What the audit trail says of a user's attempts."""
    return [row["outcome"] for row in server.trail(user) if row["action"] == "verify"]


OF_NO_USE = ("Your face was out of view", "Your face hardly moved", "Too few frames a second")
GREY = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 8;
  const context = canvas.getContext("2d");
  context.drawImage(document.getElementById("camera"), 0, 0, 8, 8);
  const seen = context.getImageData(0, 0, 8, 8).data.filter((_, k) => k % 4 < 3);
  return Math.min(...seen) > 90 && Math.max(...seen) < 150;
}"""


CAMERA = """
const filmed = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (filmed)
  navigator.mediaDevices.getUserMedia = (wanted) =>
    filmed({ ...wanted, video: { ...wanted.video, frameRate: { max: %d } } });
"""
"""A camera of so many frames a second."""


@pytest.fixture(scope="session")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser's camera looks for its film: a link, since Chromium opens it anew with each stream."""
    return tmp_path_factory.mktemp("camera") / "film.mjpeg"


@contextmanager
def chromium(playwright: Any, *arguments: str) -> Iterator[Any]:
    """A Chromium that asks for no screen, no sound and no sandbox."""
    plain = ["--no-sandbox", "--disable-gpu", "--mute-audio"]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*plain, *arguments])
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="session")
def browser(playwright: Any, camera: Path) -> Iterator[Any]:
    """The one browser of all tests; starting one takes longer than most of them."""
    film = f"--use-file-for-fake-video-capture={camera}"
    with chromium(playwright, "--use-fake-device-for-media-stream", film) as one:
        yield one


@pytest.fixture(scope="session")
def visit(browser: Any, camera: Path) -> Callable[..., Any]:
    """visit(server, film, ...) opens a page of a visitor of its own; without a film nobody may look at the camera."""

    @contextmanager
    def open_page(
        server: Server,
        film: Path | None,
        size: dict[str, int] | None = None,
        allowed: bool = True,
        rate: int = RATE,
        **more: Any,
    ) -> Iterator[Visitor]:
        if film is not None:
            following = camera.with_suffix(".next")
            following.symlink_to(film)
            following.replace(camera)
        permissions = ["camera"] if film is not None and allowed else []
        window = size or (DESKTOP if film is None else WINDOW)
        with newcomer(browser, server, window, permissions=permissions, **more) as visitor:
            visitor.page.add_init_script(CAMERA % rate)
            yield visitor

    return open_page


@contextmanager
def newcomer(browser: Any, server: Server, size: dict[str, int], **more: Any) -> Iterator[Visitor]:
    """A visitor who shares nothing with those before but the browser."""
    context = browser.new_context(viewport=size, **more)
    try:
        context.set_default_timeout(90_000)  # machines that run the tests are busy
        yield Visitor(server, context.new_page())
    finally:
        context.close()


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """filmed(take, ...) -> path of a film of these takes, made once."""
    made: dict[tuple[films.Take, ...], Path] = {}
    folder = tmp_path_factory.mktemp("films")

    def make(*takes: films.Take) -> Path:
        if takes not in made:
            made[takes] = films.film(folder / f"{len(made)}.mjpeg", takes, len(made))
        return made[takes]

    return make


@pytest.fixture(scope="session")
def site_address() -> str:
    """Where the example site will listen."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://localhost:{free.getsockname()[1]}"


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clips of a study are kept."""
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, site_address: str, studied: Path) -> Iterator[Server]:
    settings = ServiceSettings(
        study=StudySettings(folder=str(studied), motions=("any motion",), takes=1),
        attempts=AttemptSettings(free_failures=2, wait_seconds=120),
        sessions=SessionSettings(return_addresses=(f"{site_address}/back",), frame_origins=(site_address,)),
    )
    with running(tmp_path_factory.mktemp("store") / "store.db", settings) as one:
        yield one


@pytest.fixture(scope="session")
def anna(server, tmp_path_factory) -> str:
    """A user who is enrolled; the name tells attempts of different tests apart."""
    folder, random = tmp_path_factory.mktemp("takes"), np.random.default_rng(7)
    clips = []
    for number, take in enumerate(ANNA[:3]):
        frames = films.play(take, random)[24 : -films.LAST : films.RATE // RATE]
        write_video(((f, n / RATE) for n, f in enumerate(frames)), folder / f"{number}.mp4", 16)
        clips.append((folder / f"{number}.mp4").read_bytes())
    verifier = Verifier.load()
    takes = [verifier.frontend.acquire(clip) for clip in clips]
    with open_store(str(server.store)) as store:
        for user in ("anna", "dora", "greg", "ines", "kate", "lucy", "mary", "nina", "olga", "site"):
            verifier.enrol_acquired(store, user, takes)
    return "anna"


@pytest.fixture(scope="session")
def empty(tmp_path_factory) -> Path:
    return films.write(tmp_path_factory.mktemp("films") / "grey.mjpeg", [films.nothing(3, np.random.default_rng(0))])


@pytest.fixture(scope="session")
def crowd(tmp_path_factory) -> Path:
    return films.write(tmp_path_factory.mktemp("films") / "two.mjpeg", [films.two_faces()])


@pytest.fixture(scope="session")
def always(tmp_path_factory) -> Path:
    """A face that moves all the time."""
    path = tmp_path_factory.mktemp("films") / "face.mjpeg"
    return films.write(path, [films.play(ANNA_AGAIN, np.random.default_rng(3))[films.FIRST : -films.LAST]])


@pytest.fixture
def clean() -> Iterator[list]:
    """Visitors put here must leave without an error in the console and without a request to another site."""
    visitors: list = []
    yield visitors
    for visitor in visitors:
        assert not visitor.errors
        own = visitor.server.url.replace("127.0.0.1", "localhost"), "blob:", "ws://localhost"
        assert all(url.startswith(own) for url in visitor.requests)
