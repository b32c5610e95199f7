"""One state of a person becomes one picture.

Order of drawing: the sheet with hair and background, then, with a z-buffer, the hollow of the mouth, gums, teeth, the
eyeballs and the face. All is drawn `OVERSAMPLE` times larger and brought down, which smooths lips, lids and teeth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.drawing.raster import draw_coloured, draw_sheet, draw_textured, pack
from facemotion.synth.drawing.resample import Shrinker
from facemotion.synth.drawing.vertices import (
    blend_blocks,
    blend_shapes,
    busy_blocks,
    darken_along,
    light_mouth,
    light_skin,
    vertex_normals,
)
from facemotion.synth.filming.view import State, View, dimming, gaze_rotation, in_portrait, on_screen, shade, to_picture
from facemotion.synth.people.head import INDEX, FloatArray, HeadModel, IntArray
from facemotion.synth.people.layers import LOWER, UPPER
from facemotion.synth.people.person import Person, scaled

OVERSAMPLE = 1.5


class Renderer:
    """Draws one person at one picture size."""

    def __init__(self, head: HeadModel, person: Person, width: int, height: int, zoom: float) -> None:
        """`zoom` is about the zoom of the states to come; it sets the sharpness of the pictures drawn from."""
        self.head, self.width, self.height = head, width, height
        self._drawn = round(height * OVERSAMPLE), round(width * OVERSAMPLE)
        self._shrink = Shrinker(self._drawn, (height, width))
        self.person = scaled(person, min(1.0, 1.35 * zoom * OVERSAMPLE))
        layers = self.person.layers
        self._open, self._closed, self._bare = pack(layers.open), pack(layers.closed), pack(layers.bare)
        texture = np.float32(self.person.layers.open.shape[1] / person.size[0])
        count = head.faces_count
        attributes = np.zeros((count, 9), np.float32)
        attributes[:, 0:2] = person.places[:count] * texture
        attributes[:, 2:4] = person.closed_places[:count] * texture
        chin = np.clip((head.neutral[:count, 1] + 10.5) / 2.5, 0, 1)
        # What lies behind the ears was never seen; the sheet shows it better.
        front = _smooth(np.clip((head.neutral[:count, 2] - 0.8) / 2.0, 0, 1))
        attributes[:, 8] = (
            _smooth(np.clip((head.rim[:count] - 0.3) / 1.8, 0, 1))
            * _smooth(chin)
            * front
            * _smooth(np.clip((person.normals[:, 2] - 0.05) / 0.3, 0, 1))
        )
        self._face = np.ascontiguousarray(head.face[(attributes[head.face, 8] > 0).any(1)])
        # All that touches a vertex of those: what their normals hang on.
        self._round = np.ascontiguousarray(head.face[np.isin(head.face, self._face).any(1)])
        self._attributes = attributes
        self._opacity = attributes[:, 8].copy()
        # Lips, lids and nostrils turn away too, but must stay opaque.
        self._hollow = np.clip((5.8 - np.abs(head.neutral[:count, 0])) / 1.2, 0, 1).astype(np.float32)
        self._upper = [
            np.clip(-person.expression[INDEX["eyeBlink_" + suffix], :count, 1] / 0.25, 0, 1) for suffix in "LR"
        ]
        limit = np.array(person.size) - 1
        sheet = person.sheet
        self._sheet_attributes = np.zeros((len(sheet.places), 5), np.float32)
        self._sheet_attributes[:, 0:2] = sheet.places * texture
        self._dome = self._dome_normals()
        self._dome_dimmed, self._dimmed = dimming(person, self._dome), dimming(person, person.normals)
        self._shell = in_portrait(person, sheet.shell, person.rotation, np.zeros(3, np.float32))
        self._busy = busy_blocks(person.expression)
        self._picture = np.empty((*self._drawn, 3), np.float32)
        self._depth = np.empty(self._drawn, np.float32)
        self._ball, self._ball_triangles = _ball()
        self._ball_attributes = []
        for side in range(2):
            points = person.eyes[side] + person.eye_radius * self._ball
            table = np.zeros((len(points), 9), np.float32)
            table[:, 0:2] = in_portrait(person, points, person.rotation, np.zeros(3, np.float32)) * texture
            table[:, 2:4] = table[:, 0:2]
            table[:, 8] = 1
            self._ball_attributes.append(table)
        tone = person.layers.closed[tuple(np.clip(person.places[head.landmarks[27]], 0, limit).astype(int)[::-1])]
        self._lash = pack(np.broadcast_to((0.22 * tone).astype(np.uint8), (2, 2, 3)))
        loop = head.mouth_loop
        fan = np.arange(len(loop), dtype=np.int32)
        self._fan = np.stack([np.full_like(fan, len(loop)), fan, np.roll(fan, -1)], 1).astype(np.int32)
        self._ivory = _eye_white(person)
        marks = person.places[head.landmarks[[50, 51, 52, 56, 57, 58]]].astype(int)
        x, y = np.clip(marks, 0, limit).T
        self._lips = (0.45 * person.layers.open[y, x].mean(0)).astype(np.float32)

    def _dome_normals(self) -> FloatArray:
        """Normals of a dome over the head, for the light on hair and ears."""
        person = self.person
        middle = person.places[self.head.landmarks[27]]
        radius = person.scale * 13
        offset = (person.sheet.places - middle) / radius
        length = np.linalg.norm(offset, axis=1, keepdims=True)
        offset = offset / np.maximum(length / 0.8, 1)
        z = np.sqrt(1 - np.square(offset).sum(1))
        return np.stack([offset[:, 0], -offset[:, 1], z], 1).astype(np.float32)

    def geometry(self, state: State) -> tuple[FloatArray, FloatArray]:
        """Vertices (V, 3) in head coordinates, and (V, 3) on screen: x, y in pixels of the picture, z in cm towards the
        camera."""
        person = self.person
        points = blend_shapes(person.neutral, person.expression, state.weights)
        return points, on_screen(person, points, state, self.width, self.height)

    def draw(self, state: State) -> FloatArray:
        """(H, W, 3) float32 picture of the state, whole grey levels 0..255."""
        head, person, count = self.head, self.person, self.head.faces_count
        points = blend_blocks(person.neutral, person.expression, self._busy, state.weights)
        view = View(person, state, self.width, self.height, self._drawn)
        screen = view.place(points)
        picture, depth = self._picture, self._depth
        picture.fill(0)
        depth.fill(-1e9)
        self._draw_sheet(points, state, view, picture)
        opening = self._mouth_opening(points)
        if opening > 0.1:
            self._draw_mouth(points, screen, state, view, opening, picture, depth)
        blinks = [
            float(state.weights[INDEX["eyeBlink_" + suffix]] + 0.6 * state.weights[INDEX["eyeLookDown_" + suffix]])
            for suffix in "LR"
        ]
        shut = np.clip((np.array(blinks, np.float32) - 0.12) / 0.55, 0, 1)
        attributes = self._attributes
        light_skin(
            attributes,
            vertex_normals(self._round, points, count),
            person.normals,
            self._dimmed,
            # Light and line of sight are turned into the head's coordinates, not thousands of normals out of them.
            (view.rotation.T @ state.light.direction).astype(np.float32),
            (state.rotation.T @ state.light.direction).astype(np.float32),
            view.rotation[2],
            np.float32(state.light.ambient),
            state.light.colour,
            self._opacity,
            self._hollow,
            person.lid,
            _smooth(shut).astype(np.float32),
            # A lid turns down as it closes; the lamp that lit the open one would leave it dark.
            np.array([0.7 * min(blink, 1.0) for blink in blinks], np.float32),
        )
        bright = float(attributes[head.landmarks[27], 5])
        for side in range(2):
            if shut[side] > 0:
                # The upper lid lies on the lower one, also where a squint pushes that up.
                screen[:count, 2] += self._upper[side] * np.float32(0.8 * shut[side])
            if blinks[side] < 1.05:
                self._draw_eye(side, points, state, view, bright, picture, depth)
        draw_textured(self._face, screen, attributes, self._open, self._closed, True, picture, depth)
        for side, suffix in enumerate("LR"):
            self._draw_lashes(side, screen, float(state.weights[INDEX["eyeBlink_" + suffix]]), picture, depth)
        return self._shrink(picture)

    def _draw_sheet(self, points: FloatArray, state: State, view: View, picture: FloatArray) -> None:
        person, sheet = self.person, self.person.sheet
        face = in_portrait(person, points[sheet.vertices], view.rotation, state.offset) - person.places[sheet.vertices]
        shell = in_portrait(person, sheet.shell, view.rotation, state.offset) - self._shell
        places = sheet.places + sheet.displaced(np.concatenate([face, shell * sheet.share[:, None]]))
        factor = np.array([picture.shape[1] / self.width, picture.shape[0] / self.height], np.float32)
        screen = to_picture(places, state, self.width, self.height) * factor
        lit = shade(self._dome_dimmed, self._dome, state.light)
        near = sheet.nearness[:, None]
        table = self._sheet_attributes
        table[:, 2:5] = near * lit + (1 - near) * state.light.background
        draw_sheet(sheet.triangles, screen, table, self._open, picture)

    def _mouth_opening(self, points: FloatArray) -> float:
        """Largest gap between the lips, cm."""
        marks = self.head.landmarks
        return float(np.max(points[marks[[61, 62, 63]], 1] - points[marks[[67, 66, 65]], 1]))

    def _draw_mouth(
        self,
        points: FloatArray,
        screen: FloatArray,
        state: State,
        view: View,
        opening: float,
        picture: FloatArray,
        depth: FloatArray,
    ) -> None:
        head, light = self.head, state.light
        loop = screen[head.mouth_loop]
        centre = loop.mean(0, keepdims=True)
        fan = np.concatenate([loop, centre]).astype(np.float32)
        fan[:, 2] -= 6.0
        white = self._ivory * light.colour * (light.ambient / max(float(self.person.light[0]), 0.3))
        # Between lips that barely part one sees lip; the wider they part, the more of the dark behind.
        deep = min(max((opening - 0.1) / 0.6, 0.0), 1.0)
        hollow = (1 - deep) * self._lips * light.colour + deep * white * np.array([0.16, 0.07, 0.065], np.float32)
        dark = np.ascontiguousarray(np.broadcast_to(hollow, (len(fan), 3)), np.float32)
        draw_coloured(self._fan, fan, dark, False, picture, depth)
        lips = points[head.landmarks[[62, 66]]]
        for triangles, tone, back, reach in (
            (head.gums, np.array([0.74, 0.40, 0.38], np.float32), 0.5, 1.7 + 1.1 * opening),
            (head.teeth, np.array([1.02, 0.96, 0.86], np.float32), 0.3, 3.2 + 1.2 * opening),
        ):
            shown, colours = light_mouth(
                triangles, points, lips, view.rotation, (white * tone).astype(np.float32), opening, reach
            )
            placed = screen.copy()
            placed[:, 2] -= np.float32(back)
            draw_coloured(shown, placed, colours, True, picture, depth)

    def _draw_eye(
        self,
        side: int,
        points: FloatArray,
        state: State,
        view: View,
        bright: float,
        picture: FloatArray,
        depth: FloatArray,
    ) -> None:
        person = self.person
        turn = gaze_rotation(state.weights, side)
        ball = self._ball @ turn.T
        screen = view.place((person.eyes[side] + person.eye_radius * ball).astype(np.float32))
        screen[:, 2] -= np.float32(0.18)
        table = self._ball_attributes[side]
        table[:, 5:8] = (
            state.light.colour * np.float32(np.clip(bright, 0.6, 1.3)) * self._lid_shadow(side, points, ball)
        )
        # At rest the photograph itself is the best eye; painted whites are for where it shows none.
        moved = (
            np.abs(turn - np.eye(3, dtype=np.float32)).max() * 6 + state.weights[INDEX["eyeWide_" + "LR"[side]]] * 2.5
        )
        table[:, 4] = max(0.0, 1 - float(moved))
        draw_textured(self._ball_triangles, screen, table, self._bare, self._open, True, picture, depth)

    def _draw_lashes(self, side: int, screen: FloatArray, blink: float, picture: FloatArray, depth: FloatArray) -> None:
        """A soft dark line along the edge of a shut lid, where a squint would hide the lashes of the texture."""
        dark = 0.6 * min(max((blink - 0.6) / 0.3, 0.0), 1.0)
        if dark <= 0:
            return
        edge = screen[self.head.mesh[[LOWER[side][0], *UPPER[side], LOWER[side][-1]]]]
        x = np.linspace(edge[:, 0].min(), edge[:, 0].max(), 25)
        width, middle = float(x[-1] - x[0]), float(x.mean())
        y = np.polyval(np.polyfit((edge[:, 0] - middle) / width, edge[:, 1], 3), (x - middle) / width)
        strip = np.zeros((3, len(x), 3), np.float32)
        strip[..., 0], strip[..., 2] = x, edge[:, 2].max() + 1
        strip[..., 1] = y + np.array([[-0.025], [0.005], [0.05]]) * width
        table = np.zeros((3, len(x), 9), np.float32)
        table[..., 5:8] = 1
        table[1, :, 8] = dark * np.sqrt(1 - np.square(np.linspace(-1, 1, len(x))))
        index = np.arange(3 * len(x), dtype=np.int32).reshape(3, len(x))
        a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
        triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
        points, attributes = strip.reshape(-1, 3), table.reshape(-1, 9)
        draw_textured(triangles, points, attributes, self._lash, self._lash, False, picture, depth)

    def _lid_shadow(self, side: int, points: FloatArray, ball: FloatArray) -> FloatArray:
        """Factors (P, 1) by which the lids darken the eyeball along their edges."""
        where = ball * np.float32(self.person.eye_radius) + self.person.eyes[side]
        corners = [LOWER[side][0], LOWER[side][-1]]
        shadow = np.ones(len(ball), np.float32)
        for lid, depth, reach in ((UPPER[side], 0.5, 0.22), (LOWER[side][1:-1], 0.25, 0.12)):
            line = points[self.head.mesh[[*corners, *lid]]]
            darken_along(shadow, where, line[np.argsort(line[:, 0])], np.float32(depth), np.float32(reach))
        return shadow[:, None]


def _smooth(value: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(value * value * (3 - 2 * value))


def _ball() -> tuple[FloatArray, IntArray]:
    """The front of a unit sphere: points (P, 3) and triangles."""
    steps = np.radians(np.linspace(-68, 68, 17))
    yaw, pitch = np.meshgrid(steps, steps)
    points = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], -1).reshape(-1, 3)
    index = np.arange(17 * 17).reshape(17, 17)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return points.astype(np.float32), triangles.astype(np.int32)


def _eye_white(person: Person) -> FloatArray:
    """(3,) colour of the white of the eyes: what white looks like in the portrait's light, for the teeth."""
    tones = []
    for side in range(2):
        x, y = person.places[:, 0][person.lid[side] > 0.9], person.places[:, 1][person.lid[side] > 0.9]
        picture = person.layers.bare[int(y.min()) : int(y.max()) + 1, int(x.min()) : int(x.max()) + 1].reshape(-1, 3)
        if len(picture):
            luma = picture.mean(1)
            tones.append(picture[luma >= np.percentile(luma, 80)].mean(0))
    tone = np.mean(tones, axis=0) if tones else np.array([190.0, 182.0, 175.0])
    # Eyes in the shade of their lids are too dark a witness: teeth are never darker than well-lit skin.
    height, width = person.layers.open.shape[:2]
    x = np.clip(person.places[:, 0].astype(int), 0, width - 1)
    y = np.clip(person.places[:, 1].astype(int), 0, height - 1)
    skin = float(np.percentile(person.layers.open[y, x].mean(1), 75))
    tone = tone * max(1.05, 1.08 * skin / max(float(tone.mean()), 1.0))
    return np.asarray(np.clip(0.5 * tone + 0.5 * tone.mean(), 110, 235), np.float32)
