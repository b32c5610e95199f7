"""Fitted portraits are kept and never fitted twice; needs the assets."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from facemotion.errors import AssetError, WriteError
from facemotion.synth.people.assets import PORTRAIT_LIST, PORTRAITS, Assets
from facemotion.synth.people.cast import Recruit, fit_portraits
from facemotion.synth.people.fit import load_fits
from facemotion.synth.people.head import IDENTITIES


def test_only_what_is_not_kept_is_fitted(tmp_path, assets, fits, fits_file):
    folder = tmp_path / "assets"
    folder.mkdir()
    for name in (assets.head.name, PORTRAITS):
        (folder / name).symlink_to(assets.folder / name)
    (folder / PORTRAIT_LIST).write_text("file\n" + "".join(f"{name}.jpg\n" for name in fits))
    few = Assets.find(folder)
    done = []
    cache = tmp_path / "deep" / "fits.npz"
    cache.parent.mkdir()
    shutil.copy(fits_file, cache)
    assert set(fit_portraits(few, cache, lambda *seen: done.append(seen))) == set(fits)
    assert done == []

    with (folder / PORTRAIT_LIST).open("a") as file:
        file.write("female_11.jpg\n")
    found = fit_portraits(few, cache, lambda *seen: done.append(seen))
    assert done == [(1, 1)]
    assert set(load_fits(cache)) == set(found) == {*fits, "female_11"}
    np.testing.assert_array_equal(found["male_12"].identity, fits["male_12"].identity)
    (folder / PORTRAIT_LIST).write_text("file\nfemale_11.jpg\n")
    with pytest.raises(WriteError, match="choose another place"):
        fit_portraits(few, folder / PORTRAIT_LIST / "fits.npz")


def test_a_person_of_a_portrait_that_is_not_there_is_named(builder):
    recruit = Recruit("s001", "female_99", "", 0.0, np.zeros(IDENTITIES, np.float32), 0)
    for build in (lambda: builder.portrait("female_99"), lambda: builder.build(recruit)):
        with pytest.raises(AssetError, match="no portrait female_99.*`facemotion synth assets`"):
            build()


def test_assets_must_be_named(monkeypatch):
    monkeypatch.delenv("FACEMOTION_ASSETS", raising=False)
    with pytest.raises(AssetError, match="FACEMOTION_ASSETS"):
        Assets.find()
