"""What a reader can do, measured on the graph that is served. The only room that opens the test split.

Temperature and rejection thresholds are chosen on the validation split; the test split is read once, after that.
"""

import base64
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from models import features
from models.manifest import Evaluation, ReferenceDistribution, Rejection
from training import calibration, data, latency, line, lines, numbers, scans, strokes
from training.calibration import choose_rejection, fit_temperature, is_accepted, score
from training.corruptions import FAMILIES, corrupt
from training.data import Examples
from training.export import CHUNK, Graph
from training.line import Told
from training.lines import Composition
from training.options import TrainingError
from training.strangers import KINDS, draw

DRAWN = 1000
STRANGERS = 1000  # of each kind
THINNED = 5  # every fifth test image is spoilt in each way
HTTP_BATCH = 500  # 1.3 MB of JSON as arrays, an eighth of what a server takes; less as pictures
SCANNED_BATCH = 100  # 1 MB of JPEG in base64
PICTURE_SIDE = 160
LINES = 2000
SEED = 20_000


@dataclass(frozen=True)
class LineFindings:
    """Everything measured of a line reader; accuracy is of whole lines, all else of the characters that it saw."""

    temperature: float
    rejection: Rejection
    validation: Evaluation
    test: Evaluation
    robustness: dict[str, float]


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


def examine(graph: Graph, served: nn.Module, dataset: str, root: Path) -> Findings:
    """Chooses on the validation split, then measures on the test split; `served` is what the graph was made of.

    Raises DataError.
    """
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
        robustness={"test_changed_by_export": changed(served, test.images, test_logits)}
        | refusals(test_logits, test.labels, rejection, temperature)
        | drawn_figures(graph, rejection, temperature)
        | corruption_figures(graph, test)
        | stranger_figures(graph, test, test_logits)
        | {"small_digits_accuracy": accuracy(graph, data.small_digits())}
        | {"times_a_bare_graph": latency.as_multiple(graph, test.images[:64].numpy())},
        reference=reference(validation, logits, temperature),
        test_examples=test,
        test_logits=test_logits,
    )


def examine_lines(graph: Graph, composition: Composition, dataset: str, root: Path) -> LineFindings:
    """Chooses on lines of the validation split, then measures on lines of the test split.

    Raises DataError, and TrainingError for a reader that can read nothing.
    """
    _, validation = data.open_training(dataset, root)
    told = read_lines(graph, validation, composition.plain)
    if not len(told.labels):
        raise TrainingError("of no validation line were as many characters read as it has; train the reader for longer")
    temperature = fit_temperature(told.logits, told.labels)
    sure = calibration.confidence(told.logits, temperature)
    test = data.open_test(dataset, root)
    styles = {"apart": {"touching": 0.0, "mixed": 0.0}, "touching": {"touching": 1.0, "mixed": 0.0}}
    shares = {
        f"lines_{style}": _share(read_lines(graph, test, composition.plain.model_copy(update=update)).right)
        for style, update in styles.items()
    }
    strange = composition.model_copy(update={"longest": 1, "illegible": 1.0})
    return LineFindings(
        temperature=temperature,
        rejection=Rejection(min_confidence=round(float(sure.quantile(calibration.REFUSED_BY_EACH)), 4)),
        validation=_score_lines(told, temperature),
        test=_score_lines(read_lines(graph, test, composition.plain), temperature),
        robustness=shares | {"strange_characters_refused": _share(read_lines(graph, test, strange).right)},
    )


def read_lines(graph: Graph, examples: Examples, composition: Composition) -> Told:
    """What a graph reads of lines composed of examples."""
    batch = lines.compose_whole(examples, composition, LINES, SEED)
    return line.tell(graph.read(batch.lines.numpy()), batch)


def read_rightly(graph: Graph, dataset: str, root: Path) -> Tensor:
    """Which of the test images a graph reads rightly: bool[N]. Raises DataError."""
    test = data.open_test(dataset, root)
    return read(graph, test.images).argmax(dim=1) == test.labels


def ask_server(url: str, model: str, dataset: str, root: Path, *, scanned: bool = False) -> tuple[int, float]:
    """Reads a data set through a running server: how many images, and the share read rightly.

    MNIST's test split is sent as arrays, or scanned; all of scikit-learn's digits as pictures, which the server decodes
    and frames. Raises DataError, and OSError when the server cannot be reached or refuses.
    """
    if dataset == "sklearn":
        images, labels = small_pictures()
    else:
        test = data.open_test(dataset, root)
        images, labels = _scanned(test) if scanned else _arrays(test)
    most = SCANNED_BATCH if scanned else HTTP_BATCH
    digits = torch.cat([_digits_from(url, model, images[at : at + most]) for at in range(0, len(images), most)])
    return len(labels), float((digits == labels).double().mean())


def ask_for_numbers(url: str, model: str, root: Path, count: int, *, touching: bool) -> float:
    """Has a running server read so many numbers, composed of MNIST's test images: the share that is wholly right.

    Raises as ask_server does.
    """
    test = data.open_test("mnist", root)
    composed = numbers.compose_many(test.images.numpy(), test.labels.numpy(), count, SEED, touching=touching)
    return float(np.mean([_text_from(url, model, number.picture) == number.text for number in composed]))


