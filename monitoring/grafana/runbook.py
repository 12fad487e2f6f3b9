"""The dashboard `runbook.json`, of the alerts' entries in docs/operations.md: what panels and alerts link to."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.md"
TARGET = ROOT / "monitoring" / "grafana" / "dashboards" / "runbook.json"
WIDTH, HEIGHT, COLUMNS = 12, 9, 2


def entries(page: str) -> list[tuple[str, str]]:
    """Each alert with its text."""
    [alerts] = re.findall(r"^## Alerts\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE)
    return re.findall(r"^### (\w+)\n\n(.*?)\n*(?=^### |\Z)", alerts, re.DOTALL | re.MULTILINE)


def panel(index: int, alert: str, text: str) -> dict[str, Any]:
    """One entry as Markdown; links within the page lead nowhere here, so their words stay alone."""
    row, column = divmod(index, COLUMNS)
    return {
        "type": "text",
        "title": alert,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "options": {"mode": "markdown", "content": re.sub(r"\[(\w+)\]\(#\w+\)", r"\1", text)},
    }


def dashboard() -> dict[str, Any]:
    """All entries, in the order of the page."""
    return {
        "uid": "axon-runbook",
        "title": "Axon / Runbook",
        "description": "What to do for each alert. Generated from docs/operations.md by `make docs`.",
        "tags": ["axon"],
        "schemaVersion": 41,
        "editable": False,
        "links": [{"type": "dashboards", "title": "Axon", "tags": ["axon"], "includeVars": True, "keepTime": True}],
        "panels": [panel(index, *entry) for index, entry in enumerate(entries(PAGE.read_text()))],
    }


def rendered() -> str:
    """The text of `TARGET`."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"
