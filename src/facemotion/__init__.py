"""Verify a person by who they are and by a secret facial motion that they make before a camera.

>>> import facemotion as fm
>>> verifier = fm.Verifier.load()  # doctest: +SKIP
>>> verifier.verify("a.mp4", "b.mp4").accepted  # doctest: +SKIP
True

Names resolve when first used: `import facemotion` alone loads neither ONNX Runtime nor any model.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facemotion.client import AsyncClient, Client, check_webhook
    from facemotion.config import Settings, load_settings
    from facemotion.errors import FacemotionError
    from facemotion.frontend import Acquirer, Frontend, Guidance
    from facemotion.frontend import Acquirer as LiveSession
    from facemotion.media import load_clip
    from facemotion.store import open_store
    from facemotion.types import Clip, Decision, Embedding, FeatureSequence, Template
    from facemotion.verifier import Verifier, cosine

# ONNX Runtime's wheels report to their maker's servers unless told not to, from the moment they are imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = version("facemotion")

_ROOMS = {
    "client": ("AsyncClient", "Client", "check_webhook"),
    "config": ("Settings", "load_settings"),
    "errors": ("FacemotionError",),
    "frontend": ("Acquirer", "Frontend", "Guidance"),
    "media": ("load_clip",),
    "store": ("open_store",),
    "types": ("Clip", "Decision", "Embedding", "FeatureSequence", "Template"),
    "verifier": ("Verifier", "cosine"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}
# Earlier names, kept for one release; they are the same objects, and nothing warns.
_EARLIER = {"LiveSession": "Acquirer"}

__all__ = [
    "Acquirer",
    "AsyncClient",
    "Client",
    "Clip",
    "Decision",
    "Embedding",
    "FacemotionError",
    "FeatureSequence",
    "Frontend",
    "Guidance",
    "LiveSession",
    "Settings",
    "Template",
    "Verifier",
    "check_webhook",
    "cosine",
    "load_clip",
    "load_settings",
    "open_store",
]


def __getattr__(name: str) -> Any:
    now = _EARLIER.get(name, name)
    if now not in _HOME:
        raise AttributeError(f"module 'facemotion' has no attribute {name!r}")
    value = getattr(import_module(f"facemotion.{_HOME[now]}"), now)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
