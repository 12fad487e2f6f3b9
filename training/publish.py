"""From a run to a bundle: export, evaluate once on the exported graph, refuse or write.

Knows runs, graphs and manifests. Refuses a dirty tree, a number under the recipe's floor and, by `bundle.write`, a
version that is there already.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save as save_arrays
from torch import Tensor, nn

from models import bundle
from models.manifest import (
    Cost,
    InputSpec,
    Manifest,
    Metrics,
    NetworkSpec,
    Preprocessing,
    Provenance,
    Rejection,
    SeedStatistics,
    TensorSpec,
)
from models.networks import NETWORKS, Served
from models.networks.crnn import CLASSES, STEP
from models.repository import Repository
from training import calibration, evaluate, export, figures, gate, provenance, run, strokes
from training.card import card
from training.comparison import over_seeds, siblings
from training.data import MEAN, STD, Examples, open_training
from training.evaluate import Findings
from training.export import Graph
from training.gate import TRUTH
from training.lines import Composition, compose_whole
from training.options import PUBLISHED, REPOSITORY, TrainingError
from training.robustness import CORNERS, Tolerance
from training.run import Run

GOLDEN_ROWS = 32
REFUSED = [share / 200 for share in range(21)]  # 0 to 10 %
CALIBRATING = 1000  # training images whose ranges a quantised graph takes
GOLDEN_SEED = 1969


class Refused(TrainingError):
    """The run may not be published, and why."""


@dataclass(frozen=True)
class Product:
    """What differs between a gate and a reader once both are measured."""

    served: nn.Module
    graph: bytes
    inputs: NDArray[np.generic]
    metrics: dict[str, Any]
    figures: dict[str, bytes]
    fields: dict[str, Any]


def publish(
    folder: Path,
    data: Path,
    published: Path = PUBLISHED,
    repository: Path = REPOSITORY,
    version: int | None = None,
) -> Manifest:
    """Publishes a run as the next version, or as `version`. Raises Refused, RunError, DataError or BundleError."""
    current = run.find(folder)
    network = current.load_network()
    _check_clean(current, repository)
    name = current.record.name
    shelf = Repository(published)
    number = version or shelf.next_version(name)
    if shelf.folder(name, number).exists():
        raise Refused(f"{name}/{number} is published already; published versions are immutable, take the next one")
    made = _measure(current, network, data)
    manifest = _manifest(current, network, made, number)
    files = {
        bundle.WEIGHTS: (folder / run.WEIGHTS).read_bytes(),
        bundle.ONNX: made.graph,
        bundle.GOLDEN: save_arrays(_golden(current, made)),
        bundle.CARD: card(manifest, sorted(made.figures)).encode(),
    }
    return bundle.write(shelf.folder(name, number), manifest, files | made.figures)


def _measure(current: Run, network: nn.Module, data: Path) -> Product:
    if current.record.network in ("neuron", "two_layer"):
        return _gate(current, network)
    return _line(current, network, data) if current.record.network == "crnn" else _reader(current, network, data)


def line_graph(network: nn.Module) -> tuple[nn.Module, bytes]:
    """A line reader behind its preprocessing, and the graph that is served."""
    served = Served(network, MEAN, STD).eval()
    return served, export.to_onnx(served, "lines", torch.from_numpy(golden_lines()))


def reader_graph(current: Run, network: nn.Module, data: Path) -> tuple[nn.Module, bytes]:
    """The network behind its preprocessing, and the graph that is served. Raises DataError."""
    served = Served(network, MEAN, STD).eval()
    graph = export.to_onnx(served, "images", torch.from_numpy(golden_images()))
    if _is_quantised(current):
        training, _ = open_training(current.record.dataset.name, data)
        graph = export.quantise(graph, training.images[:CALIBRATING].numpy())
    return served, graph


def _is_quantised(current: Run) -> bool:
    return bool(current.record.recipe.get("quantised"))


def _golden(current: Run, made: Product) -> dict[str, NDArray[np.generic]]:
    """Inputs and what they give; a quantised graph gives something a little different from its weights."""
    golden = {"inputs": made.inputs, "logits": run_torch(made.served, made.inputs)}
    return golden | ({"quantised_logits": Graph(made.graph).read(made.inputs)} if _is_quantised(current) else {})


def run_torch(served: nn.Module, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
    """Logits of a module in float32."""
    with torch.inference_mode():
        logits: Tensor = served(torch.from_numpy(inputs))
    return np.asarray(logits.numpy())


def _check_clean(current: Run, repository: Path) -> None:
    if not provenance.is_clean(repository):
        raise Refused(f"{repository} has changes that are not committed; commit them, so that the commit tells all")
    if not current.record.is_clean:
        raise Refused(f"{current.folder} was trained from changes that were not committed; train it again")


def _check_floor(what: str, value: float, floor: float) -> None:
    if value < floor:
        raise Refused(f"{what} is {value:.4f}; the recipe's floor is {floor:.4f}")


def _reader(current: Run, network: nn.Module, data: Path) -> Product:
    served, content = reader_graph(current, network, data)
    findings = evaluate.examine(Graph(content), served, current.record.dataset.name, data)
    _check_floor("test accuracy", findings.test.accuracy, current.record.recipe["floor"])
    shown = (findings.test_examples.images, findings.test_examples.labels, findings.test_logits)
    run.write_whole(current.folder / "mistakes.png", figures.mistakes(*shown))
    telling = (
        {"figures/filters.png": figures.filters(network)}
        if current.record.network == "cnn"
        else {"figures/reading.png": figures.reading(network, served)}
    )
    return Product(
        served=served,
        graph=content,
        inputs=golden_images(),
        metrics={
            "validation": findings.validation,
            "test": findings.test,
            "seeds": _over_seeds(current, data),
            "robustness": findings.robustness,
        },
        figures={"figures/learning-curves.png": figures.learning_curves(current.history(), "validation_accuracy")}
        | draw(findings)
        | telling,
        fields=_reader_fields(findings.temperature, findings.rejection) | {"reference": findings.reference},
    )


def _line(current: Run, network: nn.Module, data: Path) -> Product:
    served, content = line_graph(network)
    composition = Composition.model_validate(current.record.recipe["composition"])
    findings = evaluate.examine_lines(Graph(content), composition, current.record.dataset.name, data)
    _check_floor("share of test lines read rightly", findings.test.accuracy, current.record.recipe["floor"])
    inputs = golden_lines()
    return Product(
        served=served,
        graph=content,
        inputs=inputs,
        metrics={"validation": findings.validation, "test": findings.test, "robustness": findings.robustness},
        figures={
            "figures/learning-curves.png": figures.learning_curves(current.history(), "validation_accuracy"),
            "figures/answers.png": figures.answers(inputs[:3], run_torch(served, inputs[:3])),
        },
        fields={
            "input": _images("lines", inputs.shape[1:]),
            "output": TensorSpec(name=export.OUTPUT, dtype="float32", shape=(-1, inputs.shape[2] // STEP, CLASSES)),
            "labels": (*map(str, range(10)), "other", "nothing"),
            "temperature": findings.temperature,
            "rejection": findings.rejection,
        },
    )


def _over_seeds(current: Run, data: Path) -> SeedStatistics:
    """Test accuracy of all runs of this recipe, each as it would be served."""
    accuracies = []
    for sibling in siblings(current):
        _, graph = reader_graph(sibling, sibling.load_network(), data)
        right = evaluate.read_rightly(Graph(graph), sibling.record.dataset.name, data)
        accuracies.append(int(right.sum()) / len(right))
    return over_seeds("test accuracy", accuracies)


def draw(findings: Findings) -> dict[str, bytes]:
    """Which digits are taken for which, what confidence is worth, and what refusing helps: PNG by file name."""
    measured = findings.test_logits, findings.test_examples.labels, findings.temperature
    errors = [calibration.error_at(share, *measured) for share in REFUSED]
    return {
        "figures/confusion.png": figures.confusion(findings.test.confusion),
        "figures/reliability.png": figures.reliability(calibration.reliability(*measured)),
        "figures/coverage.png": figures.coverage(REFUSED, errors),
    }


def _reader_fields(temperature: float, rejection: Rejection) -> dict[str, Any]:
    return {
        "input": _images("images", (28, 28)),
        "output": TensorSpec(name=export.OUTPUT, dtype="float32", shape=(-1, 10)),
        "labels": tuple(str(digit) for digit in range(10)),
        "temperature": temperature,
        "rejection": rejection,
    }


def _images(name: str, sides: tuple[int, ...]) -> InputSpec:
    preprocessing = Preprocessing(mean=MEAN, std=STD)
    return InputSpec(
        name=name, dtype="uint8", shape=(-1, *sides), polarity="light_on_dark", preprocessing=preprocessing
    )


def _gate(current: Run, network: nn.Module) -> Product:
    recipe = gate.GateRecipe.model_validate(
        current.record.recipe | {"network": current.record.network, "config": current.record.config}
    )
    tolerance = gate.read_tolerance(current.folder)
    _check_floor("success rate over the seeds", tolerance.success_rate, 1.0)
    _check_floor(
        "noise tolerated on both inputs, worst seed", tolerance.noise_both_inputs.min, recipe.floor_both_inputs
    )
    _check_floor("noise tolerated on one input, worst seed", tolerance.noise_one_input.min, recipe.floor_one_input)
    inputs = golden_floats()
    return Product(
        served=network,
        graph=export.to_onnx(network, "inputs", torch.from_numpy(inputs)),
        inputs=inputs,
        metrics={"seeds": _seed_statistics(tolerance), "robustness": gate_figures(tolerance)},
        figures={
            "figures/decision-surface.png": figures.decision_surface(network, TRUTH[recipe.gate], recipe.gate.upper()),
            "figures/learning-curves.png": figures.learning_curves(current.history(), "solved"),
        },
        fields={
            "input": InputSpec(name="inputs", dtype="float32", shape=(-1, 2)),
            "output": TensorSpec(name=export.OUTPUT, dtype="float32", shape=(-1, 1)),
            "labels": ("0", "1"),
        },
    )


def gate_figures(tolerance: Tolerance) -> dict[str, float]:
    """The published seed's figures and the least of all seeds."""
    figures_of = {
        "distance": tolerance.distance,
        "noise_one_input": tolerance.noise_one_input,
        "noise_both_inputs": tolerance.noise_both_inputs,
    }
    least = {f"{name}_least_of_seeds": spread.min for name, spread in figures_of.items()}
    kept = {name: spread.kept for name, spread in figures_of.items()}
    return {"success_rate_of_seeds": tolerance.success_rate} | kept | least


