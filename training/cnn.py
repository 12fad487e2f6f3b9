"""The convolutional digit reader.

Cost: 40 epochs of 55,000 images.

    python -m training cnn --seed 0
"""

from training import loop
from training.options import Options
from training.recipe import Recipe
from training.run import Run

RECIPE = Recipe(
    name="cnn",
    network="cnn",
    config={"stem": 32, "width": 64},
    epochs=40,
    batch_size=256,
    optimizer="sgd",
    peak_rate=0.2,
    weight_decay=5e-4,
    averaging=0.998,
    floor=0.995,
)


def main(options: Options, recipe: Recipe = RECIPE) -> Run:
    """Trains the reader, or continues the run that was begun."""
    return loop.train(recipe, options)
