"""What a reader can do, measured on the graph that is served. The only room that opens the test split.

Temperature and rejection thresholds are chosen on the validation split; the test split is read once, after that.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, softmax
from torchmetrics.functional.classification import (
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)

from models import features
from models.manifest import Evaluation, ReferenceDistribution, Rejection
from training import data, strokes
from training.data import Examples
from training.export import Graph

CLASSES = 10
REFUSED_BY_EACH = 0.005  # share of the validation images under each threshold: together about 1 %
DRAWN = 1000
HTTP_BATCH = 500  # 1.3 MB of JSON, an eighth of what a server takes
SEED = 20_000


@dataclass(frozen=True)
class Findings:
    """Everything measured of a digit reader; `test_logits` are as served, before the temperature."""

    temperature: float
    rejection: Rejection
    validation: Evaluation
    test: Evaluation
    robustness: dict[str, float]
    reference: dict[str, ReferenceDistribution]
    test_examples: Examples
    test_logits: Tensor


def examine(graph: Graph, dataset: str, root: Path) -> Findings:
    """Chooses on the validation split, then measures on the test split. Raises DataError."""
    _, validation = data.open_training(dataset, root)
    logits = read(graph, validation.images)
    temperature = fit_temperature(logits, validation.labels)
    rejection = choose_rejection(logits, temperature)
    test = data.open_test(dataset, root)
    test_logits = read(graph, test.images)
    return Findings(
        temperature=temperature,
        rejection=rejection,
        validation=score(logits, validation.labels, temperature),
        test=score(test_logits, test.labels, temperature),
        robustness=refusals(test_logits, test.labels, rejection, temperature)
        | drawn_figures(graph, rejection, temperature),
        reference=reference(validation, logits, temperature),
        test_examples=test,
        test_logits=test_logits,
    )


def ask_server(url: str, model: str, dataset: str, root: Path) -> tuple[int, float]:
    """Reads the whole test split through a running server: its size, and the share read rightly.

    Raises DataError, and OSError when the server cannot be reached or refuses.
    """
    test = data.open_test(dataset, root)
    digits = torch.cat([_digits_from(url, model, images) for images in torch.split(test.images, HTTP_BATCH)])
    return len(test), float((digits == test.labels).double().mean())


def read(graph: Graph, images: Tensor) -> Tensor:
    """uint8[N, 28, 28] -> logits float32[N, 10] of the served graph."""
    return torch.from_numpy(graph.read(images.numpy()))


def score(logits: Tensor, labels: Tensor, temperature: float) -> Evaluation:
    """Accuracy, negative log-likelihood, calibration error (15 bins, Guo et al., arXiv:1706.04599) and confusion."""
    scaled = logits / temperature
    probabilities = softmax(scaled, dim=1)
    confusion = multiclass_confusion_matrix(logits, labels, CLASSES)
    return Evaluation(
        n=len(labels),
        accuracy=int(confusion.trace()) / len(labels),  # of whole numbers, so that 9,964 of 10,000 is 0.9964
        nll=float(cross_entropy(scaled, labels)),
        ece=float(multiclass_calibration_error(probabilities, labels, CLASSES, n_bins=15)),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The one number that logits are divided by for the least negative log-likelihood."""
    candidates = torch.logspace(-0.6, 0.6, 301, dtype=torch.float64)  # 0.25 to 4, in steps of 0.9 %
    losses = torch.stack([cross_entropy(logits.double() / candidate, labels) for candidate in candidates])
    return round(float(candidates[losses.argmin()]), 4)


def choose_rejection(logits: Tensor, temperature: float) -> Rejection:
    """Thresholds that refuse half a percent of the validation images each."""
    confidence = softmax(logits / temperature, dim=1).amax(dim=1)
    return Rejection(
        min_confidence=round(float(confidence.quantile(REFUSED_BY_EACH)), 4),
        min_energy=round(float(logits.logsumexp(dim=1).quantile(REFUSED_BY_EACH)), 4),
    )


def is_accepted(logits: Tensor, rejection: Rejection, temperature: float) -> Tensor:
    """Which of logits float32[N, 10] pass both thresholds: bool[N]."""
    confidence = softmax(logits / temperature, dim=1).amax(dim=1)
    return (confidence >= rejection.min_confidence) & (logits.logsumexp(dim=1) >= rejection.min_energy)


def refusals(logits: Tensor, labels: Tensor, rejection: Rejection, temperature: float) -> dict[str, float]:
    """On the test split: the share that is refused, and the share of errors among the accepted."""
    accepted = is_accepted(logits, rejection, temperature)
    wrong = logits.argmax(dim=1) != labels
    return {
        "test_refused": _share(~accepted),
        "test_error_among_accepted": round(float(wrong[accepted].double().mean()), 5),
    }


def drawn_figures(graph: Graph, rejection: Rejection, temperature: float) -> dict[str, float]:
    """On what our own pen drew, which training never saw: accuracy of digits, and how much is refused."""
    images, labels = strokes.draw_many(DRAWN, seed=SEED)
    rng = np.random.default_rng(SEED)
    scribbles = np.stack([strokes.scribble(rng) for _ in range(DRAWN)])
    grain = np.stack([strokes.noise(rng) for _ in range(DRAWN)])
    logits = {"digits": _read(graph, images), "scribbles": _read(graph, scribbles), "noise": _read(graph, grain)}
    refused = {f"drawn_{kind}_refused": _share(~is_accepted(of, rejection, temperature)) for kind, of in logits.items()}
    return {"drawn_digits_accuracy": _share(logits["digits"].argmax(dim=1) == torch.from_numpy(labels))} | refused


def reference(validation: Examples, logits: Tensor, temperature: float) -> dict[str, ReferenceDistribution]:
    """How features of the images, digits and confidences are distributed, to notice when the world drifts."""
    measured = features.measure(validation.images.numpy())
    described = {name: features.distribution(values, features.EDGES[name]) for name, values in measured.items()}
    confidence = softmax(logits / temperature, dim=1).amax(dim=1).numpy()
    described["digit"] = features.distribution(logits.argmax(dim=1).numpy(), features.DIGIT_EDGES)
    described["confidence"] = features.distribution(confidence, features.CONFIDENCE_EDGES)
    return described


def _digits_from(url: str, model: str, images: Tensor) -> Tensor:
    body = json.dumps({"images": images.tolist()}).encode()
    question = Request(f"{url}/v1/digits?model={model}", body, {"Content-Type": "application/json"})  # noqa: S310
    with urlopen(question, timeout=60) as answer:  # noqa: S310  # the address is the caller's own server
        predictions = json.load(answer)["predictions"]
    return torch.tensor([-1 if prediction["digit"] is None else prediction["digit"] for prediction in predictions])


def _read(graph: Graph, images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(graph.read(images))


def _share(mask: Tensor) -> float:
    return round(float(mask.double().mean()), 4)
