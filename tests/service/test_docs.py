"""docs/reference/service.md names every endpoint and every setting, and OpenAPI is fit for a client generator."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.service_messages import tables

from facemotion.config import read_toml, to_toml
from facemotion.service.http.app import create_app
from facemotion.service.http.docs_page import operations as described
from facemotion.service.http.docs_page import refusals
from facemotion.service.live import protocol, session, tryit
from facemotion.service.problems import Message
from facemotion.service.settings import ServiceSettings

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "service.md").read_text("utf-8")


def test_every_setting_is_documented(tmp_path):
    text = to_toml(ServiceSettings()).strip()
    assert text in TEXT
    (tmp_path / "service.toml").write_text(text, "utf-8")
    assert read_toml(ServiceSettings, tmp_path / "service.toml") == ServiceSettings()


@pytest.fixture(scope="module")
def description(tmp_path_factory) -> dict:
    """The OpenAPI description."""
    return create_app(tmp_path_factory.mktemp("store") / "store.db").openapi()


@pytest.fixture(scope="module")
def operations(description) -> list[dict]:
    return [operation for methods in description["paths"].values() for operation in methods.values()]


def test_every_endpoint_is_documented(description):
    assert "`WS /v1/live`" in TEXT
    for path, methods in description["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in TEXT, f"{method} {path}"


@pytest.mark.parametrize("name", ["problem", "rest", "live-client", "live-service"])
def test_the_page_lists_the_messages_as_their_models_are(name):
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    assert TEXT.partition(begin)[2].partition(end)[0].strip() == tables()[name], "run python -m tools.service_messages"


def test_every_live_message_is_a_model_that_a_session_uses():
    models = {kind for kind in vars(protocol).values() if isinstance(kind, type) and issubclass(kind, Message)}
    sessions = vars(session) | vars(tryit)
    assert {kind.__name__ for kind in models - {Message, protocol.FromClient}} <= set(sessions)


def test_every_operation_has_a_name_of_its_own_and_a_summary(operations):
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)
    assert all(operation["summary"] for operation in operations)


def test_the_pages_say_what_must_be_there_and_within_which_bounds(description):
    listed = {one.name: {field.name: field for field in one.fields} for one in described(description)}
    limit, takes, proof = listed["listUsers"]["limit"], listed["enrol"]["takes"], listed["createNonce"]["proof"]
    assert (limit.type, limit.needed, takes.needed, proof.needed) == ("whole number, 1 to 1000", False, True, False)
    assert {"405", "500"} <= set(refusals(description))


def test_every_field_that_an_operation_takes_has_a_meaning(description):
    assert [(one.name, field.name) for one in described(description) for field in one.fields if not field.meaning] == []


def test_every_schema_that_is_named_is_there(description):
    schemas = description["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/(\w+)", str(description))) <= set(schemas)
    assert "HTTPValidationError" not in schemas  # ours are Problems


def test_every_refusal_is_a_problem(operations):
    for operation in operations:
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_whoever_is_looked_up_may_hear_that_the_database_is_away(operations):
    """Keys are in the database, so any operation that takes one may be refused with 503."""
    silent = [one["operationId"] for one in operations if one.get("security") and "503" not in one["responses"]]
    assert silent == []


def test_a_client_generator_learns_of_keys_and_uploads(description, operations):
    assert description["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    uploads = [operation for operation in operations if "multipart/form-data" in str(operation.get("requestBody"))]
    assert sorted(operation["operationId"] for operation in uploads) == ["enrol", "enrolAgain", "verify"]
