"""A person: a head of their own shape, wearing a photograph.

A new person is a portrait with noise in its shape, or a portrait into which a second one is morphed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from facemotion.synth.drawing.raster import ALPHA, ATTRIBUTES, MIX, U2, V2, Canvas, Textures, U, V, draw_textured, pack
from facemotion.synth.drawing.vertices import blend_shapes, vertex_normals
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.backdrop import Controls, Sheet, head_shell, make_sheet
from facemotion.synth.people.fit import Fit, project, read_portrait
from facemotion.synth.people.head import INDEX, FloatArray, HeadModel
from facemotion.synth.people.layers import LOWER, UPPER, Layers, Picture, paint_layers

EYES = ((42, 43, 44, 45, 46, 47), (36, 37, 38, 39, 40, 41))  # of the 68 points, subject's left eye first
SHAPE_SHARE = 0.6  # share of a second portrait in the shape, over its share in the skin
HAIRLINE = 4  # cm from the border of the face at which a second portrait has its whole share
LID_TRAVEL = 0.12  # cm: vertices that a blink moves so far belong wholly to the lid


@dataclass(frozen=True, eq=False)
class Person:
    """All that is needed to draw one person.

    Attributes:
        name: unique in its data set.
        neutral: (V, 3) float32 vertices at rest, cm.
        expression: (S, V, 3) float32, the model's shapes, those of the lids scaled to this person's eyes.
        eyes: (2, 3) float32 centres of the eyeballs, the subject's left first.
        eye_radius: radius of both eyeballs, cm.
        rotation: (3, 3) float32 from the head to the camera of the portrait (see `fit`).
        scale: pixels of the portrait for each cm.
        shift: (2,) float32 pixels, where the camera shows the head's origin.
        places: (V, 2) float32 where the portrait shows each vertex, pixels: its texture coordinates.
        closed_places: (V, 2) float32 where it would show each vertex with closed lids.
        lid: (2, V) float32, 0..1, share of each eye's lid.
        photographed: (V, 3) float32 head coordinates in the state of the portrait.
        normals: (F, 3) float32 normals of the face in that state, in the camera's coordinates.
        light: (4,) float32 ambient and direction of the portrait's light, made by `fit_light`.
        layers: pictures that the person is drawn with.
        sheet: what lies round the face.
        size: width and height of the portrait, pixels.
    """

    name: str
    neutral: FloatArray
    expression: FloatArray
    eyes: FloatArray
    eye_radius: float
    rotation: FloatArray
    scale: float
    shift: FloatArray
    places: FloatArray
    closed_places: FloatArray
    lid: FloatArray
    photographed: FloatArray
    normals: FloatArray
    light: FloatArray
    layers: Layers
    sheet: Sheet
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Likeness:
    """What a person is made from.

    Attributes:
        name: name of the new person.
        fit: fit of the portrait that gives hair, scene and most of the face.
        shape_noise: (100,) float32 standard deviations added to the shape, if any.
        other: fit of a second portrait, if any.
        share: share of the second portrait in the face, 0..1.
        seed: seed of the grain of painted skin.
    """

    name: str
    fit: Fit
    shape_noise: FloatArray | None = None
    other: Fit | None = None
    share: float = 0.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Photograph:
    """A portrait and the head in it.

    Attributes:
        picture: the portrait.
        places: (V, 2) float32 where it shows each vertex, pixels.
        state: (V, 3) float32 vertices in its state, head coordinates.
        rest: (V, 3) float32 vertices at rest, head coordinates.
    """

    picture: Picture
    places: FloatArray
    state: FloatArray
    rest: FloatArray


def mean_expression(fits: dict[str, Fit]) -> FloatArray:
    """Mean of the fitted expressions: the bias of fitting, which is taken from every fit so that neutral is neutral.

    Args:
        fits: fitted portraits, at least one.
    Returns:
        (S,) float32 weights.
    """
    return np.asarray(np.mean([fit.expression for fit in fits.values()], axis=0), np.float32)


def make_person(head: HeadModel, assets: Assets, bias: FloatArray, likeness: Likeness) -> Person:
    """Build a person from one portrait, or from two.

    Args:
        head: the model.
        assets: where the portraits are.
        bias: (S,) float32, made by `mean_expression`.
        likeness: what the person is made from.
    Raises:
        AssetError: a portrait is missing or isn't a picture.
    """
    fit = likeness.fit
    first = _photograph(head, assets, fit, bias)
    portrait, shape, photographed, places = first.picture, first.rest, first.state, first.places
    if likeness.other is not None and likeness.share > 0:
        second = _photograph(head, assets, likeness.other, bias)
        portrait = _morph(head, first, second, likeness.share)
        # Less of the second in shape than in skin, and nothing at the rim: the hair stays the first portrait's.
        inwards = np.minimum(head.rim / HAIRLINE, 1)[:, None]
        shape = shape + np.float32(SHAPE_SHARE * likeness.share) * (second.rest - shape) * inwards
    if likeness.shape_noise is not None:
        shape = shape + np.tensordot(likeness.shape_noise, head.identity, 1).astype(np.float32)
    shape = _close_lips(head, shape)
    expression, lid, closing = _lids(head, shape)
    open_state = photographed - np.tensordot(_blinks(fit, bias), head.expression, 1).astype(np.float32)
    closed_places = project(open_state + closing, fit.rotation, fit.scale, fit.shift)
    lines = [closed_places[head.mesh[list(LOWER[side])]] for side in range(2)]
    for side in range(2):  # lashes hang over the lower lid
        lid[side] = np.maximum(lid[side], _under(closed_places, lines[side]) * (head.neutral[:, 2] > 5))
    layers = paint_layers(portrait, fit.landmarks, lines, likeness.seed)
    normals = vertex_normals(head.face, photographed @ fit.rotation.T, head.faces_count)
    sheet = _surroundings(head, fit, shape, places, normals)
    light = fit_light(portrait, places[: head.faces_count], normals, head.rim[: head.faces_count])
    return Person(
        name=likeness.name,
        neutral=np.ascontiguousarray(shape, np.float32),
        expression=expression,
        eyes=_eyeballs(head, fit, shape),
        eye_radius=head.eye_radius,
        rotation=fit.rotation,
        scale=fit.scale,
        shift=fit.shift,
        places=places,
        closed_places=closed_places,
        lid=lid,
        photographed=photographed,
        normals=normals,
        light=light,
        layers=layers,
        sheet=sheet,
        size=fit.size,
    )


def _photograph(head: HeadModel, assets: Assets, fit: Fit, bias: FloatArray) -> _Photograph:
    rest, state = _shape(head, fit, bias)
    places = project(state, fit.rotation, fit.scale, fit.shift)
    return _Photograph(read_portrait(assets, fit.name), places, state, rest)


def _lids(head: HeadModel, shape: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The model's shapes (S, V, 3) with lids that close this person's eyes, each eye's share (2, V) of a lid, and the
    move (V, 3) that closes both."""
    expression = head.expression.copy()
    lid = np.zeros((2, len(shape)), np.float32)
    closing = np.zeros_like(shape)
    for side in range(2):
        suffix = "LR"[side]
        factor = _lid_factor(head, shape, side)
        for blink in ("eyeBlink_", "eyeLookDown_"):
            expression[INDEX[blink + suffix]] *= factor
        blink_move = expression[INDEX["eyeBlink_" + suffix]]
        lid[side] = np.clip(np.linalg.norm(blink_move, axis=1) / LID_TRAVEL, 0, 1)
        closing += blink_move
    return expression, lid, closing


