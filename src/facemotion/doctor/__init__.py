"""What is installed and how it is set up, as one page of facts, and the first thing in it that is wrong.

Nothing is changed, nobody is contacted (a database server and a key command are named, not asked), and no key,
password, name of a user or vector is among the facts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facemotion.config import Settings
from facemotion.doctor import host, setup, storage
from facemotion.doctor.blame import broken_package
from facemotion.doctor.facts import Facts
from facemotion.errors import FacemotionError, InstallationError, SettingsError


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        name: a word or two.
        facts: by name; up to where the fault was met.
        fault: the first thing that is wrong in this part; None if nothing is.
    """

    name: str
    facts: Facts
    fault: FacemotionError | None = None


def examine(config: Path | None = None, store: str = "") -> tuple[Section, ...]:
    """Look at everything that a verification needs, in the order in which it needs it.

    Args:
        config: settings file; None: the one that `facemotion.config.load_settings` finds.
        store: path or URL of the template store; empty: the file in the user's data folder.
    Returns:
        Sections, always the same ones; the first `fault` among them is what to mend first.
    """
    settings = Settings()

    def read_settings(facts: Facts) -> None:
        nonlocal settings
        settings = setup.settings(facts, config)

    def look_at_models(facts: Facts) -> None:
        from facemotion.models import Models  # late: a broken NumPy must not cost the page

        setup.models(facts, Models.of(settings.runtime))

    parts: dict[str, Callable[[Facts], None]] = {
        "installation": host.installation,
        "machine": host.machine,
        "settings": read_settings,
        "threads": lambda facts: host.threads(facts, settings),
        "models": look_at_models,
        "decoder": lambda facts: setup.decoder(facts, settings.media),
        "verifier": lambda facts: setup.verifier(facts, settings),
        "store": lambda facts: storage.store(facts, store),
        "key": lambda facts: storage.key(facts, store),
        "optional parts": host.optional_parts,
    }
    return tuple(_section(name, look) for name, look in parts.items())


def first_fault(sections: tuple[Section, ...]) -> FacemotionError | None:
    """The fault to mend first; None if all is well."""
    return next((section.fault for section in sections if section.fault is not None), None)


def _section(name: str, look: Callable[[Facts], None]) -> Section:
    facts: Facts = {}
    try:
        look(facts)
    except FacemotionError as error:
        return Section(name, facts, error)
    except Exception as error:  # noqa: BLE001 - a broken package raises anything; the page tells of it
        return Section(name, facts, _told(error))
    return Section(name, facts)


def _told(error: Exception) -> FacemotionError:
    """The named error that an unforeseen one stands for."""
    package = broken_package(error)
    if package is not None:
        return host.broken(package, error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return SettingsError(f"{place}{error.strerror or error}; give facemotion the right to look there.")
    return InstallationError(
        f"Looking here failed ({type(error).__name__}: {error}); install facemotion again, and if that doesn't help, "
        "report it with this page."
    )


__all__ = ["InstallationError", "Section", "examine", "first_fault"]
