"""A linear map from features that were trained for another task to the points of the face."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from facemotion.data.still_files import Stills
from facemotion.face.crop import crop_face
from facemotion.media.warp import crop_matrix
from facemotion.nets.sfe import SpatialExtractor
from facemotion.training.extractor.photometric import SIDE, to_crop

RIDGE = 1e-3  # penalty on the weights, relative to the mean variance of a feature


@torch.no_grad()
def fit_readout(net: SpatialExtractor, stills: Stills, most: int = 1500) -> tuple[Tensor, Tensor]:
    """Landmarks as a linear function of features, by ridge regression. With it a network without landmarks (SFE-E) can
    tell how far a face moved in a clip.

    Args:
        net: in evaluation mode.
        stills: with landmarks.
        most: stills used, evenly spread.
    Returns:
        Weight (136, D) and bias (136,): landmarks in crop sides.
    """
    chosen = np.unique(np.linspace(0, len(stills) - 1, min(most, len(stills))).astype(int))
    features, wanted = [], []
    for index in chosen:
        face = torch.from_numpy(crop_face(stills.image(index), stills.boxes[index], SIDE).copy())
        features.append(net.features(face.permute(2, 0, 1)[None].float() / 255)[0].double())
        wanted.append(to_crop(stills.landmarks[index], crop_matrix(stills.boxes[index], SIDE)).ravel())
    x, y = torch.stack(features), torch.from_numpy(np.stack(wanted)).double()
    centre, middle = x.mean(dim=0), y.mean(dim=0)
    x, y = x - centre, y - middle
    gram = x.T @ x
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weight = torch.linalg.solve(gram, x.T @ y).T
    return weight.float(), (middle - weight @ centre).float()
