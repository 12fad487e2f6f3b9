"""Axon beside its peers, in one run on one machine.

make bench                          everything, about a quarter of an hour
python -m benchmarks --quick        everything, in under four minutes
python -m benchmarks --only closed open
python -m benchmarks report         write docs/benchmarks.md again from the numbers that are stored
"""

import argparse
import sys
from collections.abc import Callable

from benchmarks import machine, measure, parts, report, results, stress
from benchmarks.measure import Options
from benchmarks.results import Results

PARTS: dict[str, Callable[[Options, Results], object]] = {
    "closed": lambda options, _: measure.measure_closed(options),
    "open": measure.measure_open,
    "start": measure.measure_start,
    "batch": lambda options, _: measure.measure_batch(options),
    "parts": lambda options, _: parts.measure_parts(options.rounds, options.seed),
    "overload": lambda options, _: stress.measure_overload(options),
    "soak": lambda options, _: stress.measure_soak(options),
}


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", choices=("run", "report"), default="run")
    parser.add_argument("--quick", action="store_true", help="shorter and fewer runs: a look, not a result")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts; others stay stored")
    parser.add_argument("--rounds", type=int, help="turns that every server takes (default 5, quick 2)")
    parser.add_argument("--seconds", type=int, help="of one closed-loop run (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the images and the arrivals")
    return parser.parse_args(arguments)


def options_of(arguments: argparse.Namespace) -> Options:
    """Sizes of a full or a quick run."""
    quick = arguments.quick
    return Options(
        tries=not quick,
        rounds=arguments.rounds or (2 if quick else 5),
        seconds=arguments.seconds or 1,
        paced_rounds=1 if quick else 3,
        paced_seconds=3.0 if quick else 5.0,
        connections=(16,) if quick else (1, 16, 64),
        starts=1 if quick else 3,
        flood_seconds=3.0 if quick else 6.0,
        soak_requests=20_000 if quick else 200_000,
        seed=arguments.seed,
    )


def main() -> None:
    arguments = parse(sys.argv[1:])
    stored = results.load()
    if arguments.command == "run":
        stored.machine, stored.versions, stored.seed = machine.hardware(), machine.versions(), arguments.seed
        for part in (part for part in PARTS if part in arguments.only):
            setattr(stored, part, PARTS[part](options_of(arguments), stored))
            stored.origins[part] = machine.origin()
            results.store(stored)
    report.write(stored)


if __name__ == "__main__":
    main()
