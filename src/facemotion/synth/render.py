"""One state of a person becomes one picture.

Order of drawing: the sheet with hair and background, then, with a z-buffer, the hollow of the mouth, gums, teeth, the
eyeballs and the face. All is drawn `OVERSAMPLE` times larger and brought down, which smooths lips, lids and teeth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.head import INDEX, FloatArray, HeadModel, IntArray
from facemotion.synth.layers import LOWER, UPPER
from facemotion.synth.person import Person, scaled
from facemotion.synth.raster import blend_shapes, draw_coloured, draw_sheet, draw_textured, vertex_normals

OVERSAMPLE = 1.5
PIVOT = np.array([0.0, -6.0, -1.0], np.float32)  # the head turns about the upper neck, cm
GAZE_DEGREES = {"Up": 22.0, "Down": 24.0, "In": 28.0, "Out": 30.0}  # of the eyeball at weight 1 of eyeLook


@dataclass(frozen=True, eq=False)
class Light:
    """Light on a face, in camera coordinates: brightness = ambient + direction . normal.

    Attributes:
        ambient: about 0.6..1. direction: (3,) float32, length up to about 0.6.
        colour: (3,) float32 factors of red, green, blue on everything. background: the same on what is far away.
    """

    ambient: float
    direction: FloatArray
    colour: FloatArray
    background: FloatArray


@dataclass(frozen=True, eq=False)
class State:
    """One moment.

    Attributes:
        weights: (S,) float32 of the expression shapes. rotation: (3, 3) float32 of the head against the portrait's.
        offset: (3,) float32 cm, of the head. light: on it.
        zoom: pixels of the picture per pixel of the portrait. centre: (2,) portrait pixels in the picture's middle.
        roll: radians by which the camera is turned.
    """

    weights: FloatArray
    rotation: FloatArray
    offset: FloatArray
    light: Light
    zoom: float
    centre: FloatArray
    roll: float = 0.0


class Renderer:
    """Draws one person at one picture size."""

    def __init__(self, head: HeadModel, person: Person, width: int, height: int, zoom: float) -> None:
        """`zoom` is about the zoom of the states to come; it sets the sharpness of the pictures drawn from."""
        self.head, self.width, self.height = head, width, height
        self.person = scaled(person, min(1.0, 1.35 * zoom * OVERSAMPLE))
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
        self._lash = np.broadcast_to((0.22 * tone).astype(np.uint8), (2, 2, 3)).copy()
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
        return points, self._screen(points, state)

    def _screen(self, points: FloatArray, state: State) -> FloatArray:
        return on_screen(self.person, points, state, self.width, self.height)

    def draw(self, state: State) -> FloatArray:
        """(H, W, 3) float32 0..255 picture of the state."""
        points, screen = self.geometry(state)
        width, height = round(self.width * OVERSAMPLE), round(self.height * OVERSAMPLE)
        factor = np.array([width / self.width, height / self.height, 1], np.float32)
        screen = screen * factor
        picture = np.zeros((height, width, 3), np.float32)
        depth = np.full((height, width), -1e9, np.float32)
        layers = self.person.layers
        self._draw_sheet(points, state, factor[:2], picture)
        opening = self._mouth_opening(points)
        if opening > 0.1:
            self._draw_mouth(points, screen, state, opening, picture, depth)
        attributes = self._attributes
        rotation = state.rotation @ self.person.rotation
        normals = vertex_normals(self.head.face, points @ rotation.T, self.head.faces_count)
        attributes[:, 5:8] = shade(self.person, self.person.normals, normals, state.light)
        turned = self.person.normals @ state.rotation.T
        resting = shade(self.person, self.person.normals, turned, state.light)
        attributes[:, 4] = 0
        for side in range(2):
            # A lid turns down as it closes; the lamp that lit the open one would leave it dark.
            blink = float(
                state.weights[INDEX["eyeBlink_" + "LR"[side]]] + 0.6 * state.weights[INDEX["eyeLookDown_" + "LR"[side]]]
            )
            ratio = np.clip((blink - 0.12) / 0.55, 0, 1)
            attributes[:, 4] += self.person.lid[side, : self.head.faces_count] * np.float32(
                ratio * ratio * (3 - 2 * ratio)
            )
            calm = self.person.lid[side, : self.head.faces_count, None] * np.float32(0.7 * min(blink, 1.0))
            attributes[:, 5:8] += calm * (resting - attributes[:, 5:8])
            # The upper lid lies on the lower one, also where a squint pushes that up.
            screen[: self.head.faces_count, 2] += self._upper[side] * np.float32(0.8 * ratio)
            if blink < 1.05:
                self._draw_eye(
                    side, points, state, factor, float(attributes[self.head.landmarks[27], 5]), picture, depth
                )
        count = self.head.faces_count
        # Where the skin turns away it melts into what lies behind, as in any photograph.
        edge = np.clip((normals[:, 2] - 0.02) / 0.22, 0, 1)
        attributes[:, 8] = self._opacity * np.maximum(edge, self._hollow)
        draw_textured(self._face, screen[:count], attributes, layers.open, layers.closed, True, picture, depth)
        for side, suffix in enumerate("LR"):
            self._draw_lashes(side, screen, float(state.weights[INDEX["eyeBlink_" + suffix]]), picture, depth)
        return shrink(picture, self.height, self.width)

    def _draw_sheet(self, points: FloatArray, state: State, factor: FloatArray, picture: FloatArray) -> None:
        person, sheet = self.person, self.person.sheet
        rotation = state.rotation @ person.rotation
        face = in_portrait(person, points[sheet.vertices], rotation, state.offset) - person.places[sheet.vertices]
        still = in_portrait(person, sheet.shell, person.rotation, np.zeros(3, np.float32))
        shell = (in_portrait(person, sheet.shell, rotation, state.offset) - still) * sheet.share[:, None]
        places = sheet.places + sheet.displaced(np.concatenate([face, shell]))
        screen = (to_picture(places, state, self.width, self.height) * factor).astype(np.float32)
        lit = shade(person, self._dome, self._dome, state.light)
        near = sheet.nearness[:, None]
        table = self._sheet_attributes
        table[:, 2:5] = near * lit + (1 - near) * state.light.background
        draw_sheet(sheet.triangles, screen, table, person.layers.open, picture)

    def _mouth_opening(self, points: FloatArray) -> float:
        """Largest gap between the lips, cm."""
        marks = self.head.landmarks
        return float(np.max(points[marks[[61, 62, 63]], 1] - points[marks[[67, 66, 65]], 1]))

    def _draw_mouth(
        self,
        points: FloatArray,
        screen: FloatArray,
        state: State,
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
        rotation = state.rotation @ self.person.rotation
        lips = points[head.landmarks[[62, 66]]].mean(0)
        inside = points[head.faces_count :]
        # Light falls in between the lips: it fades with the way inside and with the way from the opening's middle.
        behind = np.maximum(lips[2] - 0.8 - inside[:, 2], 0)
        fade = np.exp(-np.square(inside[:, 0] / 3.0)) * (0.8 + 0.2 * min(opening / 0.8, 1.0))
        # ... and the upper lip throws a shadow on the teeth right below it.
        upper = points[head.landmarks[62], 1]
        fade *= 0.74 + 0.26 * np.clip((upper - inside[:, 1] + 0.1) / 0.55, 0, 1)
        # Roots reach up behind the nostrils, which are holes, and down behind the chin: what is near the lips counts.
        low = points[head.landmarks[66], 1]
        near = np.zeros(len(points), bool)
        near[head.faces_count :] = (inside[:, 1] < upper + 0.6) & (inside[:, 1] > low - 0.6)
        for triangles, tone, back, reach in (
            (head.gums, np.array([0.74, 0.40, 0.38], np.float32), 0.5, 1.7 + 1.1 * opening),
            (head.teeth, np.array([1.02, 0.96, 0.86], np.float32), 0.3, 3.2 + 1.2 * opening),
        ):
            normals = vertex_normals(triangles, points @ rotation.T, len(points))[head.faces_count :]
            bright = 0.62 + 0.42 * np.clip(0.25 * normals[:, 1] + normals[:, 2], 0, 1)
            colours = np.zeros((len(points), 3), np.float32)
            colours[head.faces_count :] = (white * tone) * (bright * fade * np.exp(-behind / reach))[:, None]
            placed = screen.copy()
            placed[:, 2] -= np.float32(back)
            draw_coloured(
                np.ascontiguousarray(triangles[near[triangles].any(1)]), placed, colours, True, picture, depth
            )

    def _draw_eye(
        self,
        side: int,
        points: FloatArray,
        state: State,
        factor: FloatArray,
        bright: float,
        picture: FloatArray,
        depth: FloatArray,
    ) -> None:
        person = self.person
        turn = gaze_rotation(state.weights, side)
        ball = self._ball @ turn.T
        screen = self._screen((person.eyes[side] + person.eye_radius * ball).astype(np.float32), state) * factor
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
        layers = person.layers
        draw_textured(
            self._ball_triangles, screen.astype(np.float32), table, layers.bare, layers.open, True, picture, depth
        )

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
        y = ball[:, 1] * self.person.eye_radius + self.person.eyes[side, 1]
        x = ball[:, 0] * self.person.eye_radius + self.person.eyes[side, 0]
        corners = [LOWER[side][0], LOWER[side][-1]]
        shadow = np.ones(len(ball), np.float32)
        for lid, depth, reach in ((UPPER[side], 0.5, 0.22), (LOWER[side][1:-1], 0.25, 0.12)):
            line = points[self.head.mesh[[*corners, *lid]]]
            line = line[np.argsort(line[:, 0])]
            distance = np.abs(np.interp(x, line[:, 0], line[:, 1]) - y)
            shadow *= 1 - np.float32(depth) * np.exp(-np.square(distance / reach)).astype(np.float32)
        return shadow[:, None]


def in_portrait(person: Person, points: FloatArray, rotation: FloatArray, offset: FloatArray) -> FloatArray:
    """Portrait pixels (P, 2) of points (P, 3) in head coordinates, for a head turned to `rotation` and moved."""
    turned = (points - PIVOT) @ rotation.T + PIVOT @ person.rotation.T + offset
    flip = np.array([person.scale, -person.scale], np.float32)
    return np.asarray(turned[:, :2] * flip + person.shift, np.float32)


def to_picture(places: FloatArray, state: State, width: int, height: int) -> FloatArray:
    """Pixels of a picture (P, 2) from portrait pixels."""
    c, s = np.cos(state.roll) * state.zoom, np.sin(state.roll) * state.zoom
    turn = np.array([[c, s], [-s, c]], np.float32)
    return np.asarray((places - state.centre) @ turn + np.array([width / 2, height / 2], np.float32), np.float32)


def on_screen(person: Person, points: FloatArray, state: State, width: int, height: int) -> FloatArray:
    """(P, 3) of points (P, 3) in head coordinates: x, y in pixels of the picture, z in cm towards the camera."""
    rotation = state.rotation @ person.rotation
    places = in_portrait(person, points, rotation, state.offset)
    depth = (points - PIVOT) @ rotation[2]
    return np.concatenate([to_picture(places, state, width, height), depth[:, None]], 1).astype(np.float32)


def shade(person: Person, before: FloatArray, after: FloatArray, light: Light) -> FloatArray:
    """Factors (N, 3) that turn the portrait's light on normals `before` into `light` on normals `after`, both (N, 3) in
    camera coordinates."""
    old = person.light[0] + before @ person.light[1:]
    new = light.ambient + after @ light.direction
    ratio = np.clip(np.maximum(new, 0.12) / np.maximum(old, 0.25), 0.5, 1.5)
    return np.asarray(ratio[:, None] * light.colour, np.float32)


def gaze_rotation(weights: FloatArray, side: int) -> FloatArray:
    """(3, 3) rotation of an eyeball in the head for the eyeLook weights; side 0 is the subject's left."""
    suffix = "LR"[side]
    pitch = (
        weights[INDEX["eyeLookUp_" + suffix]] * GAZE_DEGREES["Up"]
        - weights[INDEX["eyeLookDown_" + suffix]] * GAZE_DEGREES["Down"]
    )
    out = (
        weights[INDEX["eyeLookOut_" + suffix]] * GAZE_DEGREES["Out"]
        - weights[INDEX["eyeLookIn_" + suffix]] * GAZE_DEGREES["In"]
    )
    yaw = np.radians(out if side == 0 else -out)
    pitch = np.radians(pitch)
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
    return np.asarray(about_y @ about_x, np.float32)


def shrink(picture: FloatArray, height: int, width: int) -> FloatArray:
    """Bring a picture (H, W, 3) down to (height, width, 3), float32."""
    from PIL import Image

    # Lanczos: a box of 1.5 pixels blurs and aliases, which told renders from photographs.
    small = Image.fromarray(np.clip(picture + 0.5, 0, 255).astype(np.uint8)).resize(
        (width, height), Image.Resampling.LANCZOS
    )
    return np.asarray(small, np.float32)


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
