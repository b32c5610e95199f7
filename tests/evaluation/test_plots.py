from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facemotion.errors import EvidenceError
from facemotion.evaluation.plots import plot_embeddings, plot_scores
from facemotion.evaluation.trials import score_pairs
from facemotion.evaluation.tsne import tsne
from facemotion.types import ClipKind, ClipRecord


def groups(count: int, size: int) -> tuple[np.ndarray, list[ClipRecord]]:
    rng = np.random.default_rng(0)
    centres = np.repeat(rng.normal(size=(count, 16)), size, axis=0)
    vectors = centres + 0.2 * rng.normal(size=centres.shape)
    records = [
        ClipRecord(f"{g}-{k}", f"s{g % 3}", f"m{g}", ClipKind.FACIAL, k, 1) for g in range(count) for k in range(size)
    ]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), records


def test_neighbours_stay_neighbours() -> None:
    vectors, records = groups(6, 10)
    places = tsne(vectors, steps=300)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.argmin(axis=1)
    same = [records[i].motion == records[j].motion for i, j in enumerate(nearest)]
    assert np.mean(same) > 0.95


@pytest.mark.parametrize("count", [2, 6])
def test_pictures_are_written(tmp_path: Path, count: int) -> None:
    vectors, records = groups(count, 5)
    plot_scores(score_pairs(vectors, records), tmp_path / "scores.png")
    plot_embeddings(vectors, records, tmp_path / "map.png")
    for name in ("scores.png", "map.png"):
        assert np.asarray(Image.open(tmp_path / name)).std() > 10


def test_a_map_of_too_few_clips_is_refused() -> None:
    with pytest.raises(EvidenceError, match="needs four clips or more, got 3"):
        tsne(np.eye(3, dtype=np.float32))
