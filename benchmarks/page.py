"""The page's marks, in a real Chromium before a real service on this machine.

    python benchmarks/page.py [--attempts 50] [--people 10]

How long after the last frame the verdict is there, how often guidance comes, what the first visit costs; and ten people
before one server at once. Writes docs/results/page.md and page.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright
from websockets.sync.client import connect

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import films
from tests.browser.conftest import CHROMIUM
from tests.service.conftest import Server, running

from facemotion.media.write import write_video
from facemotion.service.settings import AttemptSettings, LimitSettings, ServiceSettings

RESULTS = ROOT / "docs" / "results"
TEMPOS = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1)
RATE = 25
FLAGS = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


def enrol(server: Server, folder: Path) -> None:
    """One user by three takes."""
    random, clips = np.random.default_rng(7), []
    for number, tempo in enumerate((1.0, 0.9, 1.1)):
        frames = films.play(films.Take(f"anna-wink-pout-{1 + number % 2}", tempo, 1 + 0.03 * number), random)
        write_video(((f, n / films.RATE) for n, f in enumerate(frames)), folder / "take.mp4", 16)
        clips.append((folder / "take.mp4").read_bytes())
    answer = server.enrol("anna", clips)
    if answer.status_code != 201:
        raise SystemExit(answer.text)


def in_the_browser(server: Server, folder: Path, attempts: int) -> dict[str, Any]:
    """Verify again and again through the page."""
    takes = [films.Take(f"anna-wink-pout-{1 + k % 2}", tempo) for k, tempo in enumerate(TEMPOS)]
    films.LEAD, films.GREY = 0.9, 0.5
    film = films.film(folder / "takes.mjpeg", takes)
    verdicts, guidance, paints, left = [], [], [], 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        )
        url = server.url.replace("127.0.0.1", "localhost")
        for _ in range(10):
            page = browser.new_context().new_page()
            page.goto(url, wait_until="load")
            page.wait_for_timeout(300)
            paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            page.context.close()
        page = browser.new_page()
        page.goto(url)
        script = page.evaluate(
            "performance.getEntriesByType('resource').filter((r) => r.name.endsWith('.js'))"
            ".reduce((sum, r) => sum + r.decodedBodySize, 0)"
        )
        while len(verdicts) < attempts:
            page.evaluate("delete document.body.dataset.verdictMs")
            page.get_by_label("Your user name").fill("anna")
            page.get_by_role("button", name="Let me in").click()
            page.locator("#verdict").wait_for(timeout=60_000)
            told = page.evaluate("({...document.body.dataset})")
            if "verdictMs" in told:
                verdicts.append(float(told["verdictMs"]))
                guidance.append(float(told["guidancePerSecond"]))
                left += int(told["framesLeftOut"])
            page.reload()
        browser.close()
    return {
        "attempts": len(verdicts),
        "verdict_ms": spread(verdicts),
        "guidance_per_second": spread(guidance),
        "frames_left_out_by_the_browser": left,
        "first_paint_ms": spread(paints),
        "script_bytes": script,
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median and the ends."""
    return {
        "median": round(statistics.median(values), 1),
        "least": round(min(values), 1),
        "most": round(max(values), 1),
    }


