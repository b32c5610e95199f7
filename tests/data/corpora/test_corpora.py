"""Public data sets, each as a tiny tree with its real names, become manifests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.cli.learning.data import CORPUS_NAMES
from facemotion.data.corpora.acted import ravdess
from facemotion.data.corpora.manifests import CORPORA, import_corpus
from facemotion.data.corpora.spoken import oulu
from facemotion.data.manifest import MANIFEST, check_manifest, read_manifest
from facemotion.errors import DataError
from facemotion.media import load_clip
from facemotion.media.write import write_video
from facemotion.types import ClipKind

ROOT = Path(__file__).parents[3]


def plant(folder: Path, *names: str) -> Path:
    """Files of those names, each with bytes of its own."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"this stands for {name}".encode())
    return folder


def film(path: Path, seconds: float = 3.0, rate: float = 25.0) -> Path:
    """A video whose frames grow brighter, from 0 at its begin to 250 after ten seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    made = path.with_suffix(".mp4")
    write_video(((np.full((48, 64, 3), 25 * time, np.uint8), float(time)) for time in times), made)
    made.replace(path)
    return path


def photographs(folder: Path, names: Iterable[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(np.full((48, 64, 3), 8 * number, np.uint8)).save(folder / name)


def labels(out: Path) -> list[tuple[str, str, int]]:
    return [(r.subject, r.motion, r.repetition) for r in read_manifest(out / MANIFEST).records]


def lying(out: Path) -> list[str]:
    """Names of the files that the manifest points at, all of which are there."""
    manifest = read_manifest(out / MANIFEST)
    check_manifest(manifest)
    return [manifest.file(record).name for record in manifest.records]


GRID_WORDS = ("bin", "blue", "at", "f", "two", "now")


def align(path: Path, words: Iterable[str] = GRID_WORDS, silence: float = 0.5) -> None:
    """An alignment in which each word takes 0.3 s, after some silence, 25,000 ticks a second."""
    now = round(silence * 25_000)
    rows = [f"0 {now} sil"]
    for word in words:
        rows.append(f"{now} {now + 7500} {word}")
        now += 7500
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*rows, f"{now} {now + 20000} sil"]) + "\n")


@pytest.fixture
def grid(tmp_path):
    folder = tmp_path / "grid"
    for speaker, stem in (("s1", "bbaf2n"), ("s1", "bbaf3s"), ("s10", "bbaf2n"), ("s10", "bbaz9a"), ("s2", "lgbf8n")):
        film(folder / speaker / f"{stem}.mpg")
        words = ("lay", "green", "by", "f", "eight", "now") if stem == "lgbf8n" else GRID_WORDS
        align(folder / "alignments" / speaker / f"{stem}.align", words)
    return folder


def test_grid_is_cut_to_phrases_by_its_alignments(grid, tmp_path):
    out = tmp_path / "out"
    done = import_corpus("grid", grid, out)
    assert (done.clips, done.subjects, done.motions, done.left_out, done.made) == (4, 2, 2, 1, 4)
    assert labels(out) == [(speaker, "bin blue at", take) for speaker in ("s1", "s10") for take in (0, 1)]
    record = read_manifest(out / MANIFEST).records[0]
    assert record.kind == ClipKind.LIP
    clip = load_clip(out / record.path)
    assert clip.times[-1] == pytest.approx(0.9 + 2 * 0.2, abs=0.07)  # frames lie 0.04 s apart
    assert clip.frames[0].mean() == pytest.approx(25 * 0.3, abs=3)  # 0.2 s before the first word, which begins at 0.5 s

    written = (out / record.path).stat().st_mtime_ns
    import_corpus("grid", grid, out)
    assert (out / record.path).stat().st_mtime_ns == written


def test_grid_is_cut_to_words(grid, tmp_path):
    done = import_corpus("grid-words", grid, tmp_path / "out")
    assert done.motions == 2 * 6
    assert {motion for _, motion, _ in labels(tmp_path / "out")} == set(GRID_WORDS)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "unpack the alignments"), ("0 100 sil\n100 x bin", "begin, end and word"), ("0 9 bin\n", "fewer than 3")],
)
def test_a_video_of_grid_without_its_alignment_is_named(grid, tmp_path, content, message):
    path = grid / "alignments" / "s1" / "bbaf3s.align"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError, match=message):
        import_corpus("grid", grid, tmp_path / "out")


def test_an_alignment_of_another_video_is_named(grid, tmp_path):
    film(grid / "s1" / "bbaf3s.mpg", seconds=0.6)
    align(grid / "alignments" / "s1" / "bbaf3s.align", silence=2.0)
    with pytest.raises(DataError, match=r"bbaf3s.mpg ends before"):
        import_corpus("grid", grid, tmp_path / "out")


def test_miracl_joins_colour_pictures_and_leaves_depth_out(tmp_path):
    for take in ("01", "02"):
        place = tmp_path / "miracl" / "F01" / "words" / "03" / take
        photographs(place, [f"color_{number:03d}.jpg" for number in range(1, 16)])
        photographs(place, [f"depth_{number:03d}.png" for number in range(1, 16)])
    photographs(tmp_path / "miracl" / "F01" / "phrases" / "03" / "01", ["color_001.jpg"])
    (tmp_path / "miracl" / "calib").mkdir()
    done = import_corpus("miracl-vc1", tmp_path / "miracl", tmp_path / "out")
    assert labels(tmp_path / "out") == [("F01", "word 03", 0), ("F01", "word 03", 1)]
    assert (done.left_out, done.made) == (1, 2)
    clip = load_clip(tmp_path / "out" / read_manifest(tmp_path / "out" / MANIFEST).records[0].path)
    assert len(clip.frames) == 15
    assert clip.times[-1] == pytest.approx(14 / 15, abs=0.01)


def test_mug_joins_pictures(tmp_path):
    for take in ("take000", "take001"):
        photographs(
            tmp_path / "mug" / "subjects3" / "001" / "happiness" / take, [f"img_{n:04d}.jpg" for n in range(19)]
        )
    import_corpus("mug", tmp_path / "mug", tmp_path / "out")
    assert labels(tmp_path / "out") == [("001", "happiness", 0), ("001", "happiness", 1)]
    assert {record.kind for record in read_manifest(tmp_path / "out" / MANIFEST).records} == {ClipKind.FACIAL}


def test_ouluvs2_is_the_frontal_view_and_each_phrase_three_times(tmp_path):
    names = [f"s{s}_v{v}_u{u}.mp4" for s in (2, 10) for v in (1, 3) for u in (28, 29, 30, 31, 32, 33, 34, 61)]
    done = import_corpus("ouluvs2", plant(tmp_path / "oulu", *names), tmp_path / "out")
    assert labels(tmp_path / "out") == [
        (subject, motion, take)
        for subject in ("s2", "s10")
        for motion in ("digits 10", "phrase 1")
        for take in range(3)
    ]
    assert done.left_out == 2 * 2  # a phrase of which the others lack, and a sentence, which is said once
    assert lying(tmp_path / "out")[:4] == ["s2_v1_u28.mp4", "s2_v1_u29.mp4", "s2_v1_u30.mp4", "s2_v1_u31.mp4"]


def test_crema_d_takes_of_a_sentence_differ_in_emotion(tmp_path):
    names = ["1001_IEO_ANG_LO.flv", "1001_IEO_ANG_HI.flv", "1001_IEO_NEU_XX.flv", "1002_DFA_SAD_XX.flv"]
    folder = plant(tmp_path / "crema", *(f"VideoFlash/{name}" for name in names), "AudioWAV/1001_IEO_ANG_LO.wav")
    done = import_corpus("crema-d", folder, tmp_path / "out")
    assert labels(tmp_path / "out") == [("1001", "IEO", 0), ("1001", "IEO", 1), ("1001", "IEO", 2)]
    assert (done.left_out, done.made) == (1, 0)
    assert sorted(lying(tmp_path / "out")) == sorted(names[:3])


def test_ravdess_counts_a_performance_once(tmp_path):
    names = [f"{modality}-01-05-02-01-{take}-12.mp4" for modality in ("01", "02") for take in ("01", "02")]
    names += ["02-02-03-01-02-01-12.mp4", "02-02-03-01-02-02-12.mp4", "03-01-05-02-01-01-12.wav"]
    import_corpus("ravdess", plant(tmp_path / "rav", *(f"Actor_12/{name}" for name in names)), tmp_path / "out")
    assert labels(tmp_path / "out") == [
        ("Actor_12", "song 2 happy", 0),
        ("Actor_12", "song 2 happy", 1),
        ("Actor_12", "speech 1 strong angry", 0),
        ("Actor_12", "speech 1 strong angry", 1),
    ]
    assert [name[:2] for name in lying(tmp_path / "out")] == ["02", "02", "01", "01"]


def test_files_whose_names_say_what_no_corpus_has_are_left_out(tmp_path):
    spoken = [f"02-01-05-02-01-0{take}-12.mp4" for take in (1, 2)]
    names = [*spoken, "02-03-05-02-01-01-12.mp4", "02-01-00-02-01-01-12.mp4", "02-01-09-02-01-01-12.mp4"]
    assert [take.source.name for take in ravdess(plant(tmp_path / "rav", *names))] == spoken
    assert [take.source.name for take in oulu(plant(tmp_path / "oulu", "s1_v1_u0.mp4", "s1_v1_u31.mp4"))] == [
        "s1_v1_u31.mp4"
    ]


def test_mead_takes_the_frontal_view_at_three_levels(tmp_path):
    names = [f"M003/video/{view}/angry/level_{n}/001.mp4" for view in ("front", "left_30") for n in (1, 2, 3)]
    names += ["M003/video/front/neutral/level_1/002.mp4"]
    done = import_corpus("mead", plant(tmp_path / "mead", *names), tmp_path / "out")
    assert labels(tmp_path / "out") == [("M003", "angry 001", 0), ("M003", "angry 001", 1), ("M003", "angry 001", 2)]
    assert done.left_out == 1


def test_a_plain_folder_is_people_motions_takes(tmp_path):
    names = ["anna/wink-pout/take10.webm", "anna/wink-pout/take2.webm", "ben/brows/1.mp4", "ben/brows/2.mp4"]
    import_corpus("plain", plant(tmp_path / "own", *names), tmp_path / "out")
    assert labels(tmp_path / "out")[:2] == [("anna", "wink-pout", 0), ("anna", "wink-pout", 1)]
    assert lying(tmp_path / "out") == ["take2.webm", "take10.webm", "1.mp4", "2.mp4"]


@pytest.mark.parametrize("name", [name for name in CORPORA if name != "plain"])
def test_a_folder_of_something_else_is_refused_with_the_layout(name, tmp_path):
    plant(tmp_path / "other", "notes.txt", "holiday/beach.mp4", "a/b/c/d/e.mp4")
    with pytest.raises(DataError, match=r"no file lies there as"):
        import_corpus(name, tmp_path / "other", tmp_path / "out")
    with pytest.raises(DataError, match="There is no folder"):
        import_corpus(name, tmp_path / "absent", tmp_path / "out")


def test_motions_made_once_make_no_data_set(tmp_path):
    folder = plant(tmp_path / "crema", "VideoFlash/1001_IEO_ANG_LO.flv")
    with pytest.raises(DataError, match="only once"):
        import_corpus("crema-d", folder, tmp_path / "out")


def test_the_command_imports_films_and_names_all_sets(tmp_path):
    assert set(CORPORA) == set(CORPUS_NAMES)
    folder = plant(tmp_path / "own", "anna/wink/1.mp4", "anna/wink/2.mp4")
    words = ["data", "import", "plain", str(folder), str(tmp_path / "out")]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0
    assert "2 takes of 1 motions by 1 subjects" in answer.output.replace("\n", " ")
    refused = CliRunner().invoke(app, [*words, "--features", str(tmp_path)])
    assert "is filmed" in str(refused.exception)
    unknown = CliRunner().invoke(app, ["data", "import", "lrw", str(folder), str(tmp_path / "out")])
    assert "ouluvs2" in str(unknown.exception)


def test_the_page_of_data_has_a_row_for_every_set():
    page = (ROOT / "docs" / "reference" / "data.md").read_text("utf-8")
    for name, corpus in CORPORA.items():
        assert f"| `{name}`" in page
        assert corpus.layout.split(" and ")[0] in page
