from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemotion.data.manifest import (
    check_manifest,
    find_problems,
    near_miss_name,
    read_manifest,
    write_manifest,
)
from facemotion.errors import ManifestError
from facemotion.types import ClipKind, ClipRecord

HEADER = "path,subject,motion,kind,repetition,session,split\n"


def take(subject: str, motion: str, repetition: int, kind: ClipKind = ClipKind.FACIAL, split: str = "") -> ClipRecord:
    return ClipRecord(f"{subject}-{motion}-{repetition}.mp4", subject, motion, kind, repetition, 1, split)


def near_miss(motion: str, variant: str, repetition: int) -> ClipRecord:
    record = take("ann", near_miss_name(motion, variant), repetition, ClipKind.NEAR_MISS)
    return replace(record, near_miss_of=motion, reordered=variant == "order")


def save(folder: Path, records: list[ClipRecord]) -> Path:
    for record in records:
        (folder / record.path).write_bytes(record.path.encode())
    write_manifest(folder / "manifest.csv", records)
    return folder / "manifest.csv"


def problems(folder: Path, records: list[ClipRecord]) -> list[str]:
    return list(find_problems(read_manifest(save(folder, records))))


GOOD = [take("ann", "wink", 0), take("ann", "wink", 1), take("bob", "pout", 0), take("bob", "pout", 1)]


def test_a_good_manifest_has_no_problem(tmp_path: Path) -> None:
    manifest = read_manifest(save(tmp_path, GOOD))
    check_manifest(manifest)
    assert list(manifest.records) == GOOD
    assert manifest.file(manifest.records[0]) == tmp_path / "ann-wink-0.mp4"


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=12)
others = st.sampled_from([kind for kind in ClipKind if kind != ClipKind.NEAR_MISS])
records_of_others = st.builds(ClipRecord, names, names, names, others, st.integers(0, 99), st.integers(1, 9))


@given(st.lists(records_of_others, min_size=1))
def test_written_records_are_read_back(tmp_path_factory: pytest.TempPathFactory, records: list[ClipRecord]) -> None:
    path = tmp_path_factory.mktemp("manifest") / "manifest.csv"
    write_manifest(path, records)
    assert list(read_manifest(path).records) == records


def test_a_near_miss_is_read_with_the_motion_that_it_comes_near_to(tmp_path: Path) -> None:
    records = [take("ann", "wink", 0), near_miss("wink", "late", 0), near_miss("wink", "order", 0)]
    manifest = read_manifest(save(tmp_path, records))
    assert list(manifest.records) == records
    assert [(record.original, record.reordered) for record in manifest.records] == [
        ("wink", False),
        ("wink", False),
        ("wink", True),
    ]


def test_a_tilde_means_nothing_in_the_name_of_a_motion_that_is_no_near_miss(tmp_path: Path) -> None:
    records = [take("ann", "wink~order", 0), take("ann", "grin", 0, ClipKind.NEAR_MISS)]
    manifest = read_manifest(save(tmp_path, records))
    assert [(record.original, record.reordered) for record in manifest.records] == [
        ("wink~order", False),
        ("grin", False),
    ]