def _eyeballs(head: HeadModel, fit: Fit, shape: FloatArray) -> FloatArray:
    """(2, 3) float32 centres of the balls behind this person's eyes."""
    eyes = head.eyes + np.tensordot(fit.identity, head.eyes_identity, 1)
    for side in range(2):
        contour = shape[head.landmarks[list(EYES[side])]]
        eyes[side, :2] = 0.5 * eyes[side, :2] + 0.5 * contour[:, :2].mean(0)
        # The lids rest on the ball.
        front = contour[[1, 2, 4, 5]]
        radial = np.square(front[:, :2] - eyes[side, :2]).sum(1)
        eyes[side, 2] = float(np.median(front[:, 2] - np.sqrt(np.maximum(head.eye_radius**2 - radial, 0.1)))) - 0.10
    return np.asarray(eyes, np.float32)


def _surroundings(head: HeadModel, fit: Fit, shape: FloatArray, places: FloatArray, normals: FloatArray) -> Sheet:
    """What lies round the face, held by points of its outline and within it."""
    # Skin that the portrait sees edge-on has no texture worth keeping, and lies at many depths in one place.
    visible = np.zeros(len(shape), bool)
    visible[: head.faces_count] = normals[:, 2] > 0.3
    shell, portion = head_shell()
    outline = visible & (shape[:, 1] > -9) & (head.rim < 4.5) & (head.neutral[:, 2] > 3.0)
    rim = np.where(outline)[0][::9].astype(np.int32)
    inner = head.landmarks[[4, 6, 8, 10, 12, 19, 24, 30, 33, 48, 54, 57, 36, 45]]
    controls = np.unique(np.concatenate([rim, inner])).astype(np.int32)
    behind = project(shell, fit.rotation, fit.scale, fit.shift)
    return make_sheet(Controls(controls, places[controls], shell, behind, portion), fit.size)


