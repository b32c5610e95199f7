"""Everything that a bench of one's own clips tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from facemotion.bench.condition_figures import ConditionFigures, Share
from facemotion.bench.seen_clips import SeenClip
from facemotion.types import OperatingPoint
from facemotion.verifier import Verifier


@dataclass(frozen=True)
class RealBench:
    """What an installation does on clips.

    Attributes:
        frontend_id: of the features.
        model_id: of the encoder.
        point: the operating point that decides.
        clips: number of clips that were given.
        subjects: number of people in them.
        motions: number of their motions; the same one by two people counts twice.
        marked: number of clips that could be read and whose motion is marked.
        unread: clips that couldn't be read, with the reason.
        conditions: the figures of each condition.
    """

    frontend_id: str
    model_id: str
    point: OperatingPoint
    clips: int
    subjects: int
    motions: int
    marked: int
    unread: dict[str, str]
    conditions: tuple[ConditionFigures, ...]

    @classmethod
    def of(cls, seen: Sequence[SeenClip], verifier: Verifier, conditions: Iterable[ConditionFigures]) -> RealBench:
        """Put together what was measured.

        Args:
            seen: the clips.
            verifier: what decided.
            conditions: their figures.
        """
        records = [clip.record for clip in seen]
        return cls(
            verifier.frontend.extractor.frontend_id,
            verifier.encoder.model_id,
            verifier.point,
            len(records),
            len({r.subject for r in records}),
            len({(r.subject, r.motion) for r in records}),
            sum(clip.sighting is not None and clip.record.span is not None for clip in seen),
            {clip.record.path: clip.fault for clip in seen if clip.fault},
            tuple(conditions),
        )

    def to_json(self) -> dict[str, object]:
        """Nested dicts, lists and numbers."""
        plain: dict[str, object] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Share | ConditionFigures):
        further = {"rate": value.rate} if isinstance(value, Share) else {"ratio": value.ratio}
        return {own.name: _plain(getattr(value, own.name)) for own in fields(value)} | further
    if is_dataclass(value):
        return {own.name: _plain(getattr(value, own.name)) for own in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(own) for key, own in value.items()}
    return [_plain(own) for own in value] if isinstance(value, tuple) else value
