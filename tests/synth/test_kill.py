"""Rendering killed at any moment, or out of room, through the real command; needs the assets."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facemotion.synth.people.cast import fit_portraits
from facemotion.synth.sets.truth import digest

SIZE = ["--subjects", "4", "--motions", "2", "--lips", "1", "--takes", "3", "--size", "96x96", "--near-misses", "0"]
SIZE += ["--mimics", "0"]
CLIPS = 4 * 3 * 3
KILLS = 12


@pytest.fixture(scope="module")
def all_fits(assets, tmp_path_factory) -> Path:
    cache = tmp_path_factory.mktemp("fits") / "fits.npz"
    fit_portraits(assets, cache)
    return cache


def begin(out: Path, assets, cache: Path, *more: str, limit: int | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "facemotion.cli", "synth", "dataset", str(out), *SIZE, "--json"]
    return run([*command, "--cache", str(cache), "--assets", str(assets.folder), *more], limit)


def run(command: list[str], limit: int | None) -> subprocess.Popen[bytes]:
    """Start a command, in a group of its own, that can write no file of more than `limit` bytes."""

    def no_larger_files():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=no_larger_files
    )


def finish(process: subprocess.Popen[bytes]) -> int:
    process.communicate()
    return process.returncode


def ground_truth(folder: Path) -> str:
    return digest([folder / "manifest.csv", folder / "motions.csv", *sorted((folder / "truth").rglob("*.npz"))])


def kill_once_it_writes(process: subprocess.Popen[bytes], folder: Path, pattern: str, seconds: float) -> bool:
    """Kill a run some seconds after it wrote another file into the folder; whether it was still running then."""
    before = len(list(folder.rglob(pattern))) if folder.exists() else 0
    while process.poll() is None and (not folder.exists() or len(list(folder.rglob(pattern))) <= before):
        time.sleep(0.005)  # starting takes seconds; the moments that matter come after it
    time.sleep(seconds)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return running


@pytest.mark.slow
def test_a_run_killed_at_random_moments_equals_an_unbroken_one(tmp_path, assets, all_fits):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert finish(begin(whole, assets, all_fits, "--jobs", "2")) == 0
    chance = random.Random(5)
    killed = 0
    for _ in range(KILLS):
        process = begin(broken, assets, all_fits, "--jobs", "2")
        killed += kill_once_it_writes(process, broken, "*.npz", chance.uniform(0, 0.4))
    assert killed >= 3
    assert finish(begin(broken, assets, all_fits)) == 0
    assert ground_truth(broken) == ground_truth(whole)
    names = sorted(path.relative_to(whole) for path in whole.rglob("*.mp4"))
    assert len(names) == CLIPS
    assert names == sorted(path.relative_to(broken) for path in broken.rglob("*.mp4") if ".part" not in path.name)
    for name in names:
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.slow
def test_stills_by_two_processes_equal_those_by_one(tmp_path, assets, all_fits):
    for name, jobs in (("one", "1"), ("two", "2")):
        command = [sys.executable, "-m", "facemotion.cli", "synth", "stills", str(tmp_path / name), "--people", "5"]
        command += ["--each", "3", "--jobs", jobs, "--cache", str(all_fits), "--assets", str(assets.folder), "--json"]
        assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 5 * (3 + 1 + 1)
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def stills(out: Path, assets, cache: Path, limit: int | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "facemotion.cli", "synth", "stills", str(out), "--people", "4", "--each", "3"]
    command += ["--size", "96x96", "--cache", str(cache), "--assets", str(assets.folder), "--json"]
    return run(command, limit)


def same_files(one: Path, other: Path) -> int:
    """How many files both folders hold, byte for byte."""
    files = sorted(path.relative_to(one) for path in one.rglob("*.*"))
    assert files == sorted(path.relative_to(other) for path in other.rglob("*.*") if path.suffix != ".part")
    for name in files:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    return len(files)


@pytest.mark.slow
def test_stills_killed_at_random_moments_equal_unbroken_ones(tmp_path, assets, all_fits):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert finish(stills(whole, assets, all_fits)) == 0
    chance = random.Random(7)
    killed = 0
    for _ in range(6):
        process = stills(broken, assets, all_fits)
        killed += kill_once_it_writes(process, broken, "*.*", chance.uniform(0, 0.5))
    assert killed >= 2
    assert finish(stills(broken, assets, all_fits)) == 0
    assert same_files(whole, broken) == 4 * (3 + 1 + 1)


@pytest.mark.slow
def test_stills_without_room_are_named_and_go_on(tmp_path, assets, all_fits):
    whole, cramped = tmp_path / "whole", tmp_path / "cramped"
    assert finish(stills(whole, assets, all_fits)) == 0
    largest = max(path.stat().st_size for path in whole.rglob("*.*"))
    process = stills(cramped, assets, all_fits, largest - 1)
    said = json.loads(process.communicate()[0])
    assert process.returncode == 2
    assert said["error"] == "WriteError"
    assert "Can't write" in said["message"]
    assert finish(stills(cramped, assets, all_fits)) == 0
    assert same_files(whole, cramped) == 4 * (3 + 1 + 1)


@pytest.mark.slow
def test_no_room_is_named_and_the_run_can_go_on(tmp_path, assets, all_fits):
    out = tmp_path / "set"
    process = begin(out, assets, all_fits, limit=6000)
    said = json.loads(process.communicate()[0])
    assert process.returncode == 2
    assert said["error"] == "WriteError"
    assert "make room" in said["message"]
    assert finish(begin(out, assets, all_fits)) == 0
    assert len(list(out.rglob("*.mp4"))) == CLIPS
