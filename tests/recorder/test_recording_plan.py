"""Plans of recordings: what they say, and what is wrong with them."""

from __future__ import annotations

import pytest

from facemotion.errors import RecordingPlanError
from facemotion.recorder.recording_plan import PlannedMotion, read_plan
from facemotion.types import ClipKind


def test_takes_and_kind_may_be_left_out(tmp_path):
    (tmp_path / "plan.csv").write_text("subject,motion\nanna,wink\n\nben,brows\n", "utf-8")
    assert read_plan(tmp_path / "plan.csv") == (PlannedMotion("anna", "wink", 3), PlannedMotion("ben", "brows", 3))


def test_every_column_is_read_in_any_order(tmp_path):
    (tmp_path / "plan.csv").write_text("kind,takes,motion,subject\nnear-miss, 2 ,wink~left,Änne\n", "utf-8-sig")
    assert read_plan(tmp_path / "plan.csv") == (PlannedMotion("Änne", "wink~left", 2, ClipKind.NEAR_MISS),)


def test_there_are_as_many_takes_as_films_and_a_semicolon_at_the_end_names_none(tmp_path):
    (tmp_path / "plan.csv").write_text("subject,motion,films\nanna,wink, a.mp4 ;b.mp4;\nben,brows,;\n", "utf-8")
    assert read_plan(tmp_path / "plan.csv") == (
        PlannedMotion("anna", "wink", 2, films=("a.mp4", "b.mp4")),
        PlannedMotion("ben", "brows", 3),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("subject,motion,take\nanna,wink,2\n", "unknown column 'take'; did you mean 'takes'"),
        ("subject,motion,age\nanna,wink,2\n", "unknown column 'age'; the columns are subject, motion, takes, kind"),
        ("subject,takes\nanna,2\n", "lacks the column 'motion'"),
        ("subject,motion\n", "plans nothing"),
        ("subject,motion\nanna,wink,2\n", "line 2: more values than columns"),
        ("subject,motion,takes\nanna,wink,two\n", "line 2: takes must be a whole number, got 'two'"),
        ("subject,motion,takes\nanna,wink,0\n", "line 2: takes must be 1 to 99"),
        (f"subject,motion,takes\nanna,wink,{'9' * 5000}\n", "line 2: takes must be a whole number"),
        ("subject,motion,kind\nanna,wink,smile\n", "line 2: kind must be one of facial"),
        ("subject,motion\nanna,../wink\n", "line 2: motion '../wink' can't be the name of a folder"),
        ("subject,motion\nManifest.csv,wink\n", "line 2: subject 'Manifest.csv' is the name of a file"),
        ("subject,motion\nconsent-abfbf033a20d.txt,wink\n", "is the name of a file beside the clips"),
        ("subject,motion\n,wink\n", "line 2: subject is empty"),
        ("subject,motion\nanna,wink~left\n", "line 2: The motion 'wink~left' is of kind facial"),
        ("subject,motion\nanna,wink\nanna,wink\n", "plans wink of anna twice"),
    ],
)
def test_a_wrong_plan_is_refused_with_what_to_do(tmp_path, text, sentence):
    (tmp_path / "plan.csv").write_text(text, "utf-8")
    with pytest.raises(RecordingPlanError) as refused:
        read_plan(tmp_path / "plan.csv")
    assert sentence in str(refused.value)


def test_a_plan_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(RecordingPlanError, match="Can't read the plan"):
        read_plan(tmp_path / "plan.csv")
    (tmp_path / "plan.csv").write_bytes(b"subject,motion\n\xff\xfe\n")
    with pytest.raises(RecordingPlanError, match="not a CSV file in UTF-8"):
        read_plan(tmp_path / "plan.csv")
