"""Where a head's points land in a picture, and how light falls on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facemotion.synth.drawing.vertices import place, relight
from facemotion.synth.people.head import INDEX, FloatArray
from facemotion.synth.people.person import Person

PIVOT = np.array([0.0, -6.0, -1.0], np.float32)  # the head turns about the upper neck, cm
GAZE_DEGREES = {"Up": 22.0, "Down": 24.0, "In": 28.0, "Out": 30.0}  # of the eyeball at weight 1 of eyeLook
DARKEST = 0.25  # of the portrait's median brightness: darker shade isn't lit up, since it would show noise


@dataclass(frozen=True, eq=False)
class Light:
    """Light on a face, in camera coordinates: brightness = ambient + direction . normal.

    Attributes:
        ambient: light from everywhere, about 0.6..1.
        direction: (3,) float32 towards the light, of length up to about 0.6.
        colour: (3,) float32 factors of red, green and blue on everything.
        background: (3,) float32 factors on what is far away.
    """

    ambient: float
    direction: FloatArray
    colour: FloatArray
    background: FloatArray


@dataclass(frozen=True, eq=False)
class State:
    """One moment.

    Attributes:
        weights: (S,) float32 weights of the expression shapes.
        rotation: (3, 3) float32 rotation of the head against the portrait's.
        offset: (3,) float32 cm by which the head has moved.
        light: light on the head.
        zoom: pixels of the picture for each pixel of the portrait.
        centre: (2,) float32 portrait pixel in the picture's middle.
        roll: radians by which the camera is turned.
    """

    weights: FloatArray
    rotation: FloatArray
    offset: FloatArray
    light: Light
    zoom: float
    centre: FloatArray
    roll: float = 0.0


class View:
    """The map of `on_screen` for one state, as one affine map. It is for drawing; ground truth uses `on_screen`
    itself."""

    def __init__(self, person: Person, state: State, width: int, height: int, drawn: tuple[int, int]) -> None:
        """Work out the map of one state.

        Args:
            person: who is seen.
            state: the state.
            width: width of the picture, pixels.
            height: height of the picture, pixels.
            drawn: height and width at which the picture is drawn, pixels.
        """
        self.rotation = state.rotation @ person.rotation
        shrink = np.array([drawn[1] / width, drawn[0] / height])[:, None]
        c, s = np.cos(state.roll) * state.zoom, np.sin(state.roll) * state.zoom
        turn = np.array([[c, -s], [s, c]]) * shrink
        flip = np.array([person.scale, -person.scale])
        moved = (PIVOT @ person.rotation.T + state.offset - self.rotation @ PIVOT)[:2] * flip + person.shift
        self._matrix = np.empty((3, 4), np.float32)
        self._matrix[:2, :3] = turn @ (flip[:, None] * self.rotation[:2])
        self._matrix[:2, 3] = turn @ (moved - state.centre) + np.array([drawn[1] / 2, drawn[0] / 2])
        self._matrix[2, :3] = self.rotation[2]
        self._matrix[2, 3] = -self.rotation[2] @ PIVOT

    def place(self, points: FloatArray) -> FloatArray:
        """Show points on the canvas.

        Args:
            points: (P, 3) float32 cm, head coordinates.
        Returns:
            (P, 3) float32: x, y in drawn pixels, z in cm towards the camera.
        """
        return place(points, self._matrix)


def in_portrait(person: Person, points: FloatArray, rotation: FloatArray, offset: FloatArray) -> FloatArray:
    """Show points in the portrait, for a head that has turned and moved.

    Args:
        person: whose head it is.
        points: (P, 3) float32 cm, head coordinates.
        rotation: (3, 3) float32 from the head to the camera.
        offset: (3,) float32 cm by which the head has moved.
    Returns:
        (P, 2) float32 pixels of the portrait.
    """
    turned = (points - PIVOT) @ rotation.T + PIVOT @ person.rotation.T + offset
    flip = np.array([person.scale, -person.scale], np.float32)
    return np.asarray(turned[:, :2] * flip + person.shift, np.float32)


def to_picture(places: FloatArray, state: State, width: int, height: int) -> FloatArray:
    """Show places of the portrait in a picture.

    Args:
        places: (P, 2) float32 pixels of the portrait.
        state: zoom, centre and roll of the camera.
        width: width of the picture, pixels.
        height: height of the picture, pixels.
    Returns:
        (P, 2) float32 pixels of the picture.
    """
    c, s = np.cos(state.roll) * state.zoom, np.sin(state.roll) * state.zoom
    turn = np.array([[c, s], [-s, c]], np.float32)
    return np.asarray((places - state.centre) @ turn + np.array([width / 2, height / 2], np.float32), np.float32)


def on_screen(person: Person, points: FloatArray, state: State, width: int, height: int) -> FloatArray:
    """Show points in a picture.

    Args:
        person: whose head it is.
        points: (P, 3) float32 cm, head coordinates.
        state: pose of the head and camera.
        width: width of the picture, pixels.
        height: height of the picture, pixels.
    Returns:
        (P, 3) float32: x, y in pixels of the picture, z in cm towards the camera.
    """
    rotation = state.rotation @ person.rotation
    places = in_portrait(person, points, rotation, state.offset)
    depth = (points - PIVOT) @ rotation[2]
    return np.concatenate([to_picture(places, state, width, height), depth[:, None]], 1).astype(np.float32)


def gaze_rotation(weights: FloatArray, side: int) -> FloatArray:
    """Rotation of an eyeball in the head.

    Args:
        weights: (S,) float32, of which those of eyeLook count.
        side: 0 for the subject's left eye, 1 for the right.
    Returns:
        (3, 3) float32.
    """
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


def dimming(person: Person, normals: FloatArray) -> FloatArray:
    """Factors that take the portrait's light off a surface.

    Args:
        person: whose portrait it is.
        normals: (N, 3) float32 in the portrait's camera coordinates.
    Returns:
        (N,) float32.
    """
    return np.asarray(1 / np.maximum(person.light[0] + normals @ person.light[1:], DARKEST), np.float32)


def shade(dimmed: FloatArray, normals: FloatArray, light: Light) -> FloatArray:
    """Factors that turn the portrait's light on a surface into another one.

    Args:
        dimmed: (N,) float32, made by `dimming`.
        normals: (N, 3) float32 in camera coordinates.
        light: the new light.
    Returns:
        (N, 3) float32 factors of red, green and blue.
    """
    return relight(dimmed, normals, light.direction.astype(np.float32), np.float32(light.ambient), light.colour)
