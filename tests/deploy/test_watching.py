"""What Prometheus scrapes, alerts on and Grafana draws exists in Semantik."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.deploy import files
from tests.house.source import ROOT

DASHBOARD = json.loads((files.DEPLOY / "grafana" / "dashboards" / "semantik.json").read_text(encoding="utf-8"))
RULES = [rule for group in files.load("alerts.yml")["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
DRAWN = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = [rule["expr"] for rule in RULES] + DRAWN
MADE = files.declared_metrics()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_that_is_read_is_made(expression: str) -> None:
    for name, labels in files.samples(expression):
        assert name in MADE, f"kit/metrics makes no {name}"
        assert labels <= MADE[name], f"{name} has no label {labels - MADE[name]}"
    others = set(re.findall(r"\b(\w+)\{", expression)) - set(MADE)
    assert others <= {"up"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_label_that_is_grouped_by_is_one_of_its_metrics(expression: str) -> None:
    read = [name for name, _ in files.samples(expression)]
    known = set().union(*(MADE[name] for name in read)) if read else {"job", "instance"}
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= known


def test_the_check_for_metrics_finds_what_is_not_made() -> None:
    assert [name for name, _ in files.samples("rate(semantik_wurst_total[5m])") if name not in MADE] == ["semantik_wurst_total"]
    assert dict(files.samples('semantik_jobs_ready{wurst="x"}'))["semantik_jobs_ready"] - MADE["semantik_jobs_ready"] == {"wurst"}


def test_the_dashboard_draws_every_metric() -> None:
    drawn = {name for expression in DRAWN for name, _ in files.samples(expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in drawn}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in MADE} == families


def test_panels_have_names_and_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] for panel in DASHBOARD["panels"])
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]} == {
        source["uid"] for source in files.load("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    }


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_prometheus_scrapes_what_compose_starts() -> None:
    compose = files.load("compose.yaml")
    scraped: dict[str, tuple[str, int]] = {}
    jobs: list[dict[str, Any]] = files.load("prometheus.yml")["scrape_configs"]
    for job in jobs:
        [found] = job["dns_sd_configs"]
        scraped[job["job_name"]] = (found["names"][0], found["port"])
        assert job["authorization"] == {"credentials_file": "/run/secrets/metrics_token"}
    assert compose["services"]["prometheus"]["secrets"] == ["metrics_token"]
    assert compose["secrets"]["metrics_token"] == {"environment": "SEMANTIK_METRICS_TOKEN"}
    port = int(compose["services"]["worker"]["environment"]["SEMANTIK_WORKER_METRICS_PORT"])
    assert scraped == {"semantik-api": ("api", 8080), "semantik-worker": ("worker", port)}
    selected = {job for expression in EXPRESSIONS for job in re.findall(r'job="([^"]+)"', expression)}
    assert selected == set(scraped)


def test_every_expression_is_promql() -> None:
    parser = pytest.importorskip("promql_parser", reason="promql-parser is not installed: make deploy-lint")
    for expression in EXPRESSIONS:
        parser.parse(expression.replace("$__rate_interval", "5m"))


def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool = files.tool("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (it comes with Prometheus)")
    for arguments in (
        ["check", "rules", str(files.DEPLOY / "alerts.yml")],
        ["check", "config", "--syntax-only", str(files.DEPLOY / "prometheus.yml")],
        ["test", "rules", str(ROOT / "tests" / "deploy" / "alerts.test.yml")],
    ):
        checked = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