def golden_images() -> NDArray[np.uint8]:
    """32 pictures of our own pen, uint8[32, 28, 28]: 24 digits, 4 scribbles, 4 of noise."""
    rng = np.random.default_rng(GOLDEN_SEED)
    digits, _ = strokes.draw_many(GOLDEN_ROWS - 8, seed=GOLDEN_SEED)
    others = [strokes.scribble(rng) for _ in range(4)] + [strokes.noise(rng) for _ in range(4)]
    return np.concatenate([digits, np.stack(others)])


def golden_lines() -> NDArray[np.uint8]:
    """32 lines of our own pen, uint8[32, 32, 320], now and then with something that is no digit."""
    digits, labels = strokes.draw_many(200, seed=GOLDEN_SEED)
    examples = Examples(torch.from_numpy(digits), torch.from_numpy(labels))
    return compose_whole(examples, Composition(), GOLDEN_ROWS, GOLDEN_SEED).lines.numpy()


def golden_floats() -> NDArray[np.float32]:
    """32 rows of a gate's inputs, float32[32, 2]: the four corners, then points between them."""
    between = np.random.default_rng(GOLDEN_SEED).random((GOLDEN_ROWS - 4, 2), dtype=np.float32)
    return np.concatenate([CORNERS.numpy(), between])


