"""Saved here, loaded in a new process: the same logits, from torch and from the ONNX twin; and what is published."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load as load_arrays
from safetensors.torch import save_file

from models import bundle
from models.networks import NETWORKS, Served, build
from models.repository import Repository
from service.inference.loader import QUANTISED, QUANTISED_TOLERANCE
from tests.servers import REPOSITORY
from training import strokes
from training.data import MEAN, STD
from training.export import Graph, multiply_adds, quantise, to_onnx
from training.gate import TRUTH
from training.publish import golden_floats, golden_images, golden_lines
from training.report import load_published
from training.robustness import CORNERS

LOAD = """
import sys, numpy, torch
from pathlib import Path
from safetensors.torch import load_file
from models.networks import NETWORKS, Served, build
from training.export import Graph
folder = Path(sys.argv[1])
for kind in NETWORKS:
    network = build(kind, {})
    network.load_state_dict(load_file(folder / f"{kind}.safetensors"))
    served = network.eval() if kind in ("neuron", "two_layer") else Served(network, MEAN, STD).eval()
    inputs = numpy.load(folder / f"{kind}.npy")
    with torch.inference_mode():
        numpy.save(folder / f"{kind}.torch.npy", served(torch.from_numpy(inputs)).numpy())
    numpy.save(folder / f"{kind}.onnx.npy", Graph((folder / f"{kind}.onnx").read_bytes()).read(inputs))
""".replace("MEAN", str(MEAN)).replace("STD", str(STD))


def served_twin(kind: str) -> tuple[torch.nn.Module, torch.nn.Module, np.ndarray]:
    torch.manual_seed(1)
    network = build(kind, {}).eval()
    if kind in ("neuron", "two_layer"):
        return network, network, golden_floats()
    return network, Served(network, MEAN, STD).eval(), golden_lines() if kind == "crnn" else golden_images()


def test_a_new_process_computes_the_same_logits(tmp_path: Path) -> None:
    here = {}
    for kind in NETWORKS:
        network, served, inputs = served_twin(kind)
        save_file(network.state_dict(), tmp_path / f"{kind}.safetensors")
        (tmp_path / f"{kind}.onnx").write_bytes(to_onnx(served, "inputs", torch.from_numpy(inputs)))
        np.save(tmp_path / f"{kind}.npy", inputs)
        with torch.inference_mode():
            here[kind] = served(torch.from_numpy(inputs)).numpy()
    subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], cwd=REPOSITORY, check=True)
    for kind, logits in here.items():
        assert np.array_equal(np.load(tmp_path / f"{kind}.torch.npy"), logits), kind
        np.testing.assert_allclose(np.load(tmp_path / f"{kind}.onnx.npy"), logits, atol=1e-4)
        assert f"{REPOSITORY}".encode() not in (tmp_path / f"{kind}.onnx").read_bytes()


@pytest.mark.parametrize("kind", ["rnn", "crnn"])
def test_the_served_graph_takes_any_number_of_rows(kind: str) -> None:
    _, served, inputs = served_twin(kind)
    graph = Graph(to_onnx(served, "images", torch.from_numpy(inputs)))
    together = graph.read(inputs)
    alone = np.concatenate([graph.read(inputs[row : row + 1]) for row in range(len(inputs))])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_whole_numbers_read_as_floats_do_in_less_space(published: Path) -> None:
    floats = Repository(published).open("cnn", 1).files[bundle.ONNX]
    digits, _ = strokes.draw_many(300, seed=8)
    whole = quantise(floats, digits)
    before, after = Graph(floats).read(digits), Graph(whole).read(digits)
    assert (before.argmax(axis=1) != after.argmax(axis=1)).sum() <= 1
    assert 0 < np.abs(before - after).max() < 3
    assert len(whole) < 0.4 * len(floats)


def test_multiply_adds_can_be_counted_by_hand() -> None:
    _, served, inputs = served_twin("two_layer")
    assert multiply_adds(served, torch.from_numpy(inputs)) == 2 * 8 + 8
    _, served, inputs = served_twin("rnn")
    assert multiply_adds(served, torch.from_numpy(inputs)) == 28 * 3 * 128 * (28 + 128) + 2 * 128 * 10


@pytest.mark.parametrize("gate", TRUTH)
def test_published_gates_compute_their_truth_tables(gate: str, published: Path) -> None:
    opened = Repository(published).open(f"gate-{gate}")
    logits = Graph(opened.files[bundle.ONNX]).read(CORNERS.numpy())
    assert (logits[:, 0] > 0).astype(int).tolist() == list(TRUTH[gate])
    probabilities = 1 / (1 + np.exp(-logits[:, 0]))
    assert np.abs(probabilities - TRUTH[gate]).max() < 0.01


@pytest.mark.parametrize("name", [*(f"gate-{gate}" for gate in TRUTH), "cnn", "rnn", "line"])
def test_published_models_give_their_golden_logits(name: str, published: Path) -> None:
    repository = Repository(published)
    opened = repository.open(name)
    golden = load_arrays(opened.files[bundle.GOLDEN])
    assert len(golden["inputs"]) == 32
    quantised = opened.manifest.network.quantised
    served, allowed = (golden[QUANTISED], QUANTISED_TOLERANCE) if quantised else (golden["logits"], 1e-3)
    np.testing.assert_allclose(Graph(opened.files[bundle.ONNX]).read(golden["inputs"]), served, atol=allowed)
    network = load_published(repository, name)
    if opened.manifest.input.preprocessing:
        network = Served(network, MEAN, STD).eval()
    with torch.inference_mode():
        logits = network(torch.from_numpy(golden["inputs"])).numpy()
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-3)
