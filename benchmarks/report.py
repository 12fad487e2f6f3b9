"""The page: `docs/benchmarks.md` and its figure, from stored numbers alone."""

import statistics
from collections.abc import Iterable, Iterator, Sequence

from benchmarks import figures, verdicts
from benchmarks.arithmetic import ratio
from benchmarks.cases import CASES, Case
from benchmarks.contenders import AXON, CONTENDERS
from benchmarks.environments import ROOT
from benchmarks.results import Batches, Cell, Closed, Footprint, Open, Overload, Parts, Results, Soak, Start, Starts

PAGE = ROOT / "docs" / "benchmarks.md"
FIGURE = ROOT / "docs" / "figures" / "benchmarks.svg"
LIMIT = "bare"  # no peer: it is the limit, and nothing to choose
NONE = "—"

INTRODUCTION = """\
# Benchmarks

Written by `make bench`; do not edit. Axon beside its peers, in one run on one machine, all with the same published
model and two workers each. The machine is small and shared, and the load generator takes its part of the same two
cores: read ratios, not rates. Servers take turns within each round; ratios are taken within a round, and medians over
rounds.
"""

METHOD = """\
## How it is measured

- **Peers** are in [`benchmarks/peers/`](../benchmarks/peers), a file each, written as their documentation advises, with
  pinned requirements in environments of their own. All but BentoML run the same `model.onnx` with the same session
  options as Axon's engine: one thread, no spinning. BentoML runs the same weights in eager torch with default settings.
  They do less than Axon: no metrics (but for BentoML and MLServer), no deadlines, no rejection of what is no digit, and
  pictures are only shrunk, where Axon finds the digit in them.
- **Before anything counts**, each server's answers to every sample are compared with the engine's: the same digit, and
  probabilities within 0.001. A run in which any request is refused or lost ends the benchmark.
- **Closed loop**: wrk, one thread, eight different requests in rotation. All servers are started once; those whose turn
  it is not are suspended, so what they poll costs nothing.
- **Neighbours**: a run during which other programs had more than a tenth of the processors is tried again, twice at
  most, and the calmest counts. A round at half of saturation that was never calm is left out, if another was.
- **CPU time of a request** is the server's, user and system, all processes. It moves less than the rate, which depends
  on how the kernel deals out few connections to two workers, and on neighbours.
- **Open loop**: Poisson arrivals over 64 connections at half of each server's own saturation (the best median rate for
  one JSON image). Latency counts from when a request was due, so waiting behind a stall counts. The generator is
  [`benchmarks/load.py`](../benchmarks/load.py); how late it was itself is told.
- **Parts** are called in one process, in turn with their yardstick: Pillow's decoding of the same file (a JPEG reduced
  as it is decoded), or a hash and as many comparisons as there are keys.
- **Start** is from spawning the first process to the first 200 of the path that says ready, with files in the page
  cache.

```sh
make bench                                  # everything
python -m benchmarks --quick                # in under four minutes; a look, not a result
python -m benchmarks --only open soak       # parts; the others stay as they were
python -m benchmarks report                 # this page again, from dist/benchmarks.json
```
"""


def write(results: Results) -> None:
    """Writes the page and the figure."""
    figures.draw(results.closed, results.open, FIGURE)
    PAGE.write_text(page(results))


def page(results: Results) -> str:
    """The page, as Markdown."""
    parts = [INTRODUCTION, _promises(results)]
    if results.closed:
        parts += [_saturation(results.closed), _losses(results.closed)]
    if results.open:
        parts.append(_half_load(results.open))
    if results.overload:
        parts.append(_overload(results.overload))
    if results.batch:
        parts.append(_batches(results.batch))
    if results.parts:
        parts.append(_parts(results.parts))
    parts.append(_start_and_memory(results.start, results.closed))
    if results.soak:
        parts.append(_soak(results.soak))
    parts += [METHOD, _place(results)]
    return "\n".join(part for part in parts if part)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _promises(results: Results) -> str:
    head = ("", "must", "aim", "measured", "verdict")
    tested = (
        "A worker that is killed, and SIGTERM under load, are tests, not benchmarks: "
        "[`tests/integration/`](../tests/integration).\n"
    )
    what = (
        "Ratios of rates at 16 connections, with the least and the greatest round; the ratio by CPU time is what one\n"
        "request costs there, divided by what it costs here.\n"
    )
    return f"## What must hold\n\n{table(head, verdicts.rows(results))}\n{what}\n{tested}"


def _saturation(closed: Closed) -> str:
    served = {cell.case for cell in closed.cells}
    parts = [_case(closed, case) for case in CASES.values() if case.name in served]
    text = (
        "Requests a second: median (least to greatest round). Latency, and CPU time of the server for a request, are\n"
        "at 16 connections.\n"
    )
    return f"## Saturation\n\n![Throughput and latency](figures/benchmarks.svg)\n\n{text}\n" + "\n".join(parts)


