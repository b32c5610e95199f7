"""Settings, models, decoder, and whether a verifier comes of them."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from facemotion.config import FaceSettings, MediaSettings, QualitySettings, Settings, differences, load_settings
from facemotion.doctor.facts import Facts
from facemotion.errors import (
    AcquisitionError,
    FacemotionError,
    InstallationError,
    MissingModelError,
    ModelError,
    SettingsError,
    UsageError,
)
from facemotion.system.files import user_folder

if TYPE_CHECKING:
    from facemotion.models import Models

CODECS = {
    "h264": "H.264",
    "hevc": "HEVC",
    "vp8": "VP8",
    "vp9": "VP9",
    "av1": "AV1",
    "mpeg4": "MPEG-4",
    "mpeg1video": "MPEG-1",
    "mjpeg": "Motion JPEG",
}
NEEDED = ("h264", "vp8", "vp9")
"""What phones and browsers record."""
SAMPLE = Path(__file__).parents[1] / "samples" / "anna-wink-pout-1.mp4"


def settings(facts: Facts, config: Path | None) -> Settings:
    """Which settings file is used, and what differs from the defaults in it.

    Raises:
        SettingsError: it can't be read, or says what no setting may be.
    """
    named = config or (Path(os.environ["FACEMOTION_CONFIG"]) if "FACEMOTION_CONFIG" in os.environ else None)
    folder = user_folder("config")
    own = folder / "config.toml" if folder else None
    facts["file"] = str(named or own) if named or (own and own.exists()) else "none; the defaults"
    facts["named by"] = "--config" if config else "FACEMOTION_CONFIG" if named else "its place"
    facts["variables set"] = sorted(name for name in os.environ if name.startswith("FACEMOTION_"))  # never their values
    found = load_settings(config)
    facts["differences"] = differences(Settings(), found)
    return found


def models(facts: Facts, known: Models) -> None:
    """Every model's file, held to the hash of its card.

    Raises:
        ModelError: cards can't be read, a file is damaged, or one that ships isn't there.
    """
    facts["folder of further models"] = str(known.folder) if known.folder else None
    fault: ModelError | None = None
    for name, card in known.cards().items():
        try:
            known.path(name)
            facts[name] = f"verified, {card.model_id}"
        except MissingModelError as error:
            facts[name] = f"not fetched; optional: facemotion models pull {name}" if card.sources else str(error)
            fault = fault or (None if card.sources else error)
        except ModelError as error:
            facts[name] = str(error)
            fault = fault or error
    if fault is not None:
        raise fault


def decoder(facts: Facts, media: MediaSettings) -> None:
    """The video decoder's version, what it decodes, and that it decodes a sample.

    Args:
        facts: filled in.
        media: the user's limits.
    Raises:
        InstallationError: it is missing or broken, or can't decode what phones and browsers record.
        SettingsError: the limits refuse the sample, and so whatever users record.
    """
    import av
    from av.codec import codecs_available

    facts["PyAV"] = av.__version__
    facts["FFmpeg libraries"] = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    facts["decodes"] = [CODECS[name] for name in CODECS if _decodes(name, codecs_available)]
    missing = [CODECS[name] for name in NEEDED if CODECS[name] not in facts["decodes"]]
    if missing:
        raise InstallationError(
            f"This build of PyAV can't decode {', '.join(missing)}; install the one of the package index: "
            "`pip install --force-reinstall --only-binary av av`."
        )
    from facemotion.media import load_clip

    begun = time.perf_counter()
    try:
        clip = load_clip(SAMPLE, MediaSettings(decoder_threads=media.decoder_threads))
    except UsageError as error:
        raise InstallationError(f"A sample clip that ships can't be read; install facemotion again. {error}") from error
    spent = 1000 * (time.perf_counter() - begun)
    facts["a sample"] = f"{len(clip.times)} frames in {spent:.0f} ms"
    if media != MediaSettings(decoder_threads=media.decoder_threads):
        try:
            load_clip(SAMPLE, media)
        except FacemotionError as error:
            raise _refused(error, "[media]") from error


def verifier(facts: Facts, wanted: Settings) -> None:
    """Whether the networks that the settings name open in ONNX Runtime and go together, and their thresholds.

    Raises:
        ModelError, SettingsError: they don't, see Verifier.load; or no face or motion of a sample passes the settings.
    """
    import onnxruntime

    facts["providers here"] = onnxruntime.get_available_providers()
    facts["providers wanted"] = list(wanted.runtime.providers)
    facts["extractor"] = wanted.verifier.extractor
    facts["encoder"] = wanted.verifier.encoder
    facts["recogniser"] = wanted.verifier.recogniser or "none; motion alone is compared"

    from facemotion.verifier import Verifier

    loaded = Verifier.load(replace(wanted, media=MediaSettings()))  # `decoder` looks at those of media
    facts["operating point"] = f"{loaded.point.name}, threshold {loaded.point.threshold:.3f}"
    if (wanted.face, wanted.quality) != (FaceSettings(), QualitySettings()):
        try:
            loaded.embed(SAMPLE)
        except AcquisitionError as error:
            raise _refused(error, "[face] or [quality]") from error


def _refused(error: FacemotionError, tables: str) -> SettingsError:
    return SettingsError(f"The settings refuse a sample clip that ships; mend {tables} in them. {error}")


def _decodes(name: str, available: set[str]) -> bool:
    """Some codecs have decoders of other names only ("libdav1d" for "av1"), by which FFmpeg finds them itself."""
    import av

    if name not in available:
        return False
    try:
        av.Codec(name, "r")
    except ValueError:  # av.codec.codec.UnknownCodecError: known to write, not to read
        return False
    return True
