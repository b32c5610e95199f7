"""The examples under deploy/ fit the service that they run, as far as that can be seen without a cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from facemotion.config import from_table, read_toml
from facemotion.service.http.routes import routes
from facemotion.service.settings import LimitSettings, ServiceSettings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
VARIABLE = re.compile(r"FACEMOTION_[A-Z_]+")
NAMING = [path for path in sorted(DEPLOY.rglob("*")) if path.is_file() and VARIABLE.search(path.read_text("utf-8"))]
"""Files that name a variable of the environment."""
KUBERNETES = {path.name: list(yaml.safe_load_all(path.read_text("utf-8"))) for path in DEPLOY.glob("kubernetes/*.yaml")}
PATHS = {getattr(route, "path", "") for route in routes().routes} | {"/health", "/ready"}


def of_kind(kind: str) -> dict[str, Any]:
    (found,) = (each for documents in KUBERNETES.values() for each in documents if each["kind"] == kind)
    return found


def pods() -> list[dict[str, Any]]:
    return [of_kind("Pod")["spec"], *(of_kind(kind)["spec"]["template"]["spec"] for kind in ("Job", "Deployment"))]


@pytest.mark.parametrize("path", NAMING, ids=lambda path: path.name)
def test_every_variable_of_the_environment_is_one_that_is_read(path):
    code = "".join(source.read_text("utf-8") for source in (ROOT / "src").rglob("*.py"))
    unread = {name for name in VARIABLE.findall(path.read_text("utf-8")) if f'"{name}"' not in code}
    assert unread == set()


def test_the_settings_are_settings_of_a_service_behind_a_proxy():
    inline = tomllib.loads(of_kind("ConfigMap")["data"]["service.toml"])
    for settings in (read_toml(ServiceSettings, DEPLOY / "service.toml"), from_table(ServiceSettings, inline)):
        assert settings.server.tls_ended_by_proxy
        assert not settings.server.keyless_on_loopback
        assert settings.server.try_it == "off"


def test_nginx_allows_what_the_service_allows():
    text = (DEPLOY / "nginx" / "facemotion.conf").read_text("utf-8")
    limits = LimitSettings()
    assert f"client_max_body_size {limits.body_mebibytes:.0f}m" in text
    assert f"client_header_timeout {limits.head_seconds:.0f}s" in text
    assert f"client_body_timeout {limits.upload_seconds:.0f}s" in text
    assert f"proxy-body-size: {limits.body_mebibytes:.0f}m" in (DEPLOY / "kubernetes" / "ingress.yaml").read_text()


def test_no_proxy_logs_names_or_keeps_bodies_on_disk():
    for name in ("facemotion.conf", "location.prefix.conf"):
        text = (DEPLOY / "nginx" / name).read_text("utf-8")
        assert "proxy_request_buffering off" in text
        assert re.findall(r"^ *access_log .* (\w+);", text, re.M) == [
            "facemotion"
        ]  # and not nginx's own, which has names
        assert re.findall(r"^ *error_log \S+ (\w+);", text, re.M) == ["crit"]
    (form,) = re.findall(r"^log_format .*$", (DEPLOY / "nginx" / "facemotion.conf").read_text("utf-8"), re.M)
    assert not re.search(r"\$(request|request_uri|uri|args)\b", form)


@pytest.mark.skipif(NGINX is None, reason="nginx isn't here")
def test_nginx_reads_its_files(tmp_path):
    from tests.service.test_client import certificate

    chain, key = certificate(tmp_path)
    text = (DEPLOY / "nginx" / "facemotion.conf").read_text("utf-8")
    for place, own in {
        "/etc/nginx/facemotion-upstream.conf": DEPLOY / "nginx" / "upstream.local.conf",
        "/run/secrets/tls.crt": chain,
        "/run/secrets/tls.key": key,
    }.items():
        assert place in text
        text = text.replace(place, str(own))
    (tmp_path / "site.conf").write_text(text, "utf-8")
    (tmp_path / "nginx.conf").write_text(
        f"events {{}}\npid {tmp_path}/pid;\nhttp {{ include {tmp_path}/site.conf;"
        f" server {{ listen 8080; include {DEPLOY}/nginx/location.prefix.conf; }} }}\n",
        "utf-8",
    )
    done = subprocess.run([NGINX, "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd isn't here")
def test_systemd_reads_its_units(tmp_path):
    for path in DEPLOY.glob("systemd/facemotion*"):
        text = path.read_text("utf-8").replace("/opt/facemotion/bin/facemotion", "/bin/true")
        (tmp_path / path.name).write_text(text, "utf-8")
    units = sorted(map(str, tmp_path.glob("facemotion*")))
    assert len(units) == 5
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    about = [line for line in done.stderr.splitlines() if "facemotion" in line]
    assert (done.returncode, about) == (0, []), done.stderr


@pytest.mark.parametrize("pod", pods(), ids=["toolbox", "migrate", "service"])
def test_a_pod_has_no_rights_and_writes_nowhere_but_to_its_scratch_folder(pod):
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["automountServiceAccountToken"]
    (container,) = pod["containers"]
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"]["drop"] == ["ALL"]
    mounted = {each["name"]: each for each in container["volumeMounts"]}
    assert [name for name, each in mounted.items() if not each.get("readOnly")] == ["scratch"]
    assert set(mounted) == {each["name"] for each in pod["volumes"]}


def test_two_replicas_are_asked_whether_they_are_ready_at_endpoints_that_there_are():
    deployment = of_kind("Deployment")["spec"]
    assert deployment["replicas"] == 2
    (container,) = deployment["template"]["spec"]["containers"]
    paths = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert paths == {"startupProbe": "/health", "readinessProbe": "/ready", "livenessProbe": "/health"}
    assert set(paths.values()) <= PATHS
    (port,) = container["ports"]
    assert port["containerPort"] == tomllib.loads(of_kind("ConfigMap")["data"]["service.toml"])["server"]["port"]


def test_every_manifest_is_in_the_list_or_says_that_it_is_applied_by_hand():
    listed = set(KUBERNETES["kustomization.yaml"][0]["resources"])
    assert set(KUBERNETES) - listed == {"kustomization.yaml", "secret.example.yaml", "toolbox.yaml"}
    assert listed <= set(KUBERNETES)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl isn't here")
def test_kubectl_renders_the_manifests():
    done = subprocess.run(["kubectl", "kustomize", DEPLOY / "kubernetes"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    assert {each["metadata"].get("namespace", "facemotion") for each in rendered} == {"facemotion"}
    assert "image: registry.example.com/facemotion:" in done.stdout


def test_what_compose_names_is_there():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    for name, service in compose["services"].items():
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).is_file(), f"{name} mounts {mount}"
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service.get("depends_on", [])) <= set(compose["services"])
    service = compose["services"]["service"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "ports" not in service, "only the proxy is reached from outside"
    assert compose["services"]["migrate"]["command"] == ["keys", "list"]


def test_the_container_is_built_from_what_there_is_and_runs_as_nobody():
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    for sources in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.M):
        assert [name for name in sources.split() if not (ROOT / name).exists()] == []
    (extra,) = re.findall(r'"\.\[(\w+)\]"', text)
    assert extra in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER \d+:\d+$", final, re.M)
    assert "http://127.0.0.1:8470/health" in final.partition("HEALTHCHECK")[2]
    assert len(re.findall(r"^FROM ", text, re.M)) == 2