def _case(closed: Closed, case: Case) -> str:
    counts = [count for count in case.connections if any(cell.connections == count for cell in closed.cells)]
    head = ("", *(f"{count} connections" if count > 1 else "1 connection" for count in counts), "p50", "p99", "CPU")
    rows = [[CONTENDERS[name].title, *_row(closed, name, case.name, counts)] for name in CONTENDERS]
    return f"### {case.title[0].upper()}{case.title[1:]}\n\n{table(head, rows)}"


def _row(closed: Closed, server: str, case: str, counts: Sequence[int]) -> Iterator[str]:
    for count in counts:
        cell = closed.cell(server, case, count)
        yield _spread(cell.rates()) if cell else NONE
    cell = closed.cell(server, case, verdicts.CONNECTIONS)
    if cell is None:
        yield from (NONE, NONE, NONE)
        return
    yield f"{_median(run.p50_ms for run in cell.rounds):.1f} ms"
    yield f"{_median(run.p99_ms for run in cell.rounds):.1f} ms"
    yield f"{_median(run.cpu_us for run in cell.rounds):,.0f} µs"


def _losses(closed: Closed) -> str:
    rows = [row for cell in closed.cells if cell.server == AXON for row in _lost(closed, cell)]
    absent = [case.title for case in CASES.values() if not any(_ours(cell, case.name) for cell in closed.cells)]
    text = "## Where Axon loses\n\n"
    if rows:
        text += table(("case", "connections", "slower than", "ratio of rates"), rows)
    else:
        text += "Nowhere in this run.\n"
    if absent:
        text += f"\nAxon does not serve these yet: {'; '.join(absent)}.\n"
    return text


def _ours(cell: Cell, case: str) -> bool:
    return (cell.server, cell.case) == (AXON, case)


def _lost(closed: Closed, ours: Cell) -> Iterator[tuple[str, ...]]:
    for name in CONTENDERS:
        theirs = closed.cell(name, ours.case, ours.connections)
        if theirs is None or name in (AXON, LIMIT):
            continue
        value = ratio(ours.rates(), theirs.rates())
        if value < 1:
            yield CASES[ours.case].title, str(ours.connections), CONTENDERS[name].title, f"{value:.2f}x"


def _half_load(paced: Open) -> str:
    names = list(paced.runs[0].rounds[0].percentiles_ms)
    head = ("", "offered", "rounds", *names, "generator late, p99")
    rows = [
        [
            CONTENDERS[run.server].title,
            f"{run.offered:,.0f}/s",
            f"{len(run.calm())} of {len(run.rounds)}" if run.calm() != run.rounds else str(len(run.rounds)),
            *(f"{_median(run.by_round(name)):.1f} ms" for name in names),
            f"{run.late_ms():.1f} ms",
        ]
        for run in paced.runs
    ]
    rounds = len(paced.runs[0].rounds)
    text = (
        f"One JSON image, open loop over {paced.connections} connections, {paced.seconds:.0f} s in each of {rounds}\n"
        "rounds: medians.\n"
    )
    return f"## At half of saturation\n\n{text}\n{table(head, rows)}"


def _overload(overload: Overload) -> str:
    head = ("", "saturation", "due", "sent", "accepted", "p50, p99 of the accepted", "deadline", "late", "statuses")
    rows = [
        [
            flood.title,
            f"{flood.saturation:,.0f}/s",
            f"{flood.due:,.0f}/s",
            f"{flood.sent:,.0f}/s",
            f"{flood.accepted:,.0f}/s",
            f"{flood.accepted_p50_ms:,.0f}, {flood.accepted_p99_ms:,.0f} ms",
            f"{flood.deadline_ms:.0f} ms",
            f"{flood.accepted_late:,}",
            ", ".join(f"{status}: {count:,}" for status, count in flood.statuses.items()),
        ]
        for flood in overload.floods
    ]
    connections = " and ".join(f"{flood.connections:,}" for flood in overload.floods)
    text = (
        f"Axon alone, {overload.seconds:.0f} s of ten times its saturation, over {connections} connections. A request\n"
        "that finds every connection busy is not sent: what was due and what the generator could send are told apart.\n"
    )
    return f"## Overload\n\n{text}\n{table(head, rows)}"


