"""Who agreed to be recorded, when, and to which text: kept beside the clips."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facemotion.errors import ConsentError
from facemotion.system.files import room_for, write_whole

FILE = "consent.csv"
COLUMNS = ("subject", "date", "text_sha256", "given")
ASKED, STATED = "asked", "stated"
"""How consent was given: the question was answered before the camera, or whoever records says that it was given."""
DEFAULT_TEXT = """\
You are filmed while you make facial motions. The clips show your face; they are kept in a folder of this machine under
the name that you are called by here. They serve to measure how well facial motions tell people apart, to set the
thresholds of facemotion, and to train it. You may stop at any time, and ask whoever records you to delete your clips.
"""


@dataclass(frozen=True)
class ConsentText:
    """What somebody agrees to.

    Attributes:
        text: to be shown whole.
    """

    text: str

    @property
    def sha256(self) -> str:
        """Of its bytes in UTF-8, 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_text(path: Path | None) -> ConsentText:
    """The text of a file, or the default one.

    Raises:
        ConsentError: the file can't be read, or holds no text.
    """
    if path is None:
        return ConsentText(DEFAULT_TEXT)
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConsentError(f"Can't read the text of consent {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConsentError(f"The text of consent {path} isn't UTF-8; save it as such.") from error
    if not text.strip():
        raise ConsentError(f"The text of consent {path} is empty; write what people agree to.")
    return ConsentText(text)


class Consents:
    """The consent of everybody in one folder: `consent.csv`, and each text as `consent-HASH.txt` beside it.

    Args:
        folder: of the clips.
    Raises:
        ConsentError: the file that is there isn't one of ours.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._rows: list[dict[str, str]] = []
        try:
            if self._path.exists():
                with self._path.open(newline="", encoding="utf-8-sig") as file:
                    reader = csv.DictReader(file)
                    if tuple(reader.fieldnames or ()) != COLUMNS:
                        raise ConsentError(
                            f"{self._path} isn't what `facemotion record` wrote: its columns are {', '.join(COLUMNS)}."
                        )
                    self._rows = list(reader)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ConsentError(f"Can't read {self._path}: {error}.") from error

    def given(self, subject: str, text: ConsentText) -> bool:
        """Whether somebody agreed to this very text."""
        return any(row["subject"] == subject and row["text_sha256"] == text.sha256 for row in self._rows)

    def remove(self, subject: str) -> None:
        """Forget that somebody agreed.

        Raises:
            WriteError: the disk is full, or the folder can't be written to.
        """
        self._rows = [row for row in self._rows if row["subject"] != subject]
        if self._path.exists():
            with room_for(self._path):
                write_whole(self._path, self._text(self._rows))

    def add(self, subject: str, text: ConsentText, given: str) -> None:
        """Keep that somebody agreed now.

        Args:
            subject: who.
            text: to what.
            given: `ASKED` or `STATED`.
        Raises:
            WriteError: the disk is full, or the folder can't be written to.
        """
        date = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"subject": subject, "date": date, "text_sha256": text.sha256, "given": given}
        with room_for(self._path):
            write_whole(self._path.with_name(f"consent-{text.sha256[:12]}.txt"), text.text)
            write_whole(self._path, self._text([*self._rows, row]))
        self._rows.append(row)

    @staticmethod
    def _text(rows: list[dict[str, str]]) -> str:
        lines = io.StringIO()
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        return lines.getvalue()
