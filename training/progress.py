"""What a person sees of a run while it trains: a progress bar, a JSON line and TensorBoard scalars for each epoch."""

from types import TracebackType
from typing import Any

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from training.run import TENSORBOARD, Run


class Silence:
    """What the second and later processes of a run see: nothing. The first one keeps the journal."""

    def __enter__(self) -> "Silence":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def resume(self, history: list[dict[str, Any]]) -> None:
        """As Journal's."""

    def advance(self, images: int) -> None:
        """As Journal's."""

    def log(self, history: list[dict[str, Any]]) -> None:
        """As Journal's."""


class Journal(Silence):
    """Shows and keeps how a run goes. `images_per_epoch` sets the bar's length."""

    def __init__(self, run: Run, epochs: int, images_per_epoch: int) -> None:
        self._run = run
        self._epochs = epochs
        self._images = images_per_epoch
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]} images/s"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        self._task = self._bar.add_task(run.folder.name, total=epochs * images_per_epoch, rate="-")
        self._writer = SummaryWriter(str(run.folder / TENSORBOARD))

    def __enter__(self) -> "Journal":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._writer.close()

    def resume(self, history: list[dict[str, Any]]) -> None:
        """Takes the epochs that were done before as done."""
        self._run.write_history(history)
        self._bar.update(self._task, completed=len(history) * self._images)

    def advance(self, images: int) -> None:
        """Counts images that were learnt from."""
        self._bar.advance(self._task, images)
        speed = self._bar.tasks[self._task].speed
        self._bar.update(self._task, rate=f"{speed:,.0f}" if speed else "-")

    def log(self, history: list[dict[str, Any]]) -> None:
        """Keeps and prints the epoch that has just ended."""
        self._run.write_history(history)
        last = history[-1]
        for key in ("loss", "validation_accuracy", "seconds"):
            self._writer.add_scalar(key, last[key], last["epoch"])
        self._bar.console.print(
            f"epoch {last['epoch']}/{self._epochs}  loss {last['loss']:.4f}  "
            f"validation {last['validation_accuracy']:.2%}  {last['seconds']:.1f} s",
            highlight=False,
        )
