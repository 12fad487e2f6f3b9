import base64
import io

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from models import bundle
from models.repository import Repository
from training import evaluate, latency, strokes
from training.corruptions import FAMILIES
from training.data import Examples
from training.export import Graph
from training.strangers import KINDS


class Reader:
    """Knows the images that it was shown, to the last pixel; anything else is a 3 to it."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}

    def read(self, images: np.ndarray) -> np.ndarray:
        logits = np.tile(np.eye(10, dtype=np.float32)[3], (len(images), 1))
        for row, image in enumerate(images):
            if (label := self._known.get(image.tobytes())) is not None:
                logits[row] = np.eye(10)[label] * 20
        return logits


def drawn(count: int) -> tuple[Reader, Examples]:
    images, labels = strokes.draw_many(count, seed=9)
    return Reader(images, labels), Examples(torch.from_numpy(images), torch.from_numpy(labels))


def test_a_reader_that_knows_its_images_by_heart_fails_on_all_that_are_spoilt() -> None:
    reader, examples = drawn(50)
    figures = evaluate.corruption_figures(reader, examples)
    assert set(figures) == {"corrupted_mean", *(f"corrupted_{family}" for family in FAMILIES)}
    assert figures["corrupted_impulse"] == figures["corrupted_fog"] == 0
    assert figures["corrupted_mean"] < 0.02


def test_energy_tells_what_is_known_from_all_that_is_strange() -> None:
    reader, examples = drawn(50)
    figures = evaluate.stranger_figures(reader, examples, evaluate.read(reader, examples.images))
    assert set(figures) == {"stranger_auroc", *(f"stranger_auroc_{kind}" for kind in KINDS)}
    assert all(value == 1 for value in figures.values())


def test_energy_that_tells_nothing_is_one_half() -> None:
    reader, examples = drawn(50)
    figures = evaluate.stranger_figures(reader, examples, evaluate.read(reader, 255 - examples.images))
    assert all(value == 0.5 for value in figures.values())


def test_a_convolutional_reader_costs_a_few_times_what_a_bare_graph_does(published) -> None:
    graph = Graph(Repository(published).open("cnn", 1).files[bundle.ONNX])
    images, _ = strokes.draw_many(8, seed=2)
    assert 2 < latency.as_multiple(graph, images) < 200


def test_small_digits_are_pictures_of_dark_ink_on_light_paper() -> None:
    pictures, labels = evaluate.small_pictures()
    assert len(pictures) == len(labels) == 1797
    cells = load_digits().images[7]
    picture = Image.open(io.BytesIO(base64.b64decode(pictures[7])))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (160, 160))
    assert labels[7] == 7
    ink = 255 - np.asarray(picture, float).reshape(8, 20, 8, 20).mean(axis=(1, 3))
    assert np.corrcoef(ink.ravel(), cells.ravel())[0, 1] > 0.95
    assert np.median(np.asarray(picture)) > 200


def test_what_an_export_changes_is_counted() -> None:
    served = torch.nn.Flatten()  # an image of ten pixels is its own logits
    images = torch.eye(10)
    as_served = images.clone()
    as_served[3] = images[4]
    assert evaluate.changed(served, images, images) == 0
    assert evaluate.changed(served, images, as_served) == 0.1
