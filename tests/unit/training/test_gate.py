from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training import gate, robustness
from training.gate import TRUTH, recipe_for
from training.options import GATES, Options

FEW_SEEDS = 20


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other on a busy machine took 18 s for what one does in 1.5 s."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_command_line_knows_every_gate() -> None:
    assert tuple(TRUTH) == GATES


@pytest.mark.parametrize("name", ["or", "xor"])
def test_every_seed_learns_and_reaches_the_floor(name: str, tmp_path: Path) -> None:
    recipe = recipe_for(name).model_copy(update={"seeds": FEW_SEEDS})
    run = gate.main(Options(runs=tmp_path), recipe)
    tolerance = gate.read_tolerance(run.folder)
    assert tolerance.seeds == FEW_SEEDS
    assert tolerance.success_rate == 1
    assert tolerance.noise_both_inputs.min >= recipe.floor_both_inputs
    assert tolerance.noise_one_input.min >= recipe.floor_one_input
    with torch.inference_mode():
        fires = run.load_network()(robustness.CORNERS).squeeze(1) > 0
    assert fires.int().tolist() == list(TRUTH[name])


def test_a_seed_does_not_depend_on_its_neighbours() -> None:
    recipe = recipe_for("xor").model_copy(update={"seeds": 3})
    _, together = gate.stack_seeds(recipe, 5)
    _, alone = gate.stack_seeds(recipe.model_copy(update={"seeds": 1}), 7)
    for name, stacked in together.items():
        assert torch.equal(stacked[2], alone[name][0])


def test_distances_to_a_line_are_what_geometry_says() -> None:
    def line(points: torch.Tensor) -> torch.Tensor:
        """AND's best line, x + y = 1.5, and a worse one."""
        return torch.stack([points.sum(dim=1) - 1.5, points.sum(dim=1) - 1.2])

    tolerance = robustness.measure(line, TRUTH["and"])
    assert tolerance.success_rate == 1
    assert tolerance.distance.kept == pytest.approx(0.5 / 2**0.5, abs=1e-3)
    assert tolerance.noise_one_input.kept == pytest.approx(0.5, abs=1e-3)
    assert tolerance.noise_both_inputs.kept == pytest.approx(0.25, abs=1e-3)
    assert tolerance.noise_both_inputs.min == pytest.approx(0.1, abs=1e-3)


def test_a_wrong_corner_leaves_no_room() -> None:
    tolerance = robustness.measure(lambda points: torch.ones(1, len(points)), TRUTH["and"])
    assert tolerance.success_rate == 0
    assert tolerance.distance.kept == 0
