"""The Python of docs/reference/python.md runs as it stands; a file that OpenCV reads stands for the webcam."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import facemotion as fm
from facemotion.config import Settings
from facemotion.store.keys import new_key

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs" / "reference" / "python.md").read_text("utf-8"), re.M | re.S
)
(WEBCAM,) = (code for code in BLOCKS if "VideoCapture" in code)

CAMERA = """
import sys, time
import cv2
import numpy as np

clock, capture = [5000.0], cv2.VideoCapture


class Camera:
    '''OpenCV's camera 0 is a file after some seconds of nobody, and the clock goes as its frames do.'''

    def __init__(self, number):
        assert number == 0
        self._film, self._waited = capture(sys.argv[1]), 0
        self.release, self.isOpened = self._film.release, self._film.isOpened

    def read(self):
        if self._waited < int(sys.argv[2]):
            self._waited += 1
            clock[0] = 5000.0 + self._waited
            return True, np.zeros((240, 320, 3), np.uint8)
        clock[0] = 5000.04 + self._waited + self._film.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return self._film.read()


cv2.VideoCapture, time.monotonic = Camera, lambda: clock[0]
"""


@pytest.fixture(scope="module")
def desk(clips, tmp_path_factory) -> Path:
    """A folder with the clips that the page names, and a store in which alice is enrolled."""
    folder = tmp_path_factory.mktemp("page")
    for name, take in {"a": "talk1", "b": "talk2"}.items():
        shutil.copy(clips / f"{take}.mp4", folder / f"{name}.mp4")
    (folder / "key").write_text(new_key())
    (folder / "key").chmod(0o600)
    with fm.open_store(folder / "facemotion.db", key="file:" + str(folder / "key")) as store:
        fm.Verifier.load(Settings()).enrol(store, "alice", [folder / "a.mp4", folder / "b.mp4"])
    return folder


@pytest.mark.parametrize("code", [code for code in BLOCKS if code != WEBCAM])
def test_the_examples_run(desk, monkeypatch, capsys, code):
    monkeypatch.chdir(desk)
    exec(code, {})
    assert float(capsys.readouterr().out.split()[0]) > 0.8


@pytest.mark.parametrize(
    ("film", "wait", "verdict"), [("talk2", 0, "accepted"), ("brow", 0, "rejected"), ("talk2", 12, "accepted")]
)
def test_the_webcam_loop_ends_in_a_decision(desk, clips, monkeypatch, film, wait, verdict):
    monkeypatch.setenv("FACEMOTION_STORE_KEY", f"file:{desk / 'key'}")
    done = _run_webcam(desk, clips / f"{film}.mp4", wait)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert fm.Guidance.GO.value in lines
    assert lines[-1] == verdict


def test_the_webcam_loop_says_what_to_do_where_no_camera_can_be_opened(desk):
    done = _run_webcam(desk, desk / "absent.mp4", 0)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Camera 0 can't be opened: plug it in")


def _run_webcam(desk: Path, film: Path, wait: int) -> subprocess.CompletedProcess[str]:
    """In a process of its own: OpenCV brings a second FFmpeg, which the other tests needn't live with."""
    code = [sys.executable, "-c", CAMERA + WEBCAM, film, str(wait)]
    return subprocess.run(code, cwd=desk, capture_output=True, text=True, check=False)
