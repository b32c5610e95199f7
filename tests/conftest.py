"""Paths and parts that many tests share."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache, wraps
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each process has a core of its own: threads of NumPy and torch would wait for each other, and they burn processor
    # time while they wait. NumPy reads this once, when it is loaded.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import av
import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from facemotion.frontend import Acquisition

gc.disable()  # until all tests are collected: what is imported stays, and looking for waste in it takes a tenth
load_module = SourceFileLoader.exec_module


@wraps(load_module)
def load_unwatched(loader: SourceFileLoader, module: ModuleType) -> None:
    """Load a package of others without coverage, which would look at each of its lines; torch, numba and SciPy load in
    two thirds of the time. None of them loads a module of facemotion."""
    tracer = sys.gettrace()
    if tracer is None or "site-packages" not in loader.path or module.__name__.partition(".")[0] == "facemotion":
        return load_module(loader, module)
    sys.settrace(None)
    try:
        return load_module(loader, module)
    finally:
        sys.settrace(tracer)


SourceFileLoader.exec_module = load_unwatched  # type: ignore[method-assign]  # for the whole process, on purpose

hypothesis.settings.register_profile("busy", deadline=None)  # a machine with other work to do is no fault
hypothesis.settings.load_profile("busy")

ROOT = Path(__file__).parents[1]
TOGETHER = {
    "browser": "browser",
    "service": "service",
    "synth": "synth",
    "cli/test_synth_commands.py": "synth",
    "cli/test_models_folder.py": "synth",
}
"""Rooms and files whose tests share a browser, a tuned encoder, or people that are fitted once, and so run in one
process. Films don't wait for a busy machine: two browsers side by side take longer, and fail."""

FIRST = ("browser", "synth", "training", "experiments", "cli")
"""Rooms that begin first, so that none of their long files is left to one process at the end."""

CLAY_PORTRAITS = ("female_10", "female_11", "male_12", "male_52")
"""Who is made of clay where the published portraits are absent."""

LONG_FIXTURES = {"server", "visit", "postgres", "assets_folder", "data_folder", "clips", "film", "exported"}
"""From a service, a browser, a database, the data folder, clips that are decoded, or torch's exporter; `make test-fast`
leaves out the tests that need one."""


