"""The client and the curl page, against a real server."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import facemotion as fm
from facemotion.config import Settings, from_table
from facemotion.errors import (
    AuthenticationError,
    CodeError,
    FormError,
    LockedError,
    NoMotionError,
    NonceError,
    ReturnAddressError,
    RightsError,
    ServiceError,
    SessionError,
    SignatureError,
    TooFewFramesError,
    UnknownUserError,
    UnreadableMediaError,
    UsageError,
    UserExistsError,
)
from facemotion.service.http.webhooks import sign
from facemotion.service.settings import ServerSettings, ServiceSettings

from .conftest import running

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "service.md"


@pytest.fixture(scope="module")
def client(server) -> Iterator[fm.Client]:
    with fm.Client(server.url, server.keys["admin"]) as opened:
        yield opened


@pytest.fixture(scope="module")
def cleo(client, talk) -> str:
    """A user who is enrolled."""
    assert client.enrol("cleo", talk[:3]).takes == 3
    return "cleo"


def test_a_name_is_enrolled_once(client, cleo, talk):
    with pytest.raises(UserExistsError, match="replace=True"):
        client.enrol(cleo, talk[:3])


def test_a_clip_may_be_a_file(client, cleo, talk, tmp_path):
    probe = tmp_path / "probe.mp4"
    probe.write_bytes(talk[4])
    assert client.verify(cleo, probe) is True
    with pytest.raises(UnreadableMediaError, match=r"There is no file .*nothing\.mp4; check the path"):
        client.verify(cleo, tmp_path / "nothing.mp4")
    with pytest.raises(UsageError, match="A clip is the path of a file, or its bytes; got int"):
        client.verify(cleo, 5)


def test_users_are_listed_page_by_page(client, cleo):
    page, found = client.users(limit=1), []
    assert (page.total >= 1, page.outdated) == (True, 0)
    while True:
        found += [user["user"] for user in page.users]
        if not page.next:
            break
        page = client.users(page.next, limit=1)
    assert cleo in found
    assert len(found) == client.users().total
    assert [dict(user) for user in client.users(find=cleo.upper()).users] == [client.status(cleo)]
    assert client.users(outdated=True).users == ()


def test_a_nonce_is_good_for_one_attempt(client, cleo, talk, brow):
    nonce = client.nonce(cleo)
    assert client.verify(cleo, brow[0], nonce) is False
    with pytest.raises(NonceError):
        client.verify(cleo, talk[5], nonce)
    assert client.status(cleo)["failures"] == 1
    client.unlock(cleo)


def test_a_clip_of_no_use_is_refused_by_name(client, cleo, clips):
    with pytest.raises(NoMotionError):
        client.verify(cleo, clips / "still.mp4")
    with pytest.raises(TooFewFramesError, match="at least 6 are needed"):
        client.verify(cleo, clips / "slow.mp4")


@pytest.mark.once
def test_enrolling_again_needs_to_be_asked_for(client, talk, brow):
    client.enrol("dido", talk[:3])
    assert client.enrol("dido", brow, replace=True).takes == 3
    assert client.verify("dido", talk[3]) is False


def test_the_models_in_use_are_listed(client):
    assert client.models()["models"]


@pytest.mark.parametrize("name", ["al ice", "Zo\u00eb", ".al", "a" * 129])
def test_a_name_that_the_service_refuses_is_told_the_letters(client, name):
    with pytest.raises(FormError, match=r"letters a to z and A to Z, digits and \. _ @ \+ -"):
        client.status(name)


@pytest.mark.parametrize("name", ["cleo?x", "cleo#x", "cleo/", "../users/cleo", "%63leo"])
def test_no_name_is_taken_for_another_one(client, cleo, name):
    with pytest.raises(FormError):
        client.delete(name)
    assert client.status(cleo)["enrolled"] is True


def test_a_user_is_deleted_once(client, talk):
    client.enrol("echo", talk[:2])
    client.delete("echo")
    with pytest.raises(UnknownUserError):
        client.delete("echo")


def test_the_client_for_asyncio_does_what_the_other_one_does(server, client, cleo, talk):
    async def use() -> None:
        async with fm.AsyncClient(server.url, server.keys["enrol"]) as opened:
            assert await opened.verify(cleo, talk[3], await opened.nonce(cleo)) is True
            assert (await opened.status(cleo))["enrolled"] is True
            made = await opened.start_session(cleo)
            waiting = await opened.session_result(made.id)
            assert (waiting.status, waiting.accepted, waiting.reason) == ("waiting", None, "")
            with pytest.raises(UserExistsError):
                await opened.enrol(cleo, talk[:2])
            for forbidden in (opened.unlock(cleo), opened.users()):
                with pytest.raises(RightsError):
                    await forbidden
            with pytest.raises(UnknownUserError):
                await opened.delete("nobody")
            assert await opened.models() == client.models()
        async with fm.AsyncClient("http://127.0.0.1:9", seconds=1) as opened:
            with pytest.raises(ServiceError, match="reached"):
                await opened.models()

    asyncio.run(use())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"purpose": "log in"}, r"body\.purpose must be 'verify', 'enrol' or 'enrol-again'\."),
        ({"purpose": "verify", "clip": "x"}, r"body\.clip isn't a field that is taken\."),
        ({}, r"body\.purpose is missing\."),
        ({"purpose": "verify", "proof": "secret" * 99}, r"body\.proof has more than 256 characters\."),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_what_it_should_be_and_not_by_what_it_holds(server, body, words):
    message = server.call("POST", "/v1/users/cleo/nonces", json=body).json()["message"]
    assert re.match(words, message), message
    assert "secret" not in message


def test_bounds_of_a_query_are_named(server):
    message = server.call("GET", "/v1/users?limit=1001").json()["message"]
    assert message.startswith("query.limit must be at most 1000.")


def test_a_caller_without_a_key_is_told_that_a_key_is_needed_and_not_which_role_theirs_has(server):
    with fm.Client(server.url) as keyless, pytest.raises(RightsError, match="the role admin; send one as") as refused:
        keyless.users()
    assert "yours" not in str(refused.value)


def test_who_begins_a_session_to_enrol_somebody_enrolled_is_told_the_purpose_that_replaces(client, cleo):
    with pytest.raises(UserExistsError, match='"purpose": "enrol-again"'):
        client.start_session(cleo, "enrol")


def test_both_clients_have_the_same_methods():
    def signatures(kind: type) -> dict[str, str]:
        names = [name for name in vars(kind) if not name.startswith("_")]
        return {name: str(inspect.signature(getattr(kind, name))) for name in names}

    assert signatures(fm.Client) == signatures(fm.AsyncClient)


def test_a_session_by_the_client(server, client, cleo):
    made = client.start_session(cleo, state="s")
    assert client.session_result(made.id).accepted is None  # nobody knows yet
    token = made.address.partition("#session=")[2]
    for what in ("open", "end"):
        token = client._http.post(f"/v1/page/{what}", json={"token": token}).json().get("token", "")
    result = client.session_result(made.id)
    assert (result.user, result.purpose, result.state, result.status) == (cleo, "verify", "s", "ended")
    assert (result.accepted, result.reason, result.evidence["factors"]) == (False, "cancelled", [])
    with pytest.raises(CodeError):
        client.session_result(made.id, "made up")
    with pytest.raises(SessionError):
        client.session_result("unknown")
    with pytest.raises(ReturnAddressError, match="return_addresses"):
        client.start_session(cleo, return_to="https://elsewhere.example.com/")


def test_a_webhook_takes_what_the_service_signed_and_nothing_else():
    secret, now = b"0123456789abcdef0123456789abcdef", int(time.time())
    told = {"session": "x", "user": "u", "purpose": "verify", "state": "", "status": "expired", "result": None}
    body = json.dumps(told).encode()
    result = fm.check_webhook(body, sign(body, secret, now), secret.decode() + "\n")
    assert (result.id, result.status, result.accepted) == ("x", "expired", None)
    for bad, signature in (
        (body + b" ", sign(body, secret, now)),
        (body, sign(body, b"1" + secret[1:], now)),
        (body, sign(body, secret, now - 301)),
        (body, sign(body, secret, now).replace(f"t={now}", f"t={now + 1}")),
        (body, ""),
    ):
        with pytest.raises(SignatureError, match="refuse the request"):
            fm.check_webhook(bad, signature, secret)


@pytest.mark.once
def test_a_lock_says_when_to_try_again_and_is_opened_by_an_administrator(client, talk):
    for number in range(5):
        assert client.verify("gone", talk[number]) is False
    with pytest.raises(LockedError) as locked:
        client.verify("gone", talk[5])
    assert 0 < locked.value.retry_seconds <= 30
    client.unlock("gone")
    assert client.status("gone")["failures"] == 0


def test_wrong_keys_roles_and_places_have_names(server):
    with fm.Client(server.url, "fm_00000000_wrong") as client, pytest.raises(AuthenticationError):
        client.models()
    with fm.Client(server.url, server.keys["verify"]) as client, pytest.raises(RightsError):
        client.unlock("alice")
    with fm.Client("http://127.0.0.1:9", "x", seconds=1) as client, pytest.raises(ServiceError) as unreachable:
        client.models()
    assert unreachable.value.retry_seconds


@pytest.mark.parametrize(
    "address",
    ["http://h/\nx", "http://h\0/", "http://h h/", "http://h/%zz", f"http://{'a' * 300}/",
     "127.0.0.1:8470", "localhost:8470", "verify.example.com", "", "ftp://example.com", "http://", "https://:8470",
     "http://host:port", "http://[::1", "https://example.com/?a=b", "//example.com", 5],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_at_once(address):
    with pytest.raises(UsageError, match="https://HOST:PORT"):
        fm.Client(address)


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate of our own for 127.0.0.1, good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    (folder / "chain.pem").write_bytes(made.public_bytes(Encoding.PEM))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(plain)
    return str(folder / "chain.pem"), str(folder / "key.pem")


def test_over_tls(tmp_path, talk, session_environment):
    chain, key = certificate(tmp_path)
    settings = ServiceSettings(server=ServerSettings(tls_certificate=chain, tls_key=key))
    with running(tmp_path / "store.db", settings) as server:
        with fm.Client(server.url, server.keys["enrol"], ca=chain) as client:
            assert client.enrol("alice", talk[:2]).takes == 2
            assert client.verify("alice", talk[2]) is True
        with fm.Client(server.url, server.keys["enrol"]) as client, pytest.raises(ServiceError, match="reached"):
            client.models()


def test_the_python_block_runs(server, talk, tmp_path, monkeypatch, capsys):
    block = re.search(r"<!-- python:begin -->\n```python\n(.*?)```", DOCS.read_text("utf-8"), re.S)[1]
    for name, clip in zip(("1", "2", "3", "probe"), talk, strict=False):
        (tmp_path / f"{name}.mp4").write_bytes(clip)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEMOTION_KEY", server.keys["enrol"])
    exec(block.replace("http://127.0.0.1:8470", server.url), {})
    enrolled, verified = capsys.readouterr().out.splitlines()
    assert enrolled.startswith("3")
    assert verified == "True"
    assert server.call("GET", "/v1/users/alice").json()["enrolled"] is False


@pytest.mark.once
@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_curl_page_runs(server, talk, tmp_path):
    page = re.search(r"<!-- curl:begin -->\n```sh\n(.*?)```", DOCS.read_text("utf-8"), re.S)[1]
    script = page.replace("http://127.0.0.1:8470", server.url)
    for name, clip in zip(("1", "2", "3", "probe"), talk, strict=False):
        (tmp_path / f"{name}.mp4").write_bytes(clip)
    environment = os.environ | {"FACEMOTION_KEY": server.keys["enrol"]}
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert '"takes":3' in done.stdout
    assert '"accepted":true' in done.stdout
    assert '"enrolled":true' in done.stdout
    assert server.call("GET", "/v1/users/alice").json()["enrolled"] is False


@pytest.mark.once
@pytest.mark.long
@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_samples_are_enrolled_and_accepted_as_the_page_says(tmp_path, session_environment):
    page = re.search(r"<!-- samples:begin -->\n```sh\n(.*?)```", DOCS.read_text("utf-8"), re.S)[1]
    shutil.copytree(Path(fm.__file__).parent / "samples", tmp_path / "samples")
    trial = from_table(Settings, {"verifier": {"min_takes": 1}})
    with running(tmp_path / "store.db", inference=trial) as server:
        script = page.replace("http://127.0.0.1:8470", server.url)
        done = subprocess.run(["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.endswith('{"accepted":true,"evidence":null}')


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_curl_page_shows_why_it_was_refused(server, tmp_path):
    page = re.search(r"<!-- curl:begin -->\n```sh\n(.*?)```", DOCS.read_text("utf-8"), re.S)[1]
    script = page.replace("http://127.0.0.1:8470", server.url)
    for name in ("1", "2", "3", "probe"):
        (tmp_path / f"{name}.mp4").write_bytes(b"")
    for key, error in ((server.keys["enrol"], "UnreadableMediaError"), ("fm_00000000_wrong", "AuthenticationError")):
        environment = os.environ | {"FACEMOTION_KEY": key}
        done = subprocess.run(
            ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert error in done.stdout + done.stderr
