"""Messages of the live socket, as pydantic models; docs/reference/service.md lists them.

Frames are the one kind of message that is binary (`frames.py`). Everything else is one JSON object, told apart by its
fields.
"""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar

from fastapi import WebSocket
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from facemotion.errors import FormError
from facemotion.service.problems import Message
from facemotion.service.settings import USER_PATTERN
from facemotion.service.studies import Progress
from facemotion.signals import RATE


class FromClient(Message):
    """Base of what the client says: values aren't converted, so that `{"done": 1}` is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Hello(FromClient):
    """The first message of a verification or an enrolment. The nonce alone says who may do this."""

    user: str = Field(pattern=USER_PATTERN, description="Name of the user that the nonce was given for.")
    nonce: str = Field(
        max_length=256, pattern=r"^[\x00-\x7f]*$", description="From createNonce, for this user and purpose."
    )
    purpose: Literal["verify", "enrol", "enrol-again"] = Field(description="What the nonce was given for.")


class TryHello(FromClient):
    """The first message of a session that compares two takes and forgets them; needs no nonce."""

    purpose: Literal["try"] = Field(description="No user is named and nothing is stored.")


class StudyHello(FromClient):
    """The first message of somebody who takes part in a study, and agreed to its text. Its nonce is from pageNonce."""

    user: str = Field(pattern=USER_PATTERN, description="Name of the user.")
    nonce: str = Field(max_length=256, pattern=r"^[\x00-\x7f]*$", description="From pageNonce, for a study.")
    purpose: Literal["study"] = Field(description="Takes of one motion are recorded and kept.")
    consent: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the text that the user agreed to.")


class Go(FromClient):
    """The motion begins now. Frames of the user finding their place are forgotten."""

    go: Literal[True] = Field(description="Sent again, it forgets the frames since the last one.")


class Done(FromClient):
    """The take ends; frames that still wait are dropped."""

    done: Literal[True] = Field(description="Judge the take.")


class Store(FromClient):
    """The takes of an enrolment are complete; they are stored now and never before."""

    enrol: Literal[True] = Field(description="Store the takes that count.")


class FrameGuidance(Message):
    """The answer to a frame that was looked at."""

    guidance: str = Field(description="Name of the guidance, such as CLOSER or GO.")
    message: str = Field(description="What to tell the user, in English.")
    box: tuple[float, float, float, float] | None = Field(
        description="The face: left, top, right, bottom in shares of width and height; null where there is none."
    )
    resting: bool = Field(description="Whether the face is back at rest after its motion; end a take no sooner.")
    moving: bool = Field(
        description="Whether the face moves in the newest frames. Don't praise the user for holding still then."
    )
    frames: int = Field(description="Frames of this take so far that show a face.")
    dropped: int = Field(description="Frames of this session that were dropped because they came too fast.")
    turned: bool = Field(
        description="Whether this frame has another width or height than the earlier frames of the take, for example "
        "because a phone was turned. The earlier frames are forgotten, and the user must begin the take again."
    )
    min_rate: float = Field(description="Fewest frames a second with the face that a motion needs.")


class StepAsked(Message):
    """After the motion of a verification, where the settings say so: show this step, then send Done again."""

    challenge: Literal["look-left", "look-right", "look-up", "open-mouth"] = Field(
        description="Which one; left and right are the user's own."
    )
    message: str = Field(description="What to tell the user, in English.")
    seconds: float = Field(description="How long it may take.")


class StudyTake(Message):
    """What somebody in a study does next: at the beginning, and once a take was kept."""

    motion: str = Field(description="Name of the motion; empty where all takes are kept.")
    take: int = Field(description="Number of its next take, from 1.")
    takes: int = Field(description="How many takes of each motion there are.")
    kept: int = Field(description="Takes that this session kept so far.")
    of: int = Field(description="All takes of the study.")

    @classmethod
    def of_progress(cls, progress: Progress) -> StudyTake:
        """Where somebody is in a study.

        Args:
            progress: of theirs.
        """
        motion, takes = progress.motion, progress.motions[0].takes
        name = motion.motion if motion else ""
        return cls(motion=name, take=progress.take, takes=takes, kept=progress.kept, of=progress.of)


class LiveVerdict(Message):
    """The end of a verification."""

    accepted: bool = Field(description="Pass or fail.")
    dropped: int = Field(description="As in FrameGuidance.")


class TakeLimits(Message):
    """The first message to a client that enrols."""

    min_takes: int = Field(description="Fewest takes of an enrolment.")
    max_takes: int = Field(description="Most takes of an enrolment.")


class TakeKept(Message):
    """A take of an enrolment counts."""

    takes: int = Field(description="Takes that count so far.")
    size: float = Field(
        description="How large the motion is, 0 to 1: its energy divided by three times `weak_energy`. "
        "It doesn't say how many other people would choose this motion."
    )
    warnings: list[str] = Field(description="Why the motion is easy to guess.")
    dropped: int = Field(description="As in FrameGuidance.")


class TakeRefused(Message):
    """A take of an enrolment isn't like the others."""

    takes: int = Field(description="Takes that still count.")
    again: str = Field(description="Why one take doesn't count any more, and what to do.")


