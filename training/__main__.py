"""The command line, `python -m training {gate,cnn,rnn,evaluate,publish,report}`: parsing only."""

import argparse
import os
import shlex
import sys
from pathlib import Path

import torch

from training import cnn, rnn
from training.data import DATASETS, DataError
from training.loop import Options
from training.run import RunError

READERS = {"cnn": cnn, "rnn": rnn}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0, or 1 with one line on stderr when it cannot be done."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.act(parsed)
    except (DataError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train_reader(parsed: argparse.Namespace) -> None:
    """Trains the CNN or the RNN."""
    recipe = READERS[parsed.reader].RECIPE
    if parsed.epochs:
        recipe = recipe.model_copy(update={"epochs": parsed.epochs})
    if parsed.smoke:
        recipe = recipe.smoke()
    run = READERS[parsed.reader].main(_options(parsed), recipe)
    print(f"{run.folder}: validation accuracy {run.history()[-1]['validation_accuracy']:.2%}")


def _options(parsed: argparse.Namespace) -> Options:
    device = "cuda" if parsed.device == "auto" and torch.cuda.is_available() else parsed.device
    return Options(
        data=parsed.data,
        dataset=parsed.dataset,
        runs=parsed.runs,
        seed=parsed.seed,
        device="cpu" if device == "auto" else device,
        resume=parsed.resume,
        command=_command(parsed),
    )


def _command(parsed: argparse.Namespace) -> str:
    """The command that makes the same run again, without the paths of this machine."""
    words = ["python", "-m", "training", parsed.reader, "--seed", str(parsed.seed)]
    words += ["--epochs", str(parsed.epochs)] if parsed.epochs else []
    words += ["--dataset", parsed.dataset] if parsed.dataset != "mnist" else []
    words += ["--smoke"] if parsed.smoke else []
    return shlex.join(words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train, evaluate and publish Axon's models."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in READERS.items():
        command = commands.add_parser(name, help=(module.__doc__ or name).partition("\n")[0])
        command.set_defaults(act=train_reader, reader=name)
        _add_run_options(command)
    return parser


def _add_run_options(command: argparse.ArgumentParser) -> None:
    data = Path(os.environ.get("AXON_DATA", "data"))
    command.add_argument("--seed", type=_natural, default=0, help="of weights, order and augmentation (default 0)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    command.add_argument("--data", type=Path, default=data, help="holds MNIST/raw (default: AXON_DATA, or data/)")
    command.add_argument("--dataset", choices=DATASETS, default="mnist", help="sklearn: small stand-in, no download")
    command.add_argument("--runs", type=Path, default=Path("runs"), help="where the run's folder goes (default runs/)")
    command.add_argument("--epochs", type=_positive, help="instead of the recipe's")
    command.add_argument("--resume", action="store_true", help="continue a run that was killed")
    command.add_argument("--smoke", action="store_true", help="a few seconds, to see that it works")


def _natural(text: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() else -1
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"must be a whole number of 0..4294967295, got {text!r}")
    return number


def _positive(text: str) -> int:
    if (number := _natural(text)) == 0:
        raise argparse.ArgumentTypeError("must be at least 1, got 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
