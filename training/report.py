"""Figures of runs and of published models as text and pictures: for the terminal, the README and the documentation."""

from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from safetensors.torch import load
from torch import Tensor, nn

from models import bundle
from models.manifest import Evaluation, Manifest
from models.networks import build
from models.repository import Repository
from training import comparison, evaluate, figures, robustness, run, strokes
from training.data import MEAN, STD
from training.export import Graph
from training.gate import TRUTH, read_tolerance
from training.lines import Composition
from training.publish import draw, line_graph, reader_graph
from training.run import Run


def describe_run(folder: Path, data: Path) -> str:
    """Figures of a run that has ended, measured on the graph that would be served; pictures go into its folder.

    Raises RunError, DataError.
    """
    current = run.find(folder)
    network = current.load_network()
    if current.record.network in ("neuron", "two_layer"):
        return robustness.describe(read_tolerance(folder))
    if current.record.network == "crnn":
        return describe_line(current, network, data)
    served, graph = reader_graph(current, network, data)
    findings = evaluate.examine(Graph(graph), served, current.record.dataset.name, data)
    lines = [_line("validation", findings.validation), _line("test", findings.test)]
    lines.append(f"temperature {findings.temperature}  {findings.rejection!r}")
    lines += [f"{name:<28} {value}" for name, value in findings.robustness.items()]
    for name, picture in draw(findings).items():
        (folder / name).parent.mkdir(exist_ok=True)
        run.write_whole(folder / name, picture)
        lines.append(str(folder / name))
    return "\n".join(lines)


def describe_line(current: Run, network: nn.Module, data: Path) -> str:
    """Figures of a line reader's run. Raises DataError."""
    composition = Composition.model_validate(current.record.recipe["composition"])
    graph = Graph(line_graph(network)[1])
    findings = evaluate.examine_lines(graph, composition, current.record.dataset.name, data)
    lines = [_line("validation", findings.validation), _line("test", findings.test)]
    lines.append(f"temperature {findings.temperature}  {findings.rejection!r}")
    return "\n".join(lines + [f"{name:<28} {value}" for name, value in findings.robustness.items()])


def over_seeds(runs: Path, data: Path, published: Path) -> str:
    """Test accuracy of every reader's runs in a folder, and whether each differs from what is published by chance.

    Raises DataError.
    """
    lines = []
    for name in ("cnn", "rnn"):
        done = [run.find(path.parent) for path in sorted(runs.glob(f"{name}-seed*/{run.WEIGHTS}"))]
        rights = [_right(reader_graph(one, one.load_network(), data)[1], one, data) for one in done]
        if rights:
            before = _right(Repository(published).open(name).files[bundle.ONNX], done[0], data)
            lines += [_against(one, right, before) for one, right in zip(done, rights, strict=True)]
            lines.append(_spread(name, [float(right.double().mean()) for right in rights]))
    return "\n".join(lines)


def table(published: Path) -> str:
    """The published models' default versions, as a Markdown table."""
    repository = Repository(published)
    rows = [_row(repository.open(name).manifest) for name in repository.names()]
    head = "| model | what | parameters | multiply-adds | us per input | measured |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def draw_figures(published: Path, folder: Path) -> None:
    """Draws the pictures of `docs/networks.md` from the published models."""
    repository = Repository(published)
    folder.mkdir(parents=True, exist_ok=True)
    networks = {name: load_published(repository, name) for name in repository.names()}
    gates = {gate: networks[f"gate-{gate}"] for gate in TRUTH if f"gate-{gate}" in networks}
    (folder / "gates.png").write_bytes(_all_gates(gates))
    if "and" in gates:
        (folder / "neuron.png").write_bytes(_firing(gates["and"]))
    if "cnn" in networks:
        (folder / "cnn-sees.png").write_bytes(_feature_maps(networks["cnn"]))


def load_published(repository: Repository, name: str) -> nn.Module:
    """The default version's network, in evaluation mode. Raises a BundleError."""
    opened = repository.open(name)
    network = build(opened.manifest.network.kind, opened.manifest.network.config)
    network.load_state_dict(load(opened.files[bundle.WEIGHTS]))
    return network.eval()


