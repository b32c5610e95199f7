"""What a recording needs: the front end."""

from __future__ import annotations

import pytest

from facemotion.config import Settings
from facemotion.frontend import Frontend


@pytest.fixture(scope="session")
def frontend() -> Frontend:
    return Frontend.load(Settings())
