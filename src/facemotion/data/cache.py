"""Features on disk, so that a clip goes through the front end once, however often it is trained on.

The key is the SHA-256 of the clip's bytes together with the front end's id: a renamed clip is found again, a changed
clip or front end is not. A clip is never decoded again, but its file must stay to be recognised.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from facemotion.config import Settings
from facemotion.data.manifest import Manifest
from facemotion.data.npz import DAMAGE, open_npz
from facemotion.errors import AcquisitionError, DataError, FacemotionError, ModelMismatchError
from facemotion.frontend.sighting import Sighting
from facemotion.system.files import file_sha256
from facemotion.types import FeatureSequence

Extract = Callable[[Path], FeatureSequence]
MADE_WITH = "made_with.json"
"""File of a cache that holds the settings which its features were made with."""


@dataclass(frozen=True)
class FeatureCache:
    """A folder of feature sequences made by one front end.

    Attributes:
        folder: made on the first write.
        frontend_id: of every sequence kept here under this cache.
    """

    folder: Path
    frontend_id: str

    def claim(self, settings: Settings) -> None:
        """Note with which settings clips are read for this cache, before any is: no sequence tells afterwards.

        Args:
            settings: those of `[media]`, `[face]`, `near_face` and `detect_every` decide what is seen of a clip.
        Raises:
            DataError: the folder holds features that were made with others, or can't be written.
        """
        mine, usual, path = _seeing(settings), _seeing(Settings()), self.folder / MADE_WITH
        try:
            theirs = usual | json.loads(path.read_text("utf-8"))
        except FileNotFoundError:  # a new cache, or one of a version that noted nothing
            theirs = usual if self.folder.is_dir() and any(self.folder.iterdir()) else mine
            _put(self.folder, path, (json.dumps(theirs, indent=1) + "\n").encode())
        except (ValueError, TypeError) as error:
            raise DataError(f"{path} is damaged; remove it if the features beside it are of the defaults.") from error
        if differing := [
            f"{name} {theirs[name]}, now {value}" for name, value in mine.items() if theirs[name] != value
        ]:
            raise DataError(
                f"The features in {self.folder} were made with other settings ({'; '.join(differing)}); choose another "
                "folder for these."
            )

    def path(self, digest: str) -> Path:
        """File of the sequence of a clip, by the SHA-256 of the clip's bytes."""
        key = hashlib.sha256(f"{digest}\n{self.frontend_id}".encode()).hexdigest()
        return self.folder / key[:2] / f"{key}.npz"

    def read(self, digest: str) -> FeatureSequence | None:
        """The sequence kept for a clip; None if there is none, or if its file is damaged."""
        try:
            with open_npz(self.path(digest)) as file:
                return FeatureSequence(file["values"], file["times"], str(file["frontend_id"]))
        except (FileNotFoundError, *DAMAGE):
            return None

    def read_failure(self, digest: str) -> str | None:
        """Why nothing could be acquired from a clip; None if that wasn't tried, or if it succeeded."""
        try:
            return self.path(digest).with_suffix(".failed").read_text("utf-8")
        except FileNotFoundError:
            return None

    def knows(self, digest: str) -> bool:
        """Whether a clip was tried: its sequence is kept here, or why there is none."""
        return self.path(digest).exists() or self.path(digest).with_suffix(".failed").exists()

    def write(self, digest: str, features: FeatureSequence) -> None:
        """Keep a sequence. A reader sees all of it or nothing of it, even if the process is killed.

        Raises:
            ModelMismatchError: it was made by another front end.
            DataError: the disk is full or the folder can't be written.
        """
        if features.frontend_id != self.frontend_id:
            raise ModelMismatchError(
                f"These features were made by {features.frontend_id}, the cache is for {self.frontend_id}; "
                "extract them again."
            )
        buffer = io.BytesIO()
        np.savez(buffer, values=features.values, times=features.times, frontend_id=np.array(self.frontend_id))
        _put(self.folder, self.path(digest), buffer.getvalue())

    def write_failure(self, digest: str, error: FacemotionError) -> None:
        """Keep the reason why nothing could be acquired from a clip, so that it isn't decoded again.

        Raises:
            DataError: as in `write`.
        """
        _put(self.folder, self.path(digest).with_suffix(".failed"), str(error).encode())

    def get(self, clip: Path, extract: Extract) -> FeatureSequence:
        """The sequence of a clip, extracted and kept if it isn't here yet.

        Raises:
            DataError: the clip isn't there, or the cache can't be written.
            AcquisitionError: nothing could be acquired from the clip, now or when it was first tried.
            MediaError: what `extract` raises.
        """
        digest = _digest(clip)
        features = self.read(digest)
        if features is not None:
            return features
        reason = self.read_failure(digest)
        if reason is not None:
            raise AcquisitionError(reason)
        try:
            features = extract(clip)
        except AcquisitionError as error:
            self.write_failure(digest, error)
            raise
        self.write(digest, features)
        return features


