"""An encoder that is kept under a name of its own survives an upgrade: who enrolled with it is verified still."""

from __future__ import annotations

import dataclasses
import shutil
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import facemotion as fm
from facemotion.cli import app
from facemotion.config import RuntimeSettings, Settings, VerifierSettings
from facemotion.errors import (
    MissingModelError,
    ModelError,
    ModelHashError,
    ModelMismatchError,
    SettingsError,
    UnknownUserError,
    WriteError,
)
from facemotion.models import Models
from facemotion.models.cards import SHIPPED_CARDS, SHIPPED_FOLDER, file_entry
from facemotion.models.keep import keep
from facemotion.store.listing import count_outdated

SHIPPED = "encoder-mesh"


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path / "models")


def test_a_kept_encoder_has_its_id_its_file_and_its_thresholds(models: Models) -> None:
    before = Models.shipped().card(SHIPPED)
    own = dataclasses.replace(before.operating_points[0], threshold=0.9)
    models.keep_operating_points(SHIPPED, [own])
    keep(SHIPPED, "encoder-2026", models)
    kept = models.card("encoder-2026")
    assert kept.model_id == before.model_id
    assert [point.name for point in kept.operating_points] == [
        *(point.name for point in before.operating_points),
        f"own-{own.name}",
    ]
    assert models.path("encoder-2026").read_bytes() == Models.shipped().path(SHIPPED).read_bytes()
    assert (kept.frontend, kept.default_point) == (before.frontend, before.default_point)
    keep("encoder-2026", "encoder-again", models)  # the id is that of the first name
    assert models.card("encoder-again").model_id == before.model_id


def packed(tmp_path: Path) -> tuple[Path, Path]:
    """What is of interest in an earlier facemotion: as sources and as a wheel."""
    folder, wheel = tmp_path / "clone", tmp_path / "facemotion-0.1.0-py3-none-any.whl"
    inner = folder / "src" / "facemotion" / "models"
    (inner / SHIPPED_FOLDER.name).mkdir(parents=True)
    shutil.copy(SHIPPED_CARDS, inner)
    file = Models.shipped().path(SHIPPED)
    shutil.copy(file, inner / SHIPPED_FOLDER.name)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(SHIPPED_CARDS, "facemotion/models/cards.toml")
        archive.write(file, f"facemotion/models/{SHIPPED_FOLDER.name}/{file.name}")
    return folder, wheel


def test_an_encoder_is_taken_out_of_an_earlier_facemotion_by_its_hash(models: Models, tmp_path: Path) -> None:
    folder, wheel = packed(tmp_path)
    assert keep(SHIPPED, "of-clone", models, folder).model_id == keep(SHIPPED, "of-wheel", models, wheel).model_id
    assert models.path("of-clone").read_bytes() == models.path("of-wheel").read_bytes()
    with pytest.raises(ModelError, match="has no model 'encoder-0'; it has blazeface"):
        keep("encoder-0", "earliest", models, wheel)
    (file,) = (folder / "src/facemotion/models" / SHIPPED_FOLDER.name).iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelHashError, match="isn't the file of its card"):
        keep(SHIPPED, "altered", models, folder)
    file.unlink()
    with pytest.raises(MissingModelError, match="holds no facemotion/models/files"):
        keep(SHIPPED, "gone", models, folder)
    (tmp_path / "text.whl").write_text("no archive")
    with pytest.raises(ModelError, match="give a wheel of facemotion"):
        keep(SHIPPED, "text", models, tmp_path / "text.whl")
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == [
        "of-clone.onnx",
        "of-clone.toml",
        "of-wheel.onnx",
        "of-wheel.toml",
    ]