def _under(places: FloatArray, line: FloatArray) -> FloatArray:
    """(V,) 1 for places right below a line of lashes, 0 where no lash reaches."""
    line = line[np.argsort(line[:, 0])]
    width = float(line[-1, 0] - line[0, 0])
    below = (places[:, 1] - np.interp(places[:, 0], line[:, 0], line[:, 1])) / width
    beside = np.maximum(line[0, 0] - places[:, 0], places[:, 0] - line[-1, 0]) / width
    reach = np.clip((0.24 - below) / 0.08, 0, 1) * np.clip((0.12 - beside) / 0.08, 0, 1)
    return np.where(below > -0.06, reach, 0).astype(np.float32)


def _blinks(fit: Fit, bias: FloatArray) -> FloatArray:
    """(S,) weights of the blinks that the portrait shows, zeros elsewhere."""
    blinks = np.zeros_like(fit.expression)
    for name in ("eyeBlink_L", "eyeBlink_R"):
        blinks[INDEX[name]] = fit.expression[INDEX[name]] - bias[INDEX[name]]
    return blinks


def _shape(head: HeadModel, fit: Fit, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The person at rest, and in the state of the portrait; both (V, 3)."""
    from scipy.interpolate import RBFInterpolator

    fitted = head.neutral + np.tensordot(fit.identity, head.identity, 1)
    state = blend_shapes(fitted.astype(np.float32), head.expression, fit.expression)
    chosen = head.mesh[head.mesh_ok]
    target = fit.landmarks[: len(head.mesh_ok)][head.mesh_ok, :2]
    miss = (target - project(state[chosen], fit.rotation, fit.scale, fit.shift)) / fit.scale
    # Pixels say nothing about depth: the remainder is a move in the picture's plane, turned back into the head's frame.
    move = np.stack([miss[:, 0], -miss[:, 1], np.zeros(len(miss))], 1) @ fit.rotation
    unique, first = np.unique(chosen, return_index=True)
    warp = RBFInterpolator(state[unique], move[first], smoothing=0.15, kernel="linear")
    remainder = warp(state).astype(np.float32)
    # Far from the landmarks (neck, crown) it fades.
    reach = np.clip(1.5 - np.maximum(0, -8.5 - state[:, 1]) / 4, 0, 1)[:, None].astype(np.float32)
    remainder *= np.minimum(reach, 1)
    rest = blend_shapes(fitted.astype(np.float32), head.expression, bias) + remainder
    return rest, blend_shapes(rest, head.expression, fit.expression - bias)


def _close_lips(head: HeadModel, shape: FloatArray) -> FloatArray:
    """Bring the lips of a parted mouth together: both rows move half the gap, fading round the mouth."""
    top, bottom = head.landmarks[[61, 62, 63]], head.landmarks[[67, 66, 65]]
    gap = float((shape[top, 1] - shape[bottom, 1]).mean()) - 0.07
    middle = (shape[top].mean(0) + shape[bottom].mean(0)) / 2
    # The lower lip is what the jaw carries.
    jaw = np.clip(-head.expression[INDEX["jawOpen"]][:, 1] / 2.0, 0, 1)
    sign = np.where(jaw > 0.35, 1.0, -1.0)
    offset = (shape - middle) / np.array([2.6, 1.6, 2.5])
    fade = np.exp(-np.square(offset).sum(1) * 1.2)
    moved = shape.copy()
    moved[:, 1] += (np.clip(gap, -0.15, 0.8) / 2 * sign * fade).astype(np.float32)
    return moved


def _lid_factor(head: HeadModel, shape: FloatArray, side: int) -> float:
    """How far this person's lid has to go, relative to the model's."""
    upper, lower = head.mesh[list(UPPER[side][2:5])], head.mesh[list(LOWER[side][3:6])]

    def opening(points: FloatArray) -> float:
        return float(points[upper, 1].mean() - points[lower, 1].mean())

    blink = head.expression[INDEX["eyeBlink_" + "LR"[side]]]
    travel = opening(blink)
    return float(np.clip((opening(shape) + 0.05) / max(-travel, 0.1), 0.4, 1.8))


def _morph(head: HeadModel, first: _Photograph, second: _Photograph, share: float) -> Picture:
    """Blend the face of the second portrait, warped to the first one's places and matched in colour, into the first."""
    height, width = first.picture.shape[:2]
    count = head.faces_count
    attributes = np.ones((count, ATTRIBUTES), np.float32)
    attributes[:, U : V + 1] = second.places[:count]
    attributes[:, [U2, V2, MIX]] = 0
    # Hair and rim stay; so does the forehead, where fringes differ.
    forehead = np.clip((8.6 - head.neutral[:count, 1]) / 2.2, 0, 1)
    neck = np.clip((head.neutral[:count, 1] + 8.5) / 1.5, 0, 1)
    attributes[:, ALPHA] = np.clip((head.rim[:count] - 1.5) / 3.5, 0, 1) * forehead * neck
    points = np.concatenate([first.places[:count], first.state[:count, 2:]], 1).astype(np.float32)
    portrait = first.picture.astype(np.float32)
    warped = np.zeros_like(portrait)
    mask = np.zeros_like(portrait)
    texture, white = pack(second.picture), pack(np.full((2, 2, 3), 255, np.uint8))
    far = np.full((height, width), -1e9, np.float32)
    draw_textured(head.face, points, _solid(attributes), Textures(texture, texture), True, Canvas(warped, far.copy()))
    draw_textured(head.face, points, attributes, Textures(white, white), True, Canvas(mask, far))
    alpha = mask[..., :1] / 255
    solid = alpha[..., 0] > 0.9
    for k in range(3):
        wanted, given = portrait[..., k][solid], warped[..., k][solid]
        gain = np.clip(wanted.std() / max(float(given.std()), 1.0), 0.75, 1.3)
        warped[..., k] = (warped[..., k] - given.mean()) * gain + wanted.mean()
    return np.clip(portrait + share * alpha * (warped - portrait), 0, 255).astype(np.uint8)


def _solid(attributes: FloatArray) -> FloatArray:
    solid = attributes.copy()
    solid[:, ALPHA] = 1
    return solid


def fit_light(portrait: Picture, places: FloatArray, normals: FloatArray, rim: FloatArray) -> FloatArray:
    """Fit the light on a face: luma divided by its mean = ambient + direction . normal.

    Args:
        portrait: (H, W, 3) uint8.
        places: (F, 2) float32 where it shows each vertex of the face, pixels.
        normals: (F, 3) float32 in its camera's coordinates.
        rim: (F,) float32 cm from the border of the face.
    Returns:
        (4,) float32: ambient, then the direction.
    Reference: Basri and Jacobs, Lambertian reflectance and linear subspaces, 2003 (the first-order part).
    """
    height, width = portrait.shape[:2]
    x = np.clip(places[:, 0].astype(int), 0, width - 1)
    y = np.clip(places[:, 1].astype(int), 0, height - 1)
    luma = portrait[y, x].astype(np.float64) @ [0.299, 0.587, 0.114]
    use = (rim > 3) & (normals[:, 2] > 0.35)
    table = np.concatenate([np.ones((use.sum(), 1)), normals[use]], 1).astype(np.float64)
    values = luma[use]
    weight = np.ones(len(values))
    solution = np.zeros(4)
    for _ in range(6):  # brows, lashes, lips and highlights are outliers of the skin
        weighted = table * weight[:, None]
        solution = np.linalg.solve(weighted.T @ table + np.diag([0.1, 40, 40, 40]), weighted.T @ values)
        miss = np.abs(values - table @ solution)
        weight = 1 / (1 + np.square(miss / (1.5 * np.median(miss) + 1)))
    solution /= max(float(np.median(values)), 1.0)
    length = float(np.linalg.norm(solution[1:]))
    if length > 0.6:
        solution[1:] *= 0.6 / length
    solution[0] = max(solution[0], 0.4 + length * 0.3)
    return solution.astype(np.float32)


def scaled(person: Person, factor: float) -> Person:
    """The person drawn from smaller pictures.

    Args:
        person: the person.
        factor: pixels of the pictures drawn from, for each pixel of the portrait; from 1 on nothing changes.
    """
    return person if factor >= 1 else replace(person, layers=person.layers.scaled(factor))
