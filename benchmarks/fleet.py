"""All servers, started once and suspended; one at a time goes on and is measured."""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.cases import CASES, Judge
from benchmarks.closed_loop import saturate
from benchmarks.contenders import CONTENDERS, Contender, Variant
from benchmarks.results import Trial
from benchmarks.servers import Server, serving

SETTLE_S = 0.3  # what wrk left unanswered is finished: a server stopped within a batch would think that it took minutes
TRIAL_CASE, TRIAL_CONNECTIONS, TRIAL_RUNS = "json-1", 16, 3


class Fleet:
    """Servers by name. Which cases each of them serves is found out by asking, and every answer is judged."""

    def __init__(self, judge: Judge, seed: int) -> None:
        self._judge = judge
        self._samples = {name: case.samples(seed) for name, case in CASES.items()}
        self._servers: dict[str, Server] = {}
        self._requests: dict[tuple[str, str], list[bytes]] = {}

    def start(self, contender: Contender, variant: Variant, folder: Path) -> None:
        """Starts a server, asks it every sample of every case, and suspends it. Raises WrongAnswer."""
        server = self._servers[contender.name] = Server(contender, variant, folder)
        for case, protocol in contender.protocols.items():
            samples = self._samples[case]
            if all(self._judge.check(server.port, protocol, sample, contender.look) for sample in samples):
                requests = [protocol.write(sample).raw() for sample in samples]
                self._requests[contender.name, case] = requests
        server.suspend()

    def requests(self, name: str, case: str) -> list[bytes]:
        """What to send for a case; nothing if the server does not serve it."""
        return self._requests.get((name, case), [])

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[Server]:
        """The server, going on while the others stand still. Raises RuntimeError if it lost a process meanwhile."""
        server = self._servers[name]
        server.resume()
        try:
            yield server
        except RuntimeError as error:
            raise RuntimeError(f"{name}: {error}") from error
        else:
            time.sleep(SETTLE_S)
            server.check()
        finally:
            server.suspend()

    def stop(self) -> None:
        """Ends all servers."""
        for server in self._servers.values():
            server.stop()


@contextlib.contextmanager
def sailing(variants: dict[str, Variant], seed: int) -> Iterator[Fleet]:
    """A fleet of the named servers, ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="axon-bench-") as folder:
        fleet = Fleet(Judge(), seed)
        try:
            for name, variant in variants.items():
                print(f"starting {CONTENDERS[name].title}", flush=True)
                fleet.start(CONTENDERS[name], variant, Path(folder))
            yield fleet
        finally:
            fleet.stop()


def try_variants(names: Iterable[str], seed: int) -> list[Trial]:
    """How fast each way of tuning a peer is; those with one way only are not tried."""
    samples = CASES[TRIAL_CASE].samples(seed)
    trials = []
    for contender in (CONTENDERS[name] for name in names):
        requests = [contender.protocols[TRIAL_CASE].write(sample).raw() for sample in samples]
        for variant in contender.variants if len(contender.variants) > 1 else ():
            with serving(contender, variant) as server:
                saturate(server.port, requests, TRIAL_CONNECTIONS, 1)
                runs = [saturate(server.port, requests, TRIAL_CONNECTIONS, 1).rate for _ in range(TRIAL_RUNS)]
            rate = statistics.median(runs)
            print(f"trial: {contender.title}, {variant.title}: {rate:,.0f} requests/s", flush=True)
            trials.append(Trial(server=contender.name, variant=variant.title, rate=rate))
    return trials


def chosen(names: Iterable[str], trials: list[Trial]) -> dict[str, Variant]:
    """For each server its fastest variant."""
    rates = {(trial.server, trial.variant): trial.rate for trial in trials}

    def fastest(name: str) -> Variant:
        return max(CONTENDERS[name].variants, key=lambda variant: rates.get((name, variant.title), 0.0))

    return {name: fastest(name) for name in names}
