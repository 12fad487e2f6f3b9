"""The convolutional digit reader.

Reaches 99.59 % of MNIST's 10,000 test images (mean of seeds 0 and 1: 99.64, 99.53; 99.64 and 99.50 % of the 5,000
validation images) with 94,058 weights. Cost: 40 epochs of 55,000 images, 15 to 21 minutes on one thread of a shared AMD
EPYC in bfloat16. Taught (--taught), it reaches 99.71 % (mean of seeds 0 to 4, 99.69 to 99.73; 99.58 to 99.62 % of the
validation images) and reads spoilt images too, in as much time, beside what its lessons cost: docs/training.md.

    python -m training cnn --seed 0
"""

from training import loop
from training.augment import Soiling
from training.options import Options
from training.recipe import Distillation, Recipe
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
    averaging=0.998,  # remembers about 500 steps, 2.3 epochs
    quantised=True,
    floor=0.995,
)

TAUGHT = RECIPE.model_copy(
    update={
        "epochs": 40,
        "soiling": Soiling(),
        "calm": 0.2,
        "distillation": Distillation(),
        "detector": 64,
        "floor": 0.9965,
    }
)  # by the 24 soiled and 6 calm lessons of training/lessons.py


def main(options: Options, recipe: Recipe = RECIPE) -> Run:
    """Trains the reader, or continues the run that was begun."""
    return loop.train(recipe, options)
