"""Where boxes stand in their rows so that the arrows between them cross little and bend little.

Reference: Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system structures, 1981: an arrow
past a row takes a place in that row, rows are ordered by the mean place of their neighbours, then every place is moved
towards its neighbours. The places of one row are the least squares under their least distances (isotonic regression).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP = 26  # between two boxes, px
LANE = 14  # of an arrow that passes a row, px
PORT = 14  # between two arrows at one box, px, where it is wide enough
TRIES = 60  # random orders to begin with
SWEEPS = 24
SETTLING = 2000  # sweeps after which the places no longer move
STIFFNESS = 50.0  # how much more an arrow that passes rows wants to be straight than a box to be in the middle

Node = str | tuple[str, str, int]  # a room; or an arrow's start, end and the row that it passes


@dataclass(frozen=True)
class Line:
    """One arrow.

    Attributes:
        start, end: names of two boxes.
        places: x at the start, at every row that it passes, and at the end, px.
    """

    start: str
    end: str
    places: tuple[float, ...]


@dataclass(frozen=True)
class Layout:
    """Where everything is, from x = 0 on.

    Attributes:
        centres: x of the middle of each box, px.
        lines: the arrows.
        width: px.
    """

    centres: Mapping[str, float]
    lines: tuple[Line, ...]
    width: int


def place(rows: Sequence[Sequence[str]], arrows: Iterable[tuple[str, str]], widths: Mapping[str, int]) -> Layout:
    """Place boxes and arrows; the same input has the same output.

    Args:
        rows: names of the boxes of each row, the uppermost first; their order within a row is free.
        arrows: (start, end); the end is in a lower row.
        widths: of each box, px.
    """
    row_of = {name: i for i, row in enumerate(rows) for name in row}
    chains: list[list[Node]] = []
    for start, end in sorted(arrows):
        between: list[Node] = [(start, end, row) for row in range(row_of[start] + 1, row_of[end])]
        chains.append([start, *between, end])
    crowded: list[list[Node]] = [list(row) for row in rows]
    for chain in chains:
        for row, node in enumerate(chain[1:-1], row_of[str(chain[0])] + 1):
            crowded[row].append(node)
    links = [(upper, lower) for chain in chains for upper, lower in pairwise(chain)]
    ordered = _order(crowded, links)
    x = _spread(ordered, links, widths)
    leftmost = min(x[name] - widths[name] / 2 for name in row_of)
    leftmost = min(leftmost, *(x[node] for row in ordered for node in row))
    x = {node: place - leftmost for node, place in x.items()}
    rightmost = max(x[node] + (widths[node] / 2 if isinstance(node, str) else 0) for row in ordered for node in row)
    lines = tuple(
        Line(
            str(chain[0]),
            str(chain[-1]),
            (
                _port(str(chain[0]), chain[1], [own[1] for own in chains if own[0] == chain[0]], x, widths),
                *(x[node] for node in chain[1:-1]),
                _port(str(chain[-1]), chain[-2], [own[-2] for own in chains if own[-1] == chain[-1]], x, widths),
            ),
        )
        for chain in chains
    )
    return Layout({name: x[name] for name in row_of}, lines, round(rightmost) + 1)


def _neighbours(links: Iterable[tuple[Node, Node]]) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
    above: dict[Node, list[Node]] = {}
    below: dict[Node, list[Node]] = {}
    for upper, lower in links:
        below.setdefault(upper, []).append(lower)
        above.setdefault(lower, []).append(upper)
    return above, below


def _order(rows: list[list[Node]], links: list[tuple[Node, Node]]) -> list[list[Node]]:
    """The order within each row that has fewest crossings of all that were tried."""
    above, below = _neighbours(links)
    best, least = rows, crossings(rows, links)
    for seed in range(TRIES):
        mixed = [random.Random(seed).sample(row, len(row)) for row in rows]
        for sweep in range(SWEEPS):
            known = above if sweep % 2 == 0 else below
            for row in range(len(mixed)) if sweep % 2 == 0 else reversed(range(len(mixed))):
                places = {node: i for own in mixed for i, node in enumerate(own)}
                mixed[row] = sorted(mixed[row], key=lambda node: _mean(node, known, places))
            found = crossings(mixed, links)
            if found < least:
                best, least = [list(row) for row in mixed], found
    return best


def _mean(node: Node, known: Mapping[Node, list[Node]], places: Mapping[Node, float]) -> float:
    """Mean place of a node's neighbours; its own place where it has none."""
    own = known.get(node)
    return sum(places[other] for other in own) / len(own) if own else places[node]


