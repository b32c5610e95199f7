"""docs/service.md names every endpoint and every setting, and OpenAPI is fit for a client generator."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.service_messages import tables

from facemotion.config import read_toml, to_toml
from facemotion.service.http.app import create_app
from facemotion.service.live import protocol, session, tryit
from facemotion.service.problems import Message
from facemotion.service.settings import ServiceSettings

TEXT = (Path(__file__).parents[2] / "docs" / "service.md").read_text("utf-8")


def test_every_setting_is_documented(tmp_path):
    text = to_toml(ServiceSettings()).strip()
    assert text in TEXT
    (tmp_path / "service.toml").write_text(text, "utf-8")
    assert read_toml(ServiceSettings, tmp_path / "service.toml") == ServiceSettings()


def described(tmp_path) -> dict:
    return create_app(tmp_path / "store.db").openapi()


def test_every_endpoint_is_documented(tmp_path):
    assert "`WS /v1/live`" in TEXT
    for path, methods in described(tmp_path)["paths"].items():
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


def test_openapi_suits_a_client_generator(tmp_path):
    description = described(tmp_path)
    operations = [one for methods in description["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)
    schemas = description["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    assert description["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for one in operations:
        assert one["summary"]
        for status, answer in one["responses"].items():
            if int(status) >= 400:
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    for reference in re.findall(r"#/components/schemas/(\w+)", str(description)):
        assert reference in schemas
    uploads = [one for one in operations if "multipart/form-data" in str(one.get("requestBody"))]
    assert sorted(one["operationId"] for one in uploads) == ["enrol", "enrolAgain", "verify"]
