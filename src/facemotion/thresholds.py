"""Operating points: thresholds and the evidence behind them."""

from __future__ import annotations

from facemotion.errors import ModelError, UnknownModelError
from facemotion.models import ModelCard
from facemotion.types import OperatingPoint


def operating_point(card: ModelCard, name: str = "") -> OperatingPoint:
    """The operating point of that name on a model's card; the card's default where the name is empty.

    Raises:
        UnknownModelError: the card has no point of that name; those it has are named.
        ModelError: the card has no operating point at all.
    """
    points = {point.name: point for point in card.operating_points}
    if not points:
        raise ModelError(f"The card of {card.name!r} has no operating point; calibrate it on clips of your own first.")
    wanted = name or card.default_point
    if wanted not in points:
        raise UnknownModelError(f"{card.name!r} has no operating point {wanted!r}; choose among {', '.join(points)}.")
    return points[wanted]
