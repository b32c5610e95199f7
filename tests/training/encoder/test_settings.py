"""Settings of a training of the sequence encoder: simulated people, and files of earlier versions."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from facemotion.config import differences, from_table, option, read_toml, to_toml
from facemotion.errors import SettingsError, TrainingError
from facemotion.synth.points.simulate import SimulationSettings
from facemotion.synth.sets.plan import DatasetSettings
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.run_folder import RunFolder

CONFIGS = Path(__file__).parents[3] / "configs"
PEOPLE = SimulationSettings(DatasetSettings(part="train", subjects=3))


@pytest.mark.parametrize(
    ("line", "new"),
    [
        (
            "subjects = 0",
            r"subjects under \[simulation.people\], or leave \[simulation\] out where nobody is",
        ),
        ("seed = 3", r"seed under \[simulation.people\]"),
        ("batch = { subjects = 8 }", r"\[simulation_batch\]"),
    ],
)
def test_settings_of_an_earlier_version_are_told_the_new_name(line: str, new: str, tmp_path: Path) -> None:
    path = tmp_path / "old.toml"
    path.write_text(f"[simulation]\n{line}\n", "utf-8")
    with pytest.raises(SettingsError, match=rf"old.toml: simulation: '.*' was an earlier version's; write it as {new}"):
        read_toml(TrainingSettings, path)


def test_nobody_is_simulated_where_the_table_is_not_there() -> None:
    assert from_table(TrainingSettings, {}).simulation is None
    assert "[simulation]" not in to_toml(TrainingSettings())


def test_simulated_people_are_read_as_they_are_written() -> None:
    settings = TrainingSettings(simulation=PEOPLE)
    assert from_table(TrainingSettings, tomllib.loads(to_toml(settings))) == settings
    assert from_table(TrainingSettings, dataclasses.asdict(TrainingSettings())) == TrainingSettings()


@pytest.mark.parametrize("part", ["benchmark", "validation"])
def test_people_who_are_tested_are_not_trained_on(part: str) -> None:
    with pytest.raises(SettingsError, match=r"set part = .train. under \[simulation.people\]"):
        from_table(TrainingSettings, {"simulation": {"people": {"part": part}}})


def test_a_table_that_came_or_went_is_a_difference() -> None:
    assert differences(TrainingSettings(), TrainingSettings(simulation=PEOPLE)) == [
        "simulation was left out and is set"
    ]


def test_the_shipped_recipe_simulates_its_people() -> None:
    settings = read_toml(TrainingSettings, CONFIGS / "shipped.toml")
    assert settings.simulation is not None
    assert (settings.simulation.people.subjects, settings.simulation.people.mimics) == (400, 0)
    assert (settings.simulation_batch.subjects, settings.simulation_batch.splices) == (5, 2)


@dataclasses.dataclass(frozen=True)
class Bakery:
    """Settings of a training that facemotion knows nothing of."""

    loaves: int = option(3, "loaves baked")


def test_a_run_folder_holds_settings_of_any_kind(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert run.start(Bakery(4)) is None
    assert run.read_settings(Bakery) == Bakery(4)
    assert not run.is_complete(Bakery(4), steps=1)
    with pytest.raises(TrainingError, match="loaves was 4 and is 5"):
        run.start(Bakery(5))
