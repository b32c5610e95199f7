"""Reading the files of series: arrays by name and columns of numbers, with errors that name the file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.data.npz import DAMAGE, open_npz
from facemotion.errors import SeriesFormatError

NUMBERS, WHOLE, TEXT = "iuf", "iu", "U"  # kinds of dtypes, as NumPy names them


def read_arrays(path: Path, *wanted: str) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file.

    Raises:
        SeriesFormatError: it can't be read, or lacks an array.
    """
    try:
        with open_npz(path) as file:
            arrays = {name: file[name] for name in file.files}
    except OSError as error:
        raise SeriesFormatError(f"Can't read {path}: {error.strerror or error}.") from error
    except DAMAGE as error:
        raise SeriesFormatError(f"{path} is no npz file of plain arrays ({error}); write it again.") from error
    for name in wanted:
        if name not in arrays:
            raise SeriesFormatError(
                f"{path} lacks the array {name!r}; it needs {', '.join(wanted)} (docs/reference/data.md)."
            )
    return arrays


def check_kinds(path: Path, arrays: Mapping[str, NDArray[Any]], names: Sequence[str], kinds: str = NUMBERS) -> None:
    """See that arrays hold what they should.

    Args:
        path: file that they come from, for messages.
        arrays: by name.
        names: of the arrays that are looked at.
        kinds: NUMBERS, WHOLE or TEXT.
    Raises:
        SeriesFormatError: one holds something else.
    """
    for name in names:
        if arrays[name].dtype.kind not in kinds:
            what = {NUMBERS: "numbers", WHOLE: "whole numbers", TEXT: "texts"}[kinds]
            raise SeriesFormatError(f"{path}: {name} must be {what}, got {arrays[name].dtype}; write it again.")


def read_columns(path: Path, *wanted: str) -> dict[str, list[str]]:
    """The columns of a CSV file as texts, by their names without blanks around them.

    Raises:
        SeriesFormatError: it can't be read, has no row, rows of other lengths or a name twice, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise SeriesFormatError(f"Can't read {path}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SeriesFormatError(f"{path} is not a CSV file in UTF-8: {error}.") from error
    if len(rows) < 2:
        raise SeriesFormatError(f"{path} holds no frame; it needs a line of names and one row per frame.")
    names = [name.strip() for name in rows[0]]
    if twice := next((name for name in names if name and names.count(name) > 1), ""):
        raise SeriesFormatError(f"{path} has the column {twice!r} twice, and which one counts isn't known; keep one.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise SeriesFormatError(f"{path}, row {number}: {len(row)} values for {len(names)} columns.")
    for name in wanted:
        if name not in names:
            raise SeriesFormatError(
                f"{path} lacks the column {name!r}; it needs {', '.join(wanted)} (docs/reference/data.md)."
            )
    return {name: [row[place] for row in rows[1:]] for place, name in enumerate(names)}


def numbers(path: Path, name: str, texts: list[str]) -> NDArray[np.float64]:
    """A column as (T,) float64; NaN where a cell is empty.

    Raises:
        SeriesFormatError: a cell is no number.
    """
    found = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            found[row] = float(text) if text.strip() else np.nan
        except ValueError as error:
            raise SeriesFormatError(f"{path}, row {row + 2}: {name} is {text!r}, no number.") from error
    return found
