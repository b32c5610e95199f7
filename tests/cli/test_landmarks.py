from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import NoFaceError, UnknownModelError
from facemotion.media import load_clip


@pytest.mark.long  # every frame of a clip, three times
def test_a_clip_with_its_points(clips, tmp_path):
    out = tmp_path / "out.mp4"
    answer = CliRunner().invoke(app, ["landmarks", str(clips / "talk1.mp4"), "--video", str(out), "--json"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.output)
    assert told["frames"] == len(load_clip(clips / "talk1.mp4").frames)
    assert told["face_share"] == 1
    green = load_clip(out).frames.astype(int)
    assert ((green[..., 1] - green[..., 0] > 60) & (green[..., 1] - green[..., 2] > 40)).mean() > 0.002


def test_faults_by_name(clips, tmp_path):
    out = str(tmp_path / "out.mp4")
    answer = CliRunner().invoke(app, ["landmarks", str(clips / "nobody.mp4"), "--video", out])
    assert isinstance(answer.exception, NoFaceError)
    answer = CliRunner().invoke(app, ["landmarks", str(clips / "talk1.mp4"), "--video", out, "--extractor", "mesh"])
    assert isinstance(answer.exception, UnknownModelError)


def test_an_extractor_of_our_own_is_named_by_its_card(clips, tmp_path):
    arguments = ["landmarks", str(clips / "talk1.mp4"), "--video", str(tmp_path / "out.mp4"), "--extractor", "sfe-mt"]
    answer = CliRunner().invoke(app, [*arguments, "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["face_share"] > 0.9
