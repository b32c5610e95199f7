"""The picture of the layers: what it shows is what the sources are, and nothing in it covers anything else."""

from __future__ import annotations

import graphlib
import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from tools.draw_layers import PICTURE, House, draw, read_house, without_shortcuts
from tools.layered_graph import crossings, spaced

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def picture() -> ElementTree.Element:
    """The picture as it is kept."""
    return ElementTree.fromstring(PICTURE.read_text("utf-8"))


@pytest.fixture(scope="module")
def house() -> House:
    """The sources as they are."""
    return read_house()


def shown(svg: ElementTree.Element) -> set[str]:
    """The words and the arrows of a picture."""
    words = {"".join(text.itertext()) for text in svg.iter(f"{SVG}text")}
    return words | {path.get("data-import", "") for path in svg.iter(f"{SVG}path") if path.get("data-import")}


def test_the_picture_is_current(picture, house):
    stale = shown(picture) ^ shown(ElementTree.fromstring(draw(house)))
    assert not stale, "run python -m tools.draw_layers"


def boxes(svg: ElementTree.Element) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right and bottom of the box of every room."""
    found = {}
    for rect in svg.iter(f"{SVG}rect"):
        if room := rect.get("data-room"):
            x, y, width, height = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
            found[room] = (x, y, x + width, y + height)
    return found


def test_every_room_has_a_box_of_its_own(picture, house):
    found = boxes(picture)
    assert found.keys() == house.rooms.keys()
    for (a, one), (b, other) in combinations(found.items(), 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, f"{a} lies on {b}"


def test_no_arrow_runs_through_a_box(picture):
    for path in picture.iter(f"{SVG}path"):
        if not (arrow := path.get("data-import")):
            continue
        x, y = map(float, re.match(r"M(\S+) (\S+)", path.get("d", "")).groups())
        for kind, numbers in re.findall(r"([VC])([^VC]+)", path.get("d", "")):
            end = [float(number) for number in numbers.split()]
            for room, (left, top, right, bottom) in boxes(picture).items():
                if kind == "V" and room not in arrow.split():
                    clear = not left < x < right or max(y, end[-1]) <= top or min(y, end[-1]) >= bottom
                    assert clear, f"{arrow} runs through {room}"
            x, y = (x if kind == "V" else end[-2]), end[-1]


def test_every_arrow_points_down(picture, house):
    found = boxes(picture)
    assert house.arrows <= house.imports
    for importer, imported in house.imports:
        assert found[importer][3] < found[imported][1], f"{importer} imports {imported}"


def test_an_import_that_others_show_is_left_out():
    assert without_shortcuts({("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}) == {("a", "b"), ("b", "c"), ("a", "d")}


def test_rooms_that_import_each_other_cannot_be_drawn():
    with pytest.raises(graphlib.CycleError):
        without_shortcuts({("a", "b"), ("b", "a")})


@pytest.mark.parametrize(
    ("wanted", "weights", "places"),
    [
        ([0, 30], [1, 1], [0, 30]),
        ([10, 10], [1, 1], [5, 15]),
        ([10, 10], [3, 1], [7.5, 17.5]),
        ([20, 10, 0], [1, 1, 1], [0, 10, 20]),
    ],
)
def test_boxes_keep_their_distance_and_stay_near_where_they_want_to_be(wanted, weights, places):
    assert spaced(wanted, weights, [10] * (len(wanted) - 1)) == pytest.approx(places)


def test_crossings_are_counted():
    rows = [["a", "b"], ["c", "d"]]
    assert crossings(rows, [("a", "c"), ("b", "d")]) == 0
    assert crossings(rows, [("a", "d"), ("b", "c")]) == 1
