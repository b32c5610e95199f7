"""A portrait becomes a head: pose, identity, expression and a smooth remainder, from face-mesh landmarks.

Camera: weak perspective, as for a portrait lens: pixel = scale * (rotation @ point)[:2], y turned down, + shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facemotion.data.npz import DAMAGE, open_npz
from facemotion.errors import AssetError, NoFaceError
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.head import IDENTITIES, INDEX, SHAPES, FloatArray, HeadModel, load_head
from facemotion.system.files import room_for, whole

# What a portrait can show; shapes that a still face can't tell apart from its identity are left out.
FITTED = tuple(
    name
    for name in SHAPES
    if name.startswith(
        ("brow", "eyeBlink", "eyeSquint", "eyeWide", "mouthSmile", "mouthFrown", "mouthUpper", "mouthLower")
    )
    or name
    in ("jawOpen", "jawLeft", "jawRight", "mouthPucker", "mouthRollLower", "mouthRollUpper", "mouthLeft", "mouthRight")
)
LANDMARK_SIGMA = 0.007  # of the face's height: what the mesh errs by, and what the model can't follow
EXPRESSION_SIGMA = 0.25  # of a weight, since portraits are nearly neutral; for identity shapes it is 1, by definition
ROUNDS = 12  # of Gauss-Newton
# A mesh of 442 points carries far fewer than 442 independent errors; the priors are weighted up to match.
PRIOR_STRENGTH = 12.0
TURN_RIDGE = 1e-3  # keeps the solution finite where no landmark determines the rotation
# Unknowns of the camera come first: a rotation vector (radians, about x, y and z), the scale, the shift along x and y.
TURN, SCALE, SHIFT, CAMERA = slice(0, 3), 3, slice(4, 6), 6
FLIP = np.array([1.0, -1.0])  # y points up on the head and down in a picture
FACE_POINTS = 468  # of the mesh; the irises follow


@dataclass(frozen=True, eq=False)
class Fit:
    """One portrait, fitted.

    Attributes:
        name: name of the portrait.
        size: width and height of the portrait, pixels.
        identity: (100,) float32 standard deviations.
        expression: (S,) float32 weights in the order of SHAPES, 0 where not fitted.
        rotation: (3, 3) float32 from the head to the camera.
        scale: pixels for each cm.
        shift: (2,) float32 pixels, where the camera shows the head's origin.
        landmarks: (478, 3) float32 pixels, points of the face mesh.
        error: root mean square distance of the fit to the landmarks, in percent of the face's height.
    """

    name: str
    size: tuple[int, int]
    identity: FloatArray
    expression: FloatArray
    rotation: FloatArray
    scale: float
    shift: FloatArray
    landmarks: FloatArray
    error: float

    @property
    def yaw(self) -> float:
        """Degrees by which the head is turned, positive to the subject's left."""
        return float(np.degrees(np.arctan2(self.rotation[0, 2], self.rotation[2, 2])))


def project(points: FloatArray, rotation: FloatArray, scale: float, shift: FloatArray) -> FloatArray:
    """Show points in the portrait, under the camera of this module.

    Args:
        points: (V, 3) float32 cm, head coordinates.
        rotation: (3, 3) float32 from the head to the camera.
        scale: pixels for each cm.
        shift: (2,) float32 pixels.
    Returns:
        (V, 2) float32 pixels.
    """
    turned = points @ rotation.T
    return np.asarray(turned[:, :2] * np.array([scale, -scale], np.float32) + shift, np.float32)


