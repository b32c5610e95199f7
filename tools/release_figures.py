"""Put what the benchmarks measured on the cards of the models that ship.

    python tools/release_figures.py

Reads docs/results/operating_points.json and rest.json (the encoder), landmarks.json (extractors) and appearance.json
(the recogniser), which benchmarks/operating_points.py, rest.py, landmarks.py and appearance.py write, and changes
src/facemotion/models/cards.toml. Figures of another file than the card's are refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shipped_cards import put_on_card

from facemotion.models.cards import SHIPPED_CARDS, read_cards

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def main() -> None:
    changed = release_figures(RESULTS, SHIPPED_CARDS)
    print(f"Changed: {', '.join(changed)}." if changed else "The cards have these figures already.")


def release_figures(results: Path, cards: Path) -> list[str]:
    """Put every measured figure on its card.

    Args:
        results: the folder that the benchmarks write to.
        cards: the file of the cards.
    Returns:
        The names of the models whose card changed.
    Raises:
        ValueError: figures were measured on another file than the card describes; the message says which.
    """
    changed = []
    rest = of_rest(read_measured(results / "rest.json", cards)[1])
    for file in ("operating_points.json", "appearance.json"):
        name, found = read_measured(results / file, cards)
        if file == "operating_points.json":
            found["figures"] |= rest
        if put_on_card(cards, name, found):
            changed.append(name)
    for name, figures in json.loads((results / "landmarks.json").read_text("utf-8")).items():
        # The mesh isn't ours: the table of its figures is what others are compared with.
        if name != "face-mesh" and put_on_card(cards, name, {"figures": of_extractor(figures)}):
            changed.append(name)
    return changed


def read_measured(file: Path, cards: Path) -> tuple[str, dict[str, Any]]:
    """The name of the model that was measured, and what was.

    Raises:
        ValueError: it was measured on another file than the card describes.
    """
    found = json.loads(file.read_text("utf-8"))
    name, sha256 = found.pop("model"), found.pop("sha256")
    if read_cards(cards)[name].sha256 != sha256:
        raise ValueError(f"{file.name} is about another file of {name} than its card; measure it again.")
    return name, found


def of_rest(measured: dict[str, Any]) -> dict[str, object]:
    """What the card of the encoder says of benchmarks/rest.py's figures."""
    conditions = {
        own["condition"]: {
            "EER": round(own["eer"]["value"], 4),
            "FNMR": round(own["fnmr"]["1"]["rate"], 4),
            "refused": round(sum(own["refused"].values()) / own["clips"], 4),
        }
        for own in measured["phrases"]["conditions"]
        if own["eer"] and own["condition"] != "tight"
    }
    return {"GRID test phrases with rest": conditions}


def of_extractor(measured: dict[str, Any]) -> dict[str, object]:
    """What the card of an extractor says of benchmarks/landmarks.py's figures."""
    told: dict[str, object] = {}
    if "benchmark" in measured:
        own, grid = measured["benchmark"], measured["grid"]["grid_people"]
        told |= {
            "data": f"{own['stills']} renders of {own['people']} people never trained on; {grid['clips']} GRID clips "
            "of ten speakers, one of whom, s1, it was trained on, against the face mesh",
            "nme_68_percent": own["nme_68"],
            "nme_inner_51_percent": own["nme_51"],
            "worst_group_over_mean": own["worst_group_over_mean"],
            "lips_correlation": own["openings"]["lips"]["correlation"],
            "lips_gain": own["openings"]["lips"]["gain"],
            "left_lid_correlation": own["openings"]["left lid"]["correlation"],
            "left_lid_gain": own["openings"]["left lid"]["gain"],
            "jitter_px_at_112": own["jitter_px"],
            "grid_median_inner_51_to_mesh_percent": grid["median_51_to_mesh"],
            "milliseconds": measured["milliseconds"],
        }
    if measured.get("emotions"):
        told["emotion_accuracy_on_rendered_validation_people"] = measured["emotions"]["accuracy"]
    return told


if __name__ == "__main__":
    main()
