"""What is drawn at the eyes beside the photograph: eyeballs, the shadow of the lids on them, the lashes of a shut lid.

Numbers without a reference were set by looking at renders; they weren't measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.drawing.raster import ALPHA, ATTRIBUTES, BLUE, RED, Ramp, grid_triangles
from facemotion.synth.drawing.vertices import darken_along
from facemotion.synth.people.head import FloatArray, HeadModel, IntArray
from facemotion.synth.people.layers import LOWER, UPPER
from facemotion.synth.people.person import Person

BALL_DEGREES, BALL_STEPS = 68, 17  # degrees from its front to where an eyeball can't show; points across
# Shadow of the lids on an eyeball: share of light lost at the lid's edge, and cm at which the loss has faded to 1/e.
UPPER_SHADOW, LOWER_SHADOW = (0.5, 0.22), (0.25, 0.12)

LASHES = Ramp(0.6, 0.3)  # weight of a blink from which on lashes are drawn
LASH_OPACITY = 0.6
LASH_POINTS = 25  # along the edge of a lid
LASH_ROWS = (-0.025, 0.005, 0.05)  # top, darkest row and bottom of the line, in widths of the lid below its edge

WHITEST = 80  # percentile of the brightness of a bare eye from which on it counts as white
EYE_WHITE = (190.0, 182.0, 175.0)  # red, green, blue where a portrait shows no white at all
LIT_SKIN = 75  # percentile of the brightness of the skin that counts as well lit
LEAST_BRIGHTENING, OVER_SKIN = 1.05, 1.08  # least ratio of the white to the eye's, and to well-lit skin
GREY_SHARE = 0.5  # teeth are less coloured than the eye's white
DARKEST_WHITE, BRIGHTEST_WHITE = 110, 235  # grey levels
LID = 0.9  # share of a lid from which on a vertex lies on it


def ball() -> tuple[FloatArray, IntArray]:
    """Make the front of a unit sphere.

    Returns:
        Points (P, 3) float32 and triangles (N, 3) int32.
    """
    steps = np.radians(np.linspace(-BALL_DEGREES, BALL_DEGREES, BALL_STEPS))
    yaw, pitch = np.meshgrid(steps, steps)
    points = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], -1).reshape(-1, 3)
    return points.astype(np.float32), grid_triangles(BALL_STEPS, BALL_STEPS)


def lid_shadow(head: HeadModel, person: Person, side: int, points: FloatArray, turned: FloatArray) -> FloatArray:
    """Factors by which the lids darken an eyeball along their edges.

    Args:
        head: the model.
        person: whose eye it is.
        side: 0 for the subject's left eye, 1 for the right.
        points: (V, 3) float32 vertices of the head, now.
        turned: (P, 3) float32 points of the ball, turned by the gaze.
    Returns:
        (P, 1) float32.
    """
    where = turned * np.float32(person.eye_radius) + person.eyes[side]
    corners = [LOWER[side][0], LOWER[side][-1]]
    shadow = np.ones(len(turned), np.float32)
    for lid, (depth, reach) in ((UPPER[side], UPPER_SHADOW), (LOWER[side][1:-1], LOWER_SHADOW)):
        line = points[head.mesh[[*corners, *lid]]]
        darken_along(shadow, where, line[np.argsort(line[:, 0])], np.float32(depth), np.float32(reach))
    return shadow[:, None]


def lash_opacity(blink: float) -> float:
    """Opacity 0..1 of the lashes of a lid whose blink has this weight."""
    return LASH_OPACITY * float(LASHES(blink))


def lash_strip(edge: FloatArray, opacity: float) -> tuple[IntArray, FloatArray, FloatArray]:
    """Make a soft dark line along the edge of a shut lid, where a squint would hide the lashes of the texture.

    Args:
        edge: (E, 3) float32 points of the edge on screen.
        opacity: opacity of the darkest part, 0..1.
    Returns:
        Triangles (N, 3), points (P, 3) and attributes (P, 9) as `draw_textured` takes them.
    """
    x = np.linspace(edge[:, 0].min(), edge[:, 0].max(), LASH_POINTS)
    width, middle = float(x[-1] - x[0]), float(x.mean())
    y = np.polyval(np.polyfit((edge[:, 0] - middle) / width, edge[:, 1], 3), (x - middle) / width)
    strip = np.zeros((len(LASH_ROWS), len(x), 3), np.float32)
    strip[..., 0], strip[..., 2] = x, edge[:, 2].max() + 1  # 1 cm in front of the skin, which would hide it
    strip[..., 1] = y + np.array(LASH_ROWS)[:, None] * width
    table = np.zeros((len(LASH_ROWS), len(x), ATTRIBUTES), np.float32)
    table[..., RED : BLUE + 1] = 1
    table[1, :, ALPHA] = opacity * np.sqrt(1 - np.square(np.linspace(-1, 1, len(x))))
    triangles = grid_triangles(len(LASH_ROWS), len(x))
    return triangles, strip.reshape(-1, 3), table.reshape(-1, ATTRIBUTES)


def eye_white(person: Person) -> NDArray[np.float32]:
    """(3,) float32 colour of the white of the eyes: what white looks like in the portrait's light, for the teeth."""
    tones = []
    for side in range(2):
        x, y = person.places[:, 0][person.lid[side] > LID], person.places[:, 1][person.lid[side] > LID]
        picture = person.layers.bare[int(y.min()) : int(y.max()) + 1, int(x.min()) : int(x.max()) + 1].reshape(-1, 3)
        if len(picture):
            luma = picture.mean(1)
            tones.append(picture[luma >= np.percentile(luma, WHITEST)].mean(0))
    tone = np.mean(tones, axis=0) if tones else np.array(EYE_WHITE)
    # Eyes in the shade of their lids are too dark a witness: teeth are never darker than well-lit skin.
    height, width = person.layers.open.shape[:2]
    x = np.clip(person.places[:, 0].astype(int), 0, width - 1)
    y = np.clip(person.places[:, 1].astype(int), 0, height - 1)
    skin = float(np.percentile(person.layers.open[y, x].mean(1), LIT_SKIN))
    tone = tone * max(LEAST_BRIGHTENING, OVER_SKIN * skin / max(float(tone.mean()), 1.0))
    white = (1 - GREY_SHARE) * tone + GREY_SHARE * tone.mean()
    return np.asarray(np.clip(white, DARKEST_WHITE, BRIGHTEST_WHITE), np.float32)
