"""Who is who in data/grid_people: told by looking at them."""

from __future__ import annotations

from pathlib import Path

# Stems of clips that show somebody seen elsewhere: the speaker of grid_s1, and one person twice.
SAME = {"bbaf2n": "s1", "id2_vcd_swwp2s": "pwij3p"}


def clips_of_speakers(folder: Path) -> dict[Path, str]:
    """Every clip of the folder and its speaker's name, s1 among them."""
    return {path: SAME.get(path.stem, path.stem) for path in sorted(folder.glob("*.mpg"))}
