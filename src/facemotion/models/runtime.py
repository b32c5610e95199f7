"""Opening networks in ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facemotion.config import RuntimeSettings
from facemotion.errors import ModelError
from facemotion.models.cards import model_path

if TYPE_CHECKING:
    import onnxruntime


def open_session(name: str, settings: RuntimeSettings | None = None) -> onnxruntime.InferenceSession:
    """Open a model by the name of its card, hash checked, on the execution providers of the settings.

    Raises:
        UnknownModelError, MissingModelError, ModelHashError.
        ModelError: no provider of the settings is in this build of ONNX Runtime, or it can't read the file.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    settings = settings or RuntimeSettings()
    path = model_path(name, settings)
    known = onnxruntime.get_available_providers()
    missing = [provider for provider in settings.providers if provider not in known]
    if missing or not settings.providers:
        raise ModelError(
            f"This ONNX Runtime has no {', '.join(missing) or 'provider'}; choose among {', '.join(known)}."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A spinning pool burns a second core while a one-clip run waits; a verifier shares its machine with others.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(settings.providers))
    except (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    ) as error:
        raise ModelError(f"ONNX Runtime can't open {path}: {error}.") from error
