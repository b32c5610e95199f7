"""People for the tests, built once."""

from __future__ import annotations

import pytest

from facemotion.synth.people.assets import Assets
from facemotion.synth.people.cast import PersonBuilder
from facemotion.synth.people.fit import save_fits
from facemotion.synth.people.head import load_head


@pytest.fixture(scope="session")
def assets(assets_folder):
    return Assets.find(assets_folder)


@pytest.fixture(scope="session")
def head(assets):
    return load_head(assets)


@pytest.fixture(scope="session")
def builder(assets, head, fits):
    return PersonBuilder(assets, head, fits)


@pytest.fixture(scope="session")
def person(builder):
    return builder.portrait("male_52")


@pytest.fixture(scope="session")
def fits_file(fits, tmp_path_factory):
    path = tmp_path_factory.mktemp("fits") / "fits.npz"
    save_fits(list(fits.values()), path)
    return path
