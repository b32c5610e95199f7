"""A real browser before a real service: Chromium, whose camera plays a film."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.service.conftest import Server, running

from facemotion.service.settings import AttemptSettings, ServiceSettings

from . import films

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
ANNA = (
    films.Take("anna-wink-pout-1"),
    films.Take("anna-wink-pout-2"),
    films.Take("anna-wink-pout-1", 0.86, 1.06, 4),
)
"""Three takes of one motion."""
ANNA_AGAIN = films.Take("anna-wink-pout-2", 1.12, 0.97, -5)


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
        self.page.get_by_role("button", name=button, exact=False).click()

    def wait(self, text: str, seconds: float = 60) -> None:
        self.page.get_by_role("heading", name=text).wait_for(timeout=1000 * seconds)

    def guided(self, text: str, seconds: float = 45) -> None:
        self.page.locator("#guidance", has_text=text).wait_for(timeout=1000 * seconds)

    def shot(self, name: str) -> None:
        """Keep a picture of the page, where $FACEMOTION_SCREENSHOTS says so (see docs/page.md)."""
        folder = os.environ.get("FACEMOTION_SCREENSHOTS")
        if folder:
            self.page.wait_for_timeout(600)  # transitions
            self.page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=82)

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button).click()

    def when_grey(self) -> None:
        """Wait until the film shows nothing: the next take is whole then."""
        self.page.wait_for_function(GREY, timeout=60_000, polling=50)


GREY = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 8;
  const context = canvas.getContext("2d");
  context.drawImage(document.getElementById("camera"), 0, 0, 8, 8);
  const seen = context.getImageData(0, 0, 8, 8).data.filter((_, k) => k % 4 < 3);
  return Math.min(...seen) > 90 && Math.max(...seen) < 150;
}"""


@pytest.fixture(scope="session")
def visit(playwright: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """visit(server, film, ...) opens a browser; the film is a path, or None for no camera."""

    @contextmanager
    def open_browser(
        server: Server, film: Path | None, size: dict[str, int] = DESKTOP, allowed: bool = True, **more: Any
    ) -> Iterator[Visitor]:
        arguments = ["--no-sandbox", "--disable-gpu", "--mute-audio"]
        if film is not None:
            arguments += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
        if allowed:
            arguments.append("--use-fake-ui-for-media-stream")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            context = browser.new_context(viewport=size, **more)
            context.set_default_timeout(45_000)  # machines that run the tests are busy
            yield Visitor(server, context.new_page())
        finally:
            browser.close()

    return open_browser


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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = ServiceSettings(attempts=AttemptSettings(free_failures=2, wait_seconds=30))
    with running(tmp_path_factory.mktemp("store") / "store.db", settings) as one:
        yield one
