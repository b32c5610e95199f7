"""Nothing is told to anybody's servers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import facemotion


def test_the_runtime_keeps_no_session_for_its_maker(tmp_path):
    """ONNX Runtime's telemetry leaves a session file in the folder of temporary files as soon as it wakes."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    code = "import sys, facemotion; facemotion.Frontend.load().features(sys.argv[1])"  # PyAV, OpenCV and Pillow, too
    sample = Path(facemotion.__file__).parent / "samples" / "anna-wink-pout-1.mp4"
    subprocess.run([sys.executable, "-c", code, str(sample)], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_ray_is_told_to_report_nothing_before_it_wakes():
    """Whether it is installed or not; nobody listens at that address."""
    code = """
import os
from facemotion.errors import FacemotionError
from facemotion.system.cluster import Cluster
try:
    list(Cluster("127.0.0.1:1").run(dict, (), dict, [()]))
except FacemotionError:
    print(os.environ["RAY_USAGE_STATS_ENABLED"])
"""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_USAGE_STATS_ENABLED"}
    said = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert said.strip() == "0"