def _seed_statistics(tolerance: Tolerance) -> SeedStatistics:
    spread = tolerance.noise_both_inputs
    figures_of = {"mean": spread.mean, "std": spread.std, "min": spread.min, "max": spread.max}
    return SeedStatistics(what="noise tolerated on both inputs at once", n=tolerance.seeds, **figures_of)


def _manifest(current: Run, network: nn.Module, made: Product, version: int) -> Manifest:
    record, graph = current.record, Graph(made.graph)
    difference = np.abs(graph.read(made.inputs) - run_torch(made.served, made.inputs)).max()
    example = torch.from_numpy(made.inputs)
    return Manifest(
        name=record.name,
        version=version,
        created=datetime.now(UTC).replace(microsecond=0),
        network=NetworkSpec(
            kind=record.network,
            config=NETWORKS[record.network].config(**record.config).model_dump(),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            multiply_adds=export.multiply_adds(made.served, example),
            quantised=_is_quantised(current),
        ),
        metrics=Metrics(**made.metrics, onnx_max_difference=float(difference)),
        cost=Cost(us_per_input=graph.us_per_input(made.inputs), threads=1, hardware=provenance.processor()),
        provenance=Provenance(
            git_commit=record.git_commit,
            command=record.command,
            recipe=record.recipe,
            seed=record.seed,
            dataset=record.dataset.name,
            dataset_files=record.dataset.files,
            split=record.dataset.split,
            versions=record.versions,
            hardware=record.hardware,
            duration_s=round(current.duration_s(), 1),
        ),
        **made.fields,
    )
