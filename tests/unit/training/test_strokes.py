import numpy as np
import pytest

from training.strokes import draw, draw_many, main, noise, photograph, scribble


def ink_box(picture):
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


def centre_of_mass(picture):
    mass = picture.sum(dtype=float)
    return [(picture.sum(axis=1 - axis) * np.arange(picture.shape[axis])).sum() / mass for axis in (0, 1)]


@pytest.mark.parametrize("digit", range(10))
def test_digit_is_framed_as_mnist_frames_it(digit):
    rng = np.random.default_rng(digit)
    for _ in range(20):
        picture = draw(digit, rng)
        assert (picture.shape, picture.dtype) == ((28, 28), np.uint8)
        assert max(ink_box(picture)) in (19, 20)
        assert np.abs(np.array(centre_of_mass(picture)) - 14).max() <= 0.5
        assert picture.max() == 255


def test_same_seed_draws_the_same_digits():
    pictures, labels = draw_many(25, seed=4)
    again, _ = draw_many(25, seed=4)
    other, _ = draw_many(25, seed=5)
    assert (pictures.shape, pictures.dtype, labels.dtype) == ((25, 28, 28), np.uint8, np.int64)
    assert labels.tolist() == [*range(10), *range(10), *range(5)]
    assert np.array_equal(pictures, again)
    assert not np.array_equal(pictures, other)


def test_no_two_drawings_of_a_digit_are_alike():
    pictures, _ = draw_many(100, seed=0)
    assert len({picture.tobytes() for picture in pictures}) == 100


def test_size_scales_the_drawing():
    small, large = (draw(8, np.random.default_rng(1), size) for size in (28, 280))
    reduced = large.reshape(28, 10, 28, 10).mean(axis=(1, 3))
    assert large.shape == (280, 280)
    assert abs(reduced.sum() - small.sum(dtype=float)) < 0.05 * small.sum(dtype=float)


@pytest.mark.parametrize("draw_other", [scribble, noise])
def test_what_is_no_digit_has_the_shape_of_one(draw_other):
    rng = np.random.default_rng(0)
    for size in (28, 45):
        pictures = [draw_other(rng, size) for _ in range(30)]
        assert all(
            picture.shape == (size, size) and picture.dtype == np.uint8 and picture.any() for picture in pictures
        )


@pytest.mark.parametrize("dark_paper", [True, False])
def test_photograph_has_the_paper_asked_for(dark_paper):
    rng = np.random.default_rng(0)
    photo = photograph(draw(3, rng, size=100), rng, side=200, dark_paper=dark_paper)
    grey = np.asarray(photo.convert("L"))
    assert (photo.mode, photo.size) == ("RGB", (200, 200))
    assert (np.median(grey) < 100) == dark_paper
    assert grey.max() - grey.min() > 120


def test_samples_are_reproducible(tmp_path):
    main(tmp_path / "first")
    main(tmp_path / "second")
    for name in ("seven.png", "three.jpg"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