@dataclass(frozen=True)
class SightingCache:
    """Sightings of clips: what one front end saw of them under one set of settings. The folder may be that of a
    FeatureCache.

    No picture is kept: features and landmarks alone.

    Attributes:
        folder: made on the first write.
        frontend_id: of every sighting kept here under this cache.
        settings: how clips are read and faces found in them. Other settings than these don't count.
    """

    folder: Path
    frontend_id: str
    settings: Settings

    def path(self, digest: str) -> Path:
        """File of the sighting of a clip, by the SHA-256 of the clip's bytes."""
        seen_by: tuple[object, ...] = (self.settings.media, self.settings.face, self.settings.quality.near_face)
        if self.settings.runtime.detect_every > 1:
            seen_by += (self.settings.runtime.detect_every,)
        key = hashlib.sha256(f"{digest}\n{self.frontend_id}\n{seen_by}".encode()).hexdigest()
        return self.folder / key[:2] / f"{key}.npz"

    def get(self, clip: Path, watch: Callable[[Path], Sighting]) -> Sighting:
        """The sighting of a clip, made by `watch` and kept if it isn't here yet, or if its file is damaged.

        Raises:
            DataError: the clip isn't there, or the cache can't be written.
            MediaError: what `watch` raises.
        """
        path = self.path(_digest(clip))
        try:
            with open_npz(path) as file:
                return Sighting(**{name: file[name] for name in _ARRAYS}, frontend_id=self.frontend_id)
        except (FileNotFoundError, *DAMAGE):
            pass
        sighting = watch(clip)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{name: getattr(sighting, name) for name in _ARRAYS})
        _put(self.folder, path, buffer.getvalue())
        return sighting


_ARRAYS = tuple(field.name for field in fields(Sighting) if field.name != "frontend_id")


def _seeing(settings: Settings) -> dict[str, object]:
    """The settings that decide what is seen of a clip, by their names."""
    groups = {"media": asdict(settings.media), "face": asdict(settings.face)}
    named: dict[str, object] = {
        f"{group}.{name}": value for group, own in groups.items() for name, value in own.items()
    }
    del named["media.decoder_threads"]  # decides how fast
    near, every = settings.quality.near_face, settings.runtime.detect_every
    return named | {"quality.near_face": near, "runtime.detect_every": every}


def _put(folder: Path, path: Path, content: bytes) -> None:
    """Write a file of a cache, whose folders are made; several processes may write the same one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(part, path)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"Can't write features to {folder}: {error.strerror}; free some space or choose another folder."
        ) from error


def fingerprint_clip(sequence: FeatureSequence) -> str:
    """16 hex digits, a digest of a clip's features by which it is known again."""
    return hashlib.blake2b(sequence.values.tobytes(), digest_size=8).hexdigest()


def read_features(cache: FeatureCache, manifest: Manifest) -> tuple[Manifest, list[FeatureSequence]]:
    """The clips of a manifest that could be acquired, and their kept sequences, in order; nothing is extracted.

    Raises:
        DataError: a clip isn't there, wasn't extracted yet, its features are damaged, or none could be acquired.
    """
    acquired, sequences = [], []
    for record in manifest.records:
        digest = _digest(manifest.file(record))
        features = cache.read(digest)
        if features is not None:
            acquired.append(record)
            sequences.append(features)
        elif cache.path(digest).exists():
            raise DataError(
                f"The features of {record.path} in {cache.folder} are damaged or hold values that are no numbers; run "
                "`facemotion features` on its manifest to make them again."
            )
        elif cache.read_failure(digest) is None:
            raise DataError(
                f"No features of {record.path} by {cache.frontend_id} in {cache.folder}; "
                "run `facemotion features` on its manifest first."
            )
    if not acquired:
        raise DataError(
            f"No clip of {manifest.folder} shows a usable face; check the recordings with `facemotion features`."
        )
    return replace(manifest, records=tuple(acquired)), sequences


def _digest(clip: Path) -> str:
    try:
        return file_sha256(clip)
    except OSError as error:
        raise DataError(f"Can't read the clip {clip}: {error.strerror}.") from error
