"""Which film is which take of a plan: by the plan, by the films' names, or by their order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from facemotion.errors import RecordingPlanError
from facemotion.recorder.cameras import SUFFIXES, Film
from facemotion.recorder.recording_plan import PlannedMotion

Words = tuple[str, ...]
_REMEDY = "name it PERSON-MOTION-TAKE, such as anna-wink-1.mp4, or name every film in the plan's column `films`."


@dataclass(frozen=True)
class MatchedFilms:
    """Films in the order of a plan.

    Attributes:
        films: one for each take; those of the first row come first.
        by_order: whether neither the plan nor the names say which film is which, so that the order given counts.
    """

    films: tuple[Film, ...]
    by_order: bool


def match_films(films: Sequence[Film], planned: Sequence[PlannedMotion]) -> MatchedFilms:
    """Find the film of each take.

    Where the plan names films, these are taken. Otherwise names count as soon as one film names a person or a motion of
    the plan: then every film has to name both, the person first, as whole words. Takes of a motion follow each other by
    what else their names hold, numbers as numbers. Where no name says anything, the order of the films counts.

    Args:
        films: as they were given.
        planned: what is recorded, in this order.
    Raises:
        RecordingPlanError: a film fits no row of the plan or several, two films can't be told apart, or a row has more
            or fewer films than takes.
    """
    if any(motion.films for motion in planned):
        return MatchedFilms(_films_named(films, planned), by_order=False)
    words = [_words(film) for film in films]
    spoken = {part for motion in planned for part in _parts(motion) if part}
    if any(_find(part, told) is not None for part in spoken for told in words):
        return MatchedFilms(_films_by_name(films, words, planned), by_order=False)
    takes = sum(motion.takes for motion in planned)
    if len(films) != takes:
        raise RecordingPlanError(
            f"The plan has {takes} takes and there are {len(films)} films; give one film for each take, in the plan's "
            "order."
        )
    return MatchedFilms(tuple(films), by_order=True)


def _films_named(films: Sequence[Film], planned: Sequence[PlannedMotion]) -> tuple[Film, ...]:
    """Those that the plan names."""
    left, found = list(films), []
    for motion in planned:
        if len(motion.films) != motion.takes:
            raise RecordingPlanError(
                f"The plan has {motion.takes} takes of {_title(motion)} and names {len(motion.films)} films for them; "
                "name one film for each take in every row, or none at all."
            )
        for name in motion.films:
            own = [film for film in left if _one_form(name) in (_one_form(film.called), _one_form(film.path.name))]
            if len(own) != 1:
                what = "several of the films are called so" if own else "no film that is left is called so"
                raise RecordingPlanError(f"The plan names {name!r} as a take of {_title(motion)}, but {what}.")
            left.remove(own[0])
            found.append(own[0])
    if left:
        raise RecordingPlanError(f"The plan names no take for {left[0].called}; add it, or leave the film out.")
    return tuple(found)


def _films_by_name(films: Sequence[Film], words: Sequence[Words], planned: Sequence[PlannedMotion]) -> tuple[Film, ...]:
    """Those whose names say whose take they are."""
    takes: dict[PlannedMotion, dict[tuple[tuple[int, str], ...], Film]] = {motion: {} for motion in planned}
    for film, told in zip(films, words, strict=True):
        motion, rest = _row_of(film, told, planned)
        key = tuple((int(word), "") if word.isdecimal() else (-1, word) for word in rest)
        if (other := takes[motion].setdefault(key, film)) is not film:
            raise RecordingPlanError(
                f"{other.called} and {film.called} are named as the same take of {_title(motion)}; "
                "give each take a number of its own, or leave one film out."
            )
    for motion, found in takes.items():
        if len(found) != motion.takes:
            raise RecordingPlanError(
                f"The plan has {motion.takes} takes of {_title(motion)}, and {len(found)} films are named so; give one "
                "film for each take."
            )
    return tuple(film for found in takes.values() for _, film in sorted(found.items(), key=lambda pair: pair[0]))


def _row_of(film: Film, told: Words, planned: Sequence[PlannedMotion]) -> tuple[PlannedMotion, Words]:
    """The row of the plan that a film's name fits, and the words of the name that are left."""
    places = {motion: _places(told, motion) for motion in planned}
    fitting = {motion: place for motion, place in places.items() if place}
    # "wink" is in "wink-pout", too: the row counts that explains more of the name.
    best = [motion for motion, place in fitting.items() if not any(place < other for other in fitting.values())]
    if not best:
        raise RecordingPlanError(f"{film.called} doesn't name a person and one of their motions in the plan; {_REMEDY}")
    if len(best) > 1:
        raise RecordingPlanError(
            f"By its name {film.called} is a take of {_title(best[0])} as well as of {_title(best[1])}; {_REMEDY}"
        )
    return best[0], tuple(word for number, word in enumerate(told) if number not in fitting[best[0]])


def _places(told: Words, motion: PlannedMotion) -> frozenset[int]:
    """Numbers of the words that name a planned motion, the person before it; none if they don't."""
    subject, name = _parts(motion)
    if not subject or not name or (first := _find(subject, told)) is None:
        return frozenset()
    after = first + len(subject)
    if (second := _find(name, told[after:])) is None:
        return frozenset()
    return frozenset([*range(first, after), *range(after + second, after + second + len(name))])


def _find(part: Words, told: Words) -> int | None:
    """Where a run of words begins in others."""
    return next((n for n in range(len(told) - len(part) + 1) if told[n : n + len(part)] == part), None)


def _parts(motion: PlannedMotion) -> tuple[Words, Words]:
    return _split(motion.subject), _split(motion.motion)


def _words(film: Film) -> Words:
    suffix = film.path.suffix
    return _split(film.called.removesuffix(suffix) if suffix.lower() in SUFFIXES else film.called)


def _split(text: str) -> Words:
    """Words of a name, whatever stands between them."""
    return tuple(re.findall(r"[^\W_]+", _one_form(text).casefold()))


def _one_form(name: str) -> str:
    """File systems keep letters with marks in two forms; this is one of them."""
    return unicodedata.normalize("NFC", name)


def _title(motion: PlannedMotion) -> str:
    return f"{motion.motion} by {motion.subject}"
