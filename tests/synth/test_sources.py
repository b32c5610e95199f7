"""The assets folder, built from copies of public repositories."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import AssetError
from facemotion.synth.people.assets import HEAD, PORTRAIT_LIST, PORTRAITS, Assets
from facemotion.synth.people.cast import parents
from facemotion.synth.people.head import IDENTITIES, SHAPES
from facemotion.synth.sources.building import DIGEST, build_assets, digest_of
from facemotion.synth.sources.crops import LONGEST, crops, cut_portraits, portrait_repository, shrink
from facemotion.synth.sources.facekit import FOLDER, PUPILS, facekit, pack_head
from facemotion.synth.sources.repositories import BATCH, Repository

SQUARE = ["v 0 0 1", "v 2 0 1", "v 2 2 1", "v 0 2 1", "vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1"]
FACES = ["usemtl M_Face", "f 1/1 2/2 3/3 4/4", "usemtl M_Teeth", "f 1/1 2/2 3/3"]


def write_facekit(folder: Path) -> Path:
    """A copy of ICT-FaceKit with four vertices: shape k moves its first vertex by k / 4 along y."""
    (folder / FOLDER).mkdir(parents=True)
    (folder / FOLDER / "generic_neutral_mesh.obj").write_text("\n".join(["# a comment", *SQUARE, *FACES]) + "\n")
    for number, name in enumerate([*PUPILS, *SHAPES, *(f"identity{k:03d}" for k in range(IDENTITIES))]):
        (folder / FOLDER / f"{name}.obj").write_text("\n".join([f"v 0 {number / 4} 1", *SQUARE[1:]]) + "\n")
    (folder / FOLDER / "vertex_indices.json").write_text(json.dumps({"idx_to_landmark_verts": [3, 2, 1]}))
    (folder / "LICENSE").write_text("free")
    return folder


def write_portraits(folder: Path, names: list[str]) -> Path:
    """A copy of assets-person-portrait whose pictures have a level of red for each column."""
    ramp = np.zeros((1024, 1024, 3), np.uint8)
    ramp[..., 0] = np.arange(1024) // 4
    for name in names:
        kind, number = name.split("_")
        for part in ("512", "metadata"):
            (folder / kind / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(ramp).save(folder / kind / "512" / f"{number}.jpg", quality=95)
        (folder / kind / "metadata" / f"{number}.json").write_text(json.dumps({"prompt": f"somebody, {name}"}))
    (folder / "LICENSE").write_text("free")
    return folder


def repository_of(folder: Path, address: str = "nowhere", commit: str = "0" * 40) -> Repository:
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }
    return Repository("toys", address, commit, "MIT", files)


def test_every_shape_of_the_head_is_packed(tmp_path):
    pack_head(write_facekit(tmp_path / "kit"), tmp_path / HEAD)
    with np.load(tmp_path / HEAD, allow_pickle=False) as head:
        assert [*head["expression_names"]] == [*PUPILS, *SHAPES]
        np.testing.assert_array_equal(head["neutral"][:, 0], [0, 2, 2, 0])
        np.testing.assert_array_equal(head["expression"][:, 0, 1], np.arange(len(SHAPES) + 2) / 4)
        np.testing.assert_array_equal(head["identity"][:, 0, 1], (np.arange(IDENTITIES) + len(SHAPES) + 2) / 4)
        assert not head["identity"][:, 1:].any()
        np.testing.assert_array_equal(head["faces"], [[0, 1, 2, 3], [0, 1, 2, -1]])
        np.testing.assert_array_equal(head["face_material"], [0, 1])
        assert [*head["materials"]] == ["M_Face", "M_Teeth"]
        np.testing.assert_array_equal(head["landmarks68"], [3, 2, 1])


@pytest.mark.parametrize(("spoilt", "content"), [("jawOpen.obj", "v 1 2\n"), ("vertex_indices.json", "{}")])
def test_a_copy_that_cannot_be_read_is_named(tmp_path, spoilt, content):
    kit = write_facekit(tmp_path / "kit")
    (kit / FOLDER / spoilt).write_text(content)
    with pytest.raises(AssetError, match="ICT-FaceKit"):
        pack_head(kit, tmp_path / HEAD)
    assert not (tmp_path / HEAD).exists()


def test_portraits_are_cut_to_the_face_and_made_smaller(tmp_path):
    wanted = [crop for crop in crops() if crop.name in ("female_1", "male_63", "female_98")]
    cut_portraits(write_portraits(tmp_path / "kit", [crop.name for crop in wanted]), tmp_path / "out", wanted=wanted)
    for crop in wanted:
        left, top, right, bottom = crop.box
        factor = min(1, LONGEST / max(right - left, bottom - top))
        with Image.open(tmp_path / "out" / PORTRAITS / f"{crop.name}.jpg") as image:
            red = np.asarray(image)[..., 0].astype(float)
        assert red.shape == (round((bottom - top) * factor), round((right - left) * factor))
        centres = left + (np.arange(red.shape[1]) + 0.5) / factor
        assert np.abs(red.mean(0) - (centres - 0.5) / 4)[2:-2].max() < 3  # grey levels; JPEG twice
    lines = (tmp_path / "out" / PORTRAIT_LIST).read_text().splitlines()
    assert lines[0] == "file,prompt,frontal_closed_mouth"
    assert lines[1].startswith('female_1.jpg,"somebody, female_1",')


@pytest.mark.parametrize("factor", [0.5, 0.625, 0.9027])
def test_a_smaller_picture_keeps_what_each_area_shows(factor):
    ramp = np.broadcast_to(np.linspace(10, 240, 97)[:, None, None], (97, 41, 3)).round().astype(np.uint8)
    small = shrink(ramp, factor)
    assert small.shape == (round(97 * factor), round(41 * factor), 3)
    assert np.ptp(small, axis=1).max() == 0
    middles = (np.arange(len(small)) + 0.5) / factor
    assert np.abs(small[:, 0, 0] - np.interp(middles - 0.5, np.arange(97), ramp[:, 0, 0]))[1:-1].max() < 2
    np.testing.assert_array_equal(shrink(np.full((50, 50, 3), 77, np.uint8), factor), 77)
    assert shrink(ramp, 1.0) is ramp


def test_every_parent_has_a_place_in_its_portrait():
    table = {crop.name: crop for crop in crops()}
    assert {name for names in parents().values() for name in names} <= set(table)
    assert all(0 <= c.box[0] < c.box[2] <= 1024 and 0 <= c.box[1] < c.box[3] <= 1024 for c in table.values())
    assert {crop.picture for crop in crops()} | {crop.about for crop in crops()} < set(portrait_repository().files)
    assert len([path for path in facekit().files if path.endswith(".obj")]) == len(SHAPES) + 2 + IDENTITIES + 1


def test_a_copy_at_another_commit_is_refused(tmp_path):
    folder = write_portraits(tmp_path / "kit", ["male_1"])
    known = repository_of(folder)
    known.check(folder)
    (folder / "LICENSE").write_text("not free")
    (folder / "male" / "512" / "1.jpg").unlink()
    with pytest.raises(AssetError, match="LICENSE, male/512/1.jpg missing or different"):
        known.check(folder)


@pytest.fixture
def published(tmp_path):
    """A repository that git can fetch from, with more files than one batch."""
    folder = tmp_path / "published"
    folder.mkdir()
    for number in range(BATCH + 3):
        (folder / f"{number:02d}.txt").write_text(f"file {number}\n")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "files")):
        subprocess.run([*git, *words], check=True, capture_output=True)
    for setting in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        subprocess.run([*git, "config", setting, "true"], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    return repository_of(folder, folder.as_uri(), commit)


def test_git_brings_the_commit_and_continues_where_it_was_broken_off(published, tmp_path):
    seen = []
    clone = tmp_path / "clone"
    published.fetch(clone, lambda *what: seen.append(what))
    assert seen == [(0, BATCH + 3, "toys"), (BATCH, BATCH + 3, "toys"), (BATCH + 3, BATCH + 3, "toys")]
    kept = (clone / "00.txt").stat().st_mtime_ns
    (clone / "07.txt").unlink()
    published.fetch(clone, lambda *what: seen.append(what))
    assert seen[3:] == [(BATCH + 2, BATCH + 3, "toys"), (BATCH + 3, BATCH + 3, "toys")]
    assert (clone / "00.txt").stat().st_mtime_ns == kept
    published.check(clone)


def test_an_address_that_does_not_answer_is_named(published, tmp_path):
    away = Repository("toys", (tmp_path / "away").as_uri(), published.commit, "MIT", published.files)
    with pytest.raises(AssetError, match="Run the same command again"):
        away.fetch(tmp_path / "clone")


def test_a_folder_is_built_once_and_its_digest_tells_changes(tmp_path, monkeypatch):
    from facemotion.synth.sources import building

    kit, pictures = (
        write_facekit(tmp_path / "kit"),
        write_portraits(tmp_path / "pictures", [c.name for c in crops()[:3]]),
    )
    monkeypatch.setattr(building, "facekit", lambda: repository_of(kit))
    monkeypatch.setattr(building, "portrait_repository", lambda: repository_of(pictures))
    monkeypatch.setattr("facemotion.synth.sources.crops.crops", lambda: crops_kept)
    crops_kept = crops()[:3]
    out, seen = tmp_path / "out", []
    digest = build_assets(out, head=kit, portraits=pictures, progress=lambda *what: seen.append(what))
    assert seen[-1] == (3, 3, "portraits")
    assert (out / "LICENSE-toys.txt").read_text() == "free"
    written = (out / HEAD).stat().st_mtime_ns
    assert build_assets(out) == digest  # without any copy: nothing is left to do
    assert (out / HEAD).stat().st_mtime_ns == written

    with np.load(out / HEAD, allow_pickle=False) as head:
        np.savez(tmp_path / "plain.npz", **head)
    (tmp_path / "plain.npz").replace(out / HEAD)
    assert digest_of(Assets.find(out)) == digest  # compressed otherwise, the same numbers
    (out / PORTRAITS / f"{crops_kept[1].name}.jpg").write_bytes(b"another")
    assert digest_of(Assets.find(out)) != digest


def test_a_head_that_was_copied_in_part_is_named(tmp_path):
    np.savez(tmp_path / HEAD, neutral=np.zeros((100, 3)))
    (tmp_path / HEAD).write_bytes((tmp_path / HEAD).read_bytes()[:400])
    with pytest.raises(AssetError, match="build it again"):
        digest_of(Assets(tmp_path))


def test_without_copies_the_command_says_how_to_get_them(tmp_path):
    answer = CliRunner().invoke(app, ["synth", "assets", str(tmp_path / "out")])
    assert isinstance(answer.exception, AssetError)
    assert "--fetch" in str(answer.exception)
    assert "github.com/ICT-VGL/ICT-FaceKit" in str(answer.exception)


def test_the_tests_use_what_the_command_builds(published_assets):
    assert digest_of(Assets.find(published_assets)) == DIGEST
