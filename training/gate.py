"""Logic gates: AND, OR, NAND and NOR by one neuron, XOR and XNOR by two layers, from random weights.

A thousand seeds are trained at once: their parameters are stacked, so that a step of all is one step of tensors with
a leading dimension. The first seed is kept; the others say how much of its success was luck.

    python -m training gate --gate xor --seed 0
"""

import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import relu, softplus

from models.networks import build
from training import robustness, run
from training.data import DatasetRecord
from training.options import Options
from training.robustness import CORNERS, Tolerance
from training.run import Run, RunRecord

# Outputs for the inputs 00, 01, 10, 11.
TRUTH: dict[str, tuple[int, int, int, int]] = {
    "and": (0, 0, 0, 1),
    "or": (0, 1, 1, 1),
    "nand": (1, 1, 1, 0),
    "nor": (1, 0, 0, 0),
    "xor": (0, 1, 1, 0),
    "xnor": (1, 0, 0, 1),
}
NEEDS_TWO_LAYERS = ("xor", "xnor")
EXACT: dict[str, Any] = {
    "network": "neuron",
    "steps": 2000,
    "loss": "hinge",
    "weight_decay": 1e-4,
    "noise": 0.0,
    "floor_both_inputs": 0.24,
    "floor_one_input": 0.48,
}
SHAKEN: dict[str, Any] = {
    "network": "two_layer",
    "steps": 1000,
    "loss": "cross_entropy",
    "weight_decay": 1e-4,
    "noise": 0.45,
    "floor_both_inputs": 0.40,
    "floor_one_input": 0.40,
}
MARGIN = 6.0  # a logit of 6 is a probability of 0.9975
LATTICE = 5
Forward = Callable[[dict[str, Tensor], Tensor], Tensor]


class GateRecipe(BaseModel):
    """Hyper-parameters of a gate. Floors: the least of every seed, or nothing is published."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    gate: str
    network: str
    config: dict[str, Any] = {}
    seeds: PositiveInt = 1000
    steps: PositiveInt
    rate: PositiveFloat = 0.1
    loss: Literal["hinge", "cross_entropy"]
    weight_decay: NonNegativeFloat
    noise: NonNegativeFloat  # corners are moved by up to this on each input, on a 5x5 lattice
    floor_both_inputs: NonNegativeFloat
    floor_one_input: NonNegativeFloat

    def smoke(self) -> "GateRecipe":
        """The same run in a second, to see that it works."""
        return self.model_copy(update={"name": f"{self.name}-smoke", "steps": 20, "seeds": 8})


def recipe_for(gate: str) -> GateRecipe:
    """The recipe that publishes a gate.

    A straight line that separates AND can leave every corner 0.3536 of room, no more: 0.5 where one input errs, 0.25
    where both do. A neuron learns it from exact corners: the squared hinge, with a little decay, has its least value
    at the largest margin. XOR's best surface is the cross x = 0.5, y = 0.5, with room of 0.5, so its corners are shaken
    almost that far. A decay of 1e-4 keeps it smooth: with 1e-5, a seed of 1,000 ripples and tolerates 0.09.
    """
    fields = SHAKEN if gate in NEEDS_TWO_LAYERS else EXACT
    return GateRecipe.model_validate({"name": f"gate-{gate}", "gate": gate} | fields)


def main(options: Options, recipe: GateRecipe) -> Run:
    """Trains `recipe.seeds` networks from consecutive seeds and keeps the first. Raises RunError."""
    folder = options.runs / f"{recipe.name}-seed{options.seed}"
    current = run.start(folder, _record(recipe, options), resume=options.resume)
    if current.is_complete:
        return current
    skeleton, parameters = stack_seeds(recipe, options.seed)
    forward = vmap(lambda weights, inputs: functional_call(skeleton, weights, (inputs,)).squeeze(-1), in_dims=(0, None))
    inputs, signs = shaken_corners(recipe)
    current.write_history(fit(forward, parameters, inputs, signs, recipe))
    network = build(recipe.network, recipe.config)
    network.load_state_dict({name: stacked[0] for name, stacked in parameters.items()})
    with torch.inference_mode():
        tolerance = robustness.measure(lambda points: forward(parameters, points), TRUTH[recipe.gate])
    keep_tolerance(current.folder, tolerance)
    current.save_weights(network)
    return current


def stack_seeds(recipe: GateRecipe, first: int) -> tuple[nn.Module, dict[str, Tensor]]:
    """A network without weights of its own, and the random parameters of all seeds, each float32[seeds, ...]."""
    networks = []
    for seed in range(first, first + recipe.seeds):
        torch.manual_seed(seed)
        networks.append(build(recipe.network, recipe.config))
    parameters, _ = stack_module_state(networks)
    return networks[0].to("meta"), parameters


def shaken_corners(recipe: GateRecipe) -> tuple[Tensor, Tensor]:
    """What is learnt from: inputs float32[N, 2] around the corners, and the wanted signs float32[N] of -1 or 1."""
    steps = torch.linspace(-recipe.noise, recipe.noise, LATTICE if recipe.noise else 1).tolist()
    offsets = torch.tensor(list(product(steps, steps)))
    signs = torch.tensor(TRUTH[recipe.gate]) * 2.0 - 1
    return (CORNERS.unsqueeze(1) + offsets).reshape(-1, 2), signs.repeat_interleave(len(offsets))


def fit(
    forward: Forward, parameters: dict[str, Tensor], inputs: Tensor, signs: Tensor, recipe: GateRecipe
) -> list[dict[str, Any]]:
    """Fits all seeds in place by Adam, to a squared hinge or to cross entropy; logs every 50 steps."""
    optimizer = torch.optim.Adam(parameters.values(), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    history, started = [], time.monotonic()
    for step in range(1, recipe.steps + 1):
        outputs = signs * forward(parameters, inputs)
        losses = (relu(MARGIN - outputs).square() if recipe.loss == "hinge" else softplus(-outputs)).mean(dim=1)
        decay = torch.stack([parameter.square().sum() for parameter in parameters.values()]).sum()
        optimizer.zero_grad()
        torch.autograd.backward(losses.sum() + recipe.weight_decay * decay)  # a sum: no seed feels the others
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == recipe.steps:
            solved = float((outputs > 0).all(dim=1).float().mean())
            seconds = round(time.monotonic() - started, 3)
            history.append({"epoch": step, "loss": float(losses.detach().mean()), "solved": solved, "seconds": seconds})
            started = time.monotonic()
    return history


def keep_tolerance(folder: Path, tolerance: Tolerance) -> None:
    """Keeps the figures of all seeds beside the run."""
    run.write_whole(folder / robustness.REPORT, tolerance.model_dump_json(indent=1).encode() + b"\n")


def read_tolerance(folder: Path) -> Tolerance:
    """The figures of all seeds of a run that has ended."""
    return Tolerance.model_validate_json((folder / robustness.REPORT).read_bytes())


def _record(recipe: GateRecipe, options: Options) -> RunRecord:
    return RunRecord(
        name=recipe.name,
        network=recipe.network,
        config=recipe.config,
        recipe=recipe.model_dump(exclude={"network", "config"}),
        seed=options.seed,
        dataset=DatasetRecord(name="truth table", files={}, split="all four rows are learnt and all are tested"),
        command=options.command,
        **run.describe_machine("cpu", options.repository),
    )
