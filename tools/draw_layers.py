"""Draws docs/images/layers.svg: the rooms of the package in their layers, from the imports.

    python -m tools.draw_layers

Rows are the layers that import-linter holds (pyproject.toml), boxes are rooms with the number of their files, arrows
are imports. An import that a path of other arrows shows anyway isn't drawn: of `a > b > c` and `a > c` the last is left
out. A test fails where the picture isn't current.
"""

from __future__ import annotations

import graphlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

import grimp
from tools.layered_graph import Line, place

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "layers.svg"
PACKAGE = "facemotion"
CONTRACT = "Rooms stand in layers"

BANDS = {
    "cli": ("what people and", "programs speak to"),
    "training": ("training,", "needs torch"),
    "synth": ("simulated people,", "measures, faults"),
    "verifier": ("enrol, verify, store:", "the decision"),
    "frontend": ("a clip becomes", "vectors"),
    "media": ("clips and models", "are opened"),
    "config": ("words and tools", "that all rooms use"),
}
"""What a layer and those below it are about, by the first room of its row; the next name begins the next band."""

LETTER = 0.61  # width of a letter of a monospaced font over its size
TITLE, SMALL = 14, 11  # sizes of letters, px
BOX_HEIGHT, WINGS_HEIGHT = 30, 50  # of a box, px; the second is of one that lists its wings
GAP = 40  # between two rows, px: where arrows bend
HEAD = 8  # the last part of an arrow, which is straight, px
MARGIN, CAPTIONS = 16, 172  # round the picture, and left of the boxes, px
BAND_COLOURS = ("#eef3f8", "#f8f5ee")
INK, FAINT, ARROW, PAPER = "#1b2a3a", "#56667a", "#7d8da0", "#ffffff"


@dataclass(frozen=True)
class Room:
    """A file or folder directly under `src/facemotion`.

    Attributes:
        name: without ".py".
        files: Python files in it, `__init__.py` left out; 0 for a room that is one file.
        wings: its folders and their numbers of files, the uppermost layer first.
    """

    name: str
    files: int
    wings: tuple[tuple[str, int], ...] = ()

    @property
    def title(self) -> str:
        """The name as the file system has it."""
        return f"{self.name}/" if self.files else f"{self.name}.py"

    @property
    def size(self) -> str:
        """The number of files in words, or nothing."""
        return f"{self.files} files" if self.files else ""

    @property
    def subtitle(self) -> str:
        """The wings with their numbers of files, or nothing."""
        return "  ".join(f"{name} {files}" for name, files in self.wings)

    @property
    def width(self) -> int:
        """Of its box, px."""
        title = len(self.title) * TITLE + (len(self.size) + 1) * SMALL * bool(self.size)
        return round(max(title, len(self.subtitle) * SMALL) * LETTER) + 20

    @property
    def height(self) -> int:
        """Of its box, px."""
        return WINGS_HEIGHT if self.wings else BOX_HEIGHT


@dataclass(frozen=True)
class House:
    """What is drawn.

    Attributes:
        rooms: by their names.
        rows: names of rooms, the uppermost layer first.
        imports: (importer, imported) of every pair of rooms.
        arrows: those imports that no path of others shows.
    """

    rooms: Mapping[str, Room]
    rows: tuple[tuple[str, ...], ...]
    imports: frozenset[tuple[str, str]]
    arrows: frozenset[tuple[str, str]]


def read_house() -> House:
    """The rooms as they are now: from the files, the imports and the contracts of import-linter."""
    modules = grimp.build_graph(PACKAGE, cache_dir=None)
    imports = {
        (importer.split(".")[1], imported.split(".")[1])
        for importer in modules.modules
        for imported in modules.find_modules_directly_imported_by(importer)
        if "." in importer and "." in imported and importer.split(".")[1] != imported.split(".")[1]
    }
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = {
        container: contract["layers"]
        for contract in contracts
        if contract["type"] == "layers"
        for container in contract["containers"]
    }
    names = {module.split(".")[1] for module in modules.modules if "." in module}
    rooms = {name: _room(name, _names(layers.get(f"{PACKAGE}.{name}", ()))) for name in names}
    rows = _rows([_names([layer]) for layer in layers[PACKAGE]], names, imports)
    return House(rooms, rows, frozenset(imports), frozenset(without_shortcuts(imports)))


def _names(layers: Iterable[str]) -> list[str]:
    return [name.strip(" ()") for layer in layers for name in layer.split("|")]


def _room(name: str, order: list[str]) -> Room:
    folder = ROOT / "src" / PACKAGE / name
    if not folder.is_dir():
        return Room(name, 0)
    counts: dict[str, int] = {}
    for path in folder.rglob("*.py"):
        if path.name != "__init__.py":
            place_in = path.relative_to(folder).parts
            wing = place_in[0] if len(place_in) > 1 else ""
            counts[wing] = counts.get(wing, 0) + 1
    total = sum(counts.values())
    counts.pop("", None)
    ranked = sorted(counts, key=lambda wing: (order.index(wing) if wing in order else len(order), wing))
    return Room(name, total, tuple((wing, counts[wing]) for wing in ranked))