def small_pictures() -> tuple[list[str], Tensor]:
    """scikit-learn's 1,797 digits of 8x8 pixels as PNG of 160x160, dark ink on light paper, in base64; their labels."""
    bunch = load_digits()
    return [_picture(cells) for cells in bunch.images], torch.from_numpy(bunch.target)


def read(graph: Graph, images: Tensor) -> Tensor:
    """uint8[N, 28, 28] -> logits float32[N, 10] of the served graph."""
    return torch.from_numpy(graph.read(images.numpy()))


def changed(served: nn.Module, images: Tensor, logits: Tensor) -> float:
    """Share of the images that the graph, whose logits these are, reads otherwise than what it was made of."""
    with torch.inference_mode():
        digits = torch.cat([served(batch).argmax(dim=1) for batch in torch.split(images, CHUNK)])
    return _share(digits != logits.argmax(dim=1))


def refusals(logits: Tensor, labels: Tensor, rejection: Rejection, temperature: float) -> dict[str, float]:
    """On the test split: the share that is refused, and the share of errors among the accepted; also at 1 % refused."""
    accepted = is_accepted(logits, rejection, temperature)
    wrong = logits.argmax(dim=1) != labels
    return {
        "test_refused": _share(~accepted),
        "test_error_among_accepted": round(float(wrong[accepted].double().mean()), 5),
        "test_error_at_1_percent_refused": round(calibration.error_at(0.01, logits, labels, temperature), 5),
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


def corruption_figures(graph: Graph, test: Examples) -> dict[str, float]:
    """Accuracy on test images that are spoilt as training never spoils any: by family, over three strengths."""
    images, labels = test.images[::THINNED].numpy(), test.labels[::THINNED]
    figures = {}
    for family in FAMILIES:
        spoilt = [Examples(torch.from_numpy(corrupt(images, family, level)), labels) for level in range(3)]
        figures[f"corrupted_{family}"] = float(np.mean([accuracy(graph, examples) for examples in spoilt]))
    mean = float(np.mean(list(figures.values())))
    return {name: round(value, 4) for name, value in ({"corrupted_mean": mean} | figures).items()}


def stranger_figures(graph: Graph, test: Examples, logits: Tensor) -> dict[str, float]:
    """How well the energy tells test digits from what is none: area under the ROC curve, by kind and together."""
    digits, labels = test.images.numpy(), test.labels.numpy()
    energies = {kind: calibration.energy(_read(graph, draw(kind, STRANGERS, digits, labels, SEED))) for kind in KINDS}
    known = calibration.energy(logits)

    def auroc(strange: Tensor) -> float:
        is_known = np.repeat([1, 0], [len(known), len(strange)])
        return round(float(roc_auc_score(is_known, torch.cat([known, strange]).numpy())), 5)

    together = {"stranger_auroc": auroc(torch.cat(list(energies.values())))}
    return together | {f"stranger_auroc_{kind}": auroc(strange) for kind, strange in energies.items()}


def accuracy(graph: Graph, examples: Examples) -> float:
    """Share of the examples that are read rightly."""
    return _share(read(graph, examples.images).argmax(dim=1) == examples.labels)


def reference(validation: Examples, logits: Tensor, temperature: float) -> dict[str, ReferenceDistribution]:
    """How features of the images, digits and confidences are distributed, to notice when the world drifts."""
    measured = features.measure(validation.images.numpy())
    described = {name: features.distribution(values, features.EDGES[name]) for name, values in measured.items()}
    confidence = calibration.confidence(logits, temperature).numpy()
    described["digit"] = features.distribution(logits.argmax(dim=1).numpy(), features.DIGIT_EDGES)
    described["confidence"] = features.distribution(confidence, features.CONFIDENCE_EDGES)
    return described


def _arrays(examples: Examples) -> tuple[list[Any], Tensor]:
    return examples.images.tolist(), examples.labels


def _scanned(examples: Examples) -> tuple[list[Any], Tensor]:
    pictures = scans.scan(examples.images.numpy(), SEED)
    return [base64.b64encode(picture).decode() for picture in pictures], examples.labels


def _picture(cells: NDArray[np.float64]) -> str:
    paper = Image.fromarray((255 - cells * (255 / 16)).round().astype(np.uint8))
    file = io.BytesIO()
    paper.resize((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _digits_from(url: str, model: str, images: list[Any]) -> Tensor:
    body = json.dumps({"images": images}).encode()
    question = Request(f"{url}/v1/digits?model={model}", body, {"Content-Type": "application/json"})  # noqa: S310
    with urlopen(question, timeout=60) as answer:  # noqa: S310  # the address is the caller's own server
        predictions = json.load(answer)["predictions"]
    return torch.tensor([-1 if prediction["digit"] is None else prediction["digit"] for prediction in predictions])


def _text_from(url: str, model: str, picture: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    question = Request(f"{url}/v1/numbers?model={model}", file.getvalue(), {"Content-Type": "image/png"})  # noqa: S310
    with urlopen(question, timeout=60) as answer:  # noqa: S310  # the address is the caller's own server
        return str(json.load(answer)["text"])


def _score_lines(told: Told, temperature: float) -> Evaluation:
    evaluation = calibration.score(told.logits, told.labels, temperature)
    return evaluation.model_copy(update={"n": len(told.right), "accuracy": _share(told.right)})


def _read(graph: Graph, images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(graph.read(images))


def _share(mask: Tensor) -> float:
    return round(float(mask.double().mean()), 4)
