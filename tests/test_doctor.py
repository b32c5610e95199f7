"""`facemotion doctor`: the facts of an installation in order, and what it says of each that is broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.doctor.host import OPTIONAL, within
from facemotion.errors import StoreError
from facemotion.models import Models
from facemotion.store import open_store
from facemotion.store.database import parse_url
from facemotion.store.keys import new_key
from facemotion.system.files import file_sha256
from facemotion.types import Template

pytestmark = pytest.mark.long  # every fact of the installation, a test
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "data"
    for name in [name for name in os.environ if name.startswith("FACEMOTION_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder / "facemotion"


def examine(*arguments: str, code: int = 0) -> dict:
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    assert result.exit_code == code, result.output
    page = json.loads(result.stdout)
    assert page["healthy"] == (code == 0)
    return page


def enrolled(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_store(path) as store:
        for user in ("alice-in-secret", "bob-in-secret"):
            store.put(Template(user, "motion", np.eye(3, 8, dtype=np.float32), "m@1"))
    return path


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_fresh_installation_is_well_and_nothing_is_made(own_data_folder):
    facts = examine()["facts"]
    assert facts["installation"]["packages"]["numpy"] == np.__version__
    assert facts["models"]["encoder-mesh"].startswith("verified, encoder-mesh@")
    assert facts["models"]["sface"].endswith("facemotion models pull sface")
    assert "H.264" in facts["decoder"]["decodes"]
    assert facts["settings"]["file"] == "none; the defaults"
    assert facts["store"]["there"] is False
    assert facts["key"]["source"] == "a key file, made with the store"
    assert not own_data_folder.exists()


def test_the_page_says_the_same_and_ends_well():
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert f"numpy {np.__version__}" in result.stdout
    assert "\n  processor: " in result.stdout
    assert result.stdout.endswith("All is well.\n")


def test_a_store_is_counted_and_left_as_it_is(own_data_folder, tmp_path):
    enrolled(own_data_folder / "facemotion.db")
    before = everything(tmp_path)
    page = examine()
    assert page["facts"]["store"]["users"] == 2
    assert page["facts"]["key"]["readable"] is True
    assert everything(tmp_path) == before
    assert "in-secret" not in json.dumps(page)


def test_a_store_that_is_in_use_is_counted(own_data_folder):
    with open_store(enrolled(own_data_folder / "facemotion.db")) as store:
        store.put(Template("carol-in-secret", "motion", np.eye(3, 8, dtype=np.float32), "m@1"))
        assert examine()["facts"]["store"]["users"] == 3


def test_a_damaged_model_is_named(tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    good = Models.shipped().path("blazeface")
    (models / "mine.onnx").write_bytes(good.read_bytes()[:-1] + b"\0")
    digest = file_sha256(good)
    (models / "mine.toml").write_text(
        f'[mine]\nfile = "mine.onnx"\nsha256 = "{digest}"\nbytes = {good.stat().st_size}\nrole = "detector"\n'
    )
    config = tmp_path / "settings.toml"
    config.write_text(f'[runtime]\nmodels_folder = "{models}"\n')
    page = examine("--config", str(config), code=2)
    assert page["error"] == "ModelHashError"
    assert "mine.onnx" in page["message"]
    assert page["facts"]["models"]["encoder-mesh"].startswith("verified")
    assert page["facts"]["settings"]["differences"] == [f"runtime.models_folder was '' and is '{models}'"]


def test_a_settings_file_that_cannot_be_read_is_named_and_the_rest_looked_at_with_the_defaults(tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text("[verifier\n")
    page = examine("--config", str(config), code=2)
    assert page["error"] == "SettingsError"
    assert str(config) in page["message"]
    assert set(page["faults"]) == {"settings"}
    assert page["facts"]["verifier"]["operating point"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("table", "setting", "section"),
    [
        ("media", "max_mebibytes = 0.01", "decoder"),
        ("media", "max_side_px = 64", "decoder"),
        ("media", "min_seconds = 9.99", "decoder"),
        ("face", "min_score = 1.0", "verifier"),
    ],
)
def test_settings_that_refuse_every_clip_are_named(table, setting, section, tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text(f"[{table}]\n{setting}\n")
    page = examine("--config", str(config), code=2)
    assert page["error"] == "SettingsError"
    assert f"[{table}]" in page["message"]
    assert set(page["faults"]) == {section}


def test_models_that_do_not_go_together_are_named(tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text('[verifier]\nextractor = "sfe-l"\n')
    assert examine("--config", str(config), code=2)["error"] == "ModelMismatchError"


def test_a_missing_key_of_a_store_with_templates_is_named(own_data_folder, tmp_path, monkeypatch):
    enrolled(own_data_folder / "facemotion.db")
    shutil.rmtree(tmp_path / "config" / "facemotion" / "store-keys")
    page = examine(code=2)
    assert page["error"] == "StoreKeyError"
    assert "bring it back" in page["message"]
    assert page["facts"]["store"]["users"] == 2
    other = new_key()
    monkeypatch.setenv("FACEMOTION_STORE_KEY", other)
    page = examine(code=2)
    assert "doesn't hold the key" in page["message"]
    assert other not in json.dumps(page)


def test_a_second_secret_that_is_not_there_is_named(own_data_folder, monkeypatch):
    monkeypatch.setenv("FACEMOTION_STORE_TRANSFORM_KEY", "env:NOBODY_SET_THIS")
    page = examine(code=2)
    assert page["error"] == "StoreKeyError"
    assert "NOBODY_SET_THIS" in page["message"]


def test_a_key_command_is_neither_run_nor_shown(tmp_path, monkeypatch):
    trace = tmp_path / "it-ran"
    monkeypatch.setenv("FACEMOTION_STORE_KEY", f"command:touch {trace}")
    page = examine()
    assert page["facts"]["key"]["source"] == "a command, which wasn't run"
    assert not trace.exists()
    assert str(trace) not in json.dumps(page)


@pytest.mark.once
def test_a_key_that_comes_by_a_pipe_is_not_waited_for(tmp_path, monkeypatch):
    pipe = tmp_path / "key"
    os.mkfifo(pipe)
    monkeypatch.setenv("FACEMOTION_STORE_KEY", f"file:{pipe}")
    done = subprocess.run(
        [sys.executable, "-m", "facemotion.cli", "doctor", "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["facts"]["key"]["source"].endswith("which wasn't read")


def test_a_database_server_is_named_without_its_secrets_and_not_asked(monkeypatch):
    monkeypatch.setenv("FACEMOTION_STORE", "postgresql://u:hunter2@192.0.2.1/d?sslpassword=hunter3")
    monkeypatch.setenv("FACEMOTION_STORE_KEY", new_key())
    page = examine()
    assert page["facts"]["store"]["server"] == "postgresql://u:***@192.0.2.1/d"
    assert "hunter" not in json.dumps(page)
    assert "FACEMOTION_STORE_KEY" in page["facts"]["settings"]["variables set"]
    assert os.environ["FACEMOTION_STORE_KEY"] not in json.dumps(page)


@pytest.mark.once
def test_links_that_other_commands_cannot_follow_are_named(tmp_path):
    loop, dangling, waiting = (tmp_path / name for name in ("loop.db", "dangling.db", "waiting.db"))
    loop.symlink_to(loop)
    dangling.symlink_to(tmp_path / "nowhere" / "s.db")
    waiting.symlink_to(tmp_path / "s.db")
    for path in (loop, dangling, tmp_path / "nowhere" / "s.db"):
        with pytest.raises(StoreError):
            open_store(path)
        assert examine("--store", str(path), code=2)["error"] == "StoreError"
    examine("--store", str(waiting))


MISTYPED = [
    "host=db user=u password=hunter2 dbname=x",
    "password = hunter2",
    "postgresql:/u:hunter2@h/db",
    "PostgreSQL:u:hunter2@h/db",
    "postgresql+psycopg:u:hunter2@h/db",
    "u_name:hunter2@h/db",
    "password=hunter2 x://h",
]


@pytest.mark.once
@pytest.mark.parametrize("name", MISTYPED)
def test_a_mistyped_database_address_is_refused_everywhere_without_repeating_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = examine("--store", name, code=2)
    assert page["error"] == "StoreError"
    assert "postgresql://" in page["message"]
    assert "hunter2" not in json.dumps(page)
    with pytest.raises(StoreError, match="postgresql://") as caught:
        open_store(name)
    assert "hunter2" not in str(caught.value)
    assert not list(tmp_path.glob("*hunter2*"))


def test_a_file_is_not_taken_for_a_database_address():
    for name in ("./user=alice.db", "a=b.db", "C:/x@y.db", "me@home.db", "12:30.db"):
        assert parse_url(name).get_backend_name() == "sqlite"


@pytest.fixture
def read_only(own_data_folder):
    """A data folder that nobody may write to."""
    own_data_folder.mkdir(parents=True)
    if os.getuid() != 0:
        own_data_folder.chmod(0o555)
        yield own_data_folder
        own_data_folder.chmod(0o755)
        return
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=400k", "tmpfs", str(own_data_folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("root writes everywhere, and may not mount a folder that it can't write to")
    yield own_data_folder
    subprocess.run(["umount", str(own_data_folder)], check=True)


def test_a_data_folder_that_is_read_only_is_named_unless_the_store_is_elsewhere(read_only, tmp_path):
    page = examine(code=2)
    assert page["error"] == "WriteError"
    assert str(read_only) in page["message"]
    assert "--store" in page["message"]
    examine("--store", str(tmp_path / "elsewhere.db"))


def test_a_file_that_is_no_store_is_named(tmp_path):
    path = tmp_path / "s.db"
    path.write_bytes(b"no database at all" * 100)
    assert examine("--store", str(path), code=2)["error"] == "StoreCorruptError"


def shadowed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where a folder comes first on the way that Python looks for packages."""
    return subprocess.run(
        [sys.executable, "-m", "facemotion.cli", "doctor", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )


FAULTS_OF_LOADING = [
    ("onnxruntime", "raise AttributeError('_ARRAY_API not found')"),
    pytest.param("onnxruntime", "", marks=pytest.mark.once),
    ("av", "raise SystemError('init failed')"),
    ("numpy", "raise RuntimeError('module compiled against another ABI')"),
    pytest.param("tomlkit", "raise OSError('libx.so: cannot open shared object file')", marks=pytest.mark.once),
    pytest.param("PIL", "raise ImportError('no module')", marks=pytest.mark.once),
    pytest.param("cv2", "raise ImportError('libGL.so.1: cannot open')", marks=pytest.mark.once),
]


@pytest.mark.parametrize(("module", "source"), FAULTS_OF_LOADING)
def test_a_package_that_breaks_in_any_way_is_named_and_the_page_still_comes(module, source, tmp_path):
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text(source)
    done = shadowed(tmp_path)
    assert done.returncode == 2, done.stderr
    package = {"PIL": "pillow", "cv2": "opencv-python-headless"}.get(module, module)
    told = done.stderr.splitlines()[-1]  # ONNX Runtime itself prints why NumPy doesn't load
    assert f"The package {package} can't be loaded" in told
    assert f"pip install --force-reinstall {package}`" in told
    assert "None" not in told
    for fact in ("interpreter: ", "processor: ", "processors: ", "file: ", "serve: "):
        assert f"\n  {fact}" in done.stdout


def test_a_missing_decoder_is_named_and_the_page_still_comes(tmp_path):
    (tmp_path / "av").mkdir()
    (tmp_path / "av" / "__init__.py").write_text(
        'raise ImportError("libavcodec.so.62: cannot open shared object file")'
    )
    done = shadowed(tmp_path)
    assert done.returncode == 2, done.stderr
    assert "The package av can't be loaded (libavcodec.so.62" in done.stderr
    assert "Traceback" not in done.stderr
    assert "optional parts" in done.stdout


def test_a_package_of_a_version_that_nobody_tried_is_named(tmp_path):
    folder = tmp_path / "av-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: av\nVersion: 1.0\n")
    page = json.loads(shadowed(tmp_path, "--json").stdout)
    assert page["error"] == "InstallationError"
    assert "The package av is there as 1.0" in page["message"]


def test_every_extra_for_users_is_among_the_optional_parts():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(OPTIONAL) == set(extras) - {"smoke", "dev", "docs"}
    assert set(examine()["facts"]["optional parts"]) == set(OPTIONAL)


@pytest.mark.parametrize(
    ("version", "bounds", "holds"),
    [
        ("17.1", ">=17.1,<20", True),
        ("17.0.9", ">=17.1,<20", False),
        ("20.0.0", "<20,>=17.1", False),
        ("19.9.9", "<20,>=17.1", True),
        ("2.0", ">=2.0.0", True),
        ("2.10", ">=2.9", True),
        ("3.0.0rc1", "<3", False),
        ("1.0.post1", ">=1.0", True),
        ("5", "", True),
        ("5", "!=5", False),
    ],
)
def test_versions_are_held_to_bounds(version, bounds, holds):
    assert within(version, bounds) is holds
