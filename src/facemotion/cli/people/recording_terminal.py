"""The terminal as it talks to people before a camera: guidance in one live line, questions, what became of a take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.text import Text

from facemotion.cli.terminal.console import quality_line
from facemotion.errors import RecordingPlanError, UsageError
from facemotion.recorder.recording_plan import TAKES, PlannedMotion, check_name
from facemotion.recorder.sitting import Choice

if TYPE_CHECKING:
    from rich.status import Status

    from facemotion.recorder.consent import ConsentText
    from facemotion.recorder.film_take import FilmedTake, View
    from facemotion.recorder.recorded_clips import RecordedClips
    from facemotion.recorder.sitting import PlannedTake
    from facemotion.types import QualityReport


class TerminalAttendant:
    """Talks to whoever is recorded; see facemotion.recorder.sitting.Attendant.

    On a terminal the guidance is one line that changes; elsewhere each new sentence is a line on standard error.

    Args:
        asks: whether somebody is there to answer.
        films: stand in the camera's place: nobody needs guidance.
        quiet: say nothing, as with --json.
    """

    def __init__(self, *, asks: bool, films: bool, quiet: bool) -> None:
        self._asks, self._films, self._quiet = asks, films, quiet
        self._told = Console(soft_wrap=True, quiet=quiet)
        self._live = Console(stderr=True, soft_wrap=True, quiet=quiet)
        self._status: Status | None = None
        self._sentence = ""
        self._going = False

    @property
    def states_consent(self) -> bool:
        """Whether nobody is asked."""
        return not self._asks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.end_line()

    def agrees(self, subject: str, text: ConsentText) -> bool:
        """Show the text and ask, unless nobody is asked."""
        if not self._asks:
            return True
        self._live.print(Text(f"\n{text.text.strip()}\n"))
        return (ask(f"{subject}, do you agree? [y/N]") or "").strip().lower() in ("y", "yes")

    def begin(self, take: PlannedTake) -> None:
        """Say whose turn it is; before a camera wait for Enter."""
        motion = take.motion
        self._sentence, self._going = "", False
        if self._films:
            return
        self._live.print(Text(f"{motion.subject}, {motion.motion}, take {take.number} of {motion.takes}", "bold"))
        if self._asks and ask("Press Enter when you are ready.") is None:
            raise UsageError("Nobody answers; give --yes to record without questions.")

    def show(self, view: View) -> None:
        """Show guidance, whether a face is seen, and the camera's rate."""
        if self._films:
            return
        if view.going and not self._going and self._live.is_terminal:
            self._live.bell()  # whoever looks at the camera doesn't read
        self._going = view.going
        if not self._live.is_terminal:
            if view.sentence != self._sentence:
                self._live.print(Text(view.sentence))
            self._sentence = view.sentence
            return
        face = "face seen" if view.face else "no face"
        self._line(f"{view.sentence}  ({face}, {view.rate:.0f} frames/s)")

    def judging(self) -> None:
        """Say that the take is over."""
        if self._live.is_terminal:
            self._line("Done. The take is being looked at ...")

    def refuse(self, take: PlannedTake, reason: str) -> None:
        """Say why a take can't be used, and that it is made again."""
        self.end_line()
        if not self._films:  # which are listed at the end
            self._live.print(Text("That take can't be used. ", "yellow") + Text(f"{reason} It is made again."))

    def choose(self, take: PlannedTake, filmed: FilmedTake, quality: QualityReport) -> Choice:
        """Show how the take is and ask whether to keep it."""
        self.end_line()
        motion, film = take.motion, f" ({Path(take.film).name})" if take.film else ""
        self._told.print(
            Text(f"  {motion.subject}, {motion.motion}, take {take.number}{film}: can be used; {quality_line(quality)}")
        )
        if filmed.dropped:
            self._live.print(
                Text(f"  {filmed.dropped} frames came faster than they could be written; choose a smaller --size.")
            )
        if not self._asks:
            return Choice.KEEP
        other = "n leaves it out" if self._films else "r records it again"
        while True:
            answer = ask(f"Enter keeps it, {other}, s stops:")
            if answer is None:
                raise UsageError(
                    "Nobody answers whether to keep the take; give --yes to keep every take that can be used."
                )
            choices = {"": Choice.KEEP, "y": Choice.KEEP, "n": Choice.REPEAT, "r": Choice.REPEAT, "s": Choice.STOP}
            if (choice := choices.get(answer.strip().lower())) is not None:
                return choice

    def _line(self, text: str) -> None:
        if self._status is None:
            self._status = self._live.status(Text(text))
            self._status.start()
        else:
            self._status.update(Text(text))

    def end_line(self) -> None:
        """Take the live line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None


def ask(question: str) -> str | None:
    """One line of an answer; None where nobody is there. Ctrl-C goes through, as it wouldn't with Typer's questions."""
    print(question, end=" ", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        print(file=sys.stderr)
        return None
    return line.rstrip("\r\n")


def ask_for_motions(clips: RecordedClips) -> Iterator[PlannedMotion]:
    """Ask who makes which motion how often, until nobody else is named.

    Args:
        clips: whose manifest rules out some names.
    """
    while subject := _ask_name("Who is before the camera? (Enter: nobody else)", "subject"):
        while motion := _ask_name(f"Name of a motion of {subject}? (Enter: no further one)", "motion"):
            takes = (ask(f"How many takes? [{TAKES}]") or "").strip() or str(TAKES)
            try:
                if not takes.isdecimal():
                    raise RecordingPlanError(f"takes must be a whole number, got {takes!r}.")
                planned = PlannedMotion(subject, motion, int(takes))
                clips.check_plan([planned])
            except RecordingPlanError as error:
                print(error, file=sys.stderr)
                continue
            yield planned


def _ask_name(question: str, what: str) -> str:
    """A name that a folder can have, or nothing."""
    while answer := (ask(question) or "").strip():
        try:
            check_name(what, answer)
        except RecordingPlanError as error:
            print(error, file=sys.stderr)
            continue
        return answer
    return ""
