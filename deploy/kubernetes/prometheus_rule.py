"""The PrometheusRule, of the rule files that Prometheus reads elsewhere: kustomize cannot put one into another."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "monitoring" / "prometheus" / "rules"
TARGET = ROOT / "deploy" / "kubernetes" / "monitoring" / "prometheus-rule.yaml"
HEAD = "# Generated from monitoring/prometheus/rules/ by `make docs`.\n"


class Dumper(yaml.SafeDumper):
    """Indents lists, and writes text of several lines as a block."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """A block where the text has several lines."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, text)


def rule() -> dict[str, Any]:
    """The groups of all rule files, in the order of their names."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    groups = [group for file in files for group in file["groups"]]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "axon"},
        "spec": {"groups": groups},
    }


def rendered() -> str:
    """The text of `TARGET`."""
    return HEAD + yaml.dump(rule(), Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)
