import numpy as np
import pytest

from facemotion.errors import SettingsError
from facemotion.features import landmarks68, mesh
from facemotion.features.parts import select_parts


def test_parts_of_the_mesh_are_where_the_extractor_puts_them() -> None:
    numbered = np.repeat(mesh.POINTS, 3)
    for part, group in mesh.MOVING.items():
        assert set(numbered[select_parts("face-mesh", [part])]) == set(group)
    both = select_parts("face-mesh", ["lips", "jaw"], depth=False).reshape(-1, 3)
    assert both[:, :2].sum() == 2 * len([*mesh.MOVING["lips"], *mesh.MOVING["jaw"]])
    assert not both[:, 2].any()


def test_parts_of_landmarks_have_no_depth_to_leave_out() -> None:
    lips = select_parts("sfe-l-landmarks", ["lips"], depth=False).reshape(68, 2)
    assert np.flatnonzero(lips.all(axis=1)).tolist() == list(landmarks68.MOVING["lips"])
    assert select_parts("sfe-l-half-landmarks", []).all()


def test_unknown_parts_and_features_that_are_no_points() -> None:
    with pytest.raises(SettingsError, match="knows no part 'ears'; choose among lips, right eye"):
        select_parts("face-mesh", ["ears"])
    with pytest.raises(SettingsError, match="'sfe-l' are no points"):
        select_parts("sfe-l", ["lips"])
