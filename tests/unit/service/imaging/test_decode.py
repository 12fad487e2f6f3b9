import contextlib
import io
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from service.errors import InvalidImage, NotAnImage, TooLarge
from service.imaging import decode
from training.strokes import draw

MAX_PIXELS = 40_000_000
FORMATS = ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"]
TURNS = {  # what a camera does to an upright picture before it writes this EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


as_in_service = pytest.mark.filterwarnings("ignore")  # a service prints Pillow's warnings, and goes on


def ink(digit=5, size=60):
    return draw(digit, np.random.default_rng(digit), size)


def dark_on_light(digit=5, size=60):
    return Image.fromarray(255 - ink(digit, size))


def encode(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def difference(grey, picture):
    return np.abs(grey.astype(float) - np.asarray(picture, float)).mean()


def png_claiming(width, height):
    """A PNG of under 100 bytes whose header claims a size."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
    framed = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def tiff_with_tiles(side, tile_side):
    """A TIFF of `side` x `side` pixels in one deflated tile of `tile_side` x `tile_side`, of which nothing follows."""
    tags = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile_side, 323: tile_side, 324: 8, 325: 64}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(64)


# --- What is read


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_decodes_to_its_grey_levels(kind, mode):
    picture = dark_on_light()
    grey = decode(encode(picture.convert(mode), kind), MAX_PIXELS)
    assert (grey.shape, grey.dtype) == ((60, 60), np.uint8)
    assert difference(grey, picture) < 4


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_one_bit_and_palette_pictures(kind):
    picture = dark_on_light().point([0] * 128 + [255] * 128)
    for stored in (picture.convert("1"), picture.convert("RGB").quantize(4)):
        assert difference(decode(encode(stored, kind), MAX_PIXELS), picture) == 0


@pytest.mark.parametrize(
    ("levels", "kind"),
    [
        pytest.param(lambda grey: grey.astype(np.uint16) * 257, "PNG", id="16-bit png"),
        pytest.param(lambda grey: grey.astype(np.uint16) * 257, "TIFF", id="16-bit tiff"),
        pytest.param(lambda grey: grey.astype(np.uint16) * 16, "PNG", id="12 bits in a 16-bit png"),
        pytest.param(lambda grey: grey.astype(np.int32) * 2**23, "TIFF", id="32-bit tiff"),
        pytest.param(lambda grey: grey.astype(np.float32) / 255, "TIFF", id="float tiff, 0 to 1"),
        pytest.param(lambda grey: grey.astype(np.float32), "TIFF", id="float tiff, 0 to 255"),
    ],
)
def test_deep_grey_is_scaled_to_eight_bits(levels, kind):
    picture = dark_on_light()
    data = encode(Image.fromarray(levels(np.asarray(picture))), kind)
    assert difference(decode(data, MAX_PIXELS), picture) < 1.5


def test_a_dim_16_bit_picture_is_not_brightened_into_noise():
    grain = np.random.default_rng(0).integers(0, 4, (40, 40)).astype(np.uint16)
    assert decode(encode(Image.fromarray(grain), "PNG"), MAX_PIXELS).max() <= 3


def test_floats_that_are_no_numbers_are_black():
    levels = np.full((10, 10), 200, np.float32)
    levels[0, :3] = np.nan, np.inf, -np.inf
    grey = decode(encode(Image.fromarray(levels), "TIFF"), MAX_PIXELS)
    assert grey[0, :3].tolist() == [0, 0, 0]
    assert (grey[1:] == 200).all()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_print_and_video_colours(mode):
    picture = dark_on_light()
    for kind in ("JPEG", "TIFF"):
        assert difference(decode(encode(picture.convert("RGB").convert(mode), kind), MAX_PIXELS), picture) < 4


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_orientation_is_undone(kind, orientation):
    picture = Image.fromarray(np.pad(255 - ink(7), ((0, 10), (0, 30)), constant_values=255)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(picture.transpose(TURNS[orientation]), kind, exif=exif)
    grey = decode(data, MAX_PIXELS)
    assert grey.shape == (70, 90)
    assert difference(grey, picture.convert("L")) < 4


@as_in_service
def test_a_corrupt_exif_block_does_not_spoil_good_pixels():
    data = encode(dark_on_light(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert difference(decode(data, MAX_PIXELS), dark_on_light()) < 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_is_read(kind):
    first, second = dark_on_light(2).convert("RGB"), dark_on_light(9).convert("RGB")
    data = encode(first, kind, save_all=True, append_images=[second, second])
    assert difference(decode(data, MAX_PIXELS), first.convert("L")) < 4


# --- Transparency: paper is laid under it, on which the ink shows


def strokes_on_nothing(level):
    picture = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    picture.paste((level, level, level, 255), mask=Image.fromarray(ink()))
    return picture


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize(("level", "paper"), [(0, 255), (255, 0)])
def test_transparent_paper_is_not_taken_for_ink(kind, level, paper):
    options = {"lossless": True} if kind == "WEBP" else {}
    grey = decode(encode(strokes_on_nothing(level), kind, **options), MAX_PIXELS)
    assert grey[0, 0] == paper
    assert np.abs(grey[ink() == 255].astype(int) - level).max() <= 3


@pytest.mark.parametrize("mode", ["LA", "P"])
def test_transparency_of_grey_and_palette_pictures(mode):
    strokes = strokes_on_nothing(0)
    picture = strokes.quantize(8) if mode == "P" else strokes.convert(mode)
    grey = decode(encode(picture, "PNG"), MAX_PIXELS)
    assert grey[0, 0] == 255
    assert grey[ink() > 200].max() < 60


@pytest.mark.parametrize(("mode", "key"), [("L", 255), ("RGB", (255, 255, 255))])
def test_a_colour_declared_transparent(mode, key):
    grey = decode(encode(dark_on_light().convert(mode), "PNG", transparency=key), MAX_PIXELS)
    assert difference(grey, dark_on_light()) < 1


@pytest.mark.parametrize("card", [dark_on_light(), Image.fromarray(ink())], ids=["light card", "dark card"])
def test_a_cut_out_card_keeps_its_own_paper_around_it(card):
    picture = Image.new("RGBA", (120, 120))
    picture.paste(card.convert("RGBA"), (30, 30))
    grey = decode(encode(picture, "PNG"), MAX_PIXELS)
    assert grey[0, 0] == grey[35, 35] == np.asarray(card)[5, 5]


def test_wholly_transparent_picture_is_blank():
    assert (decode(encode(Image.new("RGBA", (20, 20)), "PNG"), MAX_PIXELS) == 255).all()


# --- Size


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16"])
def test_a_large_picture_comes_reduced(mode):
    large = dark_on_light(size=2000)
    stored = Image.fromarray(np.asarray(large).astype(np.uint16) * 257) if mode == "I;16" else large.convert(mode)
    grey = decode(encode(stored, "PNG"), MAX_PIXELS)
    assert grey.shape == (667, 667)
    assert difference(grey, large.resize((667, 667), Image.Resampling.BOX)) < 4


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_large_jpeg_comes_reduced(options):
    large = dark_on_light(size=4000)
    grey = decode(encode(large.convert("RGB"), "JPEG", **options), MAX_PIXELS)
    assert 500 <= grey.shape[0] == grey.shape[1] <= 1100
    assert difference(grey, large.resize(grey.shape, Image.Resampling.BOX)) < 4


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_photograph_is_reduced_by_the_jpeg_decoder_itself(mode, monkeypatch):
    """Never made whole: that would take twelve megapixels of work and of memory."""
    sizes, load = [], ImageFile.ImageFile.load

    def decoded(picture):
        sizes.append(picture.size)
        return load(picture)

    photograph = encode(dark_on_light(size=1000).resize((4000, 3000)).convert(mode), "JPEG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded)
    decode(photograph, MAX_PIXELS)
    assert set(sizes) == {(1000, 750)}


@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000), (5_000_000, 1), (1, 1)])
def test_any_proportions_are_read(size):
    grey = decode(encode(Image.new("L", size, 200), "PNG"), MAX_PIXELS)
    assert (grey == 200).all()
    assert grey.size <= size[0] * size[1]


def test_the_limit_is_exact():
    data = encode(Image.new("L", (50, 40)), "PNG")
    assert decode(data, 2000).shape == (40, 50)
    with pytest.raises(TooLarge, match=r"50 x 40 = 2,000 pixels; at most 1,999 are allowed"):
        decode(data, 1999)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png_claiming(8000, 5001), id="a little too large"),
        pytest.param(png_claiming(12_000, 12_000), id="a size that Pillow itself only warns of"),
        pytest.param(png_claiming(50_000, 50_000), id="png"),
        pytest.param(png_claiming(2**31 - 1, 2**31 - 1), id="largest png"),
        pytest.param(
            b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 99_999, 99_999, 1, 24, *[0] * 6), id="bmp"
        ),
        pytest.param(b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\2L\1\0;", id="gif"),
        pytest.param(b"RIFF\x1a\0\0\0WEBPVP8L\6\0\0\0/\xfe\xbf\xff\x0f\0", id="webp"),
        pytest.param(tiff_with_tiles(50_000, 16), id="tiff"),
        pytest.param(tiff_with_tiles(10, 50_000), id="tiff with a tile larger than itself"),
    ],
)
@as_in_service
def test_decompression_bomb_is_refused_from_its_header(data, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda picture: pytest.fail("a pixel was decoded"))
    start = time.process_time()
    with pytest.raises(TooLarge):
        decode(data, MAX_PIXELS)
    assert time.process_time() - start < 0.5


def test_a_jpeg_of_endless_scans_is_refused():
    data = encode(Image.new("L", (64, 64)), "JPEG", progressive=True)
    scan = data[data.rfind(b"\xff\xda") : -2]
    with pytest.raises(InvalidImage, match=r"scans; at most 64 are allowed"):
        decode(data[:-2] + 1000 * scan + data[-2:], MAX_PIXELS)


# --- What is refused


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="zero bytes"),
        pytest.param(b"These are words, in a file called seven.png", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param(b"%PDF-1.7\n", id="pdf"),
        pytest.param(b"RIFF\x24\0\0\0WAVEfmt ", id="sound"),
        pytest.param(encode(dark_on_light(), "PPM"), id="a picture of another format"),
        pytest.param(encode(dark_on_light(), "ICO"), id="an icon"),
    ],
)
def test_what_is_no_picture_of_the_six_formats(data):
    with pytest.raises(NotAnImage, match="must be a PNG, JPEG, WebP, BMP, TIFF or GIF, got"):
        decode(data, MAX_PIXELS)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.8])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_picture_says_so(kind, part):
    data = encode(dark_on_light(), kind)
    with pytest.raises(InvalidImage, match=r"picture is truncated or corrupt"):
        decode(data[: max(12, int(part * len(data)))], MAX_PIXELS)


def test_messages_leak_nothing_internal():
    for data in (b"BM and then words, not a bitmap at all, really", encode(dark_on_light(), "PNG")[:300]):
        with pytest.raises(InvalidImage) as caught:
            decode(data, MAX_PIXELS)
        assert not any(word in caught.value.message for word in ("0x", "<", "object", "PIL", "Error", "/"))


ALLOWED = contextlib.suppress(NotAnImage, InvalidImage, TooLarge)
SAMPLES = [
    encode(stored, kind, **options)
    for stored, kind, options in [
        (dark_on_light(size=20), "PNG", {}),
        (dark_on_light(size=20).convert("RGB").quantize(4), "PNG", {"transparency": 0}),
        (dark_on_light(size=20), "JPEG", {"exif": Image.Exif()}),
        (dark_on_light(size=20).convert("RGB"), "JPEG", {"progressive": True}),
        (dark_on_light(size=20), "WEBP", {}),
        (dark_on_light(size=20).convert("1"), "BMP", {}),
        (dark_on_light(size=20), "TIFF", {"compression": "tiff_lzw"}),
        (dark_on_light(size=20), "TIFF", {}),
        (dark_on_light(size=20), "GIF", {}),
    ]
]
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@as_in_service
@FUZZ
@given(
    prefix=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"RIFF....WEBP"]),
    rest=st.binary(max_size=200),
)
@example(prefix=b"MM\0*", rest=b"")
def test_random_bytes_raise_only_our_errors(prefix, rest):
    with pytest.raises((NotAnImage, InvalidImage, TooLarge)):
        decode(prefix + rest, MAX_PIXELS)


@as_in_service
@FUZZ
@given(
    sample=st.sampled_from(SAMPLES),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    kept=st.floats(0, 1),
)
def test_mutated_pictures_decode_or_raise_our_errors(sample, edits, kept):
    data = bytearray(sample)
    for place, value in edits:
        data[int(place * len(data))] = value
    for mutant in (bytes(data), bytes(data[: int(kept * len(data))])):
        with ALLOWED:
            grey = decode(mutant, 1_000_000)
            assert grey.dtype == np.uint8
            assert grey.ndim == 2
            assert grey.size <= 1_000_000
