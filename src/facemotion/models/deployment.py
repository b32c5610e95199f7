"""The models of one deployment: their cards, their files, their networks and its own operating points.

A deployment's own points lie beside the pulled files, in `operating-points/MODEL_ID.toml`, so that a card stays as it
came, and that calibrating another version of an encoder takes nothing from the one that still runs.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facemotion.config import RuntimeSettings, load_settings, read_toml
from facemotion.errors import MissingModelError, ModelError, ModelHashError, SettingsError, UnknownModelError
from facemotion.models.cards import SHIPPED_CARDS, SHIPPED_FOLDER, ModelCard, read_cards
from facemotion.system.files import file_sha256, room_for, user_folder, write_whole
from facemotion.types import OperatingPoint

if TYPE_CHECKING:
    import onnxruntime

EXTERNAL_FOLDER = "session.model_external_initializers_file_folder_path"
"""ONNX Runtime's name of the folder that further files of a model are read from."""
OWN_POINT = "own-"
"""What the names of points begin with that a deployment calibrated itself."""
NO_FOLDER = "There is no home folder to keep models in; name one as models_folder under [runtime] in the settings."


@dataclass(frozen=True)
class Models:
    """What names of models mean here, made once from the settings and handed to whatever opens a network.

    Attributes:
        folder: pulled files, further cards and own operating points; None for the models that ship alone.
        providers: ONNX Runtime execution providers, in order of preference.
        threads: threads of one network run; 0 lets ONNX Runtime choose.
    """

    folder: Path | None
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    threads: int = 1

    @classmethod
    def of(cls, settings: RuntimeSettings) -> Models:
        """The models of a deployment with these settings.

        Args:
            settings: where no folder is named, that is the user's data folder; without a home there is none.
        """
        folder = Path(settings.models_folder) if settings.models_folder else user_folder("data")
        if folder is not None and not settings.models_folder:
            folder /= "models"
        return cls(folder, settings.providers, settings.threads)

    @classmethod
    def configured(cls) -> Models:
        """The models of whoever runs the program, see `facemotion.config.load_settings`.

        Raises:
            SettingsError: as in `load_settings`.
        """
        return cls.of(load_settings().runtime)

    @classmethod
    def shipped(cls) -> Models:
        """The models that ship, on one thread of the CPU: what must be the same wherever it is made rests on them."""
        return cls(None)

    def cards(self) -> dict[str, ModelCard]:
        """All cards, shipped ones first, by name.

        Raises:
            ModelError: a card can't be read, or a further card takes a shipped name.
        """
        cards = dict(read_cards(SHIPPED_CARDS))
        for path in sorted(self.folder.glob("*.toml")) if self.folder is not None else ():
            for name, card in read_cards(path).items():
                if name in cards:
                    raise ModelError(f"{path} redefines the model {name!r}; give it another name.")
                cards[name] = card
        return cards

    def card(self, name: str) -> ModelCard:
        """The card of one model.

        Raises:
            UnknownModelError: no such name; the nearest is named.
            ModelError: as in `cards`.
        """
        cards = self.cards()
        if name not in cards:
            near = difflib.get_close_matches(name, cards, n=1, cutoff=0)
            hint = f"; the nearest known is {near[0]!r}" if near else ""
            looked = ""
            if self.folder is not None:
                missing = "" if self.folder.is_dir() else ", which is no folder"
                looked = f" Cards were looked for in {self.folder.absolute()}{missing}."
            raise UnknownModelError(f"There is no model {name!r}{hint}.{looked} See `facemotion models list`.")
        return cards[name]

    def path(self, name: str) -> Path:
        """The file of a model, after its hash was checked.

        Raises:
            UnknownModelError, ModelError: as in `card`.
            MissingModelError: its file isn't there.
            ModelHashError: the file isn't the one of the card.
        """
        card = self.card(name)
        places = [SHIPPED_FOLDER / card.file, *([self.folder / card.file] if self.folder is not None else [])]
        path = next((p for p in places if p.is_file()), None)
        if path is None:
            if self.folder is None:
                raise MissingModelError(f"The file {card.file} of the model {name!r} isn't there. {NO_FOLDER}")
            how = f"run `facemotion models pull {name}`" if card.sources else f"put it at {places[-1]}"
            raise MissingModelError(f"The file {card.file} of the model {name!r} isn't there; {how}.")
        if file_sha256(path) != card.sha256:
            raise _another_file(path, name)
        return path

    def open(self, name: str) -> onnxruntime.InferenceSession:
        """Open a model by the name of its card, hash checked.

        Raises:
            UnknownModelError, MissingModelError, ModelHashError.
            ModelError: no provider is in this build of ONNX Runtime, or it can't read the file.
        """
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        path = self.path(name)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.card(name).sha256:  # what is opened is what was looked at
            raise _another_file(path, name)
        known = onnxruntime.get_available_providers()
        missing = [provider for provider in self.providers if provider not in known]
        if missing or not self.providers:
            raise ModelError(
                f"This ONNX Runtime has no {', '.join(missing) or 'provider'}; choose among {', '.join(known)}."
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A spinning pool burns a second core while a one-clip run waits; a verifier shares its machine with others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Weights in a further file, which ONNX allows, aren't covered by the card's hash: looked for where nothing is.
        options.add_session_config_entry(EXTERNAL_FOLDER, str(path / "none"))
        try:
            return onnxruntime.InferenceSession(content, options, providers=list(self.providers))
        except (
            state.Fail,
            state.InvalidArgument,
            state.InvalidGraph,
            state.InvalidProtobuf,
            state.NotImplemented,
            state.RuntimeException,
        ) as error:
            raise ModelError(f"ONNX Runtime can't open {path}: {error}.") from error

    def operating_points(self, name: str) -> tuple[OperatingPoint, ...]:
        """Every operating point of a model, see `points_of`.

        Raises:
            UnknownModelError: as in `card`.
            ModelError: as in `points_of`.
        """
        return self.points_of(self.card(name))

    def points_of(self, card: ModelCard) -> tuple[OperatingPoint, ...]:
        """The operating points of a card, then those that this deployment calibrated for the card's model id.

        Own points take the place of the card's of the same name, which a kept card has copies of.

        Raises:
            ModelError: the deployment's file can't be read, or it was calibrated for another file of the model.
        """
        own = self._own_operating_points(card)
        names = {point.name for point in own}
        return (*(point for point in card.operating_points if point.name not in names), *own)

    def _own_operating_points(self, card: ModelCard) -> tuple[OperatingPoint, ...]:
        path = self._own_path(card.model_id)
        if path is not None and path.is_file():
            kept = _read_calibration(path)
            if kept.model_id != card.model_id:
                raise ModelError(
                    f"{path} was calibrated for {kept.model_id}, not for {card.model_id}; "
                    "run `facemotion calibrate` again."
                )
            return kept.points
        # Version 0.1.0 named the file by the card: what it holds may be of the encoder of then.
        path = self._own_path(card.keeps_name_of or card.name)
        if path is None or not path.is_file():
            return ()
        kept = _read_calibration(path)
        return kept.points if kept.model_id == card.model_id else ()

    def keep_operating_points(self, name: str, points: Sequence[OperatingPoint]) -> Path:
        """Keep a deployment's own operating points, named `own-...`, in place of earlier ones for the same model id.

        Returns:
            The file that they are in.
        Raises:
            WriteError: the file can't be written.
            ModelError: there is no folder to keep it in.
            UnknownModelError: as in `card`.
        """
        import tomlkit  # late: `doctor` looks at models where a package is broken

        model_id = self.card(name).model_id
        path = self._own_path(model_id)
        if path is None:
            raise ModelError(NO_FOLDER)
        table = {
            "model_id": model_id,
            "points": [asdict(point) | {"name": f"{OWN_POINT}{point.name}"} for point in points],
        }
        with room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, tomlkit.dumps(table))
        return path

    def _own_path(self, stem: str) -> Path | None:
        return None if self.folder is None else self.folder / "operating-points" / f"{stem}.toml"


def _another_file(path: Path, name: str) -> ModelHashError:
    return ModelHashError(
        f"{path} isn't the file that the card of {name!r} describes (its SHA-256 differs); reinstall or pull it again."
    )


@dataclass(frozen=True)
class _Calibration:
    model_id: str
    points: tuple[OperatingPoint, ...]


def _read_calibration(path: Path) -> _Calibration:
    """
    Raises:
        ModelError: it can't be read.
    """
    try:
        return read_toml(_Calibration, path)
    except SettingsError as error:
        raise ModelError(f"{error} Run `facemotion calibrate` again.") from error
