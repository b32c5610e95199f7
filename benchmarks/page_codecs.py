"""What a frame costs to send: JPEG by JPEG, as the page does it, or as a stream by WebCodecs.

Chromium encodes the same camera, 480 x 360 at the camera's 30 frames/s, for some seconds each; CPU time is that of all
its processes, less what playing the camera alone takes. The server's side is measured on the very bytes: decoding each
JPEG to the analysed picture, or the stream by PyAV. And what the coarsest JPEGs, which the page sends where the
connection is slow, do to a motion: the cosine of a take with itself, coarsest with finest.
"""

from __future__ import annotations

import base64
import io
import statistics
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from PIL import Image
from playwright.sync_api import Playwright
from tests.browser import films

from facemotion.frontend import Acquirer
from facemotion.verifier import Verifier, cosine

SECONDS = 8
FINEST, COARSEST = 0.85, 0.5  # as in camera.js
STREAMS = {"VP8": "vp8", "VP9": "vp09.00.10.08", "H.264": "avc1.42001f"}
BITRATE = 1_000_000
WAYS = {"nothing": "none"} | {f"JPEG, quality {q:g}": f"jpeg{q:g}" for q in (FINEST, COARSEST)} | STREAMS
SCRIPT = """async ([codec, bitrate, seconds]) => {
  const { Camera } = await import("/static/camera.js");
  document.getElementById("stage").hidden = false;
  const camera = new Camera(document.getElementById("camera"));
  const out = { sizes: [], times: [], data: [] };
  const keep = (bytes, began) => {
    out.sizes.push(bytes.length);
    out.times.push(performance.now() - began);
    out.data.push(btoa(String.fromCharCode(...bytes)));
  };
  await camera.open(() => {});
  const { canvas, video } = camera;
  const context = canvas.getContext("2d", { alpha: false });
  const began = new Map();
  let encoder = null;
  if (!codec.startsWith("jpeg") && codec !== "none") {
    const { width, height } = canvas;
    const config = { codec, width, height, bitrate, framerate: 30, latencyMode: "realtime" };
    if (codec.startsWith("avc")) config.avc = { format: "annexb" };
    if (!("VideoEncoder" in window) || !(await VideoEncoder.isConfigSupported(config)).supported) {
      camera.close();
      return null;
    }
    encoder = new VideoEncoder({
      error: (error) => { throw error; },
      output: (chunk) => {
        const bytes = new Uint8Array(chunk.byteLength);
        chunk.copyTo(bytes);
        keep(bytes, began.get(chunk.timestamp));
      },
    });
    encoder.configure(config);
  }
  let [on, busy] = [true, false];
  const look = (now) => {
    if (!on) return;
    video.requestVideoFrameCallback(look);
    if (codec === "none" || busy || encoder?.encodeQueueSize > 2) return;
    const start = performance.now();
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    if (encoder) {
      const frame = new VideoFrame(canvas, { timestamp: Math.round(1000 * now) });
      began.set(frame.timestamp, start);
      encoder.encode(frame, { keyFrame: began.size === 1 });
      frame.close();
      return;
    }
    busy = true;
    canvas.toBlob(async (blob) => {
      keep(new Uint8Array(await blob.arrayBuffer()), start);
      busy = false;
    }, "image/jpeg", Number(codec.slice(4)));
  };
  video.requestVideoFrameCallback(look);
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  on = false;
  if (encoder) await encoder.flush();
  camera.close();
  return out;
}"""


def compare(playwright: Playwright, chromium: str, flags: list[str], url: str, film: Path) -> list[dict[str, Any]]:
    """One row a way of sending: bytes and milliseconds a frame, in the browser and on the server."""
    browser = playwright.chromium.launch(
        executable_path=chromium, args=[*flags, f"--use-file-for-fake-video-capture={film}"]
    )
    rows, idle = [], 0.0
    for name, codec in WAYS.items():
        page = browser.new_page()
        page.goto(url)
        before = _cpu()
        told = page.evaluate(SCRIPT, [codec, BITRATE, SECONDS])
        spent = _cpu() - before
        page.close()
        if codec == "none":
            idle = spent
        elif told is None:
            rows.append({"way": name, "frames": 0})
        else:
            data = [base64.b64decode(one) for one in told["data"]]
            rows.append(
                {
                    "way": name,
                    "frames": len(data),
                    "bytes": round(statistics.fmean(told["sizes"])),
                    "latency_ms": round(statistics.median(told["times"]), 1),
                    "browser_cpu_ms": round(1000 * (spent - idle) / len(data), 1),
                    "server_ms": round(_jpegs(data) if codec.startswith("jpeg") else _stream(name, data), 2),
                }
            )
    browser.close()
    return rows


def _cpu() -> float:
    """Seconds of CPU that all of Chromium's processes below this one have used."""
    spent = 0.0
    for one in psutil.Process().children(recursive=True):
        try:
            if "chrom" in one.name():
                times = one.cpu_times()
                spent += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return spent


def _jpegs(data: list[bytes]) -> float:
    start = time.process_time()
    for one in data:
        Image.open(io.BytesIO(one)).convert("RGB").load()
    return 1000 * (time.process_time() - start) / len(data)


def _stream(name: str, data: list[bytes]) -> float:
    decoder = av.CodecContext.create({"VP8": "vp8", "VP9": "vp9", "H.264": "h264"}[name], "r")
    decoder.thread_count = 1
    start = time.process_time()
    for one in data:
        for frame in decoder.decode(av.Packet(one)):
            frame.to_ndarray(format="rgb24")
    return 1000 * (time.process_time() - start) / len(data)


def coarse_with_fine(takes: tuple[films.Take, ...]) -> float:
    """Lowest cosine of a take sent as the coarsest JPEGs with the same take sent as the finest."""
    verifier, random, lowest = Verifier.load(), np.random.default_rng(1), 1.0
    for take in takes:
        vectors = []
        frames = films.play(take, random)[films.FIRST : -films.LAST]
        for quality in (FINEST, COARSEST):
            session = Acquirer(verifier.frontend)
            for number, frame in enumerate(frames):
                buffer = io.BytesIO()
                Image.fromarray(frame).resize((480, 360)).save(buffer, "JPEG", quality=round(100 * quality))
                session.push(np.asarray(Image.open(buffer).convert("RGB")), number / films.RATE)
            vectors.append(verifier.embed(session.finish()))
        lowest = min(lowest, cosine(*vectors))
    return round(lowest, 3)
