"""The command line, `python -m training {gate,cnn,rnn,line,teacher,lessons,evaluate,publish,report}`: parsing only.

Each command imports what it needs: Fabric, torchvision and torchmetrics take 13 s to import on a slow core, and
neither `--help` nor the gates need them.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

from models.bundle import BundleError
from training.options import DATASETS, FIGURES, GATES, PUBLISHED, TEACHERS, Options, TrainingError

if TYPE_CHECKING:
    from training.run import Run


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0, or 1 with one line on stderr when it cannot be done."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.act(parsed)
    except (TrainingError, BundleError, URLError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def train_gate(parsed: argparse.Namespace) -> None:
    """Trains one gate from a thousand seeds."""
    from training import gate, robustness

    recipe = gate.recipe_for(parsed.gate)
    run = gate.main(_options(parsed, ["gate", "--gate", parsed.gate]), recipe.smoke() if parsed.smoke else recipe)
    print(f"{run.folder}: {robustness.describe(gate.read_tolerance(run.folder))}")


def train_reader(parsed: argparse.Namespace) -> None:
    """Trains the CNN or the RNN."""
    from training import cnn, rnn

    reader = {"cnn": cnn, "rnn": rnn}[parsed.reader]
    recipe, command = reader.TAUGHT if parsed.taught else reader.RECIPE, [parsed.reader]
    if parsed.taught:
        command.append("--taught")
    if parsed.smoke:
        recipe = recipe.smoke()
    if parsed.epochs:
        recipe = recipe.model_copy(update={"epochs": parsed.epochs})
        command += ["--epochs", str(parsed.epochs)]
    _report(reader.main(_options(parsed, command), recipe))


def train_line(parsed: argparse.Namespace) -> None:
    """Trains the line reader."""
    from training import line

    recipe = line.RECIPE.smoke() if parsed.smoke else line.RECIPE
    _report(line.main(_options(parsed, ["line"]), recipe))


def train_teacher(parsed: argparse.Namespace) -> None:
    """Trains a network that others learn from."""
    from training import teacher

    recipe = teacher.recipe_for(parsed.kind)
    command = ["teacher", "--kind", parsed.kind]
    _report(teacher.main(_options(parsed, command), recipe.smoke() if parsed.smoke else recipe))


def make_lessons(parsed: argparse.Namespace) -> None:
    """Asks the teachers."""
    from training import lessons, teacher

    options = Options(data=parsed.data, runs=parsed.runs, dataset=parsed.dataset)
    record = lessons.make(parsed.teachers, teacher.recipe_for("wide"), parsed.soiled, parsed.calm, options)
    print(f"{parsed.runs / lessons.FOLDER}: {len(record.files)} lessons, sha256 {record.sha256}")


def evaluate_run(parsed: argparse.Namespace) -> None:
    """Prints the figures of a run that has ended, or the accuracy of a model that is being served."""
    from training import evaluate, report

    if not parsed.url:
        print(report.describe_run(Path(parsed.subject), parsed.data))
        return
    if parsed.numbers:
        for touching, how in ((False, "apart"), (True, "touching")):
            right = evaluate.ask_for_numbers(
                parsed.url.rstrip("/"), parsed.subject, parsed.data, parsed.numbers, touching=touching
            )
            print(f"{parsed.subject} at {parsed.url}: {right:.2%} of {parsed.numbers:,} numbers, digits {how}")
        return
    count, accuracy = evaluate.ask_server(
        parsed.url.rstrip("/"), parsed.subject, parsed.dataset, parsed.data, scanned=parsed.scanned
    )
    print(f"{parsed.subject} at {parsed.url}: {accuracy:.2%} of {count:,} images")


def publish_run(parsed: argparse.Namespace) -> None:
    """Writes the bundle of a run that has ended."""
    from training.publish import publish

    manifest = publish(parsed.run, parsed.data, parsed.published, version=parsed.version)
    print(f"{parsed.published / manifest.name / str(manifest.version)}: {len(manifest.files)} files")


def write_report(parsed: argparse.Namespace) -> None:
    """Draws the figures of the documentation and prints the table of models."""
    from training import report

    if parsed.runs:
        print(report.over_seeds(parsed.runs, parsed.data, parsed.published))
        return
    report.draw_figures(parsed.published, parsed.figures)
    print(report.table(parsed.published))


def _report(run: "Run") -> None:
    if os.environ.get("RANK", "0") == "0":  # of torchrun's processes
        print(f"{run.folder}: validation accuracy {run.history()[-1]['validation_accuracy']:.2%}")


def _options(parsed: argparse.Namespace, command: list[str]) -> Options:
    dataset = getattr(parsed, "dataset", "mnist")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's
    words = ["python", "-m", "training", *command, "--seed", str(parsed.seed)]
    words += ["--dataset", dataset] if dataset != "mnist" else []
    words += ["--smoke"] if parsed.smoke else []
    return Options(
        data=getattr(parsed, "data", Path()),
        dataset=dataset,
        runs=parsed.runs,
        seed=parsed.seed,
        device=getattr(parsed, "device", "cpu"),
        resume=parsed.resume,
        processes=processes,
        machines=int(os.environ.get("WORLD_SIZE", "1")) // processes,
        command=shlex.join(words),  # makes the same run again; holds no path of this machine
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train, evaluate and publish Axon's models."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = _add(commands, "gate", train_gate, "train a logic gate from a thousand seeds (half a minute at most)")
    command.add_argument("--gate", choices=GATES, required=True)
    _add_run_options(command)
    for name, what in (("cnn", "convolutional"), ("rnn", "recurrent")):
        command = _add(commands, name, train_reader, f"train the {what} digit reader (20 minutes on one core)")
        command.set_defaults(reader=name)
        _add_run_options(command)
        _add_reader_options(command)
        command.add_argument("--taught", action="store_true", help="learn from lessons too (docs/training.md)")
        command.add_argument("--epochs", type=_positive, help="instead of the recipe's")
    command = _add(commands, "line", train_line, "train the reader of whole lines (an hour on two cores)")
    _add_run_options(command)
    _add_reader_options(command)
    command = _add(commands, "teacher", train_teacher, "train a network that the readers learn from (an hour)")
    command.add_argument("--kind", choices=TEACHERS, required=True)
    _add_run_options(command)
    _add_reader_options(command)
    command = _add(commands, "lessons", make_lessons, "ask the teachers about images as they are seen in training")
    command.add_argument("teachers", type=Path, nargs="+", help="their runs' folders")
    command.add_argument("--soiled", type=_positive, default=24, help="lessons with soiling (default 24)")
    command.add_argument("--calm", type=_natural, default=6, help="lessons without it (default 6)")
    command.add_argument("--runs", type=Path, default=Path("runs"), help="where they go (default runs/)")
    _add_data_options(command)
    command.add_argument("--dataset", choices=DATASETS, default="mnist", help=argparse.SUPPRESS)
    _add_ending_commands(commands)
    return parser


def _add_reader_options(command: argparse.ArgumentParser) -> None:
    _add_data_options(command)
    command.add_argument("--dataset", choices=DATASETS, default="mnist", help="sklearn: small stand-in, no download")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default auto")


def _add_ending_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _add(commands, "evaluate", evaluate_run, "measure a run that has ended, or a model that is being served")
    command.add_argument("subject", help="a run's folder, such as runs/cnn-seed0; with --url a model, such as cnn")
    command.add_argument("--url", help="of a running server, such as http://localhost:3000")
    what = "with --url: so many numbers composed of mnist's test images, digits apart and touching, in place of digits"
    command.add_argument("--numbers", type=_positive, help=what)
    what = "with --url: mnist's test images as JPEG, 4 to 10 times as large, on more paper, dark or light"
    command.add_argument("--scanned", action="store_true", help=what)
    what = "with --url: the test images of mnist as arrays, or the small digits of sklearn as pictures"
    command.add_argument("--dataset", choices=DATASETS, default="mnist", help=what)
    _add_data_options(command)
    command = _add(commands, "publish", publish_run, "write the bundle of a run that has ended")
    command.add_argument("run", type=Path, help="folder, such as runs/cnn-seed0")
    command.add_argument("--version", type=_positive, help="instead of the next one")
    command.add_argument("--published", type=Path, default=PUBLISHED, help="default models/published/")
    _add_data_options(command)
    command = _add(commands, "report", write_report, "print the table of models and draw the documentation's figures")
    command.add_argument("--published", type=Path, default=PUBLISHED, help="default models/published/")
    command.add_argument("--figures", type=Path, default=FIGURES, help="default docs/figures/")
    command.add_argument("--runs", type=Path, help="compare the seeds of the runs in this folder, and draw nothing")
    _add_data_options(command)


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, act: object, what: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=what, description=what)
    command.set_defaults(act=act)
    return command


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=_natural, default=0, help="of weights, order and augmentation (default 0)")
    command.add_argument("--runs", type=Path, default=Path("runs"), help="where the run's folder goes (default runs/)")
    command.add_argument("--resume", action="store_true", help="continue a run that was killed")
    command.add_argument("--smoke", action="store_true", help="a few seconds, to see that it works")


def _add_data_options(command: argparse.ArgumentParser) -> None:
    data = Path(os.environ.get("AXON_DATA", "data"))
    command.add_argument("--data", type=Path, default=data, help="holds MNIST/raw (default: AXON_DATA, or data/)")


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
