"""Saliency by occlusion (Zeiler and Fergus, arXiv:1311.2901): a model reads the image with a part of it changed.

Where there is ink, a window of it is taken away; where there is none, a window is filled. What the digit's log-odds
lose is shared out over the grey levels that were changed. So a pixel counts for the digit where it would be missed, be
it ink or paper.

Why so: with the strongest tenth of the pixels blanked, the mean confidence in 100 drawn digits falls from 1.00 to 0.27
(cnn/2; rnn/2: 0.23) for 135 readings. Ink alone, for 71 readings, gives 0.24 (0.16), and integrated gradients 0.26
(0.14), but neither sees that the gap in a 5 matters. A tenth at random leaves 1.00; as many pixels, all of them ink,
0.82 (0.85).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Levels = NDArray[np.float64]

SIDE = 28
INK = 255
ERASER = 4, 2  # side of a window, and the step to the next
PEN = 5, 4
PAPER_WEIGHT = 0.5  # a stroke where there was none is stranger to a model than the lack of one
TINY = np.finfo(np.float64).tiny


class Occlusions(NamedTuple):
    """Variants uint8[V, 28, 28] of an image, the part of a pixel that each changed, and what each counts for."""

    images: Image
    changes: Levels  # float64[V, 28, 28] of 0 to 1
    weights: Levels  # float64[V]

    def saliency(self, before: Levels, after: Levels, digit: int) -> Levels:
        """What each pixel counts for a digit, given the probabilities of the image, float64[10], and of its variants.

        float64[28, 28] of -1 to 1: positive where it speaks for the digit. The largest magnitude is 1, or all are 0.
        """
        losses = log_odds(before, digit) - log_odds(after, digit)
        rates = self.weights * losses / np.maximum(self.changes.sum(axis=(1, 2)), 1)
        times = self.changes.sum(axis=0)
        saliency = np.tensordot(rates, self.changes, axes=1) / np.where(times > 0, times, 1)
        return np.asarray(saliency / (np.abs(saliency).max() or 1))


def occlude(image: Image) -> Occlusions:
    """The variants of uint8[28, 28]: ink taken away window by window, then paper filled window by window."""
    ink = image / INK
    erased, filled = (changes[changes.any(axis=(1, 2))] for changes in (WHERE_ERASED * ink, WHERE_FILLED * (1 - ink)))
    images = np.rint(np.concatenate([ink - erased, ink + filled]) * INK).astype(np.uint8)
    weights = np.repeat([1, PAPER_WEIGHT], [len(erased), len(filled)])
    return Occlusions(images, np.concatenate([erased, filled]), weights)


def log_odds(probabilities: Levels, digit: int) -> Levels:
    """How much likelier a digit is than all others together: float64[..., 10] -> float64[...], in nats."""
    others = np.delete(probabilities, digit, axis=-1).sum(axis=-1)
    return np.asarray(np.log(np.maximum(probabilities[..., digit], TINY)) - np.log(np.maximum(others, TINY)))


def windows(side: int, step: int) -> NDArray[np.bool_]:
    """Squares all over the image, the outermost cut off by its sides: bool[windows, 28, 28]."""
    firsts = np.arange(-(side // 2), SIDE, step)[:, None]
    bands = (np.arange(SIDE) >= firsts) & (np.arange(SIDE) < firsts + side)
    return (bands[:, None, :, None] & bands[None, :, None, :]).reshape(-1, SIDE, SIDE)


WHERE_ERASED, WHERE_FILLED = windows(*ERASER), windows(*PEN)
