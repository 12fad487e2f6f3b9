"""The parts of a run that compare servers: saturation, half of it, start, and the cost of a batch."""

import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks import engine, load, meter
from benchmarks.arithmetic import arrivals, percentile
from benchmarks.cases import CASES, Case, Judge
from benchmarks.closed_loop import saturate, saturate_calmly
from benchmarks.contenders import AXON, CONTENDERS
from benchmarks.fleet import Fleet, chosen, sailing, try_variants
from benchmarks.results import (
    BatchCost,
    Batches,
    Cell,
    Closed,
    Footprint,
    Open,
    Paced,
    PacedRun,
    Results,
    Start,
    Starts,
)
from benchmarks.servers import Server, serving

PACED_CONNECTIONS = 64
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
SIZES = (1, 2, 4, 8, 16, 32, 64)
BATCH_CONNECTIONS = 16
MAIN_CASE = "json-1"


class Options(NamedTuple):
    """How long and how often."""

    tries: bool  # every way of tuning a peer, or the first only
    rounds: int
    seconds: int
    paced_rounds: int
    paced_seconds: float
    connections: tuple[int, ...]
    starts: int
    flood_seconds: float
    soak_requests: int
    seed: int


def measure_closed(options: Options) -> Closed:
    """Every server, every case, every number of connections, round after round; servers take turns within each."""
    trials = try_variants(CONTENDERS, options.seed) if options.tries else []
    closed = Closed(seconds=options.seconds, trials=trials)
    with sailing(chosen(CONTENDERS, trials), options.seed) as fleet:
        closed.cells = [cell for case, count in _grid(options) for cell in _row(fleet, case, count)]
        _warm_up(fleet, closed.cells)
        for number in range(options.rounds):
            _run_round(fleet, closed, options, number)
        closed.footprints = [_footprint(fleet, name) for name in CONTENDERS]
    return closed


def _grid(options: Options) -> Iterator[tuple[Case, int]]:
    for case in CASES.values():
        for count in case.connections:
            if count in options.connections:
                yield case, count


def _row(fleet: Fleet, case: Case, connections: int) -> list[Cell]:
    return [
        Cell(server=name, case=case.name, connections=connections)
        for name in CONTENDERS
        if fleet.requests(name, case.name)
    ]


def _warm_up(fleet: Fleet, cells: Sequence[Cell]) -> None:
    for name, case in sorted({(cell.server, cell.case) for cell in cells}):
        with fleet.turn(name) as server:
            saturate(server.port, fleet.requests(name, case), BATCH_CONNECTIONS, 1)


def _run_round(fleet: Fleet, closed: Closed, options: Options, number: int) -> None:
    for case, connections in _grid(options):
        row = [cell for cell in closed.cells if (cell.case, cell.connections) == (case.name, connections)]
        first = number % max(1, len(row))  # nobody is always the first
        for cell in row[first:] + row[:first]:
            with fleet.turn(cell.server) as server:
                requests = fleet.requests(cell.server, cell.case)
                cell.rounds.append(saturate_calmly(server.pids(), server.port, requests, connections, closed.seconds))
        rates = ", ".join(f"{cell.server} {cell.rounds[-1].rate:,.0f}" for cell in row)
        print(f"round {number + 1}/{options.rounds}: {case.title}, {connections} connections: {rates}", flush=True)


def _footprint(fleet: Fleet, name: str) -> Footprint:
    with fleet.turn(name) as server:
        memory = server.memory()
    return Footprint(
        server=name,
        processes=len(memory),
        largest_rss_mb=memory[0].rss_mb,
        largest_pss_mb=max(process.pss_mb for process in memory),
        total_pss_mb=sum(process.pss_mb for process in memory),
    )


def saturation(closed: Closed, server: str) -> float:
    """Requests a second for one JSON image: the best median over the numbers of connections."""
    return max(
        statistics.median(cell.rates()) for cell in closed.cells if (cell.server, cell.case) == (server, MAIN_CASE)
    )


