from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facemotion.data.still_files import EMOTIONS, Shard, StillPerson, Stills, write_people, write_shard
from facemotion.errors import DataError, WriteError

PEOPLE = [
    StillPerson("ann", "p1 p2", "train", "female", 30, 41.5),
    StillPerson("bob", "p3", "train", "male", 61, -20.0),
    StillPerson("eve", "p4", "validation"),
]


def shard(people: list[str], seed: int = 0, emotions: tuple[int, ...] = (0, 1, 3)) -> Shard:
    rng = np.random.default_rng(seed)
    count = len(people)
    shares = np.zeros((count, len(EMOTIONS)), np.float32)
    shares[np.arange(count), [emotions[i % len(emotions)] for i in range(count)]] = 1
    return Shard(
        rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8),
        rng.uniform(0, 32, (count, 4)).astype(np.float32),
        rng.uniform(0, 32, (count, 68, 2)).astype(np.float32),
        np.ones((count, 68), bool),
        np.zeros((count, 5), np.float32),
        shares,
        np.array(people),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_people(tmp_path, PEOPLE)
    write_shard(tmp_path, "a", shard(["ann", "eve", "ann"]))
    write_shard(tmp_path, "b", shard(["bob", "bob", "eve"], seed=1))
    return tmp_path


def test_what_is_written_is_read(folder: Path) -> None:
    first, second = shard(["ann", "eve", "ann"]), shard(["bob", "bob", "eve"], seed=1)
    stills = Stills(folder, "train")
    assert len(stills) == 4
    assert stills.people.tolist() == ["ann", "ann", "bob", "bob"]
    np.testing.assert_array_equal(stills.image(1), first.images[2])
    np.testing.assert_array_equal(stills.image(2), second.images[0])
    np.testing.assert_array_equal(stills.landmarks[1], first.landmarks[2])
    assert stills.persons["ann"] == PEOPLE[0]
    assert not list(folder.glob("*.part"))
    assert Stills(folder, "validation").people.tolist() == ["eve", "eve"]


def test_a_split_without_stills_and_a_folder_that_is_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no stills of the split 'benchmark'"):
        Stills(folder, "benchmark")
    with pytest.raises(DataError, match="must be one of"):
        Stills(folder, "test")
    with pytest.raises(DataError, match="no data set of stills"):
        Stills(tmp_path / "nowhere", "train")


def test_half_a_shard(folder: Path) -> None:
    images = (folder / "a.npy").read_bytes()
    (folder / "a.npy").write_bytes(images[: len(images) // 2])
    with pytest.raises(DataError, match="damaged or half of it is missing"):
        Stills(folder, "train")
    (folder / "a.npy").unlink()
    with pytest.raises(DataError, match="damaged or half of it is missing"):
        Stills(folder, "train")
    (folder / "a.npy").write_bytes(images)
    labels = (folder / "a.npz").read_bytes()
    (folder / "a.npz").write_bytes(labels[: len(labels) // 2])
    with pytest.raises(DataError, match="damaged or half of it is missing"):
        Stills(folder, "train")
    np.savez(folder / "a.npz", people=np.array(["ann"]))
    with pytest.raises(DataError, match="lacks a part"):
        Stills(folder, "train")


def test_images_without_labels_are_not_yet_a_shard(folder: Path) -> None:
    (folder / "c.npy").write_bytes((folder / "a.npy").read_bytes())
    assert len(Stills(folder, "train")) == 4


def test_shapes_and_numbers_are_held() -> None:
    good = shard(["ann", "bob"])
    with pytest.raises(DataError, match=r"landmarks of a shard of 2 stills must have shape \(2, 68, 2\)"):
        replace(good, landmarks=good.landmarks[:, :51])
    with pytest.raises(DataError, match="uint8"):
        replace(good, images=good.images.astype(np.float32))
    with pytest.raises(DataError, match="no numbers"):
        replace(good, boxes=good.boxes * np.nan)
    with pytest.raises(DataError, match="as many rows"):
        replace(good, weights=good.weights[:1])


def test_nobody_is_on_two_sides(folder: Path) -> None:
    write_people(folder, [*PEOPLE, StillPerson("zoe", "p1", "benchmark")])
    with pytest.raises(DataError, match="parent 'p1' in two splits"):
        Stills(folder, "train")


def test_a_stranger_and_a_bad_row(folder: Path) -> None:
    write_people(folder, PEOPLE[:1])
    with pytest.raises(DataError, match=r"lacks '(bob|eve)'"):
        Stills(folder, "train")
    (folder / "people.csv").write_text("name,parents,split,sex,age,tone\nann,p1,train,female,old,1\n")
    with pytest.raises(DataError, match="line 2, isn't a person"):
        Stills(folder, "train")
    (folder / "people.csv").write_text("name,parents,split,sex,age,tone\nann,p1,dev,female,30,1\n")
    with pytest.raises(DataError, match="line 2: the split"):
        Stills(folder, "train")


def test_one_class_teaches_nothing(tmp_path: Path) -> None:
    write_people(tmp_path, PEOPLE)
    write_shard(tmp_path, "a", shard(["ann", "bob"], emotions=(1,)))
    with pytest.raises(DataError, match="two or more of .* only happiness"):
        Stills(tmp_path, "train").check_emotions()
    write_shard(tmp_path, "a", replace(shard(["ann"]), emotions=np.zeros((1, 7), np.float32)))
    with pytest.raises(DataError, match="only none"):
        Stills(tmp_path, "train").check_emotions()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"Can't write .*file/a: .*choose another place"):
        write_shard(tmp_path / "file", "a", shard(["ann"]))
    with pytest.raises(WriteError, match="people.csv"):
        write_people(tmp_path / "file", PEOPLE)
