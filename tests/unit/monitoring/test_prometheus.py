"""Prometheus's files agree with its own tools, with the metrics that the service exports, and with the runbook."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from service.telemetry import metrics
from tests.servers import REPOSITORY

PROMETHEUS = REPOSITORY / "monitoring" / "prometheus"
RULE_FILES = sorted((PROMETHEUS / "rules").glob("*.yml"))
TEST_FILES = sorted((PROMETHEUS / "tests").glob("*.yml"))
RUNBOOK = REPOSITORY / "docs" / "operations.md"
PARTS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def rules(kind: str) -> list[dict[str, Any]]:
    """Every alert, or every record."""
    groups = [group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


ALERTS = {rule["alert"]: rule for rule in rules("alert")}
RECORDS = {rule["record"]: rule for rule in rules("record")}


def exported() -> set[str]:
    """Names of the series that the service exports."""
    kept = [metric for metric in vars(metrics).values() if isinstance(metric, (Counter, Gauge, Histogram))]
    families = [family for metric in kept for family in metric.describe()]
    return {family.name + part for family in families for part in PARTS[family.type]}


def names(text: str) -> set[str]:
    """Names of series in PromQL: recorded ones have colons."""
    return set(re.findall(r"\b(?:[a-z_]+:axon_\w+:\w+|axon_\w+)\b", text))


def section(title: str) -> str:
    """A section of the runbook."""
    return RUNBOOK.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def promtool(*arguments: str | Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool on the path: it comes with Prometheus")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_rules_are_valid(path: Path) -> None:
    promtool("check", "rules", "--lint-fatal", path)


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    promtool("test", "rules", path)


@pytest.mark.parametrize("rule", ALERTS.values(), ids=list(ALERTS))
def test_alerts_say_how_grave_they_are_what_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_the_runbook_has_every_alert_and_no_other() -> None:
    assert re.findall(r"^### (.+)$", section("Alerts"), re.MULTILINE) == sorted(ALERTS, key=list(ALERTS).index)


@pytest.mark.parametrize("alert", ALERTS)
def test_alerts_are_tested_where_they_fire_and_where_they_must_not(alert: str) -> None:
    tests = [test for path in TEST_FILES for test in yaml.safe_load(path.read_text())["tests"]]
    cases = [case for test in tests for case in test.get("alert_rule_test", ()) if case["alertname"] == alert]
    assert {bool(case.get("exp_alerts")) for case in cases} == {True, False}


@pytest.mark.parametrize("record", RECORDS)
def test_records_are_tested(record: str) -> None:
    tests = [test for path in TEST_FILES for test in yaml.safe_load(path.read_text())["tests"]]
    expressions = [case["expr"] for test in tests for case in test.get("promql_expr_test", ())]
    patterns = re.findall(r'__name__=~"([^"]+)"', " ".join(expressions))
    assert record in names(" ".join(expressions)) or any(re.fullmatch(pattern, record) for pattern in patterns)


@pytest.mark.parametrize("rule", [*RECORDS.values(), *ALERTS.values()], ids=[*RECORDS, *ALERTS])
def test_rules_read_what_is_exported_or_recorded(rule: dict[str, Any]) -> None:
    read = names(rule["expr"])
    assert read or "up{" in rule["expr"]
    assert read <= exported() | set(RECORDS)


@pytest.mark.parametrize("record", RECORDS)
def test_records_look_back_as_far_as_their_names_say(record: str) -> None:
    looked = set(re.findall(r"\[(\w+)(?::\w+)?\]", RECORDS[record]["expr"]))
    assert all(re.search(f"[a-z_]{window}$", record) for window in looked)


@pytest.mark.parametrize("title", ["Objectives", "Alerts"])
def test_the_runbook_names_what_is_exported_or_recorded(title: str) -> None:
    assert names(section(title)) - {"axon_"} <= exported() | set(RECORDS)


def test_every_replica_is_a_target() -> None:
    scrapes = {
        job["job_name"]: job for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    }
    assert set(scrapes) == {"axon", "prometheus"}
    assert scrapes["axon"]["dns_sd_configs"][0]["names"] == ["axon"]
