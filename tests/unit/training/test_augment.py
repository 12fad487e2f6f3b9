import pytest
import torch

from training import strokes
from training.augment import Augmentation, bend

STILL = Augmentation(rotation_degrees=0, shear=0, scale=0, shift_pixels=0, elastic_pixels=0)


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