def _rows(layers: list[list[str]], names: set[str], imports: set[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """The layers; a room that no contract places stands below its lowest importer."""
    rows = [list(layer) for layer in layers]
    for name in sorted(names - {name for row in rows for name in row}):
        importers = {importer for importer, imported in imports if imported == name}
        rows[max(i for i, row in enumerate(rows) if importers & set(row)) + 1].append(name)
    return tuple(tuple(name for name in row if name in names) for row in rows)


def without_shortcuts(imports: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The imports that no path of others shows: the transitive reduction.

    Raises:
        graphlib.CycleError: two rooms import each other, over others perhaps.
    """
    below: dict[str, set[str]] = {}
    for importer, imported in imports:
        below.setdefault(importer, set()).add(imported)
    reached: dict[str, set[str]] = {}
    for name in graphlib.TopologicalSorter(below).static_order():  # what is imported comes first
        direct = below.get(name, set())
        reached[name] = direct.union(*(reached[other] for other in direct))
    return {(a, b) for a, b in imports if not any(b in reached[other] for other in below[a])}


def draw(house: House) -> str:
    """The picture as SVG."""
    heights = [max(house.rooms[name].height for name in row) for row in house.rows]
    tops = [MARGIN + sum(heights[:i]) + GAP * i + GAP // 2 for i in range(len(heights))]
    layout = place(house.rows, house.arrows, {name: room.width for name, room in house.rooms.items()})
    left = MARGIN + CAPTIONS
    width = left + layout.width + 2 * MARGIN
    bottom = tops[-1] + heights[-1] + GAP // 2
    parts = _bands(house, tops, bottom, width - MARGIN)
    for line in sorted(layout.lines, key=lambda line: (line.start, line.end)):
        parts.append(_arrow(line, house, tops, heights, left))
    for row, top, height in zip(house.rows, tops, heights, strict=True):
        for name in row:
            room = house.rooms[name]
            parts += _box(room, left + layout.centres[name], top + (height - room.height) // 2)
    parts += _legend(house, bottom + 22)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 50}" width="{width}" '
        f'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0.8 L7.5 4 L0 7.2 z" fill="{ARROW}"/></marker></defs>',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        *parts,
        "</svg>\n",
    ])  # fmt: skip


def _bands(house: House, tops: list[int], bottom: int, right: int) -> list[str]:
    """The background of each band of layers, and its caption."""
    starts = [i for i, row in enumerate(house.rows) if BANDS.keys() & set(row)]
    captions = [BANDS[name] for i in starts for name in house.rows[i] if name in BANDS]
    if len(captions) != len(BANDS):
        raise ValueError("A name in BANDS is no room of its own row; look at the layers in pyproject.toml.")
    parts = []
    for number, (start, caption) in enumerate(zip(starts, captions, strict=True)):
        top = tops[start] - GAP // 2
        end = tops[starts[number + 1]] - GAP // 2 if number + 1 < len(starts) else bottom
        colour = BAND_COLOURS[number % 2]
        parts.append(f'<rect x="{MARGIN}" y="{top}" width="{right - MARGIN}" height="{end - top}" fill="{colour}"/>')
        middle = (top + end) / 2
        for row, words in enumerate(caption):
            y = middle + 4 + (row - (len(caption) - 1) / 2) * 15
            parts.append(_text(words, MARGIN + 12, y, SMALL, FAINT))
    return parts


def _box(room: Room, centre: float, top: float) -> list[str]:
    left = centre - room.width / 2
    parts = [
        f'<rect data-room="{room.name}" x="{left:.0f}" y="{top}" width="{room.width}" height="{room.height}" rx="5" '
        f'fill="{PAPER}" stroke="{INK}"/>',
        _text(room.title, centre, top + 20, TITLE, INK, middle=True, note=room.size),
    ]
    return parts + ([_text(room.subtitle, centre, top + 39, SMALL, FAINT, middle=True)] if room.wings else [])


def _arrow(line: Line, house: House, tops: list[int], heights: list[int], left: float) -> str:
    """One import: straight past the boxes of a row, bent between rows."""
    row_of = {name: i for i, row in enumerate(house.rows) for name in row}
    first, last = row_of[line.start], row_of[line.end]
    start, end = house.rooms[line.start], house.rooms[line.end]
    y = tops[first] + (heights[first] + start.height) / 2
    path = [f"M{left + line.places[0]:.0f} {y:.0f} V{tops[first] + heights[first]}"]
    for row, (x0, x1) in enumerate(pairwise(line.places), first + 1):
        y0, y1 = tops[row - 1] + heights[row - 1], tops[row] - HEAD
        bend = (y0 + y1) / 2
        path.append(f"C{left + x0:.0f} {bend:.0f} {left + x1:.0f} {bend:.0f} {left + x1:.0f} {y1}")
        path.append(f"V{tops[row] + (heights[row] if row < last else (heights[row] - end.height) / 2):.0f}")
    return (
        f'<path data-import="{line.start} {line.end}" d="{" ".join(path)}" fill="none" stroke="{ARROW}" '
        'stroke-width="1" marker-end="url(#head)"/>'
    )


def _legend(house: House, y: float) -> list[str]:
    words = (
        f"Arrows point to what is imported. {len(house.imports)} pairs of rooms have imports, all of them downwards;",
        f"{len(house.arrows)} are drawn, the others follow from a path of arrows. Numbers are Python files.",
    )
    return [_text(text, MARGIN, y + 15 * row, SMALL, FAINT) for row, text in enumerate(words)]


def _text(words: str, x: float, y: float, size: int, colour: str, *, middle: bool = False, note: str = "") -> str:
    """Words, and a smaller and fainter note behind them."""
    anchor = ' text-anchor="middle"' if middle else ""
    behind = f'<tspan font-size="{SMALL}" fill="{FAINT}"> {escape(note)}</tspan>' if note else ""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{colour}"{anchor} xml:space="preserve">'
        f"{escape(words)}{behind}</text>"
    )


def main() -> None:
    PICTURE.write_text(draw(read_house()), "utf-8")
    print(f"{PICTURE.relative_to(ROOT)} is written.")


if __name__ == "__main__":
    main()