def _right(graph: bytes, of: Run, data: Path) -> Tensor:
    return evaluate.read_rightly(Graph(graph), of.record.dataset.name, data)


def _against(one: Run, right: Tensor, before: Tensor) -> str:
    chance = comparison.mcnemar(before, right)
    change = int(right.sum()) - int(before.sum())
    accuracy = float(right.double().mean())
    return f"{one.folder.name:<14} {accuracy:.2%}  {change:+d} images, by chance with p = {chance:.3f} (McNemar)"


def _spread(name: str, accuracies: list[float]) -> str:
    told = comparison.over_seeds("test accuracy", accuracies)
    return f"{name}: mean {told.mean:.3%}, std {told.std:.3%}, min {told.min:.2%}, max {told.max:.2%} of {told.n} seeds"


def _line(split: str, evaluation: Evaluation) -> str:
    figures_of = f"accuracy {evaluation.accuracy:.2%}  nll {evaluation.nll:.4f}  ece {evaluation.ece:.2%}"
    return f"{split:<11} n {evaluation.n:,}  {figures_of}"


def _row(manifest: Manifest) -> str:
    network, metrics = manifest.network, manifest.metrics
    if metrics.test:
        measured = f"test accuracy {metrics.test.accuracy:.2%} of {metrics.test.n:,}, ECE {metrics.test.ece:.2%}"
    else:
        measured = "noise tolerated {noise_one_input:.2f} on one input, {noise_both_inputs:.2f} on both".format(
            **metrics.robustness
        )
    cells = (f"{manifest.name}/{manifest.version}", network.kind.replace("_", "-"), f"{network.parameters:,}")
    return f"| {' | '.join(cells)} | {network.multiply_adds:,} | {manifest.cost.us_per_input:g} | {measured} |"


def _all_gates(gates: dict[str, nn.Module]) -> bytes:
    figure, grid = plt.subplots(2, 3, figsize=(9, 6), sharex=True, sharey=True)
    for axes, (gate, network) in zip(grid.flat, gates.items(), strict=False):
        figures.draw_surface(axes, network, TRUTH[gate])
        axes.set_title(gate.upper())
    return figures.png(figure)


def _firing(neuron: nn.Module) -> bytes:
    """A neuron's probability of firing over its weighted sum, and where the four rows of the truth table lie."""
    sums = torch.linspace(-20, 8, 200)
    figure, axes = plt.subplots(figsize=(6, 3))
    axes.plot(sums.numpy(), sums.sigmoid().numpy())
    for first, second in ((0, 0), (0, 1), (1, 0), (1, 1)):
        with torch.inference_mode():
            logit = float(neuron(torch.tensor([[float(first), float(second)]])))
        axes.plot(logit, 1 / (1 + np.exp(-logit)), "ko")
        height = 0.1 if (first, second) != (1, 0) else 0.22
        axes.annotate(f"{first} AND {second}", (logit, height if logit < 0 else 0.85), ha="center")
    axes.set(xlabel="weighted sum plus bias (the logit)", ylabel="probability of firing")
    return figures.png(figure)


def _feature_maps(network: nn.Module) -> bytes:
    """What eight filters of each stage answer to a digit that our own pen drew."""
    image = strokes.draw(5, np.random.default_rng(11))
    answers: list[Tensor] = [(torch.from_numpy(image).float().unsqueeze(0) / 255 - MEAN) / STD]
    with torch.inference_mode():
        for stage in network.get_submodule("features").children():
            answers.append(stage(answers[-1].reshape(1, -1, *answers[-1].shape[-2:])))
    rows = [answers[1][0], answers[2][0], answers[4][0]]
    figure, grid = plt.subplots(3, 9, figsize=(9, 3.2))
    for axes, row in zip(grid, rows, strict=True):
        strongest = row.amax(dim=(1, 2)).argsort(descending=True)[:8].tolist()
        for cell, picture in zip(axes, [image, *(row[channel].numpy() for channel in strongest)], strict=True):
            cell.imshow(picture, cmap="gray")
            cell.axis("off")
    return figures.png(figure)
