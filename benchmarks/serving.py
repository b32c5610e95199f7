"""A real server for the benchmarks, and takes of a drawn face to send to it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import httpx
import numpy as np
import psutil
from PIL import Image, ImageDraw

from facemotion.service.guard.auth import ApiKeys
from facemotion.service.migrate import open_database
from facemotion.store.keys import new_key

STILL = (
    "[replay]\nlikeness = 0.95\npiece_likeness = 0.99\nfound_share = 1.0\nwarped_likeness = 1.0\n"
    "surface_likeness = 1.0\nsurface_piece_likeness = 1.0\nsurface_joined_likeness = 1.0\n"
    "surface_warped_likeness = 1.0\n"
)
"""For takes of a drawn head, which stands still to the pixel: they are nearly replays of each other, as no real head's
are."""
SETTINGS = f"[limits]\nrequests_per_minute = 1e6\nwasted_seconds = 1e6\n{STILL}"
FACES = Path(__file__).parents[1] / "tests" / "features" / "mesh_reference.npz"


@contextmanager
def served(folder: Path, workers: int, settings: str = "") -> Iterator[tuple[str, str, psutil.Process]]:
    """`facemotion serve` on a free port of loopback, with a store in `folder`.

    Yields:
        its address, an administrator's key, its process.
    """
    key, environment = prepare(folder, str(folder / "store.db"), settings)
    url, child = start(folder, environment, "--port", "0", "--workers", str(workers))
    try:
        yield url, key, psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait()


def prepare(folder: Path, store: str, settings: str = "") -> tuple[str, dict[str, str]]:
    """A store with an administrator's API key, and files of settings.

    Args:
        folder: for the store's key and the settings.
        store: path or URL.
        settings: of the service, TOML.
    Returns:
        the API key, and the environment of a service.
    """
    (folder / "store.key").write_text(new_key(), "utf-8")
    (folder / "store.key").chmod(0o600)
    store_key = f"file:{folder / 'store.key'}"
    with open_database(store, key=store_key) as database:
        key = ApiKeys(database).add("benchmark", "admin")
    (folder / "service.toml").write_text(settings or SETTINGS, "utf-8")
    # The drawing of `take` stands still but for its mouth, which is near what is refused as a photograph.
    (folder / "config.toml").write_text("[quality]\nmin_own_motion = 1.0\n", "utf-8")
    return key, os.environ | {
        "FACEMOTION_STORE": store,
        "FACEMOTION_STORE_KEY": store_key,
        "XDG_CONFIG_HOME": str(folder),
        "FACEMOTION_CONFIG": str(folder / "config.toml"),
    }


def start(folder: Path, environment: dict[str, str], *options: str) -> tuple[str, subprocess.Popen[str]]:
    """`facemotion serve` with what `prepare` made; its address and process, once it is ready."""
    command = [sys.executable, "-m", "facemotion.cli", "serve", "--json", *options]
    command += ["--service", str(folder / "service.toml")]
    with (folder / "log").open("a") as log:
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    assert child.stdout is not None
    text = ""
    while not text.rstrip().endswith("}"):
        line = child.stdout.readline()
        if not line:
            raise SystemExit((folder / "log").read_text("utf-8"))
        text += line
    url = json.loads(text)["url"]
    for _ in range(600):
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                break
        except httpx.TransportError:
            time.sleep(0.1)
    return url, child


def take(seed: int, length: float = 1.0, side: int = 320) -> bytes:
    """A take of the drawing opening its mouth, with a camera's noise.

    Args:
        seed: decides noise, tempo, size and place.
        length: seconds.
        side: pixels of the width, 3/4 of them the height.
    """
    random = np.random.default_rng(seed)
    with np.load(FACES) as stored:
        face = stored["images"][0]
    count = round(25 * length) + 1
    lead, size, x, y = random.uniform(0, 0.2), random.uniform(0.9, 1.1), *random.integers(-6, 7, 2)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = side, side * 3 // 4, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        video.options = {"crf": "20", "preset": "ultrafast"}
        for number in range(count):
            part = float(np.sin(np.pi * np.clip((number / (count - 1) - lead) / (1 - lead), 0, 1))) * size
            image = Image.fromarray(face)
            ImageDraw.Draw(image).ellipse((108, 162 - 5 * part, 148, 166 + 15 * part), fill=(60, 15, 20))
            canvas = Image.new("RGB", (320, 240), (90, 120, 150))
            canvas.paste(image.resize((228, 228)), (46 + int(x), 6 + int(y)))
            noisy = np.asarray(canvas, np.float32) + random.normal(0, 3, (240, 320, 1))
            frame = av.VideoFrame.from_ndarray(np.clip(noisy, 0, 255).astype(np.uint8), format="rgb24")
            frame = frame.reformat(side, side * 3 // 4, format="yuv420p")
            frame.pts, frame.time_base = 40 * number, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return out.getvalue()
