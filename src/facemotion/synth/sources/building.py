"""The folder that `FACEMOTION_ASSETS` names, built from public repositories or of clay; its digest."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facemotion.data.npz import DAMAGE, open_npz
from facemotion.errors import AssetError
from facemotion.synth.people.assets import CLAY_HEAD, FITS, HEAD, PORTRAIT_LIST, PORTRAITS, Assets
from facemotion.synth.people.cast import parents
from facemotion.synth.people.fit import save_fits
from facemotion.synth.people.head import load_head
from facemotion.synth.sources.clay import clay_head
from facemotion.synth.sources.clay_portraits import draw_clay_portrait, fit_clay_portrait
from facemotion.synth.sources.crops import cut_portraits, portrait_repository
from facemotion.synth.sources.facekit import facekit, pack_head
from facemotion.synth.sources.repositories import Repository
from facemotion.system.files import room_for, whole, write_whole

DIGEST = "dc19e09d4ed34bbc3c40cc608f7281f7d73ebf5c0706c63041975890a32534b0"
"""Digest of the folder with which the shipped models were trained and which the tests use."""

CLAY_QUALITY = 92  # of JPEG

Progress = Callable[[int, int, str], None]
"""Told how much is done, of how much, and of what."""


def build_assets(
    out: Path,
    *,
    head: Path | None = None,
    portraits: Path | None = None,
    fetch: bool = False,
    progress: Progress = lambda *_: None,
) -> str:
    """Build the assets folder; what an earlier run finished isn't made again.

    Args:
        out: the folder to make, or to continue.
        head: a copy of ICT-FaceKit; `out/sources/ICT-FaceKit` if not given.
        portraits: a copy of assets-person-portrait; `out/sources/assets-person-portrait` if not given.
        fetch: bring what is missing of copies that aren't given, with git.
        progress: told how far it has got.
    Returns:
        `digest_of` the folder.
    Raises:
        AssetError: a copy is missing, or isn't the repository at its commit; git can't bring it.
        WriteError: the folder can't be written.
    """
    if not (out / HEAD).exists():
        source = _copy(facekit(), head, out, fetch, progress)
        _keep_licence(facekit(), source, out)
        pack_head(source, out / HEAD, lambda done, total: progress(done, total, "shapes of the head"))
    if not (out / PORTRAIT_LIST).exists():
        source = _copy(portrait_repository(), portraits, out, fetch, progress)
        _keep_licence(portrait_repository(), source, out)
        cut_portraits(source, out, lambda done, total: progress(done, total, "portraits"))
    return digest_of(Assets.find(out))


def build_clay(out: Path, names: Sequence[str] | None = None, progress: Progress = lambda *_: None) -> str:
    """Build an assets folder of clay people, from nothing but the package.

    Portraits have the names of the published ones, so that each serves the same part; whom they show is another matter.

    Args:
        out: the folder to make, or to continue.
        names: of portraits; those of all parents if not given.
        progress: told how far it has got.
    Returns:
        `digest_of` the folder.
    Raises:
        AssetError: the folder holds the published head.
        WriteError: the folder can't be written.
    """
    if (out / HEAD).exists():
        raise AssetError(f"{out} holds the published head; name another folder for the one of clay.")
    chosen = sorted(name for group in parents().values() for name in group) if names is None else list(names)
    with room_for(out):
        (out / PORTRAITS).mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = clay_head()
        with whole(out / CLAY_HEAD) as draft, draft.open("wb") as file:
            np.savez(file, **arrays)
        head = load_head(Assets(out))
        for number, name in enumerate(chosen):
            content = io.BytesIO()
            Image.fromarray(draw_clay_portrait(head, name)).save(content, "JPEG", quality=CLAY_QUALITY)
            write_whole(out / PORTRAITS / f"{name}.jpg", content.getvalue())
            progress(number + 1, len(chosen), "clay portraits")
        save_fits([fit_clay_portrait(head, name) for name in chosen], out / FITS)
        rows = [f"{name}.jpg,a person of clay,1\n" for name in chosen]
        write_whole(out / PORTRAIT_LIST, "".join(["file,prompt,frontal_closed_mouth\n", *rows]))
    return digest_of(Assets.find(out))


def _copy(repository: Repository, given: Path | None, out: Path, fetch: bool, progress: Progress) -> Path:
    folder = given or out / "sources" / repository.name
    if given is None and fetch:
        repository.fetch(folder, progress)
    elif not folder.is_dir():
        raise AssetError(
            f"There is no folder {folder}. Give a copy of {repository.address}, or add --fetch to let git bring it."
        )
    repository.check(folder)
    return folder


def _keep_licence(repository: Repository, source: Path, out: Path) -> None:
    """Put the licence beside what is made from a repository, as most licences ask."""
    with room_for(out):
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / f"LICENSE-{repository.name}.txt", (source / "LICENSE").read_bytes())


def digest_of(assets: Assets) -> str:
    """SHA-256 over the head's numbers, the list of portraits and the portraits, 64 hexadecimal digits.

    How the head's file is compressed doesn't matter, nor do other files of the folder.

    Args:
        assets: the folder.
    Raises:
        AssetError: a file is missing or can't be read.
    """
    total = hashlib.sha256()
    try:
        with open_npz(assets.head) as head:
            for name in sorted(head.files):
                values = np.ascontiguousarray(head[name])
                total.update(f"{name} {values.dtype.str} {values.shape}\n".encode() + values.tobytes())
        total.update(assets.file(PORTRAIT_LIST).read_bytes())
        for name in assets.portrait_names():
            total.update(name.encode() + assets.portrait(name).read_bytes())
    except (OSError, *DAMAGE) as error:
        raise AssetError(
            f"{assets.folder} can't be read: {error}; build it again with `facemotion synth assets`."
        ) from error
    return total.hexdigest()
