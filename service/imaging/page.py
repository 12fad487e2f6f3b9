"""Grey levels -> ink on a page: what is written, at the picture's own resolution. It knows no digits and no lines."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from service.imaging.components import Cells
from service.imaging.decode import Grey
from service.imaging.locate import LEAST_CONTRAST, NOISE_FACTOR, Levels, find_contrast, find_noise, middles, peak
from service.imaging.normalise import FAINT, SOLID


class Page(NamedTuple):
    """Ink of 0..255, float32[H, W], and which pixels are solid, bool[H, W]."""

    ink: Levels
    solid: Cells


def lift_page(grey: Grey) -> Page | None:
    """Takes everything that is written off its paper: uint8[H, W]; None where there is no ink.

    Paper, polarity and noise are found as for a single digit (`locate`), and ink is scaled as there (`lift`).
    """
    contrast = find_contrast(Image.fromarray(grey))
    ink = contrast.sign * (contrast.paper.levels(middles(grey.shape[0]), middles(grey.shape[1])) - grey)
    noise = find_noise(ink)
    strongest = peak(ink)
    if strongest <= max(2 * LEAST_CONTRAST, NOISE_FACTOR * noise):
        return None
    faint = float(np.clip(NOISE_FACTOR / 2 * noise, FAINT[0] * strongest, FAINT[1] * strongest))
    ink = ((ink - faint) * np.float32(255 / (strongest - faint))).clip(0, 255)
    return Page(ink, ink >= SOLID)
