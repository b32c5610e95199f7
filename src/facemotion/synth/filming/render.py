"""One state of a person becomes one picture.

Order of drawing: the sheet with hair and background, then, with a z-buffer, the hollow of the mouth, gums, teeth, the
eyeballs and the face. All is drawn `OVERSAMPLE` times larger and brought down, which smooths lips, lids and teeth.

Lengths are cm of the head model. Numbers without a reference were set by looking at renders; nothing measured is behind
them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.drawing.raster import (
    ALPHA,
    ATTRIBUTES,
    BLUE,
    MIX,
    RED,
    SHEET_ATTRIBUTES,
    SHEET_BLUE,
    SHEET_RED,
    SHEET_U,
    SHEET_V,
    U2,
    V2,
    Canvas,
    Ramp,
    Textures,
    U,
    V,
    draw_coloured,
    draw_sheet,
    draw_textured,
    pack,
)
from facemotion.synth.drawing.resample import Shrinker
from facemotion.synth.drawing.vertices import (
    Lids,
    MouthLight,
    Skin,
    SkinLight,
    blend_blocks,
    blend_shapes,
    busy_blocks,
    light_mouth,
    light_skin,
    vertex_normals,
)
from facemotion.synth.filming.eyes import ball, eye_white, lash_opacity, lash_strip, lid_shadow
from facemotion.synth.filming.view import State, View, dimming, gaze_rotation, in_portrait, on_screen, shade, to_picture
from facemotion.synth.people.head import INDEX, FloatArray, HeadModel
from facemotion.synth.people.layers import LOWER, UPPER
from facemotion.synth.people.person import Person, scaled

OVERSAMPLE = 1.5
TEXTURE_SHARPNESS = 1.35  # pixels of the source pictures for each pixel drawn
FARTHEST = -1e9  # cm: behind all that is drawn

# Marks of the 68-point scheme.
NOSE_BRIDGE = 27
UPPER_LIP, LOWER_LIP = [61, 62, 63], [67, 66, 65]  # inner edges, matching points
LIP_MIDDLES = [62, 66]
OUTER_LIPS = [50, 51, 52, 56, 57, 58]

# Where the face's own texture is opaque. What lies beyond is shown by the sheet, which knows it better.
RIM = Ramp(0.3, 1.8)  # distance from the border of the face along the skin
CHIN = Ramp(-10.5, 2.5)  # height
FRONT = Ramp(0.8, 2.0)  # depth; what lies behind the ears was never seen
FACING = Ramp(0.05, 0.3)  # cosine between the skin and the line of sight of the portrait
HOLLOW = Ramp(5.8, -1.2)  # distance from the middle of the face; lips, lids and nostrils turn away and stay opaque

DOME_RADIUS = 13  # of the dome over the head that stands for hair and ears under light
DOME_EDGE = 0.8  # share of the radius beyond which the dome falls no further

# Lids.
LID_TRAVEL = 0.25  # by which a blink moves those vertices that belong wholly to the upper lid
LOOKING_DOWN = 0.6  # share of a blink in a gaze that goes down
SHUT = Ramp(0.12, 0.55)  # sum of blink and gaze down; where the picture with closed lids is shown
LID_CALM = 0.7  # share of its light that a closing lid keeps from when it was open, though it turns down
LID_IN_FRONT = 0.8  # by which a shut upper lid lies in front of the lower one, also where a squint pushes that up
ALL_SHUT = 1.05  # sum of blink and gaze down from which on no eyeball is drawn

# Eyeballs.
BALL_BEHIND = 0.18  # behind its place, so that the lids lie in front
DARKEST_EYE, BRIGHTEST_EYE = 0.6, 1.3  # factors of light
# At rest the photograph itself is the best eye. Painted whites are shown where it has none: their share for each unit
# of the gaze's rotation matrix, and for each unit of eyeWide.
GAZE_BARES, WIDE_BARES = 6, 2.5

# Mouth.
PARTED = 0.1  # gap between the lips from which on the mouth is drawn
DEEP = Ramp(0.1, 0.6)  # gap; between lips that barely part one sees lip, then more and more of the dark behind
FAN_BEHIND = 6.0  # from the lips to the back of the hollow
HOLLOW_TONE = (0.16, 0.07, 0.065)  # of white: red, green and blue of the back of the mouth
LIP_TONE = 0.45  # brightness between lips that barely part, over that of the lips
LASH_TONE = 0.22  # brightness of lashes over that of the skin at the bridge of the nose
DARKEST_PORTRAIT = 0.3  # the state's ambient light is divided by the portrait's, which counts as at least this


@dataclass(frozen=True)
class Inside:
    """Teeth or gums.

    Attributes:
        tone: red, green and blue over the white of the eyes.
        behind: cm by which they lie behind their place in the model.
        reach: cm behind the lips at which light has faded to 1/e.
        opened: cm of reach for each cm of the gap between the lips.
    """

    tone: tuple[float, float, float]
    behind: float
    reach: float
    opened: float


GUMS = Inside(tone=(0.74, 0.40, 0.38), behind=0.5, reach=1.7, opened=1.1)
TEETH = Inside(tone=(1.02, 0.96, 0.86), behind=0.3, reach=3.2, opened=1.2)


@dataclass(frozen=True, eq=False)
class _Pose:
    """One state, worked out.

    Attributes:
        state: the state.
        view: its camera.
        points: (V, 3) float32 vertices in head coordinates.
        screen: (V, 3) float32 vertices on the canvas.
    """

    state: State
    view: View
    points: FloatArray
    screen: FloatArray


class Renderer:
    """Draws one person at one picture size."""

    def __init__(self, head: HeadModel, person: Person, width: int, height: int, zoom: float) -> None:
        """Prepare what stays the same from frame to frame.

        Args:
            head: the model.
            person: who is drawn.
            width: width of the pictures, pixels.
            height: height of the pictures, pixels.
            zoom: about the zoom of the states to come; it sets the sharpness of the pictures drawn from.
        """
        self.head, self.width, self.height = head, width, height
        self._drawn = round(height * OVERSAMPLE), round(width * OVERSAMPLE)
        self._shrink = Shrinker(self._drawn, (height, width))
        self._canvas = Canvas(np.empty((*self._drawn, 3), np.float32), np.empty(self._drawn, np.float32))
        self.person = scaled(person, min(1.0, TEXTURE_SHARPNESS * zoom * OVERSAMPLE))
        layers = self.person.layers
        self._open, self._closed, self._bare = pack(layers.open), pack(layers.closed), pack(layers.bare)
        texture = np.float32(self.person.layers.open.shape[1] / person.size[0])
        self._prepare_face(texture)
        self._prepare_sheet(texture)
        self._prepare_eyes(texture)
        self._prepare_mouth()
        self._prepare_tones(person)

    def _prepare_face(self, texture: np.float32) -> None:
        head, person, count = self.head, self.person, self.head.faces_count
        attributes = np.zeros((count, ATTRIBUTES), np.float32)
        attributes[:, U : V + 1] = person.places[:count] * texture
        attributes[:, U2 : V2 + 1] = person.closed_places[:count] * texture
        attributes[:, ALPHA] = (
            _smooth(RIM(head.rim[:count]))
            * _smooth(CHIN(head.neutral[:count, 1]))
            * _smooth(FRONT(head.neutral[:count, 2]))
            * _smooth(FACING(person.normals[:, 2]))
        )
        self._face = np.ascontiguousarray(head.face[(attributes[head.face, ALPHA] > 0).any(1)])
        # All triangles that touch a vertex of the visible ones: their normals depend on these.
        self._round = np.ascontiguousarray(head.face[np.isin(head.face, self._face).any(1)])
        self._attributes = attributes
        self._skin = Skin(
            person.normals,
            dimming(person, person.normals),
            attributes[:, ALPHA].copy(),
            HOLLOW(np.abs(head.neutral[:count, 0])).astype(np.float32),
            person.lid,
        )
        self._upper = [
            np.clip(-person.expression[INDEX["eyeBlink_" + suffix], :count, 1] / LID_TRAVEL, 0, 1) for suffix in "LR"
        ]
        self._busy = busy_blocks(person.expression)

    def _prepare_sheet(self, texture: np.float32) -> None:
        sheet = self.person.sheet
        self._sheet_attributes = np.zeros((len(sheet.places), SHEET_ATTRIBUTES), np.float32)
        self._sheet_attributes[:, SHEET_U : SHEET_V + 1] = sheet.places * texture
        self._dome = self._dome_normals()
        self._dome_dimmed = dimming(self.person, self._dome)
        self._shell = in_portrait(self.person, sheet.shell, self.person.rotation, np.zeros(3, np.float32))

    def _prepare_eyes(self, texture: np.float32) -> None:
        person = self.person
        self._ball, self._ball_triangles = ball()
        self._ball_attributes = []
        for side in range(2):
            points = person.eyes[side] + person.eye_radius * self._ball
            table = np.zeros((len(points), ATTRIBUTES), np.float32)
            table[:, U : V + 1] = in_portrait(person, points, person.rotation, np.zeros(3, np.float32)) * texture
            table[:, U2 : V2 + 1] = table[:, U : V + 1]
            table[:, ALPHA] = 1
            self._ball_attributes.append(table)

    def _prepare_mouth(self) -> None:
        loop = self.head.mouth_loop
        fan = np.arange(len(loop), dtype=np.int32)
        self._fan = np.stack([np.full_like(fan, len(loop)), fan, np.roll(fan, -1)], 1).astype(np.int32)

    def _prepare_tones(self, person: Person) -> None:
        """Colours of lashes, teeth and lips, from the pictures at their full size."""
        places = np.clip(person.places[self.head.landmarks].astype(int), 0, np.array(person.size) - 1)
        x, y = places[NOSE_BRIDGE]
        lash = pack(np.broadcast_to((LASH_TONE * person.layers.closed[y, x]).astype(np.uint8), (2, 2, 3)))
        self._lash = Textures(lash, lash)
        self._ivory = eye_white(person)
        x, y = places[OUTER_LIPS].T
        self._lips = (LIP_TONE * person.layers.open[y, x].mean(0)).astype(np.float32)

    def _dome_normals(self) -> FloatArray:
        """Normals of a dome over the head, for the light on hair and ears."""
        person = self.person
        middle = person.places[self.head.landmarks[NOSE_BRIDGE]]
        radius = person.scale * DOME_RADIUS
        offset = (person.sheet.places - middle) / radius
        length = np.linalg.norm(offset, axis=1, keepdims=True)
        offset = offset / np.maximum(length / DOME_EDGE, 1)
        z = np.sqrt(1 - np.square(offset).sum(1))
        return np.stack([offset[:, 0], -offset[:, 1], z], 1).astype(np.float32)

    def geometry(self, state: State) -> tuple[FloatArray, FloatArray]:
        """Work out where the vertices are.

        Args:
            state: moment to be drawn.
        Returns:
            Vertices (V, 3) float32 in head coordinates, and (V, 3) float32 on screen: x, y in pixels of the picture, z
            in cm towards the camera.
        """
        person = self.person
        points = blend_shapes(person.neutral, person.expression, state.weights)
        return points, on_screen(person, points, state, self.width, self.height)

    def draw(self, state: State) -> FloatArray:
        """Draw a state.

        Args:
            state: moment to be drawn.
        Returns:
            (H, W, 3) float32, whole grey levels 0..255.
        """
        head, person, canvas = self.head, self.person, self._canvas
        points = blend_blocks(person.neutral, person.expression, self._busy, state.weights)
        view = View(person, state, self.width, self.height, self._drawn)
        pose = _Pose(state, view, points, view.place(points))
        canvas.picture.fill(0)
        canvas.depth.fill(FARTHEST)
        self._draw_sheet(pose)
        opening = self._mouth_opening(points)
        if opening > PARTED:
            self._draw_mouth(pose, opening)
        blinks = [
            float(
                state.weights[INDEX["eyeBlink_" + suffix]]
                + LOOKING_DOWN * state.weights[INDEX["eyeLookDown_" + suffix]]
            )
            for suffix in "LR"
        ]
        shut = SHUT(np.array(blinks, np.float32))
        self._light_face(pose, blinks, shut)
        bright = float(self._attributes[head.landmarks[NOSE_BRIDGE], RED])
        for side in range(2):
            if shut[side] > 0:
                pose.screen[: head.faces_count, 2] += self._upper[side] * np.float32(LID_IN_FRONT * shut[side])
            if blinks[side] < ALL_SHUT:
                self._draw_eye(side, pose, bright)
        draw_textured(self._face, pose.screen, self._attributes, Textures(self._open, self._closed), True, canvas)
        for side, suffix in enumerate("LR"):
            self._draw_lashes(side, pose.screen, float(state.weights[INDEX["eyeBlink_" + suffix]]))
        return self._shrink(canvas.picture)

    def _light_face(self, pose: _Pose, blinks: list[float], shut: NDArray[np.floating]) -> None:
        light = pose.state.light
        light_skin(
            self._attributes,
            vertex_normals(self._round, pose.points, self.head.faces_count),
            self._skin,
            # Light and line of sight are turned into the head's coordinates. To turn thousands of normals would
            # cost more.
            SkinLight(
                (pose.view.rotation.T @ light.direction).astype(np.float32),
                (pose.state.rotation.T @ light.direction).astype(np.float32),
                pose.view.rotation[2],
                np.float32(light.ambient),
                light.colour,
            ),
            Lids(
                _smooth(shut).astype(np.float32),
                np.array([LID_CALM * min(blink, 1.0) for blink in blinks], np.float32),
            ),
        )

    def _draw_sheet(self, pose: _Pose) -> None:
        person, sheet, state = self.person, self.person.sheet, pose.state
        rotation, height, width = pose.view.rotation, *self._drawn
        face = in_portrait(person, pose.points[sheet.vertices], rotation, state.offset) - person.places[sheet.vertices]
        shell = in_portrait(person, sheet.shell, rotation, state.offset) - self._shell
        places = sheet.places + sheet.displaced(np.concatenate([face, shell * sheet.share[:, None]]))
        factor = np.array([width / self.width, height / self.height], np.float32)
        screen = to_picture(places, state, self.width, self.height) * factor
        lit = shade(self._dome_dimmed, self._dome, state.light)
        near = sheet.nearness[:, None]
        table = self._sheet_attributes
        table[:, SHEET_RED : SHEET_BLUE + 1] = near * lit + (1 - near) * state.light.background
        draw_sheet(sheet.triangles, screen, table, self._open, self._canvas.picture)

    def _mouth_opening(self, points: FloatArray) -> float:
        """Largest gap between the lips, cm."""
        marks = self.head.landmarks
        return float(np.max(points[marks[UPPER_LIP], 1] - points[marks[LOWER_LIP], 1]))

    def _draw_mouth(self, pose: _Pose, opening: float) -> None:
        head, light = self.head, pose.state.light
        loop = pose.screen[head.mouth_loop]
        fan = np.concatenate([loop, loop.mean(0, keepdims=True)]).astype(np.float32)
        fan[:, 2] -= FAN_BEHIND
        white = self._ivory * light.colour * (light.ambient / max(float(self.person.light[0]), DARKEST_PORTRAIT))
        deep = float(DEEP(opening))
        hollow = (1 - deep) * self._lips * light.colour + deep * white * np.array(HOLLOW_TONE, np.float32)
        dark = np.ascontiguousarray(np.broadcast_to(hollow, (len(fan), 3)), np.float32)
        draw_coloured(self._fan, fan, dark, False, self._canvas)
        lips = pose.points[head.landmarks[LIP_MIDDLES]]
        for triangles, inside in ((head.gums, GUMS), (head.teeth, TEETH)):
            tone = (white * np.array(inside.tone, np.float32)).astype(np.float32)
            lit = MouthLight(tone, opening, inside.reach + inside.opened * opening)
            shown, colours = light_mouth(triangles, pose.points, lips, pose.view.rotation, lit)
            placed = pose.screen.copy()
            placed[:, 2] -= np.float32(inside.behind)
            draw_coloured(shown, placed, colours, True, self._canvas)

    def _draw_eye(self, side: int, pose: _Pose, bright: float) -> None:
        person, weights = self.person, pose.state.weights
        turn = gaze_rotation(weights, side)
        turned = self._ball @ turn.T
        screen = pose.view.place((person.eyes[side] + person.eye_radius * turned).astype(np.float32))
        screen[:, 2] -= np.float32(BALL_BEHIND)
        table = self._ball_attributes[side]
        table[:, RED : BLUE + 1] = (
            pose.state.light.colour
            * np.float32(np.clip(bright, DARKEST_EYE, BRIGHTEST_EYE))
            * lid_shadow(self.head, person, side, pose.points, turned)
        )
        moved = (
            np.abs(turn - np.eye(3, dtype=np.float32)).max() * GAZE_BARES
            + weights[INDEX["eyeWide_" + "LR"[side]]] * WIDE_BARES
        )
        table[:, MIX] = max(0.0, 1 - float(moved))
        textures = Textures(self._bare, self._open)
        draw_textured(self._ball_triangles, screen, table, textures, True, self._canvas)

    def _draw_lashes(self, side: int, screen: FloatArray, blink: float) -> None:
        opacity = lash_opacity(blink)
        if opacity <= 0:
            return
        edge = screen[self.head.mesh[[LOWER[side][0], *UPPER[side], LOWER[side][-1]]]]
        triangles, points, attributes = lash_strip(edge, opacity)
        draw_textured(triangles, points, attributes, self._lash, False, self._canvas)


def _smooth(value: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(value * value * (3 - 2 * value))
