"""Dashboards and provisioning, checked with Grafana's own SDK, which is generated from its schema."""

import enum
import json
import re
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.grafana import DASHBOARDS, GRAFANA, RUNBOOK, load, metrics_in, panels, queries, variables
from tests.servers import REPOSITORY

RULES = REPOSITORY / "monitoring" / "prometheus" / "rules"
MOUNTED = Path("/etc/grafana/dashboards")
WIDTH = 140
each = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
register_default_plugins()


def lost(given: Any, kept: Any, place: str = "") -> list[str]:
    """Where `kept` lacks what `given` has; `kept` may have more, for the schema's defaults are in it."""
    if isinstance(given, dict):
        held = kept if isinstance(kept, dict) else {}
        return [gap for key in given for gap in lost(given[key], held.get(key), f"{place}.{key}")]
    if isinstance(given, list):
        held = kept if isinstance(kept, list) and len(kept) == len(given) else [None] * len(given)
        return [gap for index, item in enumerate(given) for gap in lost(item, held[index], f"{place}[{index}]")]
    return [] if given == kept else [place]


def gaps(document: dict[str, Any]) -> list[str]:
    """What a dashboard says and Grafana's schema does not know."""
    kept = json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder))
    # The schema leaves to a data source what its annotations say beside the expression.
    return [gap for gap in lost(document, kept) if not re.fullmatch(r"\.annotations\.list\[\d\]\.titleFormat", gap)]


def strange_words(node: Any) -> list[str]:
    """Values that are none of those which the schema lists for their key; the SDK itself takes any."""
    if isinstance(node, list | dict):
        return [word for item in (node.values() if isinstance(node, dict) else node) for word in strange_words(item)]
    if isinstance(node, enum.Enum) or not hasattr(node, "to_json"):
        return []
    hints = typing.get_type_hints(type(node).__init__)
    return [word for key, value in vars(node).items() for word in _checked(key, hints.get(key), value)]


def _checked(key: str, hint: Any, value: Any) -> list[str]:
    listed = [word for kind in (hint, *typing.get_args(hint)) for word in _words(kind)]
    if listed and value is not None:
        return [] if value in listed else [f"{key}: {value}"]
    return strange_words(value)


def _words(kind: Any) -> list[Any]:
    if isinstance(kind, enum.EnumMeta):
        return [member.value for member in kind]
    return list(typing.get_args(kind)) if typing.get_origin(kind) is typing.Literal else []


