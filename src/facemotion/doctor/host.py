"""The machine, the interpreter, and the packages that facemotion stands on."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path

from facemotion.config import Settings
from facemotion.doctor.facts import Facts
from facemotion.errors import InstallationError

# Extras that a user may want, by what they are for.
OPTIONAL = {
    "store": "enrolled users, kept in a file or in PostgreSQL",
    "serve": "the service, its page and PostgreSQL",
    "client": "the Python client of the service",
    "synth": "the data engine",
    "train": "training, cross-validation and the paper's tables",
    "cluster": "long work on a Ray cluster",
}
# What ONNX Runtime and the video decoder have kernels for, as Linux spells it.
INSTRUCTIONS = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"),
    *("neon", "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve"),
)
INSTALLED_AS = {"PIL": "pillow", "cv2": "opencv-python-headless"}
"""Packages that pip names otherwise than Python does."""
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w,-]+)\])?([^;]*)(?:;.*extra == ['\"]([\w-]+)['\"])?")


def installation(facts: Facts) -> None:
    """Versions of facemotion, of Python and of the packages of the inference path.

    Raises:
        InstallationError: a package is missing, of a version that facemotion wasn't made for, or doesn't load.
    """
    facts["facemotion"] = metadata.version("facemotion")
    facts["installed at"] = str(Path(__file__).parents[1])
    facts["Python"] = f"{platform.python_implementation()} {platform.python_version()}"
    facts["interpreter"] = sys.executable
    bounds_of = dict(_requirements(""))
    packages = facts["packages"] = {name: _installed(name) for name in bounds_of}
    for name, bounds in bounds_of.items():
        found = packages[name]
        if found is None:
            raise InstallationError(f"The package {name} isn't installed; run `pip install '{name}{bounds}'`.")
        if not within(found, bounds):
            raise InstallationError(
                f"The package {name} is there as {found}, but facemotion needs {name}{bounds}; "
                f"run `pip install '{name}{bounds}'`."
            )
    imported_as = {package: module for module, package in INSTALLED_AS.items()}
    for name in bounds_of:
        import_module(imported_as.get(name, name))


def machine(facts: Facts) -> None:
    """Operating system, processor and its instruction sets."""
    facts["system"] = platform.platform()
    facts["architecture"] = platform.machine()
    model, flags = _linux_cpu()
    facts["processor"] = model or platform.processor() or "unknown"
    facts["instruction sets"] = [name for name in INSTRUCTIONS if name in flags] if flags else "unknown on this system"


def threads(facts: Facts, settings: Settings) -> None:
    """How many processors there are, how many of them this process may use, and what the settings make of them."""
    facts["processors"] = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        facts["usable"] = len(os.sched_getaffinity(0))
    facts["of a network"] = settings.runtime.threads or "as ONNX Runtime chooses"
    facts["of the decoder"] = settings.media.decoder_threads or "as the decoder chooses"


def optional_parts(facts: Facts) -> None:
    """Which extras are complete, and how to get those that aren't."""
    for extra, purpose in OPTIONAL.items():
        missing = [name for name, _ in _requirements(extra) if _installed(name) is None]
        without = f"lacks {', '.join(missing)}; pip install '.[{extra}]' in the clone, for {purpose}"
        facts[extra] = without if missing else f"complete: {purpose}"


def needed() -> set[str]:
    """Names of all packages of facemotion and its extras, as pip names them."""
    return {name for extra in ("", *OPTIONAL) for name, _ in _requirements(extra)}


def broken(package: str, error: Exception) -> InstallationError:
    """What to say of a package that can't be loaded."""
    return InstallationError(
        f"The package {package} can't be loaded ({error}); run `pip install --force-reinstall {package}` and see that "
        "no other file of that name comes before it."
    )


def within(version: str, bounds: str) -> bool:
    """Whether a version satisfies bounds such as ">=17.1,<20"; a pre-release counts as the release that it is for."""
    found = _numbers(version)
    for operator, bound in re.findall(r"(>=|<=|<|>|==|!=)\s*([\w.]+)", bounds):
        wanted = _numbers(bound)
        size = max(len(found), len(wanted))
        order = [*found, *[0] * (size - len(found))], [*wanted, *[0] * (size - len(wanted))]
        holds = {
            ">=": order[0] >= order[1],
            "<=": order[0] <= order[1],
            "<": order[0] < order[1],
            ">": order[0] > order[1],
            "==": order[0] == order[1],
            "!=": order[0] != order[1],
        }
        if not holds[operator]:
            return False
    return True


def _numbers(version: str) -> list[int]:
    found = re.match(r"\d+(?:\.\d+)*", version.rpartition("!")[2])
    return [int(part) for part in found[0].split(".")] if found else []


def _requirements(extra: str) -> Iterator[tuple[str, str]]:
    """Names and bounds of what facemotion needs, or of what one of its extras adds."""
    for text in metadata.requires("facemotion") or ():
        match = _REQUIREMENT.match(text)
        if match is None or (match[4] or "") != extra:
            continue
        if match[1] == "facemotion":
            for inner in match[2].split(","):
                yield from _requirements(inner)
        else:
            yield match[1], match[3].strip()


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _linux_cpu() -> tuple[str, frozenset[str]]:
    """Name and flags of the first processor; empty where the system doesn't say."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return "", frozenset()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.M)
    return (model[1].strip() if model else ""), frozenset(flags[1].split() if flags else ())
