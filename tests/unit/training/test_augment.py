from collections.abc import Callable

import pytest
import torch

from training import strokes
from training.augment import Augmentation, Soiling, bend, soil

STILL = Augmentation(rotation_degrees=0, shear=0, scale=0, shift_pixels=0, elastic_pixels=0)

CLEAN = Soiling(stroke=0, blur=0, paper=0, fade=0, grain=0, patch_pixels=0)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.from_numpy(strokes.draw_many(20, seed=3)[0]).float() / 255


def test_shape_and_range_are_kept(images: torch.Tensor) -> None:
    bent = bend(images, Augmentation(), seeded(0))
    assert bent.shape == images.shape
    assert bent.dtype == torch.float32
    assert 0 <= bent.min() <= bent.max() <= 1


def test_the_same_seed_bends_the_same_and_another_differently(images: torch.Tensor) -> None:
    first, again, other = (bend(images, Augmentation(), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)


def test_no_augmentation_changes_nothing(images: torch.Tensor) -> None:
    torch.testing.assert_close(bend(images, STILL, seeded(0)), images, atol=1e-5, rtol=0)


def test_each_image_is_bent_in_its_own_way(images: torch.Tensor) -> None:
    bent = bend(images[:1].repeat(2, 1, 1), Augmentation(), seeded(0))
    assert not torch.allclose(bent[0], bent[1], atol=0.1)


def test_a_shift_moves_ink_by_at_most_its_bound() -> None:
    dot = torch.zeros(200, 28, 28)
    dot[:, 14, 14] = 1
    bent = bend(dot, STILL.model_copy(update={"shift_pixels": 2.0}), seeded(0))
    rows = bent.sum(dim=2) @ torch.arange(28.0)
    assert (rows - 14).abs().max() <= 2.001
    assert (rows - 14).abs().max() > 1.5


def test_soiling_keeps_shape_and_range(images: torch.Tensor) -> None:
    soiled = soil(images, Soiling(often=1.0), seeded(0))
    assert soiled.shape == images.shape
    assert soiled.dtype == torch.float32
    assert 0 <= soiled.min() <= soiled.max() <= 1


def test_the_same_seed_soils_the_same_and_another_differently(images: torch.Tensor) -> None:
    first, again, other = (soil(images, Soiling(often=1.0), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)


def test_soiling_strikes_as_often_as_it_says() -> None:
    paper = torch.zeros(4000, 28, 28)
    struck = soil(paper, CLEAN.model_copy(update={"often": 0.3, "paper": 0.6}), seeded(0)).amax(dim=(1, 2)) > 0
    assert struck.float().mean() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(soil(paper, CLEAN.model_copy(update={"often": 0.0}), seeded(0)), paper)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("stroke", lambda before, after: (after.sum() - before.sum()).abs() > 0.05 * before.sum()),
        ("blur", lambda before, after: after.diff().abs().sum() < 0.9 * before.diff().abs().sum()),
        ("paper", lambda before, after: after[before == 0].mean() > 0.1),
        ("fade", lambda before, after: after.amax(dim=(1, 2)).mean() < 0.9 * before.amax(dim=(1, 2)).mean()),
        ("grain", lambda before, after: after[before == 0].std() > 0.02),
        ("patch_pixels", lambda before, after: ((after - before).abs() > 0).float().mean() > 0.01),
    ],
)
def test_each_kind_of_soiling_does_what_its_name_says(images: torch.Tensor, kind: str, what: Callable) -> None:
    bound = getattr(Soiling(), kind)
    soiled = soil(images, CLEAN.model_copy(update={"often": 1.0, kind: bound}), seeded(0))
    assert what(images, soiled)
