"""The command `axon`. Exit status: 0 all is read, 1 some is not, 2 wrong usage or no server, 130 interrupted."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from axon import sources
from axon.client import Client
from axon.exchange import ServerError, Unreachable
from axon.protocol import ProtocolError
from axon.readings import Reading
from axon.results import FORMATS, Writer

KEY_VARIABLE = "AXON_CLIENT_KEY"
ALL, SOME, NONE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments say, and returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.action(options))
    except BrokenPipeError:  # who reads has enough; nothing may be flushed into it as Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ALL
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ServerError, Unreachable, ProtocolError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
        sys.stderr.write(f"axon: {error}\n")
        return NONE


def classify(options: argparse.Namespace) -> int:
    """Reads pictures, and writes what they show."""
    read = failed = 0
    try:
        with ExitStack() as stack:
            client = stack.enter_context(_client(options))
            progress = stack.enter_context(_progress(options))
            writer = stack.enter_context(_writer(options))
            for reading in progress(client.classify(options.path)):
                writer.write(reading)
                read, failed = read + (reading.error is None), failed + (reading.error is not None)
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted: {read} read, {failed} failed; these are written\n")
        raise
    if failed:
        sys.stderr.write(f"{read} read, {failed} failed\n")
    return SOME if failed else ALL


def models(options: argparse.Namespace) -> int:
    """Lists the versions with their states."""
    with _client(options) as client:
        for each in client.models():
            name = f"{each['name']}/{each.get('version', '')}"
            sys.stdout.write(f"{name:<16} {each['state']:<12} {each.get('reason', '')}".rstrip() + "\n")
    return ALL


def gate(options: argparse.Namespace) -> int:
    """Asks a gate."""
    rows = [[float(number) for number in row.split(",")] for row in options.row]
    with _client(options) as client:
        for row, fires in zip(options.row, client.gate(options.name, rows), strict=True):
            sys.stdout.write(f"{row} {fires}\n")
    return ALL


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", default="http://localhost:3000", help="the server (default: %(default)s)")
    common.add_argument("--key-file", type=Path, help=f"a file that holds the key; else {KEY_VARIABLE} may hold it")
    parser = argparse.ArgumentParser("axon", description="Asks an Axon server.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_classify(commands.add_parser("classify", parents=[common], help="read digits in files, folders and arrays"))
    commands.add_parser("models", parents=[common], help="list models and their states").set_defaults(action=models)
    ask = commands.add_parser("gate", parents=[common], help="ask a gate: axon gate xor 0,1 1,1")
    ask.add_argument("name")
    ask.add_argument("row", nargs="+", help="two numbers of 0 to 1, with a comma")
    ask.set_defaults(action=gate)
    return parser


def _add_classify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="+", help="a picture, a folder, an array (.npy), or - for standard input")
    parser.add_argument("--model", default="cnn", help="default: %(default)s")
    parser.add_argument("--version", type=_positive, help="default: the newest that is ready")
    parser.add_argument("--batch", type=_positive, default=64, help="pictures a request (default: %(default)s)")
    parser.add_argument("--concurrency", type=_positive, default=3, help="requests at once (default: %(default)s)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: %(default)s")
    parser.add_argument("--output", type=Path, help="a file; default: standard output")
    parser.set_defaults(action=classify)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _client(options: argparse.Namespace) -> Client:
    # An error of decoding would show bytes of the key; what replaces them is refused without being shown.
    key = options.key_file.read_text(errors="replace") if options.key_file else os.environ.get(KEY_VARIABLE)
    asked = {name: getattr(options, name) for name in ("model", "version", "batch", "concurrency") if name in options}
    return Client(options.url, key=key, **asked)


@contextmanager
def _writer(options: argparse.Namespace) -> Iterator[Writer]:
    """Closed whatever happens, so that what was read is a whole file."""
    with ExitStack() as stack:
        output: IO[bytes] = stack.enter_context(options.output.open("wb")) if options.output else sys.stdout.buffer
        writer = FORMATS[options.format](output)
        try:
            yield writer
        finally:
            writer.close()
            output.flush()


class _Bar:
    """Shows how far readings have come."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("reading", total=total)

    def __call__(self, readings: Iterator[Reading]) -> Iterator[Reading]:
        for reading in readings:
            yield reading
            self._progress.advance(self._task)


@contextmanager
def _progress(options: argparse.Namespace) -> Iterator[_Bar]:
    """A bar where standard error is a terminal that shows no readings; else nothing is counted, nor shown."""
    is_shown = sys.stderr.isatty() and (options.output is not None or not sys.stdout.isatty())
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not is_shown) as progress:
        yield _Bar(progress, sources.count(options.path) if is_shown else 0)


if __name__ == "__main__":
    sys.exit(main())
