"""Writes what is generated: what the code knows better than a page, the runbook in Grafana, the rules for Kubernetes.

A part of a page lies between `<!-- generated: name -->` and `<!-- end -->`. `--check` writes nothing and exits with 1
where a file is out of date.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from deploy.kubernetes import prometheus_rule  # noqa: E402
from deploy.supply_chain.inventory import inventory  # noqa: E402
from deploy.supply_chain.licences import licence  # noqa: E402
from models.manifest import Manifest  # noqa: E402
from models.repository import Repository  # noqa: E402
from monitoring.grafana import runbook  # noqa: E402
from service.errors import ERRORS  # noqa: E402
from service.settings import variables  # noqa: E402
from service.telemetry import metrics  # noqa: E402

PAGES = ("README.md", "docs/configuration.md", "docs/api.md", "docs/operations.md", "docs/supply-chain.md")
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def settings() -> str:
    """Every variable with its default and meaning."""
    rows = [(f"`{variable.name}`", f"`{variable.default}`", variable.meaning) for variable in variables()]
    return table(("variable", "default", "meaning"), rows)


def models() -> str:
    """The default version of every published model."""
    repository = Repository(ROOT / "models" / "published")
    return table(
        ("model", "network", "parameters", "test accuracy", "time per input"),
        [model_row(repository.open(name).manifest) for name in repository.names()],
    )


def model_row(manifest: Manifest) -> tuple[str, ...]:
    """One model; a gate's accuracy is its truth table's."""
    card = f"models/published/{manifest.name}/{manifest.version}/card.md"
    test = manifest.metrics.test
    accuracy = f"{100 * test.accuracy:.2f} % of {test.n:,}" if test else "truth table"
    network = manifest.network
    return (
        f"[`{manifest.name}/{manifest.version}`]({card})",
        network.kind.replace("_", "-"),
        f"{network.parameters:,}",
        accuracy,
        f"{manifest.cost.us_per_input:.0f} µs",
    )


def errors() -> str:
    """Every code with its status."""
    return table(("status", "code"), [(str(error.status), f"`{error.code}`") for error in ERRORS])


def exported() -> str:
    """Every metric with its labels."""
    rows = []
    for collector in vars(metrics).values():
        if hasattr(collector, "_labelnames") and hasattr(collector, "_documentation"):
            total = "_total" if collector._type == "counter" else ""
            labels = ", ".join(f"`{label}`" for label in collector._labelnames)
            rows.append((f"`{collector._name}{total}`", collector._type, labels, collector._documentation))
    return table(("metric", "type", "labels", "meaning"), sorted(rows))


def licences() -> str:
    """Every distribution of the serving image."""
    rows = [(f"`{one.name}`", one.version, licence(one.name)) for one in inventory().distributions]
    return table(("distribution", "version", "licence"), rows)


GENERATORS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "models": models,
    "errors": errors,
    "metrics": exported,
    "licences": licences,
}


def page(name: str) -> str:
    """A page with its generated parts made anew."""
    return BLOCK.sub(lambda block: block[1] + GENERATORS[block[2]]() + block[3], (ROOT / name).read_text())


def main() -> None:
    files = {ROOT / name: page(name) for name in PAGES}
    files |= {module.TARGET: module.rendered() for module in (runbook, prometheus_rule)}
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if "--check" not in sys.argv:
        for path in stale:
            path.write_text(files[path])
    elif stale:
        sys.exit(f"out of date: {', '.join(str(path.relative_to(ROOT)) for path in stale)}; `make docs` writes them")


if __name__ == "__main__":
    main()