def rodrigues(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rotation matrix (3, 3) of a rotation vector (3,), radians."""
    angle = float(np.linalg.norm(vector))
    x, y, z = np.asarray(vector, np.float64) / angle if angle > 1e-12 else (1.0, 0.0, 0.0)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def fit_landmarks(head: HeadModel, name: str, size: tuple[int, int], landmarks: FloatArray) -> Fit:
    """Fit pose, identity and expression to face-mesh landmarks by Gauss-Newton with Gaussian priors.

    Args:
        head: the model.
        name: name of the portrait.
        size: width and height of the portrait, pixels.
        landmarks: (478, 3) float32 pixels, points of the face mesh.
    """
    chosen = head.mesh[head.mesh_ok]
    target = landmarks[: len(head.mesh_ok)][head.mesh_ok, :2].astype(np.float64)
    shapes = [INDEX[shape] for shape in FITTED]
    base = head.neutral[chosen].astype(np.float64)
    basis = np.concatenate([head.identity[:, chosen], head.expression[shapes][:, chosen]]).astype(np.float64)
    height = float(np.ptp(target[:, 1]))
    sigma = LANDMARK_SIGMA * height
    prior = np.concatenate([np.full(IDENTITIES, 1.0), np.full(len(shapes), 1 / EXPRESSION_SIGMA)])
    weights = np.zeros(len(basis))
    rotation = np.eye(3)
    scale = height / float(np.ptp(base[:, 1]))
    shift = target.mean(0) - (base[:, :2] * [scale, -scale]).mean(0)
    for _ in range(ROUNDS):
        points = base + np.tensordot(weights, basis, 1)
        turned = points @ rotation.T
        residual = target - (scale * turned[:, :2] * FLIP + shift)
        jacobian = _derivatives(turned, scale, basis @ rotation.T) / sigma
        normal = jacobian.T @ jacobian
        right = jacobian.T @ (residual.ravel() / sigma)
        index = np.arange(CAMERA, CAMERA + len(basis))
        normal[index, index] += PRIOR_STRENGTH * prior**2
        right[CAMERA:] -= PRIOR_STRENGTH * prior**2 * weights
        normal[np.arange(3), np.arange(3)] += TURN_RIDGE
        step = np.linalg.solve(normal, right)
        rotation = rodrigues(step[TURN]) @ rotation
        scale += step[SCALE]
        shift = shift + step[SHIFT]
        weights = weights + step[CAMERA:]
        weights[IDENTITIES:] = np.clip(weights[IDENTITIES:], 0, 1)
    final = project(
        (base + np.tensordot(weights, basis, 1)).astype(np.float32),
        rotation.astype(np.float32),
        scale,
        shift.astype(np.float32),
    )
    expression = np.zeros(len(SHAPES), np.float32)
    expression[shapes] = weights[IDENTITIES:]
    error = float(np.sqrt(np.square(final - target).sum(1).mean()) / height * 100)
    return Fit(
        name=name,
        size=size,
        identity=weights[:IDENTITIES].astype(np.float32),
        expression=expression,
        rotation=rotation.astype(np.float32),
        scale=float(scale),
        shift=shift.astype(np.float32),
        landmarks=landmarks.astype(np.float32),
        error=error,
    )


def _derivatives(turned: NDArray[np.float64], scale: float, turned_basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Change of the landmarks' pixels with the unknowns.

    Args:
        turned: (L, 3) points in camera coordinates.
        scale: pixels for each cm.
        turned_basis: (N, L, 3) moves of the points with each weight, in camera coordinates.
    Returns:
        (2 L, CAMERA + N), x and y of each landmark one after the other.
    """
    about_x, about_y, about_z = range(3)
    along_x, along_y = 4, 5
    columns = np.zeros((len(turned), 2, CAMERA + len(turned_basis)))
    columns[:, 1, about_x] = scale * turned[:, 2]
    columns[:, 0, about_y] = scale * turned[:, 2]
    columns[:, 0, about_z] = -scale * turned[:, 1]
    columns[:, 1, about_z] = -scale * turned[:, 0]
    columns[:, :, SCALE] = turned[:, :2] * FLIP
    columns[:, 0, along_x] = 1
    columns[:, 1, along_y] = 1
    columns[:, :, CAMERA:] = (scale * turned_basis[:, :, :2] * FLIP).transpose(1, 2, 0)
    return columns.reshape(-1, CAMERA + len(turned_basis))


def read_portrait(assets: Assets, name: str) -> NDArray[np.uint8]:
    """Read a portrait.

    Args:
        assets: where the portraits are.
        name: name of the portrait, without suffix.
    Returns:
        (H, W, 3) uint8 RGB.
    Raises:
        AssetError: there is no such portrait, or it isn't a picture.
    """
    path = assets.portrait(name)
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise AssetError(f"{path} isn't a picture that can be read.") from error


class PortraitFitter:
    """Finds the face of a portrait and fits the head to it."""

    def __init__(self, assets: Assets) -> None:
        """Load the head model, the detector and the mesh.

        Args:
            assets: where the model and the portraits are.
        Raises:
            AssetError: the head model is missing.
        """
        from facemotion.face.blazeface import BlazeFace
        from facemotion.features.mesh import FaceMesh
        from facemotion.models import Models

        self._assets, self._head = assets, load_head(assets)
        # Shipped ones on the CPU: a portrait is fitted alike on every machine, whatever its settings.
        models = Models.shipped()
        self._detector, self._mesh = BlazeFace(models), FaceMesh(models)

    def __call__(self, name: str) -> Fit:
        """Fit one portrait.

        Args:
            name: name of the portrait, without suffix.
        Raises:
            AssetError: there is no such portrait.
            NoFaceError: it shows no face.
        """
        image = read_portrait(self._assets, name)
        faces = self._detector.detect(image)
        if not len(faces):
            raise NoFaceError(f"No face was found in the portrait {name}; take it out of {self._assets.folder}.")
        # The mesh is computed twice: a crop centred by the first mesh errs less than one by the detector's box.
        landmarks = self._mesh.landmarks(image, faces.boxes[0], faces.keypoints[0])
        low, high = landmarks[:FACE_POINTS, :2].min(0), landmarks[:FACE_POINTS, :2].max(0)
        landmarks = self._mesh.landmarks(image, np.concatenate([low, high]), faces.keypoints[0])
        return fit_landmarks(self._head, name, (image.shape[1], image.shape[0]), landmarks)


def save_fits(fits: list[Fit], path: Path) -> None:
    """Write fits as one npz, whole or not at all.

    Args:
        fits: fits to keep.
        path: file to write.
    Raises:
        WriteError: the file can't be written.
    """
    with room_for(path), whole(path) as draft, draft.open("wb") as file:
        np.savez(
            file,
            name=np.array([fit.name for fit in fits]),
            size=np.array([fit.size for fit in fits], np.int32),
            identity=np.stack([fit.identity for fit in fits]),
            expression=np.stack([fit.expression for fit in fits]),
            rotation=np.stack([fit.rotation for fit in fits]),
            scale=np.array([fit.scale for fit in fits], np.float32),
            shift=np.stack([fit.shift for fit in fits]),
            landmarks=np.stack([fit.landmarks for fit in fits]),
            error=np.array([fit.error for fit in fits], np.float32),
        )


def load_fits(path: Path) -> dict[str, Fit]:
    """Read what `save_fits` wrote.

    Args:
        path: file to read.
    Returns:
        Fits by the name of the portrait.
    Raises:
        AssetError: there is no such file, or `save_fits` didn't write it.
    """
    try:
        with open_npz(path) as data:
            table = {key: data[key] for key in data.files}
        return {
            str(name): Fit(
                name=str(name),
                size=(int(table["size"][i, 0]), int(table["size"][i, 1])),
                identity=table["identity"][i],
                expression=table["expression"][i],
                rotation=table["rotation"][i],
                scale=float(table["scale"][i]),
                shift=table["shift"][i],
                landmarks=table["landmarks"][i],
                error=float(table["error"][i]),
            )
            for i, name in enumerate(table["name"])
        }
    except (OSError, *DAMAGE) as error:
        raise AssetError(f"{path} holds no fitted portraits; run `facemotion synth fit` first.") from error
