"""tools/mesh_stills.py writes what training reads."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np

from facemotion.data.still_files import Stills
from facemotion.media import load_clip

TOOL = Path(__file__).parents[2] / "tools" / "mesh_stills.py"


def test_clips_become_stills_with_weak_labels(clips, tmp_path, monkeypatch):
    out = tmp_path / "stills"
    sources = [str(clips / "talk1.mp4"), str(clips / "nobody.mp4")]
    monkeypatch.setattr(sys, "argv", ["mesh_stills", str(out), *sources, "--every", "8"])
    runpy.run_path(str(TOOL), run_name="__main__")
    stills = Stills(out, "train")
    assert len(stills) == -(-len(load_clip(clips / "talk1.mp4").frames) // 8)
    assert set(stills.people) == {"talk1"}
    assert stills.image(0).shape == (160, 160, 3)
    assert stills.known.all()
    assert not stills.emotions.any()
    size = stills.boxes[:, 2:] - stills.boxes[:, :2]
    np.testing.assert_allclose(size.max(axis=1), 160 / 1.75, rtol=1e-3)
    inside = (stills.landmarks > 20) & (stills.landmarks < 140)
    assert inside.all()
    shards = {path: path.stat().st_mtime_ns for path in out.glob("*.np?")}
    runpy.run_path(str(TOOL), run_name="__main__")
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.np?")} == shards
