"""Keys of a store: where they come from, and which of several is which.

A key is 32 random bytes, written as base64. A source holds one or more, separated by white space or commas, newest
last; lines that begin with # are comments. Several stand there only while a rotation is under way.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import re
import secrets
import shlex
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from facemotion.errors import StoreKeyError
from facemotion.system.files import sync_folder, user_folder

log = logging.getLogger(__name__)

ENVIRONMENT = "FACEMOTION_STORE_KEY"
TRANSFORM_ENVIRONMENT = "FACEMOTION_STORE_TRANSFORM_KEY"
"""Environment variables that hold a key itself or the name of a source; used where no source is named."""

KEY_BYTES = 32
"""Length of a key: AES-256."""
ID_DIGITS = 16
"""Hexadecimal digits of a key's id."""
_KINDS = ("file", "env", "command")

COMMAND_SECONDS = 30.0
_NOTE = "# Key of a facemotion store. Whoever has it and the store can read the templates; without it nobody can.\n"


@dataclass(frozen=True)
class KeyRing:
    """One or more keys of 32 bytes, newest last.

    Attributes:
        keys: by their id, which tells nothing about them.
    """

    keys: dict[str, bytes]

    @classmethod
    def parse(cls, text: str, where: str) -> KeyRing:
        """Read the keys of a source.

        Raises:
            StoreKeyError: none there, or one that isn't 32 bytes in base64; the text is never repeated.
        """
        words = re.sub(r"(?m)^\s*#.*$", "", text).replace(",", " ").split()
        if not words:
            raise StoreKeyError(f"{where} holds no key; make one with `facemotion store key`.")
        keys = {}
        for word in words:
            try:
                key = base64.b64decode(word, validate=True)
            except binascii.Error:
                key = b""
            if len(key) != KEY_BYTES:
                raise StoreKeyError(f"{where} holds something that isn't a key; make one with `facemotion store key`.")
            keys[key_id(key)] = key
        return cls(keys)

    @property
    def newest(self) -> str:
        """Id of the last key."""
        return list(self.keys)[-1]

    def text(self) -> str:
        """The form that `parse` reads."""
        return _NOTE + "".join(base64.b64encode(key).decode() + "\n" for key in self.keys.values())


def new_key() -> str:
    """A new random key, as a source would hold it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def key_id(key: bytes) -> str:
    """Sixteen hexadecimal digits that name a key without telling anything about it."""
    return hashlib.sha256(b"facemotion key id\0" + key).hexdigest()[:ID_DIGITS]


def configured(variable: str) -> str:
    """Name of the key source that an environment variable holds; empty if the variable isn't set."""
    value = os.environ.get(variable, "")
    return value if not value or value.partition(":")[0] in _KINDS else f"env:{variable}"


class KeySource:
    """A place that holds keys, named `file:PATH`, `env:NAME` or `command:COMMAND LINE`.

    Raises:
        StoreKeyError: another form of name; from `find` and `load`: no such file or variable, a command that fails.
    """

    def __init__(self, name: str) -> None:
        kind, _, self._place = name.partition(":")
        if kind not in _KINDS or not self._place:
            raise StoreKeyError("Name the store's key as file:PATH, env:NAME or command:COMMAND.")
        self.name = name
        self._kind = kind
        self._ring = KeyRing({})

    def load(self) -> KeyRing:
        """Read the source anew."""
        reader = {"file": _from_file, "env": _from_environment, "command": _from_command}[self._kind]
        self._ring = KeyRing.parse(reader(self._place), self.name if self._kind != "command" else "The key command")
        return self._ring

    def find(self, wanted: str) -> bytes:
        """The key of that id; the source is read again if it isn't known yet, since another process may have
        rotated.

        Raises:
            StoreKeyError: the source doesn't hold it.
        """
        if wanted not in self._ring.keys and wanted not in self.load().keys:
            raise StoreKeyError(
                f"{self.name} doesn't hold the key {wanted} that the store was written with; bring it back."
            )
        return self._ring.keys[wanted]


class KeyFile(KeySource):
    """The key file that facemotion itself made for one store, in the user's configuration folder, mode 0600.

    Raises:
        StoreKeyError: the user has no home.
    """

    def __init__(self, store_id: str) -> None:
        folder = user_folder("config")
        if folder is None:
            raise StoreKeyError("There is no home folder to keep the store's key in; set FACEMOTION_STORE_KEY.")
        self.path = folder / "store-keys" / f"{store_id}.key"
        super().__init__(f"file:{self.path}")

    def keep(self, ring: KeyRing) -> None:
        """Replace the file's keys, at once and durably: a kill leaves the old file or the new one.

        Raises:
            StoreKeyError: the folder can't be written.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self.path.with_suffix(".draft")  # one name: what a kill leaves of it, the next writing replaces
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(ring.text())
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise StoreKeyError(
                f"Can't write the key file {self.path}: {error.strerror}; set FACEMOTION_STORE_KEY."
            ) from error
        self._ring = ring

    def add(self) -> str:
        """Put a new key behind those that are there, and give its id."""
        held = self.load().keys if self.path.exists() else {}
        ring = KeyRing(held | KeyRing.parse(new_key(), "A new key").keys)
        self.keep(ring)
        return ring.newest

    def drop_all_but(self, kept: str) -> None:
        """Forget every key but one."""
        self.keep(KeyRing({kept: self.find(kept)}))


def _from_file(place: str) -> str:
    try:
        path = Path(place).expanduser()
    except RuntimeError as error:
        raise StoreKeyError(f"{place} names the home folder of nobody here; write the path out.") from error
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            log.warning("Others than its owner may use the key file %s; `chmod 600` it.", path)
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't text"
        raise StoreKeyError(
            f"Can't read the store's key file {path}: {reason}; bring it back from where it is kept."
        ) from error


def _from_environment(place: str) -> str:
    if place not in os.environ:
        raise StoreKeyError(f"The environment variable {place} that should hold the store's key isn't set.")
    return os.environ[place]


def _from_command(place: str) -> str:
    try:
        done = subprocess.run(  # the administrator's own command line, without a shell
            shlex.split(place), capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise StoreKeyError(
            "The command that should print the store's key failed; run it by hand to see why."
        ) from error
    return done.stdout
