"""The training loop of the digit readers: one-cycle schedule, averaged weights, a checkpoint for every epoch.

All randomness of an epoch restarts from (seed, epoch), so a run that was killed and continued sees the same images in
the same order, bent the same way, and on CPU ends with the same bits as an unbroken one.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel

from models.networks import build
from training import data, detector, progress, run
from training.data import MEAN, STD, Examples, standardise
from training.lessons import Lessons, view
from training.options import Options, TrainingError
from training.recipe import Distillation, Recipe
from training.run import Run, RunRecord

EVALUATION_BATCH = 1000

Loss = Callable[[Tensor], Tensor]  # of a batch's logits


@dataclass
class State:
    """Everything that an epoch changes."""

    network: nn.Module
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    history: list[dict[str, Any]] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for a checkpoint."""
        parts = {name: getattr(self, name).state_dict() for name in ("network", "averaged", "optimizer")}
        return parts | {"history": self.history}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a checkpoint."""
        for name in ("network", "averaged", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        self.history = state["history"]


def train(recipe: Recipe, options: Options, kind: "type[Pupil] | None" = None) -> Run:
    """Trains, or continues, the run `<runs>/<recipe>-seed<seed>` and keeps the last epoch's averaged weights.

    `kind` is that of the pupil, if it learns from something other than single digits.

    Raises DataError without the data set, RunError when the folder holds another run.
    """
    training, validation = data.open_training(options.dataset, options.data)
    if recipe.max_examples:
        training, validation = training.first(recipe.max_examples), validation.first(recipe.max_examples)
    folder = options.runs / f"{recipe.name}-seed{options.seed}"
    fabric = launch(options)
    lessons = Lessons(options.runs) if recipe.distillation else None
    if fabric.is_global_zero:
        run.start(folder, _record(recipe, options, fabric, lessons), resume=options.resume)
    fabric.barrier()
    current = run.find(folder)
    if current.is_complete:
        return current
    state = fresh_state(recipe, options.seed, fabric)
    if (checkpoint := run.load_checkpoint(current.folder)) is not None:
        state.load_state_dict(checkpoint)
    pupil = (kind or Pupil)(recipe, options.seed, state, training, lessons, fabric)
    _run_epochs(pupil, validation, current, is_first=fabric.is_global_zero)
    if fabric.is_global_zero:
        reader = state.averaged.module.cpu()
        current.save_weights(detector.add(reader, recipe, training, options.seed) if recipe.detector else reader)
    fabric.barrier()
    return current


def launch(options: Options) -> Fabric:
    """This process's place among those that torchrun has started, or alone. Raises TrainingError."""
    device = choose_device(options.device)
    fabric = Fabric(
        accelerator=device,
        devices=options.processes,
        num_nodes=options.machines,
        strategy="ddp" if options.processes * options.machines > 1 else "auto",
        precision=choose_precision(device),
    )
    fabric.launch()
    return fabric


def fresh_state(recipe: Recipe, seed: int, fabric: Fabric) -> State:
    """Networks with weights drawn from the seed, and their optimiser."""
    torch.manual_seed(seed)
    # Channels last is 1.4 times faster on CPU: 2,800 against 2,100 images/s of the CNN on one thread.
    network = build(recipe.network, recipe.config).to(fabric.device).to(memory_format=torch.channels_last)
    averaged = AveragedModel(network, avg_fn=warm_average(recipe.averaging), use_buffers=True)
    return State(network, averaged, make_optimizer(network, recipe))


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser; biases and normalisation scales (one-dimensional) are not decayed."""
    matrices = [parameter for parameter in network.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.peak_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=(0.9, 0.99))


def one_cycle(progress: float, warm_up: float) -> float:
    """Share of the peak rate at `progress` in 0..1: a cosine up from 1/25, then down to 0 (arXiv:1708.07120)."""
    if progress < warm_up:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * progress / warm_up)) / 2
    return (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))) / 2


def warm_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential moving average whose memory grows to `decay`, so that it forgets the random start quickly.

    Counts (batch normalisation's int64 buffers) are copied; running means and variances are averaged as weights are.
    """

    def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        if not averaged.is_floating_point():
            return current
        updates = float(count)
        return torch.lerp(averaged, current, 1 - min(decay, (1 + updates) / (10 + updates)))

    return average


