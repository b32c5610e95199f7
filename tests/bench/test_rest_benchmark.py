"""benchmarks/rest.py: when somebody speaks, and by which thresholds it decides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import rest
from speech_spans import speech_span

from facemotion.models import Models

RATE = 8000
SAMPLES = Path(__file__).parents[2] / "src" / "facemotion" / "samples"


def film(path: Path, loudness: np.ndarray, seconds: float = 3.0) -> Path:
    """A grey picture, and noise of a loudness given for each hundredth of a second."""
    noise = np.random.default_rng(0).normal(size=int(seconds * RATE)) * np.repeat(loudness, RATE // 100)
    with av.open(str(path), "w") as out:
        video, audio = out.add_stream("mpeg4", rate=25), out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for _ in range(int(seconds * 25)):
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")))
        sound = av.AudioFrame.from_ndarray((3000 * noise).clip(-32768, 32767).astype(np.int16)[None], "s16", "mono")
        sound.sample_rate = RATE
        for stream, frame in ((audio, sound), (audio, None), (video, None)):
            out.mux(stream.encode(frame))
    return path


def test_speech_is_found_by_its_sound_and_a_click_isnt_speech(tmp_path):
    loudness = np.full(300, 0.01)
    loudness[70:210] = 1.0
    loudness[120:130] = 0.01  # between two words
    loudness[10:14] = loudness[280:283] = 1.0  # clicks
    assert speech_span(film(tmp_path / "said.mkv", loudness)) == pytest.approx((0.7, 2.1), abs=0.041)


def test_recordings_without_sound_are_named():
    with pytest.raises(ValueError, match="anna-wink-pout-1.mp4 has no sound"):
        speech_span(SAMPLES / "anna-wink-pout-1.mp4")


def test_sentences_are_marked_where_somebody_speaks(tmp_path):
    film(tmp_path / "a.mkv", np.r_[np.full(100, 0.01), np.ones(100), np.full(100, 0.01)])
    (tmp_path / "clips.csv").write_text("path,subject,sentence\na.mkv,s2,bin blue\n")
    (record,) = rest.read_sentences(tmp_path).records
    assert (record.subject, record.motion) == ("s2", "bin blue")
    assert record.span == pytest.approx((1.0, 2.0), abs=0.041)


def test_it_decides_by_the_points_measured_last_and_refuses_those_of_another_file(tmp_path):
    points = Path(shutil.copy(rest.RESULTS.with_name("operating_points.json"), tmp_path / "points.json"))
    found = json.loads(points.read_text("utf-8"))
    for own in found["operating_points"]:
        own["threshold"] = 0.01 * own["takes"]
    points.write_text(json.dumps(found), "utf-8")
    loaded = rest.load_measured(Models.shipped(), points)
    assert [own.threshold for own in loaded.operating_points] == pytest.approx(
        [0.01 * own.takes for own in loaded.operating_points]
    )
    assert {own.name for own in loaded.operating_points} == {found["default_point"]}
    points.write_text(json.dumps(found | {"sha256": "0" * 64}), "utf-8")
    with pytest.raises(ValueError, match="about another encoder"):
        rest.load_measured(Models.shipped(), points)


@pytest.mark.long
def test_the_page_is_written_into_its_sections(tmp_path, monkeypatch, capsys):
    """Two sets of two samples each; a span stands in for the sound that samples lack."""
    page = Path(shutil.copy(rest.PAGE, tmp_path / "rest.md"))
    monkeypatch.setattr(rest, "PAGE", page)
    monkeypatch.setattr(rest, "speech_span", lambda _: (0.3, 1.0))
    operating_points = shutil.copy(rest.RESULTS.with_name("operating_points.json"), tmp_path)
    assert operating_points
    monkeypatch.setattr(rest, "RESULTS", tmp_path / "rest.json")
    for name in ("anna-wink-pout-1.mp4", "anna-brows-smile-1.mp4"):
        shutil.copy(SAMPLES / name, tmp_path / name)
    rows = [f"{path.name},anna,{path.stem},lip,0,1,test" for path in sorted(tmp_path.glob("*.mp4"))]
    (tmp_path / "manifest.csv").write_text("\n".join(["path,subject,motion,kind,repetition,session,split", *rows]))
    said = [f"{path.name},anna,{path.stem}" for path in sorted(tmp_path.glob("*.mp4"))]
    (tmp_path / "clips.csv").write_text("\n".join(["path,subject,sentence", *said]))
    rest.main([str(tmp_path / "manifest.csv"), str(tmp_path), "--cache", str(tmp_path / "cache"), "--write"])
    text, found = page.read_text("utf-8"), json.loads((tmp_path / "rest.json").read_text("utf-8"))
    assert found["sha256"] == json.loads((tmp_path / "operating_points.json").read_text("utf-8"))["sha256"]
    assert found["phrases"]["marked"] == 0
    assert found["sentences"]["marked"] == 2
    _, phrases, sentences = text.split(":begin -->")
    assert "| real rest |" not in phrases
    assert "| real rest | 2 |" in sentences
    assert "sentences\n\n**Errors" in capsys.readouterr().out
