"""Typed settings: frozen dataclasses whose fields carry unit, range and meaning, read from and written to TOML.

`option()` makes such a field. Environment: FACEMOTION_CONFIG names the settings file (default: `config.toml` in the
user's configuration folder, used only if it exists).
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from facemotion.errors import SettingsError
from facemotion.system.files import user_folder, warn_if_anybody_writes

T = TypeVar("T")


def option(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with its documentation and its range; `read_toml` and `from_table` check values against them.

    Args:
        default: the value where none is given.
        doc: one sentence, without a full stop.
        unit: such as "s", "px", "MiB"; empty for plain numbers and text.
        minimum, maximum: inclusive bounds of a number.
        choices: allowed values of a text, or of each text of several.
    """
    metadata = {"doc": doc, "unit": unit, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class MediaSettings:
    """Limits on clips; a clip past one is refused with MediaLimitError or TooShortError."""

    min_seconds: float = option(0.5, "shortest clip, first frame to last", unit="s", minimum=0)
    max_seconds: float = option(10.0, "longest clip, first frame to last", unit="s", minimum=0.1)
    max_mebibytes: float = option(64.0, "largest file", unit="MiB", minimum=0.01)
    max_side_px: int = option(4096, "longest side of a frame as stored", unit="px", minimum=64)
    max_decoded_megapixels: float = option(2700.0, "pixels decoded over the whole clip", unit="Mpx", minimum=1)
    analysis_side_px: int = option(
        960, "frames with a longer side are scaled down to it before any analysis", unit="px", minimum=128
    )
    max_rate: float = option(32.0, "frames beyond this rate are skipped", unit="frames/s", minimum=5)
    max_damaged_share: float = option(
        0.05, "share of damaged frames above which a clip is refused; up to it they are left out", minimum=0, maximum=1
    )
    decoder_threads: int = option(1, "threads of the video decoder; 0 lets it choose", minimum=0, maximum=64)

    def __post_init__(self) -> None:
        if self.min_seconds > self.max_seconds:
            raise ValueError("min_seconds must not exceed max_seconds")


@dataclass(frozen=True)
class FaceSettings:
    """Detection and tracking of the one face of a clip."""

    min_score: float = option(0.5, "lowest detector confidence", minimum=0.05, maximum=1)
    nms_iou: float = option(0.3, "detections that overlap more are merged", minimum=0.05, maximum=0.95)
    min_face_px: float = option(
        48.0, "side of a face box below which the user should come closer in any case", unit="px", minimum=8
    )
    max_fill_seconds: float = option(
        0.4,
        "how long landmarks are still looked for at the last box, where the detector misses a face",
        unit="s",
        minimum=0,
    )
    max_gap_seconds: float = option(1.0, "longest time between two frames that show the face", unit="s", minimum=0.1)
    min_face_share: float = option(0.7, "least share of frames with a face", minimum=0.05, maximum=1)
    rival_area: float = option(
        0.4, "a second face of at least this share of the first one's area is a rival", minimum=0.05, maximum=1
    )
    rival_share: float = option(0.25, "rivals in more than this share of frames: several faces", minimum=0, maximum=1)


@dataclass(frozen=True)
class QualitySettings:
    """What the live guidance asks of a user, and what counts as a motion."""

    dark_luma: float = option(45.0, "median luma of the face below which it is too dark", minimum=0, maximum=255)
    near_face: float = option(
        0.14, "box side over the frame's longer side below which the user should come closer", minimum=0, maximum=1
    )
    still_travel: float = option(
        0.12, "box centre's travel within half a second, in box sides, above which to hold still", minimum=0
    )
    min_rate: float = option(
        6.0, "fewest frames a second with the face while it moves; 0: any number", unit="frames/s", minimum=0
    )
    """A camera of 8 frames/s whose times jitter by a third of an interval has 6.2 by this measure."""
    min_motion_energy: float = option(
        1.5,
        "least motion of the part of the face that moves most",
        unit="% of the distance between the outer eye corners",
        minimum=0,
    )
    min_own_motion: float = option(
        1.15,
        "the same within the liveliest second, without all motion that a moved photograph could make",
        unit="% of the distance between the outer eye corners",
        minimum=0,
    )


@dataclass(frozen=True)
class RuntimeSettings:
    """How networks are run."""

    threads: int = option(1, "threads of one network run; 0 lets ONNX Runtime choose", minimum=0, maximum=256)
    providers: tuple[str, ...] = option(
        ("CPUExecutionProvider",), "ONNX Runtime execution providers, in order of preference"
    )
    detect_every: int = option(
        1,
        "the face detector runs once in this number of frames; between these the face is followed by its landmarks; "
        "more than 1 is for small devices",
        minimum=1,
        maximum=30,
    )
    look_ahead: int = option(
        2,
        "frames of a file that a second thread decodes, and detects faces in, ahead of the first thread; "
        "0: one thread does everything",
        minimum=0,
        maximum=30,
    )
    models_folder: str = option(
        "",
        "folder of pulled model files, relative to the working folder; empty for the user's data folder",
    )


@dataclass(frozen=True)
class VerifierSettings:
    """Which models and which operating point decide."""

    extractor: str = option("face-mesh", "feature extractor, by the name of its card")
    encoder: str = option("encoder-mesh", "sequence encoder, by the name of its card")
    operating_point: str = option("", "operating point of the encoder; empty for the default of its card")
    earlier_encoders: tuple[str, ...] = option(
        (),
        "earlier encoders, by the names of their cards, whose templates are still verified, at their operating point "
        "of the same name or else their default; nobody is enrolled with them",
    )
    recogniser: str = option("", "face recogniser, by the name of its card; empty: motion alone is compared")
    recogniser_point: str = option("", "operating point of the recogniser's card; empty for the card's default")
    min_takes: int = option(2, "fewest enrolment takes", minimum=1, maximum=20)
    max_takes: int = option(5, "most enrolment takes", minimum=1, maximum=20)
    weak_motion: str = option(
        "warn", "what to do with a motion that is easy to guess: warn or refuse", choices=("warn", "refuse")
    )
    weak_energy: float = option(
        2.0,
        "a motion below this energy is weak; 0: none is",
        unit="% of the distance between the outer eye corners",
        minimum=0,
    )
    weak_neutral_share: float = option(0.7, "a motion with more neutral frames is weak", minimum=0, maximum=1)
    presentation: str = option(
        "warn",
        "what to do with a clip that looks as if a screen was filmed: off, warn or refuse",
        choices=("off", "warn", "refuse"),
    )
    user_threshold: float = option(
        0.0,
        "how far a user's own threshold is raised, as a share of the way from the operating point's up to the least "
        "agreement of their takes; 0: one threshold for everybody",
        minimum=0,
        maximum=1,
    )
    duplicate_face: str = option(
        "off",
        "what to do with a new user whose face is enrolled under another name: off, warn or refuse; needs a recogniser",
        choices=("off", "warn", "refuse"),
    )
    duplicate_point: str = option("", "operating point for this search; empty for the recogniser's strictest")
    common_motions: str = option(
        "packaged",
        "motions that are weak because everybody makes them: packaged, off, or a folder of further clips",
    )

    def __post_init__(self) -> None:
        if self.min_takes > self.max_takes:
            raise ValueError("min_takes must not exceed max_takes")


@dataclass(frozen=True)
class Settings:
    """All settings of the inference path."""

    media: MediaSettings = field(default_factory=MediaSettings)
    face: FaceSettings = field(default_factory=FaceSettings)
    quality: QualitySettings = field(default_factory=QualitySettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    verifier: VerifierSettings = field(default_factory=VerifierSettings)


def load_settings(path: Path | None = None) -> Settings:
    """Settings from `path`, else from FACEMOTION_CONFIG, else from the user's configuration folder, else defaults.

    A user without a home (see `facemotion.system.files.user_folder`) has the defaults.

    Raises:
        SettingsError: a named file isn't there, isn't TOML, or has an unknown key or a value out of range; or the
            configuration folder can't be read: it may hold settings that must not be ignored.
    """
    if path is None and "FACEMOTION_CONFIG" in os.environ:
        path = Path(os.environ["FACEMOTION_CONFIG"])
    if path is None:
        folder = user_folder("config")
        path = folder and folder / "config.toml"
        if path is None or not _is_there(path):
            return Settings()
    return read_toml(Settings, path)


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise SettingsError(
            f"Can't look for the settings file {path}: {error.strerror}; set HOME to a folder of your own, or name a "
            "file in FACEMOTION_CONFIG."
        ) from error
    return True


def read_toml(kind: type[T], path: Path) -> T:
    """Read a dataclass of options from a TOML file.

    Raises:
        SettingsError: see load_settings.
    """
    try:
        if path.exists() and not path.is_file():
            raise SettingsError(f"The settings file {path} isn't a regular file.")
        table = tomllib.loads(path.read_text("utf-8"))
        warn_if_anybody_writes(path, "settings file")
    except OSError as error:
        raise SettingsError(f"Can't read the settings file {path}: {error.strerror}.") from error
    except RecursionError as error:
        raise SettingsError(f"{path} is not valid TOML: it is nested too deeply.") from error
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError, or a number of thousands of digits
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error
    return from_table(kind, table, str(path))


def from_table(kind: type[T], table: Mapping[str, Any], where: str = "settings") -> T:
    """Build a dataclass of options from nested mappings, and check it.

    Raises:
        SettingsError: an unknown key (the nearest known is named, or the new name where the class lists the key of an
            earlier version in `MOVED`), a wrong type or a value out of range.
    """
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            if new := getattr(kind, "MOVED", {}).get(key):
                raise SettingsError(f"{where}: {key!r} was an earlier version's; write it as {new}.")
            near = difflib.get_close_matches(key, known, n=1, cutoff=0)
            raise SettingsError(f"{where}: unknown key {key!r}; the nearest known is {near[0]!r}.")
        values[key] = _convert(hints[key], value, f"{where}: {key}")
        _check_range(known[key], values[key], f"{where}: {key}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}.") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise SettingsError(f"{where} must be a table.")
        return from_table(hint, value, where)
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise SettingsError(f"{where} must be a list.")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, v, where) for v in value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise SettingsError(f"{where} must be a table.")
        return dict(value)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        (hint,) = (a for a in typing.get_args(hint) if a is not type(None))
        return _convert(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise SettingsError(f"{where} is too large.") from error
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise SettingsError(f"{where} must be of type {hint.__name__}, got {value!r}.")
    if isinstance(value, str) and "\0" in value:
        raise SettingsError(f"{where} holds the character NUL, which no path or name may.")
    return value


def _check_range(spec: dataclasses.Field[Any], value: Any, where: str) -> None:
    unit = f" {spec.metadata['unit']}" if spec.metadata.get("unit") else ""
    low, high, choices = (spec.metadata.get(name) for name in ("minimum", "maximum", "choices"))
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{where} must be a finite number, got {value}.")
    if low is not None and value < low:
        raise SettingsError(f"{where} must be at least {low}{unit}, got {value}.")
    if high is not None and value > high:
        raise SettingsError(f"{where} must be at most {high}{unit}, got {value}.")
    if choices:
        for own in value if isinstance(value, tuple) else (value,):
            if own not in choices:
                raise SettingsError(f"{where} must be one of {', '.join(choices)}, got {own!r}.")


def differences(before: Any, now: Any, where: str = "") -> list[str]:
    """What differs between two dataclasses of options of one kind: "optimiser.steps was 60 and is 400", and so on."""
    found = []
    for spec in fields(now):
        old, new, name = getattr(before, spec.name), getattr(now, spec.name), f"{where}{spec.name}"
        if old == new:
            continue
        pairs = [(name, old, new)]
        if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
            pairs = [(f"{name}[{i}]", *pair) for i, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
        for label, one, other in pairs:
            if dataclasses.is_dataclass(one) and dataclasses.is_dataclass(other):
                found += differences(one, other, f"{label}.")
            else:
                found.append(f"{label} was {_shown(one)} and is {_shown(other)}")
    return found


def _shown(value: Any) -> str:
    """A value as the message of a difference shows it; of a whole table only that it is there."""
    if value is None:
        return "left out"
    return "set" if dataclasses.is_dataclass(value) else repr(value)


def to_toml(settings: Any) -> str:
    """The TOML text of a dataclass of options, each value with its unit and meaning as a comment."""
    import tomlkit  # late: `doctor` reads settings where a package is broken

    document = tomlkit.document()
    _fill(document, settings)
    return tomlkit.dumps(document)


def _fill(table: Any, settings: Any) -> None:
    import tomlkit

    for spec in fields(settings):
        value = getattr(settings, spec.name)
        if value is None:
            continue
        if dataclasses.is_dataclass(value):
            inner = tomlkit.table()
            _fill(inner, value)
            table[spec.name] = inner
            continue
        if isinstance(value, tuple) and value and all(dataclasses.is_dataclass(entry) for entry in value):
            array = tomlkit.aot()
            for entry in value:
                inner = tomlkit.table()
                _fill(inner, entry)
                array.append(inner)
            table[spec.name] = array
            continue
        item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
        note = ", ".join(part for part in (spec.metadata.get("unit"), spec.metadata.get("doc")) if part)
        if note:
            item.comment(note)
        table[spec.name] = item