def test_columns_that_facemotion_does_not_know_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("frames,session,repetition,kind,motion,subject,path\n27,2,1,lip,hello,ann,a.mp4\n")
    assert read_manifest(path).records == (ClipRecord("a.mp4", "ann", "hello", ClipKind.LIP, 1, 2, ""),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,subject,kind,repetition,session\n", "lacks the column 'motion'"),
        (HEADER, "names no clip"),
        (HEADER + "a.mp4,,wink,facial,0,1,\n", "line 2: subject is empty"),
        (HEADER + "a.mp4,ann,wink,facial,0,1,\nb.mp4,ann,wink,grimace,0,1,\n", "line 3: kind must be one of"),
        (HEADER + "a.mp4,ann,wink,facial,x,1,\n", "repetition must be a whole number, got 'x'"),
        (HEADER + "a.mp4,ann,wink,facial,0,,\n", "session must be a whole number"),
        (HEADER + f"a.mp4,ann,wink,facial,{'1' * 5000},1,\n", "repetition must be a whole number, got '1111"),
        (HEADER + "a.mp4,ann,wink,facial,0,1,dev\n", "split must be"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_manifest(tmp_path / "m.csv")


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(HEADER + "a.mp4,,wink,facial,0,1,\nb.mp4,ann,wink,grimace,0,1,\n")
    with pytest.raises(ManifestError, match=r"line 2: subject is empty\. \(1 more; see") as caught:
        read_manifest(tmp_path / "m.csv")
    assert [problem.partition("line ")[2][:1] for problem in caught.value.problems] == ["2", "3"]


def test_unreadable_manifests(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "m.csv").write_bytes(b"\xff\xfe\x00path")
    with pytest.raises(ManifestError, match="not a CSV file"):
        read_manifest(tmp_path / "m.csv")


def test_a_missing_clip_is_named(tmp_path: Path) -> None:
    manifest = read_manifest(save(tmp_path, GOOD))
    (tmp_path / "bob-pout-1.mp4").unlink()
    with pytest.raises(ManifestError, match=r"bob-pout-1\.mp4"):
        check_manifest(manifest)


def test_the_same_bytes_under_two_labels_name_both(tmp_path: Path) -> None:
    manifest = read_manifest(save(tmp_path, GOOD))
    (tmp_path / "bob-pout-0.mp4").write_bytes((tmp_path / "ann-wink-1.mp4").read_bytes())
    with pytest.raises(ManifestError, match=r"ann-wink-1\.mp4 \(ann, wink\) and bob-pout-0\.mp4 \(bob, pout\)"):
        check_manifest(manifest)


def test_one_take_of_a_motion(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD[:3]) == [
        "bob makes the motion pout only once (bob-pout-0.mp4); record it again or drop its row."
    ]


def test_the_same_repetition_twice(tmp_path: Path) -> None:
    again = ClipRecord("other.mp4", "ann", "wink", ClipKind.FACIAL, 1, 1)
    assert problems(tmp_path, [*GOOD, again]) == ["ann has 2 clips of wink with repetition 1; number the takes apart."]


def test_mimics_and_near_misses_name_what_they_imitate(tmp_path: Path) -> None:
    hard = [take("bob", "wink", i, ClipKind.MIMIC) for i in range(2)] + [
        near_miss("wink", "other-eye", i) for i in range(2)
    ]
    assert problems(tmp_path, GOOD + hard) == []
    stray = [take("bob", "grin", i, ClipKind.MIMIC) for i in range(2)] + [
        near_miss("grin", "late", i) for i in range(2)
    ]
    found = problems(tmp_path, GOOD + stray)
    assert "exactly one other subject" in found[0]
    assert "near miss of no motion that ann makes" in found[1]


def test_selection(tmp_path: Path) -> None:
    rows = [take("ann", "wink", 0, split="train"), take("ann", "hello", 0, ClipKind.LIP, "test")]
    manifest = read_manifest(save(tmp_path, rows))
    assert manifest.select(split="test").records == (rows[1],)
    assert manifest.select(kinds=[ClipKind.FACIAL]).records == (rows[0],)
    with pytest.raises(ManifestError, match="no clip of split 'test' and kind facial"):
        manifest.select(split="test", kinds=[ClipKind.FACIAL])


def test_subjects_and_motions_are_left_out_by_name(tmp_path):
    rows = [
        ClipRecord(f"{n}.mp4", subject, motion, ClipKind.LIP, n, 1)
        for n, (subject, motion) in enumerate([("anna", "a"), ("anna", "b"), ("bert", "a")])
    ]
    write_manifest(tmp_path / "manifest.csv", rows)
    manifest = read_manifest(tmp_path / "manifest.csv")
    assert manifest.leave_out().records == tuple(rows)
    assert manifest.leave_out(subjects=["anna"]).records == (rows[2],)
    assert manifest.leave_out(motions=["a"]).records == (rows[1],)
    with pytest.raises(ManifestError, match="no subject Anna to leave out"):
        manifest.leave_out(subjects=["Anna"])
    with pytest.raises(ManifestError, match="Nothing of .* is left"):
        manifest.leave_out(subjects=["anna"], motions=["a"])


def test_where_a_motion_lies_in_its_recording_is_read_back(tmp_path: Path) -> None:
    marked = replace(take("s1", "wink", 0), span=(0.5, 1.75))
    path = tmp_path / "manifest.csv"
    write_manifest(path, [marked, take("s1", "wink", 1)])
    assert path.read_text().splitlines()[1].endswith(",0.5,1.75")
    assert [record.span for record in read_manifest(path).records] == [(0.5, 1.75), None]
    write_manifest(path, [take("s1", "wink", 1)])
    assert "onset" not in path.read_text()


@pytest.mark.parametrize("span", ["1,0.5", "0.5,", ",0.5", "-1,2", "a,b", "0,inf", "nan,1"])
def test_marks_that_are_no_seconds_are_named(tmp_path: Path, span: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(f"path,subject,motion,kind,repetition,session,onset,offset\na.mp4,s1,wink,facial,0,1,{span}\n")
    with pytest.raises(ManifestError, match="line 2: onset and offset must be seconds"):
        read_manifest(path)


def test_the_grid_manifest(data_folder: Path) -> None:
    manifest = read_manifest(data_folder / "grid_s1" / "manifest.csv")
    check_manifest(manifest)
    assert len(manifest) == 690
    assert len({r.motion for r in manifest.select(split="test").records}) == 14


def test_near_misses_that_only_reorder_are_named_so(tmp_path: Path) -> None:
    near = [near_miss(motion, "near", 0) for motion in ("wink", "pout", "nod")]
    records = [*(take("ann", motion, 0) for motion in ("wink", "pout", "nod")), *near]
    path = save(tmp_path, records)
    assert read_manifest(path).records == tuple(records)  # nothing tells the programs
    (tmp_path / "motions.csv").write_text(
        "motion,subject,kind,program\n"
        "wink,ann,facial,wink_left > pout@0.5\nwink~near,ann,near-miss,pout@0.5 > wink_left\n"
        "pout,ann,facial,pout > grin\npout~near,ann,near-miss,pout > smile\n"
        "nod,ann,facial,grin\nnod~near,ann,near-miss,grin\n"
    )
    named = read_manifest(path)
    assert [r.motion for r in named.records] == ["wink", "pout", "nod", "wink~order", "pout~near", "nod~near"]
    assert [r.reordered for r in named.records] == [False, False, False, True, False, False]
    assert named.programs["wink~order"] == named.programs["wink~near"] == "pout@0.5 > wink_left"
    assert named.select(kinds=[ClipKind.NEAR_MISS]).programs == named.programs

    # A second order of the same steps is a motion of its own.
    save(tmp_path, [*records, near_miss("wink", "order", 0)])
    with (tmp_path / "motions.csv").open("a") as file:
        file.write("wink~order,ann,near-miss,pout@0.5 > wink_left > grin\n")
    named = read_manifest(path)
    assert [r.motion for r in named.records if r.motion.startswith("wink")] == ["wink", "wink~order-near", "wink~order"]
    assert [r.reordered for r in named.records if r.motion.startswith("wink~")] == [True, True]

    # So are two that are called otherwise, however many takes they have.
    others = [near_miss("wink", name, k) for name in ("x", "y") for k in (0, 1)]
    save(tmp_path, [take("ann", "wink", 0), *others])
    (tmp_path / "motions.csv").write_text("motion,program\nwink,a > b > c\nwink~x,b > a > c\nwink~y,c > a > b\n")
    named = read_manifest(path)
    assert [r.motion for r in named.records] == ["wink", "wink~order", "wink~order", "wink~order-y", "wink~order-y"]
    assert (named.programs["wink~order"], named.programs["wink~order-y"]) == ("b > a > c", "c > a > b")
