"""Imported points are trained on as features of clips are."""

from __future__ import annotations

import json

from tests.data.series.samples import write_speaker
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.errors import SeriesFormatError


def test_an_encoder_is_trained_on_an_import_and_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("s1", "s2")):
        write_speaker(tmp_path / "in", name, seed=number)

    def facemotion(*words: str) -> dict:
        answer = CliRunner().invoke(app, [*words, "--json"])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)

    done = facemotion("data", "import", "grid33", "in", "phrases")
    (tmp_path / "own.toml").write_text(f"""
extractor = "{done["frontend_id"]}"
features = "phrases/features"

[[sources]]
manifest = "phrases/manifest.csv"
batch = {{ subjects = 2, motions = 2, takes = 2 }}

[encoder]
width = 8
layers = 1
heads = 1
feedforward = 8
embedding = 4

[optimiser]
steps = 2
""")
    assert facemotion("train", "encoder", "own.toml")["clips"] == 8
    figures = facemotion("evaluate", "run", "--manifest", "phrases/manifest.csv", "--features", "phrases/features")
    assert figures["genuine"] == 4


def test_a_bad_series_ends_the_command_with_its_name(tmp_path):
    answer = CliRunner().invoke(app, ["data", "import", "grid33", str(tmp_path), str(tmp_path / "out")])
    assert isinstance(answer.exception, SeriesFormatError)