def at_once(server: Server, people: int) -> list[dict[str, Any]]:
    """People who all begin together and send 25 frames/s, come what may."""
    import io

    from PIL import Image

    frames = []
    for frame in films.play(films.Take("anna-wink-pout-2"), np.random.default_rng(3)):
        buffer = io.BytesIO()
        Image.fromarray(frame).resize((480, 360)).save(buffer, "JPEG", quality=85)
        frames.append(buffer.getvalue())
    frames = frames[: 4 * RATE]
    nonces = [server.nonce("anna") for _ in range(people)]
    told: list[dict[str, Any]] = [{} for _ in range(people)]

    def attend(number: int) -> None:
        heard: list[float] = []
        answers: list[dict[str, Any]] = []
        with connect(server.url.replace("http", "ws") + "/v1/live", max_queue=None) as socket:
            socket.send(json.dumps({"user": "anna", "nonce": nonces[number], "purpose": "verify"}))

            def listen() -> None:
                for message in socket:
                    words = json.loads(message)
                    heard.append(time.perf_counter())
                    if "guidance" not in words:
                        answers.append(words)

            listener = threading.Thread(target=listen)
            listener.start()
            start = time.perf_counter()
            for k, frame in enumerate(frames):
                time.sleep(max(0.0, start + k / RATE - time.perf_counter()))
                socket.send(struct.pack("<d", k / RATE) + frame)
            socket.send(json.dumps({"done": True}))
            end = time.perf_counter()
            listener.join(60)
        words = answers[-1] if answers else {"error": "nothing heard"}
        told[number] = {
            "guidance_per_second": round(sum(t <= end for t in heard) / (end - start), 1),
            "verdict_ms": round(1000 * (heard[-1] - end), 1) if heard else None,
            "answer": words,
        }

    threads = [threading.Thread(target=attend, args=(number,)) for number in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=50)
    parser.add_argument("--people", type=int, default=10)
    options = parser.parse_args()
    attempts = AttemptSettings(free_failures=1000, lock_failures=100_000)
    limits = replace(LimitSettings(), live_sessions=max(10, options.people))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.cfg").touch()
        os.environ |= {"FACEMOTION_CONFIG": str(folder / "config.cfg"), "XDG_CONFIG_HOME": name}
        with running(folder / "store.db", ServiceSettings(attempts=attempts, limits=limits)) as server:
            enrol(server, folder)
            alone = in_the_browser(server, folder, options.attempts)
            crowd = at_once(server, options.people)
    failed = [one["answer"] for one in crowd if "accepted" not in one["answer"]]
    results = {
        "in the browser": alone,
        "at once": {
            "people": options.people,
            "answered": options.people - len(failed),
            "other_answers": failed,
            "frames_sent_each": 4 * RATE,
            "frames_dropped_each": spread([float(o["answer"].get("dropped", 0)) for o in crowd]),
            "guidance_per_second": spread([o["guidance_per_second"] for o in crowd]),
            "verdict_ms": spread([o["verdict_ms"] for o in crowd if o["verdict_ms"] is not None]),
        },
        "cores": len(os.sched_getaffinity(0)),
    }
    (RESULTS / "page.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (RESULTS / "page.md").write_text(table(results), "utf-8")
    print(json.dumps(results, indent=1))


def table(results: dict[str, Any]) -> str:
    """The figures beside the marks."""
    alone, crowd = results["in the browser"], results["at once"]

    def row(what: str, one: dict[str, float], unit: str, mark: str) -> str:
        return f"| {what} | {one['median']}{unit} ({one['least']} to {one['most']}) | {mark} |"

    lines = [
        "# The page, measured",
        "",
        f"Written by `benchmarks/page.py`: Chromium and the service on the same {results['cores']} cores; median, "
        "least and most.",
        "",
        "| what | measured | mark |",
        "|---|---|---|",
        row(f"last frame to verdict, {alone['attempts']} attempts", alone["verdict_ms"], " ms", "150 ms"),
        row("guidance while a take is filmed", alone["guidance_per_second"], " /s", "15 /s"),
        row("first contentful paint, ten first visits", alone["first_paint_ms"], " ms", "200 ms"),
        f"| scripts of the page | {alone['script_bytes'] / 1000:.1f} kB | 60 kB |",
        f"| {crowd['people']} people at once: answered with a verdict | {crowd['answered']} | all |",
        row(
            f"their frames dropped, of {crowd['frames_sent_each']} each",
            crowd["frames_dropped_each"],
            "",
            "some, not lag",
        ),
        row("their guidance", crowd["guidance_per_second"], " /s", ""),
        row("their verdict after the last frame", crowd["verdict_ms"], " ms", ""),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
