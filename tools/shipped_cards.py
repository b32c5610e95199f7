"""The file of the shipped models' cards, edited in place: what the release tools share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tomlkit

from facemotion.system.files import write_whole


def replace_card(cards: Path, name: str, card: Mapping[str, object]) -> None:
    """Put a card in the place of an earlier one of that name, or at the end.

    Figures and operating points of the earlier card go: they were measured on another file.

    Args:
        cards: the file of the cards.
        name: the name of the model.
        card: the fields of the card, lists of tables last.
    """
    document = tomlkit.parse(cards.read_text("utf-8"))
    document.pop(name, None)
    document[name] = tomlkit.item(dict(card))
    write_whole(cards, tomlkit.dumps(document))


def put_on_card(cards: Path, name: str, fields: Mapping[str, object]) -> bool:
    """Replace some fields of a card and keep the others.

    Returns:
        Whether the file changed.
    """
    document = tomlkit.parse(cards.read_text("utf-8"))
    entry = document[name]
    before = entry.unwrap()
    if before | dict(fields) == before:
        return False
    for key in fields:
        entry.pop(key, None)
    for key, value in fields.items():
        entry[key] = tomlkit.item(value)
    write_whole(cards, tomlkit.dumps(document))
    return True
