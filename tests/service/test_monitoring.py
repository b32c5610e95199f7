"""The examples for Prometheus and Grafana ask for what the service exports, by labels that it gives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from facemotion.service.http.routes import routes
from facemotion.service.metrics import GAUGES, Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "facemotion.rules.yml"
BOARD = json.loads((DEPLOY / "grafana" / "facemotion.json").read_text("utf-8"))
MONITOR = (Path(__file__).parents[2] / "docs" / "how-to" / "monitor.md").read_text("utf-8")
ALERTS = yaml.safe_load(RULES.read_text("utf-8"))["groups"][0]["rules"]
QUERIES = [rule["expr"] for rule in ALERTS] + [
    target["expr"] for panel in BOARD["panels"] for target in panel["targets"]
]
OF_PROMETHEUS = {"job", "instance", "le"}
SERIES = re.compile(r"\b(facemotion_\w+|up)(?:\{((?:[^{}\"]|\"[^\"]*\")*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')


@pytest.fixture(scope="module")
def exported(server, talk) -> dict[str, list[dict[str, str]]]:
    """Labels of every series of a service that was used, by its name."""
    server.enrol("mona", talk[:2])
    server.verify("mona", talk[2])
    counted = Metrics()
    for outcome in ("used", "unused", "dropped"):  # of live sessions, which there were none of
        counted.count("facemotion_live_frames_total", outcome=outcome)
    found: dict[str, list[dict[str, str]]] = {}
    for line in (server.call("GET", "/metrics").text + counted.text({})).splitlines():
        if not line.startswith("#"):
            series = line.rpartition(" ")[0]
            found.setdefault(series.partition("{")[0], []).append(dict(re.findall(r'(\w+)="([^"]*)"', series)))
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_series_that_there_are(exported, query):
    named = SERIES.findall(query)
    assert named
    for name, matchers in named:
        if name == "up":
            continue
        assert name in exported
        labels = {label for series in exported[name] for label in series}
        for label, _, value in MATCHER.findall(matchers):
            assert label in labels | OF_PROMETHEUS, f"{name} has no label {label}"
            if label == "outcome" and value != ".*Error":
                known = {series["outcome"] for series in exported[name]}
                assert set(value.split("|")) <= known, f"{name} has no outcome {value}"
            if label == "route":
                assert value in {getattr(route, "path", "") for route in routes().routes}
    grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", query) for label in group.split(", ")}
    given = {label for name, _ in named for series in exported.get(name, []) for label in series}
    assert grouped <= given | OF_PROMETHEUS


def test_the_board_shows_every_metric_and_no_panel_lies_on_another(exported):
    shown = {name.removesuffix("_bucket") for query in QUERIES for name, _ in SERIES.findall(query)}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported} <= shown
    assert set(GAUGES) <= shown
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_alert_says_what_it_means_and_what_to_do():
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert f"| `{rule['alert']}` |" in MONITOR


PROMTOOL = shutil.which("promtool")
CASES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'facemotion_attempts_total{{action="verify",outcome="accepted"}}'
        values: '0+10x60'
      - series: 'facemotion_attempts_total{{action="verify",outcome="rejected"}}'
        values: '0+2x60'
      - series: 'facemotion_attempts_total{{action="verify",outcome="replay"}}'
        values: '0x30 1+1x30'
      - series: 'facemotion_trail_faults_total'
        values: '0x60'
      - series: 'facemotion_users_locked'
        values: '2x60'
    alert_rule_test:
{quiet}
      - eval_time: 36m
        alertname: FacemotionReplays
        exp_alerts:
          - exp_labels: {{severity: page}}
            exp_annotations: {{summary: "{summary}"}}
"""


@pytest.mark.skipif(PROMTOOL is None, reason="promtool isn't here (apt-get install prometheus)")
def test_replays_raise_an_alert_and_an_ordinary_hour_raises_none(tmp_path):
    assert PROMTOOL is not None
    quiet = "\n".join(f"      - {{eval_time: 29m, alertname: {rule['alert']}, exp_alerts: []}}" for rule in ALERTS)
    (summary,) = (rule["annotations"]["summary"] for rule in ALERTS if rule["alert"] == "FacemotionReplays")
    (tmp_path / "cases.yml").write_text(CASES.format(rules=RULES, quiet=quiet, summary=summary), "utf-8")
    for words in (["check", "rules", RULES], ["test", "rules", tmp_path / "cases.yml"]):
        done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
