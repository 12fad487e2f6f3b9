"""The gallery: pictures such as people have, made here, each with the digit on it, or with the reason to refuse it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from tests.gallery.ink import Generator, above, beside, face, printed, scribble, written
from tests.gallery.papers import (
    BLACK,
    BLACKBOARD,
    BLUE,
    CHALK,
    CREAM,
    GREEN,
    GREENBOARD,
    GREY,
    PENCIL,
    RED,
    WHITE,
    YELLOW,
    around,
    encoded,
    fibres,
    framed,
    grain,
    lamp,
    lay,
    margin_line,
    picture,
    shade,
    sheet,
    smear,
    soft_shadow,
    specks,
    vignette,
)

FONTS = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "STIXGeneral"
EACH = 4  # pictures of a kind; with digits in turn, every digit comes ten times or so


class Picture(NamedTuple):
    """A file, and what should be answered: the digit, or the reasons for refusing it of which one must be given."""

    name: str
    data: bytes
    digit: int | None
    reasons: tuple[str, ...] = ()


def readable() -> Iterator[Picture]:
    """Pictures of one digit."""
    for number, (name, make) in enumerate(KINDS.items()):
        for index in range(EACH):
            digit = (EACH * number + index) % 10
            yield Picture(f"{name} {digit}", make(digit, np.random.default_rng([number, index])), digit)
    for number, font in enumerate(FONTS):
        for digit in range(number % 2, 10, 2):
            yield Picture(f"{font} {digit}", encoded(picture(around(printed(digit, font), WHITE, BLACK)), "PNG"), digit)


def unreadable() -> Iterator[Picture]:
    """Pictures without ink, or of more digits than one."""
    rng = np.random.default_rng(4)
    for name, blank in blanks(rng).items():
        yield Picture(name, encoded(blank, "PNG"), None, ("blank",))
    for gap in (16, 30, 60, 150):
        for first, second in ((1, 2), (4, 7), (6, 0), (3, 8)):
            pair = beside(written(first, rng), written(second, rng), gap)
            yield Picture(f"{first} and {second}, {gap} apart", photo(pair, rng), None, ("several_digits",))
    stacked = above(written(5, rng), written(2, rng), 30)
    yield Picture("5 above 2", photo(stacked, rng), None, ("several_digits",))
    row = beside(beside(written(9, rng), written(0, rng), 40), written(2, rng), 40)
    yield Picture("902", photo(row, rng), None, ("several_digits",))


def strangers() -> Iterator[Picture]:
    """Pictures of something else, which only the reader can tell."""
    rng = np.random.default_rng(5)
    yield Picture("face", photo(face(), rng), None, ("not_a_digit", "ambiguous"))
    for index in range(7):
        yield Picture(f"scribble {index}", photo(scribble(rng), rng), None, ("not_a_digit", "ambiguous"))


def blanks(rng: Generator) -> dict[str, Image.Image]:
    """Pictures without ink."""
    paper = grain(sheet(300, 240, WHITE), rng, 4)
    return {
        "white": Image.new("RGB", (300, 200), "white"),
        "black": Image.new("RGB", (300, 200), "black"),
        "clear": Image.new("RGBA", (100, 100)),
        "one pixel": Image.new("L", (1, 1), 90),
        "empty paper": picture(paper),
        "empty paper in a shadow": picture(shade(paper, 0.4, 30)),
        "noise": Image.fromarray(rng.integers(0, 256, (200, 200), np.uint8)),
        "empty board": picture(grain(sheet(240, 300, GREENBOARD), rng, 5)),
    }


def photo(
    ink: np.ndarray, rng: Generator, paper: tuple[int, int, int] = WHITE, pen: tuple[int, int, int] = BLACK
) -> bytes:
    """As a telephone takes it: a little noise, light from one side, JPEG."""
    scene = grain(shade(around(ink, paper, pen), 0.15, float(rng.uniform(0, 360))), rng, 3)
    return encoded(picture(scene), "JPEG", quality=85)


def pen(colour: tuple[int, int, int], paper: tuple[int, int, int] = WHITE) -> Callable[[int, Generator], bytes]:
    return lambda digit, rng: photo(written(digit, rng), rng, paper, colour)


def turned(digit: int, rng: Generator) -> bytes:
    return photo(written(digit, rng, turn=float(rng.choice([-1, 1]) * rng.uniform(10, 20))), rng)


def width(part: float) -> Callable[[int, Generator], bytes]:
    return lambda digit, rng: photo(written(digit, rng, pen=part), rng)


def chalk(board: tuple[int, int, int]) -> Callable[[int, Generator], bytes]:
    def make(digit: int, rng: Generator) -> bytes:
        ink = written(digit, rng, pen=0.1)
        rough = ink * (rng.random(ink.shape) < 0.85)
        return encoded(picture(grain(smear(around(rough, board, CHALK), rng), rng, 4)), "JPEG", quality=85)

    return make


def in_shadow(digit: int, rng: Generator) -> bytes:
    return encoded(picture(grain(soft_shadow(around(written(digit, rng), WHITE, BLACK, 0.8)), rng, 3)), "JPEG")


def half_lit(digit: int, rng: Generator) -> bytes:
    return encoded(
        picture(shade(around(written(digit, rng), CREAM, BLUE, 0.8), 0.5, float(rng.uniform(0, 360)))), "PNG"
    )


def by_a_lamp(digit: int, rng: Generator) -> bytes:
    return encoded(picture(grain(vignette(lamp(around(written(digit, rng), WHITE, BLACK, 0.8)), 0.2), rng, 3)), "JPEG")


def rough_paper(digit: int, rng: Generator) -> bytes:
    return encoded(picture(fibres(around(written(digit, rng), CREAM, BLACK, 0.7), rng)), "JPEG", quality=90)


def noisy(digit: int, rng: Generator) -> bytes:
    return encoded(picture(grain(around(written(digit, rng), GREY, BLACK), rng, 18)), "JPEG", quality=70)


def on_a_form(digit: int, rng: Generator) -> bytes:
    return encoded(picture(framed(around(written(digit, rng), WHITE, BLUE, 0.4))), "PNG")


def in_a_book(digit: int, rng: Generator) -> bytes:
    return encoded(picture(margin_line(specks(around(written(digit, rng), YELLOW, BLACK), rng))), "JPEG")


def off_centre(digit: int, rng: Generator) -> bytes:
    ink = written(digit, rng, side=120)
    top, left = (int(rng.choice([6, room - 6])) for room in (500 - ink.shape[0], 400 - ink.shape[1]))
    return encoded(picture(grain(lay(sheet(500, 400, WHITE), ink, BLACK, top, left), rng, 3)), "JPEG")


def cropped_close(digit: int, rng: Generator) -> bytes:
    return encoded(picture(around(written(digit, rng), WHITE, BLACK, 0.01)), "PNG")


def tiny(digit: int, rng: Generator) -> bytes:
    """12 x 12 pixels in all."""
    ink = written(digit, rng, side=10, pen=0.16)
    paper = sheet(12, 12, WHITE)
    return encoded(picture(lay(paper, ink[:10, :10], BLACK, 1, (12 - min(10, ink.shape[1])) // 2)), "PNG")


def huge(digit: int, rng: Generator) -> bytes:
    """12 megapixels, the digit a third as high."""
    ink = np.asarray(Image.fromarray(written(digit, rng, side=250)).resize((800, 1000), Image.Resampling.BICUBIC))
    scene = lay(sheet(3000, 4000, WHITE), ink.clip(0, 1), BLUE, 900, 1500)
    return encoded(picture(scene), "JPEG", quality=80)


def on_a_screen(digit: int, rng: Generator) -> bytes:
    """A canvas: strokes on nothing."""
    ink = np.pad(written(digit, rng, side=180, pen=0.09), 50)
    stored = np.zeros((*ink.shape, 4), np.uint8)
    stored[..., 3] = np.rint(255 * ink)
    return encoded(Image.fromarray(stored), "PNG")


def faxed(digit: int, rng: Generator) -> bytes:
    return encoded(picture(around(written(digit, rng, side=60), WHITE, BLACK)).convert("1"), "TIFF")


def scanned_deep(digit: int, rng: Generator) -> bytes:
    grey = np.asarray(picture(grain(around(written(digit, rng), CREAM, PENCIL), rng, 2)).convert("L"))
    return encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG")


def for_print(digit: int, rng: Generator) -> bytes:
    return encoded(picture(around(written(digit, rng), WHITE, RED)).convert("CMYK"), "JPEG")


def held_sideways(digit: int, rng: Generator) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = picture(around(written(digit, rng), WHITE, BLACK))
    return encoded(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)


KINDS: dict[str, Callable[[int, Generator], bytes]] = {
    "black pen": pen(BLACK),
    "blue pen": pen(BLUE),
    "red pen": pen(RED),
    "green pen on yellow": pen(GREEN, YELLOW),
    "pencil": pen(PENCIL),
    "pencil on grey": pen((70, 70, 74), GREY),
    "turned": turned,
    "thin pen": width(0.025),
    "thin marker": width(0.05),
    "thick marker": width(0.2),
    "brush": width(0.25),
    "chalk on black": chalk(BLACKBOARD),
    "chalk on green": chalk(GREENBOARD),
    "in a shadow": in_shadow,
    "half lit": half_lit,
    "by a lamp": by_a_lamp,
    "rough paper": rough_paper,
    "noisy": noisy,
    "on a form": on_a_form,
    "in an exercise book": in_a_book,
    "off centre": off_centre,
    "cropped close": cropped_close,
    "tiny": tiny,
    "huge": huge,
    "on a screen": on_a_screen,
    "faxed": faxed,
    "16 bits": scanned_deep,
    "for print": for_print,
    "held sideways": held_sideways,
}
