"""Public repositories that assets are made from: folders checked by hash, or fetched with git by commit."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from facemotion.errors import AssetError
from facemotion.system.files import file_sha256, room_for

Report = Callable[[int, int, str], None]
"""Told how many files are done, of how many, and what they are."""

BATCH = 25  # files that one call of git brings; what was brought before a break stays
MOST_NAMED = 3  # files that a message lists
GIT_SAFE = ("-c", "advice.detachedHead=false", "-c", "core.autocrlf=false")


@dataclass(frozen=True)
class Repository:
    """One public repository, at one commit.

    Attributes:
        name: what people call it.
        address: where git fetches it from.
        commit: 40 hexadecimal digits.
        licence: of all its files that are used.
        files: SHA-256 by path, of the files that are used.
    """

    name: str
    address: str
    commit: str
    licence: str
    files: dict[str, str]

    def wrong_files(self, folder: Path) -> list[str]:
        """Paths of files that a copy lacks, or that differ from those of the commit.

        Args:
            folder: a clone or an unpacked archive of the repository.
        """
        return [path for path, sha256 in self.files.items() if not _is(folder / path, sha256)]

    def check(self, folder: Path) -> None:
        """Hold a copy of the repository to the hashes.

        Args:
            folder: a clone or an unpacked archive of the repository.
        Raises:
            AssetError: a file is missing or differs; the message says what to do.
        """
        wrong = self.wrong_files(folder)
        if wrong:
            listed = ", ".join(wrong[:MOST_NAMED]) + (
                f" and {len(wrong) - MOST_NAMED} more" * (len(wrong) > MOST_NAMED)
            )
            raise AssetError(
                f"{folder} isn't {self.name} at commit {self.commit[:12]}: {listed} missing or different. Clone "
                f"{self.address} and check out that commit, or let --fetch do so."
            )

    def fetch(self, folder: Path, report: Report = lambda *_: None) -> None:
        """Bring the files that are used into a folder with git; what is there already isn't brought again.

        Args:
            folder: the clone to make, or to continue.
            report: told after each batch of files.
        Raises:
            AssetError: git isn't installed, the address doesn't answer, or it gave other files.
            WriteError: the folder can't be written.
        """
        missing = self.wrong_files(folder)
        report(len(self.files) - len(missing), len(self.files), self.name)
        if not missing:
            return
        if shutil.which("git") is None:
            raise AssetError(f"git isn't installed; install it, or clone {self.address} elsewhere and give the folder.")
        with room_for(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ".git").is_dir():
            self._git(folder, "init", "--quiet")
        # The commit and its folders come first; files come when they are checked out, a batch at a time.
        self._git(folder, "remote", "remove", "origin", may_fail=True)
        self._git(folder, "remote", "add", "origin", self.address)
        self._git(folder, "config", "remote.origin.promisor", "true")
        self._git(folder, "config", "remote.origin.partialclonefilter", "blob:none")
        self._git(folder, "fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", self.commit)
        for start in range(0, len(missing), BATCH):
            self._git(folder, "checkout", "--quiet", self.commit, "--", *missing[start : start + BATCH])
            done = len(self.files) - len(missing) + min(start + BATCH, len(missing))
            report(done, len(self.files), self.name)
        self.check(folder)

    def _git(self, folder: Path, *words: str, may_fail: bool = False) -> None:
        done = subprocess.run(
            ["git", *GIT_SAFE, "-C", str(folder), *words], capture_output=True, text=True, check=False
        )
        if done.returncode and not may_fail:
            said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise AssetError(
                f"git can't bring {self.name} from {self.address} ({said}). Run the same command again to continue, or "
                "clone it elsewhere and give the folder."
            )


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def packaged_table(name: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV file of this room; lines that begin with # are notes.

    Args:
        name: of the file.
    """
    text = resources.files("facemotion.synth.sources").joinpath(name).read_text("utf-8")
    yield from csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