SHARED_FIXTURES = {"data_folder", "published_assets", "captures_folder"}
"""What no clone holds: recordings of people, and what was published elsewhere."""


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `long` what needs a fixture of LONG_FIXTURES, and as `shared` what needs one of SHARED_FIXTURES, so that
    no test of that kind can be forgotten, and put the rooms of FIRST before the others."""
    for item in items:
        fixtures = {*getattr(item, "fixturenames", ())}
        given = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if LONG_FIXTURES & fixtures or "postgresql" in map(str, given):
            item.add_marker(pytest.mark.long)
        if SHARED_FIXTURES & fixtures:
            item.add_marker(pytest.mark.shared)
    order = {room: number for number, room in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(_room(item.nodeid), len(FIRST)))


def pytest_collection_finish() -> None:
    """From here on waste is looked for, among what tests make."""
    gc.freeze()
    gc.enable()


def _room(place: str) -> str:
    """The folder of `tests` that a test lies in, such as "browser"."""
    return place.removeprefix("tests/").partition("/")[0]


@pytest.fixture(autouse=True)
def no_loop_of_a_browser(request: pytest.FixtureRequest) -> Iterator[None]:
    """A browser that was opened for a test before leaves its loop marked as running in this thread; nobody else could
    run one."""
    left = asyncio._get_running_loop()
    if left is None or _room(request.node.nodeid) == "browser":
        yield
        return
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(left)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process of `pytest -n` whole files, or whole rooms of TOGETHER, in the order of collection."""
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return TOGETHER.get(path.removeprefix("tests/")) or TOGETHER.get(_room(nodeid)) or path

    config.option.loadscopereorder = False  # by the number of tests, which says little
    return Rooms(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let processes that compute give way to the browser, whose films go on whether or not it has time for them."""
    if (
        "PYTEST_XDIST_WORKER" in os.environ
        and hasattr(os, "nice")
        and _room(item.nodeid) != "browser"
        and os.nice(0) == 0
    ):
        os.nice(10)


@pytest.fixture(scope="session", autouse=True)
def exports_unwatched() -> Iterator[None]:
    """Coverage looks at every line that runs. Those of torch's exporter are millions and none is ours: an export takes
    half of the time without."""
    torch = sys.modules.get("torch")
    if torch is None or sys.gettrace() is None:
        yield
        return
    export = torch.onnx.export

    @wraps(export)
    def unwatched(*arguments: Any, **named: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return export(*arguments, **named)
        finally:
            sys.settrace(tracer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.onnx, "export", unwatched)
        yield


def _shared(variable: str, name: str) -> Path:
    path = Path(os.environ.get(variable, ROOT.parent / "shared" / name))
    if not path.is_dir():
        pytest.skip(f"needs the {name} folder: neither {variable} nor ../shared/{name} is there")
    return path


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Real recordings: FACEMOTION_DATA, else ../shared/data."""
    return _shared("FACEMOTION_DATA", "data")


@pytest.fixture(scope="session")
def assets_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What simulated people are drawn from: FACEMOTION_ASSETS, else ../shared/assets, else people of clay."""
    path = Path(os.environ.get("FACEMOTION_ASSETS", ROOT.parent / "shared" / "assets"))
    if not path.is_dir():
        from facemotion.synth.sources.building import build_clay

        path = tmp_path_factory.mktemp("clay")
        build_clay(path, CLAY_PORTRAITS)
    return path


@pytest.fixture(scope="session")
def published_assets(assets_folder: Path) -> Path:
    """The same, where it holds the published head and portraits, not those of clay."""
    from facemotion.synth.people.assets import HEAD

    if not (assets_folder / HEAD).exists():
        pytest.skip(
            "needs what `facemotion synth assets` builds: neither FACEMOTION_ASSETS nor ../shared/assets is there"
        )
    return assets_folder


@pytest.fixture(scope="session")
def fits(assets_folder: Path) -> dict[str, Any]:
    """Three portraits, fitted: name -> Fit. A portrait takes seconds, so all simulated people are made of these."""
    from facemotion.synth.people.assets import Assets
    from facemotion.synth.people.fit import PortraitFitter

    fitter = PortraitFitter(Assets(assets_folder))
    return {name: fitter(name) for name in ("female_10", "male_12", "male_52")}


@pytest.fixture(scope="session")
def drawn_face() -> NDArray[np.uint8]:
    """(256, 256, 3) a plain drawing of a face on which the detector fires."""
    with np.load(ROOT / "tests" / "features" / "mesh_reference.npz") as stored:
        return stored["images"][0]


@pytest.fixture(scope="session")
def talking(drawn_face: NDArray[np.uint8]) -> Callable[..., NDArray[np.uint8]]:
    """talking(count, gape, side) -> (count, 240, 320, 3) the drawing, its mouth opening and closing once.

    The mouth opens by `gape` of the drawing's 256 pixels; the drawing fills `side` pixels of the frame.
    """

    def draw(count: int, gape: float, side: int) -> NDArray[np.uint8]:
        frames = []
        for opened in gape * np.sin(np.linspace(0, np.pi, count)):
            image = Image.fromarray(drawn_face)
            ImageDraw.Draw(image).ellipse((108, 162 - opened / 3, 148, 166 + opened), fill=(60, 15, 20))
            canvas = Image.new("RGB", (320, 240), (90, 120, 150))
            canvas.paste(image.resize((side, side)), ((320 - side) // 2, (240 - side) // 2))
            frames.append(np.asarray(canvas))
        return np.stack(frames)

    return draw


@pytest.fixture(scope="session")
def talking_frames(talking: Callable[..., NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """(30, 240, 320, 3) the drawing, its mouth opening and closing once."""
    return talking(30, 14, 240)


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """encode(frames, times=None, container="mp4", codec="libx264", **options) -> the bytes of a video."""

    def make(
        frames: NDArray[np.uint8], times: Sequence[float] | None = None, container: str = "mp4", codec: str = "libx264"
    ) -> bytes:
        stream = io.BytesIO()
        with av.open(stream, "w", format=container) as out:
            video = out.add_stream(codec, rate=25)
            video.width, video.height, video.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
            if codec == "libvpx":
                video.codec_context.thread_count = 1  # its threads wait for each other for seconds
            video.time_base = video.codec_context.time_base = Fraction(1, 1000)
            if codec == "libx264":
                video.options = {"crf": "18", "preset": "ultrafast"}
            for number, array in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format="yuv420p")
                frame.pts = round(1000 * (times[number] if times is not None else number / 25))
                frame.time_base = Fraction(1, 1000)
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        return stream.getvalue()

    return make


@pytest.fixture(scope="session")
def short_films(
    talking_frames: NDArray[np.uint8], encode: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with talk.mp4, a take that can be used; slow.mp4, the same at four frames a second; nobody.mp4."""
    folder = tmp_path_factory.mktemp("films")
    times = np.arange(30) / 25
    (folder / "talk.mp4").write_bytes(encode(talking_frames[::2], times[::2]))
    (folder / "slow.mp4").write_bytes(encode(talking_frames[::6], times[::6]))
    (folder / "nobody.mp4").write_bytes(encode(np.zeros((25, 120, 160, 3), np.uint8)))
    return folder


@pytest.fixture(scope="session")
def clips(
    drawn_face: NDArray[np.uint8], encode: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with talk1.mp4 and talk2.mp4 (two takes of one motion by one simulated person), brow.mp4 (another motion
    of hers), mimic.mp4 (another person, the first motion), still.mp4, nobody.mp4, crowd.mp4, and slow.mp4 (the
    first take at five frames a second).

    Of the samples they keep every third frame, which is 8 a second: reading them takes a third of the time. Two takes
    score 0.91, two motions 0.11; of all frames 0.91 and 0.05."""
    from facemotion.media import load_clip

    folder = tmp_path_factory.mktemp("clips")
    samples = ROOT / "src" / "facemotion" / "samples"
    names = {"talk1": "anna-wink-pout-1", "talk2": "anna-wink-pout-2", "brow": "anna-brows-smile-1"}
    for name, sample in (names | {"mimic": "ben-wink-pout-1"}).items():
        take = load_clip(samples / f"{sample}.mp4")
        (folder / f"{name}.mp4").write_bytes(encode(take.frames[::3], take.times[::3]))
    canvas = np.full((25, 240, 320, 3), (90, 120, 150), np.uint8)
    canvas[:, :, 40:280] = np.asarray(Image.fromarray(drawn_face).resize((240, 240)))
    (folder / "still.mp4").write_bytes(encode(canvas))
    take = load_clip(samples / "anna-wink-pout-1.mp4")
    (folder / "slow.mp4").write_bytes(encode(take.frames[::5], take.times[::5]))
    (folder / "nobody.mp4").write_bytes(encode(np.zeros((25, 120, 160, 3), np.uint8)))
    (folder / "crowd.mp4").write_bytes(encode(np.concatenate([canvas, canvas], axis=2)))
    return folder


@pytest.fixture(scope="session")
def acquired(clips: Path) -> Callable[[str], Acquisition]:
    """acquired(name) -> what the shipped front end makes of a clip of `clips`, by its name without the ending.

    A clip takes a second; each is read once, for tests whose story isn't the reading of files.
    """
    from facemotion.config import Settings
    from facemotion.frontend import Frontend

    frontend = Frontend.load(Settings())
    return cache(lambda name: frontend.acquire(clips / f"{name}.mp4"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 400 kB."""
    from tests.full_disks import small_disk_at

    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk_at(folder):
        yield folder


@pytest.fixture(autouse=True)
def own_configuration_folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and the key files of stores are looked for in a folder of the test, never in the user's own, nor in that
    of the service's tests, which may have run before."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("FACEMOTION_STORE_KEY", raising=False)
    monkeypatch.delenv("FACEMOTION_STORE_TRANSFORM_KEY", raising=False)
    if _room(request.node.nodeid) not in ("browser", "service"):
        monkeypatch.delenv("FACEMOTION_CONFIG", raising=False)