def choose_device(device: str) -> Literal["cpu", "cuda"]:
    """The device that `auto`, `cpu` or `cuda` means here. Raises TrainingError for a GPU that is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: this machine has no CUDA GPU; cpu and auto are allowed")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def choose_precision(device: Literal["cpu", "cuda"]) -> Literal["bf16-mixed", "32-true"]:
    """bfloat16 where the processor multiplies it natively, which is 1.5 to 1.8 times faster here; else float32."""
    supported = torch.cuda.is_bf16_supported() if device == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return "bf16-mixed" if supported else "32-true"


def accuracy(network: nn.Module, examples: Examples, device: torch.device) -> float:
    """Share of the examples that are read rightly, in float32."""
    network.eval()
    with torch.inference_mode():
        batches = torch.split(examples.images.to(device), EVALUATION_BATCH)
        digits = torch.cat([network(standardise(images)).argmax(dim=1) for images in batches])
    return float((digits.cpu() == examples.labels).double().mean())


def _record(recipe: Recipe, options: Options, fabric: Fabric, lessons: Lessons | None) -> RunRecord:
    asked = recipe.model_dump(mode="json", exclude={"network", "config"})
    return RunRecord(
        name=recipe.name,
        network=recipe.network,
        config=recipe.finished,
        recipe=asked | ({"lessons": lessons.record.sha256} if lessons else {}),
        seed=options.seed,
        dataset=data.describe(options.dataset, options.data),
        command=options.command,
        **run.describe_machine(str(fabric.device), options.repository),
    )


class Pupil:
    """Learns an epoch at a time; where torchrun has started several processes, each its share of every batch."""

    def __init__(
        self, recipe: Recipe, seed: int, state: State, training: Examples, lessons: Lessons | None, fabric: Fabric
    ) -> None:
        self.recipe = recipe
        self.state = state
        self._seed = seed
        self._training = training
        self._lessons = lessons
        self._fabric = fabric
        self._forward = state.network if fabric.world_size == 1 else fabric.setup_module(state.network)

    @property
    def images_per_epoch(self) -> int:
        """Whole batches; the few images left over wait for another epoch."""
        return len(self._training) // self.recipe.batch_size * self.recipe.batch_size

    def reaches(self, validation: Examples) -> float:
        """Accuracy of the averaged weights."""
        return accuracy(self.state.averaged.module, validation, self._fabric.device)

    def learn(self, epoch: int, advance: Callable[[int], None]) -> float:
        """Takes one step for each batch; the mean loss, in nats."""
        recipe, steps = self.recipe, self.images_per_epoch // self.recipe.batch_size
        generator = torch.Generator(self._fabric.device).manual_seed(self._seed * 100_003 + epoch)
        torch.manual_seed(self._seed * 100_003 + epoch)
        total = torch.zeros((), device=self._fabric.device)
        self.state.network.train()
        for step, (images, loss_of) in enumerate(self._batches(epoch, generator)):
            for group in self.state.optimizer.param_groups:
                group["lr"] = recipe.peak_rate * one_cycle((epoch + step / steps) / recipe.epochs, recipe.warm_up)
            total += self._step(images, loss_of)
            advance(recipe.batch_size)
        mean = cast(Tensor, self._fabric.all_reduce(total / steps))  # over processes
        return round(float(mean), 6)

    def _batches(self, epoch: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Loss]]:
        """Standardised images in a new order, and what a batch's logits cost."""
        recipe, device = self.recipe, self._fabric.device
        calm_from = round(recipe.epochs * (1 - recipe.calm))
        order = torch.randperm(len(self._training), generator=generator, device=device)[: self.images_per_epoch]
        images, labels = self._training.images.to(device), self._training.labels.to(device)
        lesson = self._lessons.open(epoch, calm_from) if self._lessons else None
        rank, processes = self._fabric.global_rank, self._fabric.world_size
        if rank:
            generator.manual_seed(generator.initial_seed() + rank)  # images of its own, bent in ways of its own
        for batch in torch.split(order, recipe.batch_size):
            rows = batch[rank::processes]
            loss_of: Loss
            if lesson and recipe.distillation:
                seen = lesson.images[rows].float() / 255
                loss_of = partial(distil, recipe.distillation, lesson.logits[rows].float(), labels[rows])
            else:
                soiling = recipe.soiling if epoch < calm_from else None
                seen = view(images[rows], recipe.augmentation, soiling, generator)
                loss_of = partial(cross_entropy, target=labels[rows])
            yield (seen - MEAN) / STD, loss_of

    def _step(self, images: Tensor, loss_of: Loss) -> Tensor:
        with self._fabric.autocast():
            logits = self._forward(images)
        loss = loss_of(logits.float())
        self.state.optimizer.zero_grad()
        self._fabric.backward(loss)
        clip_grad_norm_(self.state.network.parameters(), self.recipe.clip_norm)
        self.state.optimizer.step()
        self.state.averaged.update_parameters(self.state.network)
        return loss.detach()


def distil(distillation: Distillation, taught: Tensor, labels: Tensor, logits: Tensor) -> Tensor:
    """The student's loss: how far it is from its teachers, both softened, and from the labels."""
    temperature, weight = distillation.temperature, distillation.weight
    student, teachers = log_softmax(logits / temperature, dim=1), log_softmax(taught / temperature, dim=1)
    distance = kl_div(student, teachers, reduction="batchmean", log_target=True) * temperature**2
    return weight * distance + (1 - weight) * cross_entropy(logits, labels)


def _run_epochs(pupil: Pupil, validation: Examples, current: Run, *, is_first: bool) -> None:
    history = pupil.state.history
    journal = progress.Journal(current, pupil.recipe.epochs, pupil.images_per_epoch) if is_first else progress.Silence()
    with journal:
        journal.resume(history)
        for epoch in range(len(history), pupil.recipe.epochs):
            started = time.monotonic()
            loss = pupil.learn(epoch, journal.advance)
            reached = pupil.reaches(validation)
            seconds = round(time.monotonic() - started, 3)
            history.append({"epoch": epoch + 1, "loss": loss, "validation_accuracy": reached, "seconds": seconds})
            if is_first:
                run.save_checkpoint(current.folder, pupil.state.state_dict())
            journal.log(history)