def measure_open(options: Options, results: Results) -> Open:
    """Every server at half of its own saturation, round after round."""
    closed = _needed(results)
    paced = Open(seconds=options.paced_seconds, connections=PACED_CONNECTIONS)
    paced.runs = [Paced(server=name, offered=saturation(closed, name) / 2) for name in CONTENDERS]
    with sailing(chosen(CONTENDERS, closed.trials), options.seed) as fleet:
        for number in range(options.paced_rounds):
            for one in paced.runs:
                one.rounds.append(_pace(fleet, one, options, number))
                print(f"half load: {one.server} {one.rounds[-1]}", flush=True)
    return paced


def _pace(fleet: Fleet, paced: Paced, options: Options, number: int) -> PacedRun:
    requests = fleet.requests(paced.server, MAIN_CASE)
    warm_up = arrivals(paced.offered, 1.0, options.seed)
    times = arrivals(paced.offered, options.paced_seconds, options.seed + number)
    with fleet.turn(paced.server) as server:
        load.Load(requests).run(server.port, PACED_CONNECTIONS, warm_up)
        metered = meter.calmest(lambda: load.Load(requests).run(server.port, PACED_CONNECTIONS, times), server.pids())
    return _paced_run(paced.server, metered.result, metered.foreign)


def _paced_run(name: str, run: load.Run, foreign: float) -> PacedRun:
    wrong = [exchange.status for exchange in run.exchanges if exchange.status != 200]
    if wrong:
        raise RuntimeError(f"{name} refused {len(wrong)} of {len(run.exchanges)} requests at half load: {set(wrong)}")
    latencies = [exchange.latency_ms for exchange in run.exchanges]
    lateness = [exchange.lateness_ms for exchange in run.exchanges if not exchange.waited]
    return PacedRun(
        answered=len(latencies),
        percentiles_ms={title: percentile(latencies, share) for title, share in PERCENTILES.items()},
        generator_late_p99_ms=percentile(lateness, 0.99),
        foreign=foreign,
    )


def measure_start(options: Options, results: Results) -> Starts:
    """Every server, so many times; files are in the page cache after the first."""
    variants = chosen(CONTENDERS, results.closed.trials if results.closed else [])
    runs = {name: Start(server=name, seconds=[]) for name in CONTENDERS}
    for _ in range(options.starts):
        for name, run in runs.items():
            with serving(CONTENDERS[name], variants[name]) as server:
                run.seconds.append(server.start_s)
    for run in runs.values():
        print(f"start: {run}", flush=True)
    return Starts(runs=list(runs.values()))


def measure_batch(options: Options) -> Batches:
    """Axon and the engine alone, for several numbers of images a request."""
    axon = CONTENDERS[AXON]
    batches = Batches(seconds=options.seconds, format="", connections=BATCH_CONNECTIONS)
    with serving(axon, axon.variants[0]) as server:
        sample = CASES["binary-64"].samples(options.seed)[0]
        binary = Judge().check(server.port, axon.protocols["binary-64"], sample, axon.look)
        batches.format = "bytes" if binary else "JSON"
        write = axon.protocols["binary-64" if binary else "json-64"].write
        for size in SIZES:
            case = Case(f"batch-{size}", f"{size} images", images=size)
            requests = [write(one).raw() for one in case.samples(options.seed)]
            batches.costs.append(_batch_cost(server, requests, size, options))
            print(f"batch: {batches.costs[-1]}", flush=True)
    return batches


def _batch_cost(server: Server, requests: list[bytes], size: int, options: Options) -> BatchCost:
    cost = BatchCost(size=size, axon=[], engine_one=[], engine_two=[])
    pids, seconds = server.pids(), options.seconds
    saturate(server.port, requests, BATCH_CONNECTIONS, 1)
    for _ in range(options.rounds):
        cost.axon.append(saturate_calmly(pids, server.port, requests, BATCH_CONNECTIONS, seconds).rate * size)
        cost.engine_one.append(meter.calmest(lambda: engine.alone(size, seconds, 1)).result)
        cost.engine_two.append(meter.calmest(lambda: engine.alone(size, seconds, 2)).result)
    return cost


def _needed(results: Results) -> Closed:
    if results.closed is None:
        raise SystemExit("this part needs the saturation of each server: measure `closed` first")
    return results.closed
