"""Pictures of what was learnt, as small PNG files. Knows weights and numbers; draws no image of a data set but one.

The exception is `mistakes`, which stays in the run's folder and is never published.
"""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no screen

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from models.networks.rnn import RecurrentReader
from training import strokes
from training.calibration import Reliability

DPI = 90


def png(figure: Figure) -> bytes:
    """The figure as a PNG without dates, so that the same numbers give the same file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def learning_curves(history: Sequence[dict[str, Any]], share: str) -> bytes:
    """Loss, and the error 1 - `share` (a key of the log), over the epochs or steps."""
    epochs = [entry["epoch"] for entry in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    left.semilogy(epochs, [entry["loss"] for entry in history])
    left.set(title="training loss", xlabel="epoch" if share != "solved" else "step")
    right.semilogy(epochs, [max(1 - entry[share], 1e-4) * 100 for entry in history])
    right.set(
        title="validation errors, %" if share != "solved" else "seeds with a shaken corner wrong, %",
        xlabel=left.get_xlabel(),
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    return png(figure)


def reliability(bins: Reliability) -> bytes:
    """What confidence promised and accuracy kept; on the diagonal they agree. A dot's area tells of how many images."""
    figure, axes = plt.subplots(figsize=(4, 4))
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    sizes = 8 + 300 * np.array(bins.counts) / sum(bins.counts)
    axes.scatter(bins.confidences, bins.accuracies, sizes, alpha=0.7)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    return png(figure)


def coverage(refused: Sequence[float], errors: Sequence[float]) -> bytes:
    """Errors among the accepted, by the share of images that is refused, the least sure first."""
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.plot(np.multiply(refused, 100), np.multiply(errors, 100))
    axes.set(xlabel="refused, %", ylabel="errors among the accepted, %", ylim=(0, None))
    axes.grid(alpha=0.3)
    return png(figure)


def confusion(matrix: Sequence[Sequence[int]]) -> bytes:
    """Test images by true digit (rows) and reading (columns); the diagonal is left white, so that errors show."""
    counts = np.array(matrix)
    errors = counts - np.diag(np.diag(counts))
    figure, axes = plt.subplots(figsize=(4.5, 4.5))
    axes.imshow(errors, cmap="Oranges")
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7)
    axes.set(xticks=range(len(counts)), yticks=range(len(counts)), xlabel="read as", ylabel="is a")
    axes.set_title(f"{errors.sum()} errors of {counts.sum():,} test images")
    return png(figure)


def filters(network: nn.Module) -> bytes:
    """The first layer's filters: red excites, blue inhibits."""
    weights = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d)).weight.detach().squeeze(1)
    rows = 4
    figure, grid = plt.subplots(rows, -(-len(weights) // rows), figsize=(8, 4.2))
    for axes in grid.flat:
        axes.axis("off")
    for axes, kernel in zip(grid.flat, weights.numpy(), strict=False):
        reach = np.abs(kernel).max()
        axes.imshow(kernel, cmap="RdBu_r", vmin=-reach, vmax=reach)
    return png(figure)


def reading(network: nn.Module, served: nn.Module, digit: int = 3) -> bytes:
    """What the recurrent reader believes after each row of a digit that our own pen drew."""
    image = strokes.draw(digit, np.random.default_rng(7))
    beliefs = beliefs_by_row(network, served, image)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, width_ratios=(1, 1.4))
    left.imshow(image, cmap="gray")
    left.set(title="a drawn digit", ylabel="row")
    right.imshow(beliefs, cmap="Greens", aspect="auto", vmin=0, vmax=1)
    right.set(title="belief after each row", xlabel="digit", xticks=range(10))
    return png(figure)


def beliefs_by_row(network: nn.Module, served: nn.Module, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities float32[28, 10] of the recurrent reader, had the picture ended after each row of uint8[28, 28]."""
    assert isinstance(network, RecurrentReader)
    seen: list[Tensor] = []
    hook = network.memory.register_forward_hook(lambda _layer, _inputs, outputs: seen.append(outputs[0]))
    with torch.inference_mode():
        served(torch.from_numpy(image).unsqueeze(0))
        steps = seen[0][0]
        strongest = steps.cummax(dim=0).values
        logits: Tensor = network.classifier(torch.cat([steps, strongest], dim=1))
    hook.remove()
    return np.asarray(logits.softmax(dim=1).numpy())


def answers(lines: NDArray[np.uint8], logits: NDArray[np.float32]) -> bytes:
    """What a line reader answers along lines uint8[N, 32, W], by logits float32[N, T, 12]."""
    figure, grid = plt.subplots(
        2 * len(lines), 1, figsize=(9, 2.2 * len(lines)), sharex=True, height_ratios=[1, 1.3] * len(lines)
    )
    beliefs = torch.from_numpy(logits).softmax(dim=2).numpy()
    for line, belief, picture, below in zip(lines, beliefs, grid[::2], grid[1::2], strict=True):
        picture.imshow(line, cmap="gray", aspect="auto")
        picture.axis("off")
        span = (0, line.shape[1], belief.shape[1] - 0.5, -0.5)
        below.imshow(belief.T, cmap="Greens", aspect="auto", vmin=0, vmax=1, extent=span)
        below.set(yticks=range(belief.shape[1]), yticklabels=[*map(str, range(10)), "other", "nothing"])
        below.tick_params(labelsize=6)
    return png(figure)


def decision_surface(network: nn.Module, truth: Sequence[int], title: str) -> bytes:
    """The firing probability over the square around the truth table's corners."""
    figure, axes = plt.subplots(figsize=(4.2, 3.6))
    mesh = draw_surface(axes, network, truth)
    axes.set(title=title, xlabel="first input", ylabel="second input")
    figure.colorbar(mesh, label="probability of 1")
    return png(figure)


def draw_surface(axes: Axes, network: nn.Module, truth: Sequence[int]) -> Any:
    """Colours axes by a gate's probability; the black line is where it starts to fire."""
    span = torch.linspace(-0.5, 1.5, 161)
    y, x = torch.meshgrid(span, span, indexing="ij")
    with torch.inference_mode():
        logits = network(torch.stack([x, y], dim=-1).reshape(-1, 2)).reshape(x.shape).numpy()
    ticks = span.numpy()
    mesh = axes.pcolormesh(ticks, ticks, 1 / (1 + np.exp(-logits)), cmap="RdYlBu_r", vmin=0, vmax=1, rasterized=True)
    axes.contour(ticks, ticks, logits, levels=[0], colors="black")
    for index, output in enumerate(truth):
        axes.plot(index // 2, index % 2, "o", color="white" if output else "black", markeredgecolor="black")
    axes.set_aspect("equal")
    return mesh


def mistakes(images: Tensor, labels: Tensor, logits: Tensor, count: int = 40) -> bytes:
    """The worst mistakes, by loss. Shows images of the data set: for the run's folder only."""
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    losses[logits.argmax(dim=1) == labels] = 0
    worst = losses.argsort(descending=True)[: min(count, int((losses > 0).sum()))]
    figure, grid = plt.subplots(5, 8, figsize=(9, 6.5))
    for axes in grid.flat:
        axes.axis("off")
    for axes, row in zip(grid.flat, worst.tolist(), strict=False):
        axes.imshow(images[row].numpy(), cmap="gray")
        axes.set_title(f"{int(labels[row])} read as {int(logits[row].argmax())}", fontsize=7)
    return png(figure)