class LiveEnrolled(Message):
    """The takes are stored."""

    enrolled: Literal[True] = Field(default=True, description="Only this message says that the takes are stored.")
    takes: int = Field(description="Takes that were stored.")
    warnings: list[str] = Field(description="As in Enrolled of REST.")


class FirstTake(Message):
    """The first of two takes to compare was recorded."""

    takes: Literal[1] = Field(default=1, description="The second take is answered by a Comparison.")
    dropped: int = Field(description="As in FrameGuidance.")


class Comparison(Message):
    """Two takes beside each other."""

    match: bool = Field(description="Whether the motions alone would pass.")
    score: float = Field(description="Cosine of the two motions, -1..1.")
    threshold: float = Field(description="Least cosine that passes.")
    curves: tuple[list[float], list[float]] = Field(
        description=f"Of each take: how far the face is from rest, {RATE:g} points a second; "
        "the largest motion of both is 1."
    )
    pairs: list[tuple[float, float, float]] = Field(
        description="Moments that belong together: seconds in the first take, seconds in the second, "
        "their difference, 0 to 1."
    )


Kind = TypeVar("Kind")
FIRST = TypeAdapter[Hello | TryHello | StudyHello](Hello | TryHello | StudyHello)
COMMAND = TypeAdapter[Go | Done | Store](Go | Done | Store)


def read_first(text: str) -> Hello | TryHello | StudyHello:
    """The first message of a session.

    Args:
        text: of the message; "" where it was binary.
    Raises:
        FormError: it isn't one of these.
    """
    return _read(
        FIRST,
        text,
        "The first message is a JSON object of user, nonce, and verify, enrol or enrol-again as purpose (study with "
        "consent, too), or of try as purpose alone; see docs/reference/service.md.",
    )


def read_command(text: str) -> Go | Done | Store:
    """A message about a take.

    Args:
        text: of the message.
    Raises:
        FormError: it isn't one of these.
    """
    return _read(
        COMMAND,
        text,
        'After the first message send {"go": true}, frames, then {"done": true}; {"enrol": true} stores the takes.',
    )


def _read(kinds: TypeAdapter[Kind], text: str, wanted: str) -> Kind:
    """A message of one of these kinds; `wanted` says what to send in place of any other."""
    try:
        return kinds.validate_python(_json(text))
    except ValidationError as error:
        raise FormError(wanted) from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormError("A text message must be JSON.") from error


async def send(socket: WebSocket, message: Message) -> None:
    """Send a message as one JSON object.

    Raises:
        WebSocketDisconnect, RuntimeError: the client went away.
    """
    await socket.send_json(message.model_dump())