def test_a_name_that_is_taken_or_no_name_and_a_place_that_is_none_are_told(models: Models, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is a model 'sfe-l' already"):
        keep(SHIPPED, "sfe-l", models)
    with pytest.raises(ModelError, match="plain name"):
        keep(SHIPPED, "../above", models)
    with pytest.raises(ModelError, match="no home folder"):
        keep(SHIPPED, "homeless", Models.shipped())
    (tmp_path / "file").touch()
    with pytest.raises(WriteError):
        keep(SHIPPED, "nowhere", Models(tmp_path / "file"))


def after_the_upgrade(models: Models, *earlier: str) -> Settings:
    """Settings of a deployment whose encoder is another file, as after an upgrade."""
    assert models.folder is not None
    file = models.folder / "new.onnx"
    # A field of ONNX's that says who made the file, once more: another hash, the same answers.
    file.write_bytes(Models.shipped().path(SHIPPED).read_bytes() + b"\x12\x07another")
    before = Models.shipped().card(SHIPPED)
    about = file_entry(file) | {"role": "encoder", "frontend": before.frontend}
    lines = [f"{key} = {value!r}" for key, value in about.items()]
    point = dataclasses.asdict(before.operating_points[0]) | {"name": "strict", "threshold": 1.0, "takes": 1}
    lines += ['default_point = "strict"', "[[new.operating_points]]"]
    lines += [f"{key} = {value!r}" for key, value in point.items()]
    (models.folder / "new.toml").write_text("[new]\n" + "\n".join(lines), "utf-8")
    return Settings(
        verifier=VerifierSettings(encoder="new", earlier_encoders=earlier),
        runtime=RuntimeSettings(models_folder=str(models.folder)),
    )


def test_the_point_in_use_is_the_default_of_the_copy_where_the_model_has_it(models: Models, tmp_path: Path) -> None:
    _, wheel = packed(tmp_path)
    before = Models.shipped().card(SHIPPED)
    models.keep_operating_points(SHIPPED, [before.operating_points[0]])
    own = f"own-{before.operating_points[0].name}"
    assert keep(SHIPPED, "here", models, point=own).default_point == own
    late = keep(SHIPPED, "of-wheel", models, wheel, point=own)  # after the upgrade, what was calibrated is found still
    assert (late.default_point, late.operating_points[-1].name) == (own, own)
    assert keep(SHIPPED, "other", models, point="own-fmr-9e-1").default_point == before.default_point


def test_the_command_keeps_an_encoder_with_the_point_that_the_settings_name(models: Models, tmp_path: Path) -> None:
    models.keep_operating_points(SHIPPED, [Models.shipped().card(SHIPPED).operating_points[0]])
    own = models.operating_points(SHIPPED)[-1].name
    (tmp_path / "used.toml").write_text(
        f'[runtime]\nmodels_folder = "{models.folder}"\n[verifier]\noperating_point = "{own}"\n', "utf-8"
    )
    answer = CliRunner().invoke(
        app,
        ["models", "keep", SHIPPED, "encoder-2026", "--config", str(tmp_path / "used.toml")],
        catch_exceptions=False,
    )
    assert 'set earlier_encoders = ["encoder-2026"]' in answer.stdout
    assert models.card("encoder-2026").default_point == own


def test_an_earlier_encoder_judges_by_its_own_point_of_the_name_in_the_settings(models: Models) -> None:
    own = dataclasses.replace(Models.shipped().card(SHIPPED).operating_points[0], name="fmr-3e-2", threshold=0.97)
    models.keep_operating_points(SHIPPED, [own])
    keep(SHIPPED, "encoder-2026", models)
    settings = after_the_upgrade(models, "encoder-2026")
    (by_default,) = fm.Verifier.load(settings).earlier
    models.keep_operating_points("new", [dataclasses.replace(own, threshold=0.5)])
    named = dataclasses.replace(settings.verifier, operating_point="own-fmr-3e-2")
    now = fm.Verifier.load(dataclasses.replace(settings, verifier=named))
    (by_name,) = now.earlier
    assert (now.point.threshold, by_name.operating_points[0].threshold) == (0.5, 0.97)
    assert by_default.operating_points[0].name == models.card(SHIPPED).default_point


@pytest.mark.long
def test_who_enrolled_before_the_upgrade_is_verified_by_the_encoder_of_then(models: Models, acquired, tmp_path) -> None:
    keep(SHIPPED, "encoder-2026", models)
    then, now = (
        fm.Verifier.load(own)
        for own in (
            Settings(runtime=RuntimeSettings(models_folder=str(models.folder))),
            after_the_upgrade(models, "encoder-2026"),
        )
    )
    without = fm.Verifier.load(after_the_upgrade(models))
    takes = [acquired("talk1"), acquired("talk2")]
    with fm.open_store(tmp_path / "store.db") as store:
        then.enrol(store, "alice", takes)
        (old,), (still,) = (one.check(store, "alice", takes[0]).factors for one in (then, now))
        assert still == old  # with the threshold of then, too: that of now accepts nothing but the take itself
        with pytest.raises(ModelMismatchError, match="enrol again"):
            without.check(store, "alice", takes[0])
        with pytest.raises(UnknownUserError):
            now.check(store, "bob", takes[0])
        assert count_outdated(store.database, now.model_ids) == 1
        assert count_outdated(store.database, then.model_ids) == 0
        point = dataclasses.replace(now.point, threshold=-1.0)
        eager = fm.Verifier(now.frontend, now.encoder, (point,), now.settings, earlier=now.earlier)
        eager.enrol(store, "alice", takes)  # with the present one, and no other
        assert store.get("alice", "motion").model_id == now.encoder.model_id != then.encoder.model_id
        assert count_outdated(store.database, now.model_ids) == 0
    assert now.fits("motion", then.encoder.model_id)
    assert not without.fits("motion", then.encoder.model_id)


def test_the_present_encoder_is_no_earlier_one(models: Models) -> None:
    keep(SHIPPED, "same", models)
    settings = Settings(
        verifier=VerifierSettings(earlier_encoders=("same",)), runtime=RuntimeSettings(models_folder=str(models.folder))
    )
    with pytest.raises(SettingsError, match="or the present one"):
        fm.Verifier.load(settings)