def crossings(rows: Sequence[Sequence[Node]], links: Iterable[tuple[Node, Node]]) -> int:
    """How often two arrows cross, between all rows."""
    places = {node: (row, i) for row, own in enumerate(rows) for i, node in enumerate(own)}
    by_row: dict[int, list[tuple[int, int]]] = {}
    for upper, lower in links:
        by_row.setdefault(places[upper][0], []).append((places[upper][1], places[lower][1]))
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for own in by_row.values() for i, a in enumerate(own) for b in own[:i])


def _spread(rows: list[list[Node]], links: list[tuple[Node, Node]], widths: Mapping[str, int]) -> dict[Node, float]:
    """x of every node: rows in their order, each node as near to its neighbours as the distances allow."""
    above, below = _neighbours(links)

    def half(node: Node) -> float:
        return widths[node] / 2 if isinstance(node, str) else LANE / 2

    def distance(left: Node, right: Node) -> float:
        lanes = not isinstance(left, str) and not isinstance(right, str)
        return half(left) + half(right) + (0 if lanes else GAP)

    x: dict[Node, float] = {}
    for row in rows:
        place = 0.0
        for i, node in enumerate(row):
            place += distance(row[i - 1], node) if i else 0
            x[node] = place
        middle = place / 2
        x |= {node: x[node] - middle for node in row}
    for sweep in range(SETTLING):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted, weights = [], []
            for node in row:
                around = [*above.get(node, ()), *below.get(node, ())]
                pulls = [1.0 if isinstance(node, str) or isinstance(other, str) else STIFFNESS for other in around]
                total = sum(pulls)
                wanted.append(sum(p * x[o] for p, o in zip(pulls, around, strict=True)) / total if total else x[node])
                weights.append(total or 0.1)
            steps = [distance(left, right) for left, right in pairwise(row)]
            x |= dict(zip(row, spaced(wanted, weights, steps), strict=True))
    return x


def spaced(wanted: Sequence[float], weights: Sequence[float], steps: Sequence[float]) -> list[float]:
    """The places nearest to those that are wanted, in weighted least squares, that keep their least distances.

    Args:
        wanted: one place a node.
        weights: how much each counts, above 0.
        steps: least distance between each node and the next.
    """
    offsets = [sum(steps[:i]) for i in range(len(wanted))]
    blocks: list[list[float]] = []  # mean, weight, number of nodes
    for place, weight, offset in zip(wanted, weights, offsets, strict=True):
        blocks.append([place - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, weight_of_last, number = blocks.pop()
            total = blocks[-1][1] + weight_of_last
            blocks[-1][0] = (blocks[-1][0] * blocks[-1][1] + mean * weight_of_last) / total
            blocks[-1][1], blocks[-1][2] = total, blocks[-1][2] + number
    means = [mean for mean, _, number in blocks for _ in range(int(number))]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _port(
    box: str, neighbour: Node, neighbours: list[Node], x: Mapping[Node, float], widths: Mapping[str, int]
) -> float:
    """Where an arrow meets a box: its arrows are spread in the order of where they come from."""
    ranked = sorted(neighbours, key=lambda node: x[node])
    step = min(PORT, (widths[box] - 16) / max(len(ranked) - 1, 1))
    return x[box] + step * (ranked.index(neighbour) - (len(ranked) - 1) / 2)
