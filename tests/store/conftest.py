"""Every test that asks for `store_url` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.service.conftest import film, session_environment, talk  # noqa: F401 - fixtures that the tests here take by name
from typer.testing import CliRunner

from facemotion.cli import app

from . import pgbouncer
from .postgres import Postgres, missing


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if reason := missing():
        pytest.skip(reason)
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def pooler(postgres: Postgres) -> Iterator[pgbouncer.PgBouncer]:
    if pgbouncer.binary() is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer)")
    one = pgbouncer.PgBouncer(postgres)
    yield one
    one.remove()


@pytest.fixture
def pooled_url(postgres: Postgres, pooler: pgbouncer.PgBouncer) -> str:
    """An empty database behind PgBouncer in transaction mode."""
    return pooler.database(postgres)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def command(store_url: str) -> Callable[..., Any]:
    def run(*words: str):
        result = CliRunner().invoke(app, [*words, "--store", store_url, "--json"])
        assert result.exit_code == 0, f"{result.output} {result.exception!r}"
        return json.loads(result.stdout)

    return run