def _batches(batches: Batches) -> str:
    head = (
        "images a request",
        "Axon, images/s",
        "a request",
        "an image",
        "engine, 1 process",
        "2 processes",
        "Axon / 2",
    )
    rows = []
    for cost in batches.costs:
        ours, one, two = (statistics.median(rates) for rates in (cost.axon, cost.engine_one, cost.engine_two))
        share = f"{verdicts.against_engine(cost):.2f}"
        each = (f"{cost.size / ours * 1e3:.2f} ms", f"{1e6 / ours:,.0f} µs")
        rows.append([str(cost.size), f"{ours:,.0f}", *each, f"{one:,.0f}", f"{two:,.0f}", share])
    text = (
        f"Images as {batches.format}, {batches.connections} connections, two workers; beside it the engine called\n"
        "in a loop, without HTTP and without a load generator on the same cores. A request costs the time between\n"
        "answers, of all workers together.\n"
    )
    return f"## Cost against batch size\n\n{text}\n{table(head, rows)}"


def _parts(parts: Parts) -> str:
    rows = [
        [
            cost.what,
            f"{_median(cost.ours_us):,.1f} µs",
            cost.beside,
            f"{_median(cost.beside_us):,.1f} µs",
            f"{ratio(cost.ours_us, cost.beside_us):.2f}x",
        ]
        for cost in parts.costs
    ]
    text = "Processor time in one process, beside that of what nobody could leave out, in turn: medians.\n"
    return f"## Parts of a request\n\n{text}\n{table(('', 'takes', 'beside', 'takes', 'ratio'), rows)}"


def _start_and_memory(starts: Starts | None, closed: Closed | None) -> str:
    started = {run.server: run for run in starts.runs} if starts else {}
    prints = {one.server: one for one in closed.footprints} if closed else {}
    if not started and not prints:
        return ""
    head = ("", "start to ready", "processes", "largest: RSS, PSS", "all: PSS")
    rows = [[CONTENDERS[name].title, *_weight(started.get(name), prints.get(name))] for name in CONTENDERS]
    text = "Memory is after the load above. PSS divides what processes share among them.\n"
    return f"## Start and memory\n\n{text}\n{table(head, rows)}"


def _weight(start: Start | None, footprint: Footprint | None) -> Iterator[str]:
    yield f"{statistics.median(start.seconds):.1f} s" if start else NONE
    if footprint is None:
        yield from (NONE, NONE, NONE)
        return
    yield str(footprint.processes)
    yield f"{footprint.largest_rss_mb:.0f}, {footprint.largest_pss_mb:.0f} MB"
    yield f"{footprint.total_pss_mb:.0f} MB"


def _soak(soak: Soak) -> str:
    mixture = ", ".join(f"{100 * share:.0f} % {kind}" for kind, share in soak.mixture.items())
    statuses = ", ".join(f"{count:,} x {status}" for status, count in soak.statuses.items())
    first = next(megabytes for count, megabytes in soak.points if count >= soak.warm_up)
    return (
        f"## Memory over time\n\n{soak.requests:,} requests after a warm-up of {soak.warm_up:,} ({mixture}); answers: "
        f"{statuses}.\nResident memory of all processes went from {first:.0f} to {soak.points[-1][1]:.0f} MB: "
        f"{soak.slope_mb_per_100k:+.2f} MB per 100,000 requests (least squares).\n"
    )


def _place(results: Results) -> str:
    machine = table(("machine", ""), results.machine.items())
    versions = table(("environment", "versions"), results.versions.items())
    parts = [
        (name, origin.date, f"`{origin.commit}`", f"`{origin.command}`") for name, origin in results.origins.items()
    ]
    text = f"## Where and when\n\n{machine}\n{versions}\n{table(('part', 'date', 'commit', 'command'), parts)}"
    text += f"\nSeed {results.seed} for images and arrivals.{_disturbance(results.closed)}\n"
    return text + _tuning(results.closed)


def _disturbance(closed: Closed | None) -> str:
    runs = [run for cell in closed.cells for run in cell.rounds] if closed else []
    if not closed or not runs:
        return ""
    rounds = max(len(cell.rounds) for cell in closed.cells)
    foreign = sorted(run.foreign for run in runs)
    return (
        f" Closed loop: {rounds} rounds of {closed.seconds} s. Other programs had {100 * _median(foreign):.0f} % of\n"
        f"the processors in the median run, {100 * foreign[-1]:.0f} % in the worst."
    )


def _tuning(closed: Closed | None) -> str:
    if not closed or not closed.trials:
        return ""
    tried = [
        (
            CONTENDERS[trial.server].title,
            trial.variant,
            f"{trial.rate:,.0f}" + (" (taken)" if trial.variant == closed.variant(trial.server) else ""),
        )
        for trial in closed.trials
    ]
    text = "Ways of tuning that a peer's documentation names were tried first, and the fastest was taken.\n"
    return f"\n{text}\n{table(('', 'variant', 'requests/s'), tried)}"


def _spread(rates: Sequence[float]) -> str:
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
