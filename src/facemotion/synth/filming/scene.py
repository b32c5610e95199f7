"""Where and how a take is filmed: pose, light and framing of one session, and the moments of its frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facemotion.config import option
from facemotion.synth.filming.view import Light, State
from facemotion.synth.people.fit import rodrigues
from facemotion.synth.people.head import FloatArray, HeadModel
from facemotion.synth.people.person import Person
from facemotion.synth.performance.involuntary import TICK
from facemotion.synth.performance.takes import Take


@dataclass(frozen=True)
class SceneSettings:
    """Spreads of sessions and cameras."""

    width: int = option(224, "width of a frame", unit="px", minimum=64, maximum=1280)
    height: int = option(224, "height of a frame", unit="px", minimum=64, maximum=1280)
    nearest: float = option(0.6, "tallest face, brows to chin, over the frame's height", minimum=0.2, maximum=0.9)
    farthest: float = option(0.4, "smallest face", minimum=0.1, maximum=0.9)
    yaw_degrees: float = option(
        5.0, "standard deviation of a session's yaw; pitch and roll have half", unit="degrees", minimum=0, maximum=10
    )
    most_degrees: float = option(20.0, "no pose is turned further", unit="degrees", minimum=1, maximum=25)
    take_degrees: float = option(
        0.0, "standard deviation of a take's pitch and yaw round its session's", unit="degrees", minimum=0, maximum=10
    )
    take_size: float = option(0.0, "sigma of the face's size between takes of a session", minimum=0, maximum=0.3)
    take_light: float = option(0.0, "sigma of exposure between takes of a session", minimum=0, maximum=0.3)
    exposure_drift: float = option(
        0.03, "standard deviation, over sessions, of how far exposure drifts within a take", minimum=0, maximum=0.2
    )
    sway: float = option(1.0, "how far the upper body sways within a take, relative", minimum=0, maximum=3)
    light: float = option(0.3, "longest direction added to the portrait's light", minimum=0, maximum=0.6)
    exposure: float = option(0.12, "sigma of exposure between sessions", minimum=0, maximum=0.5)
    white_balance: float = option(0.05, "sigma of red against blue", minimum=0, maximum=0.3)
    slowest: float = option(15.0, "lowest frame rate", unit="frames/s", minimum=5, maximum=60)
    fastest: float = option(30.0, "highest frame rate", unit="frames/s", minimum=5, maximum=60)
    jitter: float = option(0.12, "sigma of a frame's delay, in frame intervals", minimum=0, maximum=0.45)
    dropped: float = option(0.01, "share of frames that the camera drops", minimum=0, maximum=0.3)
    noise: float = option(2.5, "median sensor noise at mid grey", unit="grey levels", minimum=0, maximum=20)
    softness: float = option(0.5, "share of cameras that see fewer pixels than delivered", minimum=0, maximum=1)
    jpeg: float = option(0.5, "share of cameras that compress each frame as JPEG", minimum=0, maximum=1)

    def __post_init__(self) -> None:
        if self.nearest < self.farthest:
            raise ValueError("nearest must not lie below farthest: the nearer face is the taller one")
        if self.fastest < self.slowest:
            raise ValueError("fastest must not lie below slowest")


# What no setting says. Nothing measured is behind these numbers; they make sessions as varied as webcams look.
LIGHT_SPREAD = (1.0, 0.7, 0.4)  # of the added direction of light along x, y and z, relative
PORTRAIT_LIGHT = 0.75  # share of the direction of the portrait's light that stays
TINT_SHARE = 1 / 4  # sigma of green against the rest, over that of red against blue
FASTEST_SHARE = 0.45  # of cameras that run at the highest rate
HALF_YAW = 0.5  # of the sigma of yaw, for pitch and roll
MOST_POSE = 12  # degrees of a session's pose
PLACE_SIGMA = 0.035  # of the face's place, frame heights
AMBIENT_MEAN, AMBIENT_SIGMA, AMBIENT_RANGE = 0.95, 0.07, (0.7, 1.1)  # of the portrait's brightness
COLOUR_RANGE, BACKGROUND_RANGE = (0.6, 1.4), (0.5, 1.5)  # gains
BACKGROUND_SIGMA = 0.1  # of the logarithm of the background's brightness against the face's
NOISE_SIGMA = 0.5  # of the logarithm of the sensor's noise
SOFTNESS_RANGE = (0.5, 0.95)  # pixels seen over pixels delivered, of soft cameras
JPEG_QUALITIES = (35, 93)  # at least the first, below the second
DRIFT_SECONDS = 3.0  # period of the exposure's drift within a take
TAKE_ROLL = 0.6  # of the spread of a take's pitch and yaw, for roll
SHUTTER_SHARE, LONGEST_SHUTTER = (0.25, 0.8), 1 / 40  # of a frame's time; seconds
READOUT_RANGE = (0.01, 0.03)  # seconds
SHAKE_MEAN = 0.002  # of the camera from frame to frame, frame heights
MOST_VIGNETTE = 0.18
MOST_JITTER = 0.4  # frame intervals: frames stay in order
LEAST_AMBIENT = 0.3
HAIR_ROOM = 0.14  # face heights by which the middle of the frame lies above that of the face: room for hair
# Slow movement of the upper body: rates in Hz, sigmas in cm along x, y and z, and the relative size of a second wave of
# twice the rate.
SWAY_RATES, SWAY_SIGMAS, SWAY_OVERTONE = (0.15, 0.5), (0.35, 0.2, 0.2), 0.4
NOSE_TIP = (0, 6.0, 12.0)  # approximate, in head coordinates, cm


@dataclass(frozen=True, eq=False)
class Session:
    """One recording session of one person, the same for all its takes.

    Attributes:
        pose: (3,) float32 degrees of pitch (up), yaw (to the subject's left), roll.
        size: face height over frame height.
        place: (2,) float32 frame heights, the face's middle off the frame's.
        ambient: factor on the portrait's brightness.
        light: (3,) float32 direction added to the portrait's light.
        colour: (3,) float32 gains of red, green and blue.
        background: (3,) float32 gains on what is far away.
        rate: frames/s.
        noise: standard deviation of the sensor's noise at mid grey, grey levels.
        sharpness: pixels seen over pixels delivered, 0.5..1.
        quality: JPEG quality, 0 where frames aren't compressed.
        drift: relative exposure drift within a take.
        shutter: seconds for which the shutter is open.
        readout: seconds from the top row to the bottom one.
        shake: movement of the camera from frame to frame, frame heights.
        vignette: loss of light in the corners, 0..1.
    """

    pose: FloatArray
    size: float
    place: FloatArray
    ambient: float
    light: FloatArray
    colour: FloatArray
    background: FloatArray
    rate: float
    noise: float
    sharpness: float
    quality: int
    drift: float
    shutter: float
    readout: float
    shake: float
    vignette: float


def make_session(random: np.random.Generator, settings: SceneSettings) -> Session:
    """Draw a session.

    Args:
        random: generator of the session's own.
        settings: spreads of sessions and cameras.
    """
    turn = settings.yaw_degrees
    direction = random.standard_normal(3) * LIGHT_SPREAD
    direction *= random.uniform(0, settings.light) / np.linalg.norm(direction)
    exposure = float(np.exp(random.normal(0, settings.exposure)))
    # Lamps differ along one line, from warm to cold; green tints are rarer.
    warm, tint = random.normal(0, settings.white_balance), random.normal(0, settings.white_balance * TINT_SHARE)
    balance = np.exp([warm, tint, -warm])
    rate = random.uniform(settings.slowest, settings.fastest)
    if random.random() < FASTEST_SHARE:
        rate = settings.fastest
    return Session(
        pose=np.clip(
            random.standard_normal(3) * [turn * HALF_YAW, turn, turn * HALF_YAW], -MOST_POSE, MOST_POSE
        ).astype(np.float32),
        size=float(random.uniform(settings.farthest, settings.nearest)),
        place=(random.standard_normal(2) * PLACE_SIGMA).astype(np.float32),
        ambient=float(np.clip(random.normal(AMBIENT_MEAN, AMBIENT_SIGMA), *AMBIENT_RANGE)),
        light=direction.astype(np.float32),
        colour=np.clip(exposure * balance, *COLOUR_RANGE).astype(np.float32),
        background=np.clip(exposure * balance * np.exp(random.normal(0, BACKGROUND_SIGMA)), *BACKGROUND_RANGE).astype(
            np.float32
        ),
        rate=float(rate),
        noise=float(settings.noise * np.exp(random.normal(0, NOISE_SIGMA))),
        sharpness=float(random.uniform(*SOFTNESS_RANGE)) if random.random() < settings.softness else 1.0,
        quality=int(random.integers(*JPEG_QUALITIES)) if random.random() < settings.jpeg else 0,
        drift=float(random.normal(0, settings.exposure_drift)),
        shutter=float(min(random.uniform(*SHUTTER_SHARE) / rate, LONGEST_SHUTTER)),
        readout=float(random.uniform(*READOUT_RANGE)),
        shake=float(random.exponential(SHAKE_MEAN)),
        vignette=float(random.uniform(0, MOST_VIGNETTE)),
    )


@dataclass(frozen=True, eq=False)
class Shot:
    """The moments that the camera keeps of a take.

    Attributes:
        times: (T,) float64 seconds from 0, in whole milliseconds.
        states: T states to be drawn.
        speed: (T, 2) float32 pixels/s of the head in the picture.
        phase: (T,) uint8 as in Take.
        exposure: (T,) float32 factors.
    """

    times: NDArray[np.float64]
    states: tuple[State, ...]
    speed: FloatArray
    phase: NDArray[np.uint8]
    exposure: FloatArray


def frame_times(
    seconds: float, session: Session, settings: SceneSettings, random: np.random.Generator
) -> NDArray[np.float64]:
    """Times of the frames of a take.

    Args:
        seconds: length of the take.
        session: session of the camera.
        settings: spreads of cameras.
        random: generator of the frames' own.
    Returns:
        (T,) float64 seconds, whole milliseconds, strictly increasing, the first 0; T is 2 or more.
    """
    count = max(2, int(seconds * session.rate))
    delays = random.normal(0, settings.jitter, count).clip(-MOST_JITTER, MOST_JITTER)
    times = (np.arange(count) + delays) / session.rate
    keep = random.random(count) >= settings.dropped
    keep[:2] = True
    times = np.maximum(times[keep], 0)
    return np.asarray(np.round((times - times[0]) * 1000) / 1000)


@dataclass(frozen=True, eq=False)
class Moments:
    """What a performance does at the times of the frames; it may be drawn with any person.

    Attributes:
        times: (T,) float64 seconds from 0, whole milliseconds.
        weights: (T, S) float32 weights of the shapes.
        turn: (T, 3) float32 degrees of pitch, yaw and roll against the portrait's pose.
        phase: (T,) uint8 as in Take.
        nearer: factor on the size of the session's face.
        brighter: factor on the session's exposure.
    """

    times: NDArray[np.float64]
    weights: FloatArray
    turn: FloatArray
    phase: NDArray[np.uint8]
    nearer: float = 1.0
    brighter: float = 1.0


def sample(take: Take, session: Session, settings: SceneSettings, random: np.random.Generator) -> Moments:
    """Take a performance at the moments of the frames.

    Args:
        take: the performance.
        session: session in which it is filmed.
        settings: spreads of sessions and cameras.
        random: generator of the frames' own.
    """
    times = frame_times(take.seconds, session, settings, random)
    index = np.minimum((times / TICK).astype(int), len(take.times) - 2)
    part = (times / TICK - index).astype(np.float32)[:, None]
    weights = take.weights[index] * (1 - part) + take.weights[index + 1] * part
    turn = take.head[index] * (1 - part) + take.head[index + 1] * part + session.pose
    nearer = brighter = 1.0
    # No random number is drawn if nobody moves between takes. So seeds of sets from before this setting mean the same.
    if settings.take_degrees or settings.take_size or settings.take_light:
        turn = turn + random.standard_normal(3) * settings.take_degrees * [1, 1, TAKE_ROLL]
        nearer, brighter = np.exp(random.standard_normal(2) * [settings.take_size, settings.take_light])
    turn = np.clip(turn, -settings.most_degrees, settings.most_degrees)
    return Moments(
        times, weights.astype(np.float32), turn.astype(np.float32), take.phase[index], float(nearer), float(brighter)
    )


def film(
    moments: Moments,
    person: Person,
    head: HeadModel,
    session: Session,
    settings: SceneSettings,
    random: np.random.Generator,
) -> Shot:
    """Decide what each frame shows.

    Args:
        moments: what the performer does.
        person: who performs.
        head: the model.
        session: session in which it is filmed.
        settings: spreads of sessions and cameras.
        random: generator of the shot's own.
    """
    times = moments.times
    sway = _sway(random, times) * np.float32(settings.sway)
    zoom, centre = framing(person, head, replace(session, size=session.size * moments.nearer), settings)
    shake = np.cumsum(random.standard_normal((len(times), 2)), 0) * session.shake * settings.height / zoom
    direction = person.light[1:] * np.float32(PORTRAIT_LIGHT) + session.light
    # A face seen from the front stays as bright as the session's exposure says, wherever the light comes from.
    front = float(person.light[0] + person.light[3]) * session.ambient
    light = Light(
        max(front - float(direction[2]), LEAST_AMBIENT),
        direction,
        session.colour,
        session.background,
    )
    drift = moments.brighter * (1 + session.drift * np.sin(2 * np.pi * (times / DRIFT_SECONDS + random.random())))
    states = [
        State(
            weights=np.ascontiguousarray(weights),
            rotation=rotation(turn),
            offset=sway[k],
            light=light,
            zoom=zoom,
            centre=(centre + shake[k]).astype(np.float32),
        )
        for k, (weights, turn) in enumerate(zip(moments.weights, moments.turn, strict=True))
    ]
    nose = np.array([_nose(state, person) for state in states], np.float32)
    speed = np.zeros(nose.shape)
    if len(times) > 1:
        speed = np.gradient(nose, axis=0) / np.maximum(np.gradient(times), 1e-3)[:, None]
    return Shot(times, tuple(states), speed.astype(np.float32), moments.phase, drift.astype(np.float32))


def rotation(degrees: FloatArray) -> FloatArray:
    """Rotation of a head.

    Args:
        degrees: (3,) pitch (up), yaw (to the subject's left), roll (to the subject's left shoulder).
    Returns:
        (3, 3) float32.
    """
    pitch, yaw, roll = np.radians(degrees)
    turn = (
        rodrigues(np.array([0.0, yaw, 0.0]))
        @ rodrigues(np.array([-pitch, 0.0, 0.0]))
        @ rodrigues(np.array([0.0, 0.0, -roll]))
    )
    return np.asarray(turn, np.float32)


def framing(person: Person, head: HeadModel, session: Session, settings: SceneSettings) -> tuple[float, FloatArray]:
    """Frame a person; the frame stays inside the portrait where that is large enough.

    Args:
        person: who is filmed.
        head: the model.
        session: size and place of the face.
        settings: size of the frames.
    Returns:
        Pixels of the frame for each pixel of the portrait, and the portrait pixel in the middle of the frame, (2,)
        float32.
    """
    marks = person.places[head.landmarks]
    tall = float(np.ptp(marks[:, 1]))
    width, height = person.size
    zoom = max(session.size * settings.height / tall, settings.width / width, settings.height / height)
    centre = marks.mean(0) + np.array([0, -HAIR_ROOM * tall]) + session.place * settings.height / zoom
    half = np.array([settings.width, settings.height]) / (2 * zoom)
    size = np.array([width, height])
    return zoom, np.clip(centre, half, size - half).astype(np.float32)


def _sway(random: np.random.Generator, times: NDArray[np.float64]) -> FloatArray:
    """(T, 3) cm of slow movement of the upper body."""
    phase, rate = random.uniform(0, 2 * np.pi, (2, 3)), random.uniform(*SWAY_RATES, (2, 3))
    size = np.abs(random.normal(0, 1, 3)) * SWAY_SIGMAS
    wave = np.sin(2 * np.pi * times[:, None] * rate[0] + phase[0]) + SWAY_OVERTONE * np.sin(
        4 * np.pi * times[:, None] * rate[1] + phase[1]
    )
    return np.asarray(wave * size, np.float32)


def _nose(state: State, person: Person) -> FloatArray:
    """(2,) float32 pixels of the tip of the nose, off the middle of the frame."""
    turned = state.rotation @ person.rotation @ np.array(NOSE_TIP, np.float32) + state.offset
    return np.asarray(
        (turned[:2] * np.array([1, -1], np.float32) * person.scale - state.centre) * state.zoom, np.float32
    )