def laid_out(value: Any, indent: str = "", lead: int = 0) -> str:
    """JSON with each object or list on one line where that fits, or where it holds none."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    flat = json.dumps(value, ensure_ascii=False)
    if not any(isinstance(part, dict | list) for part in parts) or len(indent) + lead + len(flat) < WIDTH:
        return flat
    names = [f"{json.dumps(key)}: " for key in value] if isinstance(value, dict) else [""] * len(value)
    inner = indent + "  "
    lines = [inner + name + laid_out(part, inner, len(name)) for name, part in zip(names, parts, strict=True)]
    return flat[0] + "\n" + ",\n".join(lines) + f"\n{indent}{flat[-1]}"


def runbooks(text: str) -> set[str]:
    """The anchors of docs/operations.md that a text points to."""
    return set(re.findall(r"docs/operations\.md#([\w-]+)", text))


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for path in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def provisioned(folder: str, key: str) -> list[dict[str, Any]]:
    files = sorted((GRAFANA / "provisioning" / folder).glob("*.yml"))
    return [item for path in files for item in yaml.safe_load(path.read_text())[key]]


@each
def test_grafana_knows_every_key_and_value(path: Path) -> None:
    document = load(path)
    assert not gaps(document)
    assert not strange_words(Dashboard.from_json(document))


@pytest.mark.parametrize(
    ("word", "misspelt"),
    [
        ('"includeVars"', '"includeVariables"'),
        ('"includeAll"', '"all"'),
        ('"legendFormat"', '"legend"'),
        ('"unit"', '"units"'),
        ('"showLegend"', '"show"'),
        ('"stacking"', '"stack"'),
        ('"reduceOptions"', '"reduce"'),
        ('"gridPos"', '"grid"'),
        ('"rowsFrame"', '"rows"'),
        ('"xField"', '"x"'),
        ('"sortBy": [', '"sort": ['),
    ],
)
def test_a_misspelt_key_is_seen(word: str, misspelt: str) -> None:
    seen = [path.read_text() for path in DASHBOARDS if word in path.read_text()]
    assert seen
    for text in seen:
        assert gaps(json.loads(text.replace(word, misspelt)))


@pytest.mark.parametrize(
    ("word", "misspelt"),
    [
        ('"mode": "normal"', '"mode": "stacked"'),
        ('"value", "graphMode"', '"number", "graphMode"'),
        ('"repeatDirection": "h"', '"repeatDirection": "x"'),
    ],
)
def test_a_misspelt_value_is_seen(word: str, misspelt: str) -> None:
    seen = [path.read_text() for path in DASHBOARDS if word in path.read_text()]
    assert seen
    for text in seen:
        assert strange_words(Dashboard.from_json(json.loads(text.replace(word, misspelt))))


@each
def test_a_dashboard_is_small_and_laid_out_as_the_others(path: Path) -> None:
    text = path.read_text()
    assert text == laid_out(load(path)) + "\n"
    assert len(text.splitlines()) < 400


@each
def test_a_dashboard_is_named_after_its_file_and_found_by_the_others(path: Path) -> None:
    document = load(path)
    assert document["uid"] == f"axon-{path.stem}"
    assert document["title"] == f"Axon / {path.stem.capitalize()}"
    link = document["links"][0]
    assert link["type"] == "dashboards"
    assert set(link["tags"]) <= set(document["tags"])


@each
def test_every_panel_says_what_it_shows(path: Path) -> None:
    known = {value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)}
    titles = [panel["title"] for panel in panels(load(path))]
    assert len(set(titles)) == len(titles)
    for panel in panels(load(path)):
        assert re.fullmatch(r"[A-Z0-9].*\.", panel["description"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in known, panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
        legend = panel["options"].get("legend", {})
        if panel["type"] in ("timeseries", "barchart", "heatmap"):
            assert legend.get("showLegend", legend.get("show")), panel["title"]


@each
def test_panels_fill_the_grid_and_do_not_overlap(path: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in load(path)["panels"]:
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} covers {taken[x, y]}"
                taken[x, y] = panel["title"]
    height = 1 + max(y for _, y in taken)
    assert taken.keys() == {(x, y) for x in range(24) for y in range(height)}


@each
def test_a_repeated_panel_has_a_row_for_itself(path: Path) -> None:
    for panel in panels(load(path)):
        assert "repeat" not in panel or panel["gridPos"]["w"] == 24


@each
def test_transformations_are_those_of_grafana(path: Path) -> None:
    used = {step["id"] for panel in panels(load(path)) for step in panel.get("transformations", [])}
    assert used <= {"merge", "organize", "sortBy"}  # the SDK has no list of them


@each
def test_queries_obey_the_variables(path: Path) -> None:
    names = {variable["name"] for variable in variables(path)}
    asked = {query.place: query.expr for query in queries(path)}
    assert names == set(re.findall(r"'\$([a-z]\w*)'", " ".join(asked.values())))
    for place, expr in asked.items():
        for metric in metrics_in(expr):
            selectors = re.findall(re.escape(metric) + r"(?![\w:])(\{[^}]*\})?", expr)
            if metric.startswith(("axon_", "instance_", "up", "scrape_")):
                assert all("instance=~'$instance'" in selector for selector in selectors), place
            if metric.startswith(("job:", "model:", "up", "scrape_")):
                assert all("job='axon'" in selector for selector in selectors), place
            if metric.startswith(("model:", "instance_model:", "instance_stage:")):
                assert all("model=~'$model'" in selector for selector in selectors), place


def test_all_routes_are_those_of_the_objectives() -> None:
    route = next(
        variable for variable in variables(GRAFANA / "dashboards" / "service.json") if variable["name"] == "route"
    )
    assert f'route=~"{route["allValue"]}"' in (RULES / "objectives.yml").read_text()


@each
def test_burn_rates_are_those_of_the_alerts(path: Path) -> None:
    """A line at 14.4, 6 and 1, as the alerts have them."""
    for panel in panels(load(path)):
        if panel["title"].endswith("burn rate"):
            steps = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
            assert steps == [None, 1, 6, 14.4]


def test_every_alert_has_a_panel_that_points_to_its_runbook() -> None:
    pointed = {
        anchor for path in DASHBOARDS for panel in panels(load(path)) for anchor in runbooks(panel["description"])
    }
    alerts = {anchor for rule in rules() if "alert" in rule for anchor in runbooks(rule["annotations"]["runbook"])}
    assert pointed == alerts


@each
def test_a_panel_that_belongs_to_an_alert_links_to_the_runbook(path: Path) -> None:
    for panel in panels(load(path)):
        links = [link["url"] for link in panel.get("links", [])]
        assert links == ([f"/d/{load(RUNBOOK)['uid']}"] if runbooks(panel["description"]) else []), panel["title"]


def test_the_runbook_has_an_entry_for_each_alert() -> None:
    assert not gaps(load(RUNBOOK))
    shown = {panel["title"]: panel["options"]["content"] for panel in load(RUNBOOK)["panels"]}
    assert shown.keys() == {rule["alert"] for rule in rules() if "alert" in rule}
    assert all(len(content) > 100 for content in shown.values())


def test_runbooks_exist() -> None:
    headings = re.findall(r"^#+ (.+)$", (REPOSITORY / "docs" / "operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert {anchor for path in DASHBOARDS for anchor in runbooks(path.read_text())} <= anchors


@each
def test_data_sources_are_provisioned(path: Path) -> None:
    known = {source["uid"]: source["type"] for source in provisioned("datasources", "datasources")}
    document = load(path)
    used = [panel["datasource"] for panel in panels(document)]
    used += [item["datasource"] for item in document["annotations"]["list"]]
    used += [variable["datasource"] for variable in variables(path) if variable["type"] == "query"]
    assert all(known[reference["uid"]] == reference["type"] for reference in used)


def test_grafana_knows_how_often_prometheus_scrapes() -> None:
    sources = {source["uid"]: source for source in provisioned("datasources", "datasources")}
    scraped = yaml.safe_load((REPOSITORY / "monitoring" / "prometheus" / "prometheus.yml").read_text())["global"]
    assert sources["prometheus"]["jsonData"]["timeInterval"] == scraped["scrape_interval"]
    assert sources["prometheus"]["jsonData"]["alertmanagerUid"] in sources
    assert [source["uid"] for source in sources.values() if source.get("isDefault")] == ["prometheus"]


def test_the_provider_reads_the_folder_that_is_mounted() -> None:
    (provider,) = provisioned("dashboards", "providers")
    assert Path(provider["options"]["path"]) == MOUNTED
    assert not provider["allowUiUpdates"]


@pytest.mark.parametrize(
    ("expr", "named"),
    [
        ("up", {"up"}),
        (
            "sum by (job, le) (rate(a_total{b='c_d'}[5m] offset 1h)) / on (x) group_left () r:b_2:rate5m > 1e3",
            {"a_total", "r:b_2:rate5m"},
        ),
        ("a{le='0.1'} # not b\nor on () label_replace(vector(0), 'c', 'd', '', '')", {"a"}),
        ("histogram_quantile(0.99, sum without (pid) (a_bucket)) >= 0 unless b", {"a_bucket", "b"}),
    ],
)
def test_metrics_are_found_in_promql(expr: str, named: set[str]) -> None:
    assert metrics_in(expr) == named
