"""Settings: TOML in and out, and errors that name the key."""

from __future__ import annotations

import dataclasses
import tomllib

import pytest

from facemotion.config import MediaSettings, Settings, from_table, load_settings, option, read_toml, to_toml
from facemotion.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[verifier]\nmin_takes = 4\nmax_takes = 3", "min_takes must not exceed max_takes"),
        ("[media]\nmin_seconds = 20", "min_seconds must not exceed max_seconds"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path, text, words):
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(SettingsError, match=words):
        load_settings(tmp_path / "config.toml")


def test_toml_round_trip_with_units():
    changed = dataclasses.replace(Settings(), media=MediaSettings(max_seconds=4.5))
    text = to_toml(changed)
    assert "max_seconds = 4.5 # s, longest clip" in text
    assert from_table(Settings, tomllib.loads(text)) == changed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[media]\nmax_secondz = 3", "unknown key 'max_secondz'; the nearest known is 'max_seconds'"),
        ("[medias]\n", "nearest known is 'media'"),
        ("media = 3", "must be a table"),
        ("[media]\nmax_seconds = 'long'", "must be of type float"),
        ("[media]\nmax_seconds = nan", "must be a finite number, got nan"),
        ("[media]\nmax_seconds = inf", "must be a finite number, got inf"),
        ("[media]\nmax_seconds = 0.01", "at least 0.1 s"),
        ("[face]\nmin_score = 1.5", "at most 1"),
        ("[runtime]\nthreads = true", "must be of type int"),
        ("[runtime]\nproviders = 'CPU'", "must be a list"),
        ("[media", "not valid TOML"),
    ],
)
def test_errors_name_the_key(tmp_path, text, message):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message.replace("'", ".")):
        read_toml(Settings, path)


def test_the_environment_names_the_file(tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_text("[runtime]\nthreads = 2\nproviders = ['CPUExecutionProvider']\n")
    monkeypatch.setenv("FACEMOTION_CONFIG", str(path))
    assert load_settings().runtime.threads == 2
    monkeypatch.setenv("FACEMOTION_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(SettingsError, match="absent"):
        load_settings()
    monkeypatch.delenv("FACEMOTION_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_settings() == Settings()


def every_option(kind: type) -> list[dataclasses.Field]:
    found = []
    for spec in dataclasses.fields(kind):
        default = spec.default_factory() if spec.default_factory is not dataclasses.MISSING else spec.default
        found += every_option(type(default)) if dataclasses.is_dataclass(default) else [spec]
    return found


@pytest.mark.parametrize("spec", every_option(Settings), ids=lambda spec: spec.name)
def test_every_setting_says_what_it_is(spec):
    assert len(spec.metadata["doc"]) > 8


@dataclasses.dataclass(frozen=True)
class Wheel:
    size: int = option(1, "its diameter", unit="in", minimum=1)


@dataclasses.dataclass(frozen=True)
class Cart:
    wheels: tuple[Wheel, ...] = option((Wheel(), Wheel(2)), "all of its wheels")
    notes: dict[str, object] = dataclasses.field(default_factory=dict)


def test_lists_of_tables_and_free_tables_are_written_and_read_back(tmp_path):
    path = tmp_path / "cart.toml"
    written = to_toml(Cart((Wheel(3), Wheel(4)), {"colour": "red", "age": 3}))
    assert "# in, its diameter" in written
    path.write_text(written)
    assert read_toml(Cart, path) == Cart((Wheel(3), Wheel(4)), {"colour": "red", "age": 3})
    with pytest.raises(SettingsError, match="size must be at least 1 in, got 0"):
        from_table(Cart, {"wheels": [{"size": 0}]})
    with pytest.raises(SettingsError, match="notes must be a table"):
        from_table(Cart, {"notes": 3})
