"""The dashboards of the repository, read as Grafana reads them: panels, queries, and variables put into these."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import REPOSITORY

GRAFANA = REPOSITORY / "monitoring" / "grafana"
RUNBOOK = GRAFANA / "dashboards" / "runbook.json"  # text alone, generated
DASHBOARDS = sorted(set((GRAFANA / "dashboards").glob("*.json")) - {RUNBOOK})

_NO_METRICS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
# What may hold a word that is no metric: comments, strings, selectors, ranges, lists of labels.
_NO_NAMES = re.compile(
    r"""#.*|"[^"]*"|'[^']*'|\{[^}]*\}|\[[^]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)"""
)
_NAME = re.compile(r"(?<![\w:.$])[a-zA-Z_:][\w:]*(?![\w:]*\s*\()")


@dataclass(frozen=True)
class Query:
    """One query of a panel; `repeated` is the variable that gives the panel one copy for each of its values."""

    place: str
    expr: str
    legend: str
    is_instant: bool
    repeated: str | None

    def filled(self, values: Mapping[str, str]) -> str:
        """The expression with these values for its variables, `$1` of label_replace left alone."""
        return re.sub(r"\$([a-zA-Z_]\w*)", lambda name: values[name[1]], self.expr)


def load(path: Path) -> dict[str, Any]:
    """A dashboard."""
    return json.loads(path.read_text())


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that show something: no headings of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(path: Path) -> Iterator[Query]:
    """Every query of every panel."""
    for panel in panels(load(path)):
        for target in panel["targets"]:
            place = f"{path.stem} / {panel['title']} / {target['refId']}"
            yield Query(
                place, target["expr"], target["legendFormat"], target.get("instant", False), panel.get("repeat")
            )


def variables(path: Path) -> list[dict[str, Any]]:
    """The dashboard's own variables."""
    return load(path)["templating"]["list"]


def metrics_in(expr: str) -> set[str]:
    """The metrics that an expression of PromQL names."""
    return set(_NAME.findall(_NO_NAMES.sub(" ", expr))) - _NO_METRICS
