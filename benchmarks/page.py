"""The page's marks, in a real Chromium before a real service on this machine.

    python benchmarks/page.py [--attempts 50] [--people 10] [--scripts]

How long after the last frame the verdict is there, how often guidance comes, what the first visit costs; ten people
before one server at once; and what a frame costs to send, as a JPEG or in a stream. Writes docs/results/page.md and
page.json, with the load of the machine beside the figures. --scripts makes one attempt, counts anew the bytes of
scripts that a login loads, and leaves all other figures as they are.
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
from playwright.sync_api import Playwright, sync_playwright
from websockets.sync.client import connect

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import page_codecs
from tests.browser import films
from tests.browser.conftest import CHROMIUM
from tests.service.conftest import Server, running

from facemotion.media.write import write_video
from facemotion.service.settings import AttemptSettings, LimitSettings, ServiceSettings

RESULTS = ROOT / "docs" / "results"
RATE = 25
FLAGS = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]

PAINT = """() => new Promise((resolve) => {
  const observer = new PerformanceObserver((list) => {
    const [paint] = list.getEntriesByName("first-contentful-paint");
    if (paint) resolve(paint.startTime);
  });
  observer.observe({ type: "paint", buffered: true });
})"""


def enrol(server: Server, folder: Path) -> None:
    """One user by three takes."""
    server.http.timeout = 600  # seconds; whatever else runs on the machine
    random, clips = np.random.default_rng(7), []
    for number, tempo in enumerate((1.0, 0.9, 1.1)):
        frames = films.play(films.Take(f"anna-wink-pout-{1 + number % 2}", tempo, 1 + 0.03 * number), random)
        frames = frames[films.FIRST // 2 : -films.LAST]
        write_video(((f, n / films.RATE) for n, f in enumerate(frames)), folder / "take.mp4", 16)
        clips.append((folder / "take.mp4").read_bytes())
    answer = server.enrol("anna", clips)
    if answer.status_code != 201:
        raise SystemExit(answer.text)


def in_the_browser(playwright: Playwright, server: Server, folder: Path, attempts: int) -> dict[str, Any]:
    """First visits, then attempts through the page, each another take: one that was seen before would be refused."""
    random = np.random.default_rng(11)
    url = server.url.replace("127.0.0.1", "localhost")
    verdicts, guidance, paints, warm, left, accepted, script = [], [], [], [], 0, 0, 0
    while len(verdicts) < attempts:
        take = films.Take(
            f"anna-wink-pout-{1 + len(verdicts) % 2}",
            random.uniform(0.86, 1.12),
            random.uniform(0.95, 1.08),
            random.uniform(-6, 6),
        )
        film = films.film(folder / "take.mjpeg", [take], int(random.integers(2**31)))
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        )
        page = browser.new_page()
        page.goto(url, wait_until="load")
        paints.append(page.evaluate(PAINT))
        page.get_by_label("Your user name").fill("anna")
        page.get_by_role("button", name="Let me in").click()
        page.get_by_role("button", name="I agree").click()
        page.locator("#verdict").wait_for(timeout=90_000)
        script = page.evaluate(
            "performance.getEntriesByType('resource').filter((r) => r.name.endsWith('.js'))"
            ".reduce((sum, r) => sum + r.decodedBodySize, 0)"
        )
        told = page.evaluate("({...document.body.dataset})")
        if "verdictMs" in told:
            verdicts.append(float(told["verdictMs"]))
            guidance.append(float(told["guidancePerSecond"]))
            left += int(told["framesLeftOut"])
            accepted += page.locator("#verdict-title").inner_text() == "You're in"
        page.close()
        visit = browser.new_context().new_page()  # nothing in its cache either
        visit.goto(url, wait_until="load")
        warm.append(visit.evaluate(PAINT))
        browser.close()
    return {
        "attempts": len(verdicts),
        "accepted": accepted,
        "verdict_ms": spread(verdicts),
        "guidance_per_second": spread(guidance),
        "frames_left_out_by_the_browser": left,
        "first_paint_ms": spread(paints),
        "first_paint_of_a_running_browser_ms": spread(warm),
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
    parser.add_argument("--scripts", action="store_true")
    options = parser.parse_args()
    before = os.getloadavg()
    attempts = AttemptSettings(free_failures=1000, lock_failures=100_000)
    limits = replace(LimitSettings(), live_sessions=max(10, options.people))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.cfg").touch()
        os.environ |= {"FACEMOTION_CONFIG": str(folder / "config.cfg"), "XDG_CONFIG_HOME": name}
        with running(folder / "store.db", ServiceSettings(attempts=attempts, limits=limits)) as server:
            enrol(server, folder)
            with sync_playwright() as playwright:
                if options.scripts:
                    count_scripts(in_the_browser(playwright, server, folder, 1)["script_bytes"])
                    return
                alone = in_the_browser(playwright, server, folder, options.attempts)
                url = server.url.replace("127.0.0.1", "localhost")
                codecs = page_codecs.compare(playwright, str(CHROMIUM), FLAGS, url, folder / "take.mjpeg")
            crowd = at_once(server, options.people)
        names = ("anna-wink-pout-1", "anna-brows-smile-1", "ben-wink-pout-1", "ben-brows-smile-1")
        coarse = page_codecs.coarse_with_fine(tuple(films.Take(name) for name in names))
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
        "ways to send a frame": codecs,
        "coarsest with finest": coarse,
        "cores": len(os.sched_getaffinity(0)),
        "load average before": [round(one, 1) for one in before],
        "load average after": [round(one, 1) for one in os.getloadavg()],
    }
    (RESULTS / "page.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (RESULTS / "page.md").write_text(table(results), "utf-8")
    print(json.dumps(results, indent=1))


def count_scripts(count: int) -> None:
    """Put another number of bytes into the results that are there."""
    results = json.loads((RESULTS / "page.json").read_text("utf-8"))
    results["in the browser"]["script_bytes"] = count
    (RESULTS / "page.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (RESULTS / "page.md").write_text(table(results), "utf-8")
    print(f"{count} bytes of scripts")


def table(results: dict[str, Any]) -> str:
    """The figures beside the marks."""
    alone, crowd = results["in the browser"], results["at once"]

    def row(what: str, one: dict[str, float], unit: str, mark: str) -> str:
        return f"| {what} | {one['median']}{unit} ({one['least']} to {one['most']}) | {mark} |"

    lines = [
        "# The page, measured",
        "",
        f"Written by `benchmarks/page.py`: Chromium and the service on the same {results['cores']} cores; median, "
        "least and most. Load average (1, 5, 15 minutes) "
        f"{results['load average before']} before and {results['load average after']} after. Other work that ran at "
        "the same time is in it: if it is much higher than on a quiet machine, the times are upper bounds.",
        "",
        "| what | measured | mark |",
        "|---|---|---|",
        row(f"last frame to verdict, {alone['attempts']} attempts", alone["verdict_ms"], " ms", "150 ms"),
        row("guidance while a take is filmed", alone["guidance_per_second"], " /s", "15 /s"),
        row("first contentful paint, empty cache, a browser just started", alone["first_paint_ms"], " ms", "200 ms"),
        row("... a browser that runs", alone["first_paint_of_a_running_browser_ms"], " ms", "200 ms"),
        f"| scripts that a login loads | {alone['script_bytes'] / 1000:.1f} kB | 60 kB |",
        f"| {crowd['people']} people at once: answered with a verdict | {crowd['answered']} | all |",
        row(
            f"their frames dropped, of {crowd['frames_sent_each']} each",
            crowd["frames_dropped_each"],
            "",
            "some, not lag",
        ),
        row("their guidance", crowd["guidance_per_second"], " /s", ""),
        row("their verdict after the last frame", crowd["verdict_ms"], " ms", ""),
        "",
        f"Of the {alone['attempts']} attempts {alone['accepted']} were accepted. In all of them together the browser "
        f"left out {alone['frames_left_out_by_the_browser']} frames.",
        "",
        "## JPEGs or a stream",
        "",
        f"What a frame of 480 x 360 costs to send; streams by WebCodecs in real time at "
        f"{page_codecs.BITRATE / 1e6:g} Mbit/s.",
        "",
        "| way | bytes | ms until encoded, median | ms of CPU in the browser | ms of CPU to decode on the server |",
        "|---|---|---|---|---|",
    ]
    for one in results["ways to send a frame"]:
        if not one["frames"]:
            lines.append(f"| {one['way']} | this browser can't | | | |")
            continue
        lines.append(
            f"| {one['way']} | {one['bytes']} | {one['latency_ms']} | {one['browser_cpu_ms']} | {one['server_ms']} |"
        )
    lines += [
        "",
        f"A take sent as the coarsest JPEGs is at a cosine of {results['coarsest with finest']} or more from the same "
        "take sent as the finest (four takes of two simulated people).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
