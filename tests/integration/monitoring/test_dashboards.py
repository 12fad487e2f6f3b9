"""Dashboards and rules with a real service, real traffic and a real Prometheus: every query has data."""

import math
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from prometheus_client import REGISTRY

from service.telemetry import metrics
from tests.grafana import DASHBOARDS, Query, load, metrics_in, queries, variables
from tests.prometheus import Prometheus, watching
from tests.servers import REPOSITORY, serving, until

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")

TRAFFIC_S = 15
RANGE_S = 60
# At this range and resolution a point is 1 s; Grafana's $__rate_interval is then four scrapes, which are 1 s here.
BUILT_IN = {"__rate_interval": "4s", "__interval": "1s", "__range": f"{RANGE_S}s"}
TRIALS = {
    "AXON_ROLLOUT__CANARIES": '{"rnn": {"version": 1, "share": 0.5}}',
    "AXON_ROLLOUT__SHADOWS": '{"cnn": {"version": 1, "share": 1}}',
}
OWN = {"ALERTS"}  # Prometheus makes it where an alert is pending or fires


@dataclass(frozen=True)
class Watched:
    """A Prometheus that has seen traffic, and the rules that it runs."""

    prometheus: Prometheus
    rules: list[dict[str, object]]
    names: set[str]

    def series(self, expr: str, *, is_instant: bool) -> list[dict[str, str]]:
        """The labels of the series that have a number, asked for as a panel does."""
        now = time.time()
        if is_instant:
            result = self.prometheus.ask("query", query=expr)["result"]
        else:
            span = {"start": now - RANGE_S, "end": now, "step": 1}
            result = self.prometheus.ask("query_range", query=expr, **span)["result"]
        points = [(has["metric"], has["values"] if "values" in has else [has["value"]]) for has in result]
        return [labels for labels, pairs in points if not all(math.isnan(float(value)) for _, value in pairs)]

    def values(self, variable: dict[str, object]) -> list[str]:
        """What a variable may be, as Grafana asks for it."""
        if variable["type"] == "custom":
            return str(variable["query"]).split(",")
        query = str(variable["query"]["query"])
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
        assert asked, f"{query} is no label_values(selector, label)"
        selector = asked[1].replace("$instance", ".+")
        return self.prometheus.ask(f"label/{asked[2]}/values", **{"match[]": selector})


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with (
        serving(folder / "server", AXON_HTTP__WORKERS="2", **TRIALS) as server,
        watching(folder, axon=[f"127.0.0.1:{server.port}"]) as prometheus,
    ):
        until(lambda: prometheus.ask("query", query="up{job='axon'} == 1")["result"], 30, "a first scrape")
        traffic = [sys.executable, "monitoring/demo/traffic.py", "--url", server.url, "--rate", "20", "--seed", "0"]
        subprocess.run([*traffic, "--seconds", str(TRAFFIC_S)], cwd=REPOSITORY, check=True, timeout=TRAFFIC_S + 30)
        # Born last: its steps are those quarters of a minute in which requests were served.
        until(
            lambda: prometheus.ask("query", query="job:axon_requests_slow:increase1h")["result"], 30, "the last record"
        )
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        yield Watched(prometheus, rules, set(prometheus.ask("label/__name__/values")))


def copies(watched: Watched, path: object, query: Query) -> list[str]:
    """The expressions that Grafana sends with every variable at All: one for each copy of a repeated panel."""
    own = variables(path)
    values = BUILT_IN | {has["name"]: has.get("allValue") or f"({'|'.join(watched.values(has))})" for has in own}
    if query.repeated is None:
        return [query.filled(values)]
    repeated = next(has for has in own if has["name"] == query.repeated)
    return [query.filled(values | {query.repeated: value}) for value in watched.values(repeated)]


def test_every_query_of_every_panel_has_data(watched: Watched) -> None:
    asked = [(query, expr) for path in DASHBOARDS for query in queries(path) for expr in copies(watched, path, query)]
    shown = [(query, watched.series(expr, is_instant=query.is_instant)) for query, expr in asked]
    silent = [query.place for query, series in shown if not series]
    print(f"{len(shown) - len(silent)} of {len(shown)} queries returned data")
    assert len(shown) >= 80
    assert not silent, "no data: " + ", ".join(silent)
    legends = [(query.place, set(re.findall(r"{{(\w+)}}", query.legend)), series) for query, series in shown]
    nameless = [place for place, labels, series in legends if any(labels - has.keys() for has in series)]
    assert not nameless, "a label of the legend is missing: " + ", ".join(nameless)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_variable_has_values(watched: Watched, path: object) -> None:
    assert not [variable["name"] for variable in variables(path) if not watched.values(variable)]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_annotations_are_queries(watched: Watched, path: object) -> None:
    for annotation in load(path)["annotations"]["list"]:
        watched.prometheus.ask("query", query=annotation["expr"].replace("$instance", ".+"))


def test_every_metric_that_is_asked_for_exists(watched: Watched) -> None:
    asked = {query.place: query.expr for path in DASHBOARDS for query in queries(path)}
    asked |= {f"rule {rule['name']}": rule["query"] for rule in watched.rules}
    unknown = [(place, name) for place, expr in asked.items() for name in metrics_in(expr) - watched.names - OWN]
    assert not unknown, "no such metric: " + ", ".join(f"{name} in {place}" for place, name in unknown)


def test_every_metric_is_shown_or_watched(watched: Watched) -> None:
    exported = {family.name for family in REGISTRY.collect() if family.name.startswith("axon_")}
    assert metrics.ROWS._name in exported
    recorded = {rule["name"] for rule in watched.rules if rule["type"] == "recording"}
    asked = [rule["query"] for rule in watched.rules] + [query.expr for path in DASHBOARDS for query in queries(path)]
    used = {re.sub(r"_(total|bucket|sum|count)$", "", name) for expr in asked for name in metrics_in(expr)}
    unused = sorted((exported | recorded) - used)
    assert not unused, "in no panel and no rule: " + ", ".join(unused)


def test_every_rule_can_be_evaluated(watched: Watched) -> None:
    assert watched.rules
    wrong = [
        f"{rule['name']}: {rule.get('lastError', rule['health'])}" for rule in watched.rules if rule["health"] != "ok"
    ]
    assert not wrong, "; ".join(wrong)
