"""Which package an exception comes from."""

from __future__ import annotations

import sys
import traceback
from types import ModuleType

from facemotion.doctor.host import INSTALLED_AS, needed


def broken_package(error: Exception) -> str | None:
    """The package, as pip names it, whose loading or use failed; None where it is none that facemotion needs.

    Args:
        error: as it was caught, with its traceback.
    """
    modules = [getattr(error, "name", None)] if isinstance(error, ImportError) else []
    place = getattr(error, "obj", None)  # of an AttributeError: an empty package lacks what it should hold
    if isinstance(place, ModuleType):
        modules.append(place.__name__)
    modules += [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    known = needed()
    for module in modules:
        top = str(module or "").partition(".")[0]
        if top in sys.stdlib_module_names:
            continue
        package = INSTALLED_AS.get(top, top)
        if package in known:
            return package
    return None
