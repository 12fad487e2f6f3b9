"""The parts of a run that only Axon faces: many times what it can do, and hundreds of thousands of mixed requests."""

import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import orjson

from benchmarks import load
from benchmarks.arithmetic import arrivals, percentile, slope
from benchmarks.cases import CASES
from benchmarks.closed_loop import saturate
from benchmarks.contenders import AXON, CONTENDERS
from benchmarks.measure import BATCH_CONNECTIONS, Options
from benchmarks.protocols import BYTES, JSON, PNG, Request
from benchmarks.results import Flood, Overload, Soak
from benchmarks.servers import Server, serving

TIMES = 10  # of saturation
DEADLINE = "x-request-timeout-ms"
FLOODS = (("json-1", 1024, 250.0), ("json-1", 1024, 500.0), ("json-64", 256, 500.0))  # case, connections, deadline ms
MIXTURE = {"one image, JSON": 0.5, "PNG": 0.2, "gate": 0.2, "wrong": 0.1}
SOAK_CONNECTIONS = 16
WARM_UP = 0.1  # of the requests, before the slope is taken
SAMPLE_S = 0.25

Point = tuple[int, float]  # requests answered, MB


def measure_overload(options: Options) -> Overload:
    """Ten times what saturates, in requests of one image and of many."""
    axon = CONTENDERS[AXON]
    overload = Overload(seconds=options.flood_seconds)
    with serving(axon, axon.variants[0]) as server:
        for case, connections, deadline_ms in FLOODS:
            samples = CASES[case].samples(options.seed)
            requests = [axon.protocols[case].write(sample) for sample in samples]
            saturate(server.port, [request.raw() for request in requests], BATCH_CONNECTIONS, 1)
            known = saturate(server.port, [request.raw() for request in requests], BATCH_CONNECTIONS, 2).rate
            urgent = [request.raw(**{DEADLINE: str(deadline_ms)}) for request in requests]
            times = arrivals(known * TIMES, options.flood_seconds, options.seed)
            run = load.Load(urgent, give_up=True).run(server.port, connections, times)
            overload.floods.append(_flood(CASES[case].title, known, deadline_ms, connections, run))
            print(f"overload: {overload.floods[-1]}", flush=True)
        server.check()
    return overload


def _flood(title: str, saturation: float, deadline_ms: float, connections: int, run: load.Run) -> Flood:
    accepted = [exchange.done - exchange.sent for exchange in run.exchanges if exchange.status == 200]
    refused = [exchange for exchange in run.exchanges if exchange.status == 429]
    return Flood(
        title=title,
        saturation=saturation,
        wanted=saturation * TIMES,
        due=(len(run.exchanges) + run.given_up) / run.seconds,
        sent=len(run.exchanges) / run.seconds,
        deadline_ms=deadline_ms,
        connections=connections,
        statuses=dict(sorted(Counter(exchange.status for exchange in run.exchanges).items())),
        refusals_without_retry_after=sum(not exchange.retry_after for exchange in refused),
        accepted=len(accepted) / run.seconds,
        accepted_p50_ms=percentile(accepted, 0.5) * 1e3,
        accepted_p99_ms=percentile(accepted, 0.99) * 1e3,
        accepted_late=sum(seconds * 1e3 > deadline_ms for seconds in accepted),
    )


def measure_soak(options: Options) -> Soak:
    """Memory of all processes while a mixture of requests is answered, and its slope after the warm-up."""
    axon = CONTENDERS[AXON]
    warm_up = int(options.soak_requests * WARM_UP)
    with serving(axon, axon.variants[0]) as server:
        requests = mixture(options.seed)
        points, statuses = _soak(server, requests, options.soak_requests + warm_up)
        server.check()
    counted = [point for point in points if point[0] >= warm_up]
    growth = slope([count / 1e5 for count, _ in counted], [megabytes for _, megabytes in counted])
    soak = Soak(
        warm_up=warm_up,
        requests=options.soak_requests,
        mixture=MIXTURE,
        statuses=statuses,
        points=points,
        slope_mb_per_100k=growth,
    )
    print(f"soak: {growth:+.2f} MB per 100,000 requests, statuses {statuses}", flush=True)
    return soak


def _soak(server: Server, requests: Sequence[bytes], count: int) -> tuple[list[Point], dict[int, int]]:
    soak = load.Load(requests)
    points: list[Point] = []
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(soak.run, server.port, SOAK_CONNECTIONS, [0.0] * count, patience_s=count / 100)
        while not asking.done():
            points.append((len(soak.exchanges), sum(process.rss_mb for process in server.memory())))
            wait([asking], timeout=SAMPLE_S)
    statuses = Counter(exchange.status for exchange in asking.result().exchanges)
    if any(status >= 500 for status in statuses):
        raise RuntimeError(f"Axon failed under mixed requests: {dict(statuses)}")
    return points, dict(sorted(statuses.items()))


def mixture(seed: int, length: int = 1_000) -> list[bytes]:
    """Requests that come and go: images, pictures, gates, and mistakes."""
    axon = CONTENDERS[AXON].protocols
    kinds = [
        [axon["json-1"].write(sample) for sample in CASES["json-1"].samples(seed)],
        [axon["png-28"].write(sample) for sample in CASES["png-28"].samples(seed)],
        [_gate("xor", rows) for rows in ([[0.0, 1.0]], [[1.0, 1.0], [0.0, 0.0]], [[0.5, 0.5]])],
        [
            Request("/v1/digits", JSON, b'{"images": [[1, 2, 3]]}'),
            Request("/v1/digits", JSON, b"not JSON"),
            Request("/v1/digits", PNG, b"\x89PNG\r\n\x1a\n, and no more"),
            Request("/v1/digits?model=nobody", BYTES, b""),
            Request("/nowhere", JSON, b"{}"),
        ],
    ]
    rng = random.Random(seed)
    drawn = rng.choices(kinds, list(MIXTURE.values()), k=length)
    return [rng.choice(kind).raw() for kind in drawn]


def _gate(name: str, rows: Sequence[Sequence[float]]) -> Request:
    return Request(f"/v1/gates/{name}", JSON, orjson.dumps({"inputs": rows}))
