"""The plot of the page: what each server can do, and how long it takes at half of that."""

import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.contenders import AXON, CONTENDERS
from benchmarks.results import Closed, Open

# Okabe and Ito's palette, which the colour-blind can tell apart; marks differ too.
COLOURS = dict(zip(CONTENDERS, ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#7F7F7F"), strict=True))
MARKS = dict(zip(CONTENDERS, "osD^vX", strict=True))
STYLE: Any = {
    "svg.hashsalt": "axon",  # the same numbers give the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
CASE, CONNECTIONS = "json-1", 16


def draw(closed: Closed | None, paced: Open | None, file: Path) -> None:
    """Writes the SVG; a panel whose part was not measured stays empty."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        bars, lines = figure.subplots(1, 2, width_ratios=(1, 1.15))
        if closed:
            _throughput(bars, closed)
        if paced:
            _latency(lines, paced)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, metadata={"Date": None, "Creator": None})


def _throughput(axes: Axes, closed: Closed) -> None:
    cells = {name: closed.cell(name, CASE, CONNECTIONS) for name in reversed(CONTENDERS)}
    for name, cell in cells.items():
        if cell:
            rates = cell.rates()
            middle = statistics.median(rates)
            reach = [[middle - min(rates)], [max(rates) - middle]]
            axes.barh(CONTENDERS[name].title, middle, color=COLOURS[name], height=0.7)
            axes.errorbar(middle, CONTENDERS[name].title, xerr=reach, color="black", capsize=3, linewidth=1)
            axes.annotate(
                f"{middle:,.0f}", (max(rates), CONTENDERS[name].title), (6, 0), textcoords="offset points", va="center"
            )
    axes.set_title("Requests/s, one JSON image, 16 connections", fontsize=10.5)
    axes.set_xlim(right=axes.get_xlim()[1] * 1.12)
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == CONTENDERS[AXON].title else "normal")


def _latency(axes: Axes, paced: Open) -> None:
    for run in paced.runs:
        axes.plot(
            list(run.rounds[0].percentiles_ms),
            [statistics.median(run.by_round(name)) for name in run.rounds[0].percentiles_ms],
            color=COLOURS[run.server],
            marker=MARKS[run.server],
            linewidth=2.5 if run.server == AXON else 1.3,
            label=f"{CONTENDERS[run.server].title}, {run.offered:,.0f}/s",
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", which="major", linewidth=0.5, alpha=0.5)
    axes.set_title("Latency at half of that, ms (open loop)", fontsize=10.5)
    axes.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
