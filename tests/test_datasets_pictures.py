"""Pictures of a character in every mode, depth, layout and light: what a person sees is what the network gets."""

import gzip
import io
import struct
import time
import zipfile
import zlib

import numpy as np
import pytest

from pellucid import datasets
from pellucid.datasets import DataError, idx, read_image
from pellucid.datasets.arrays import class_labels, pictures, read_arrays
from pellucid.datasets.ink import character

Image = pytest.importorskip("PIL.Image")

SIZE = (28, 28)


def glyph(side=280):
    """A 7 with a bar through it, ink 1 on 0: no two of its turns or mirror images are alike."""
    from PIL import ImageDraw

    page = Image.new("L", (280, 280), 0)
    draw = ImageDraw.Draw(page)
    draw.line([(70, 50), (210, 50), (110, 235)], fill=255, width=26, joint="curve")
    draw.line([(100, 140), (190, 140)], fill=255, width=22)
    return np.asarray(page.resize((side, side), Image.Resampling.BOX), dtype=float) / 255


def saved(folder, picture, name="seven.png", **how):
    picture.save(folder / name, **how)
    return folder / name


def grey(shades):
    return Image.fromarray((np.clip(shades, 0, 1) * 255).round().astype(np.uint8))


def clear(colour, around=(0, 0, 0)):
    """Ink of a colour on a clear ground, whose hidden colour is `around`."""
    ink = glyph()
    picture = np.zeros((280, 280, 4), np.uint8)
    picture[..., :3] = np.where(ink[..., None] > 0, colour, around)
    picture[..., 3] = (ink * 255).round()
    return Image.fromarray(picture)


def sheet():
    """A white sheet with a clear margin."""
    picture = np.zeros((400, 400, 4), np.uint8)
    picture[60:340, 60:340, :3] = (255 * (1 - glyph()))[..., None]
    picture[60:340, 60:340, 3] = 255
    return Image.fromarray(picture)


def photograph(ink=0.7, noise=0.03, side=280, shadow=False, board=False):
    rng = np.random.default_rng(0)
    height, width = 900, 1200
    down, right = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    written = np.zeros((height, width))
    written[200 : 200 + side, 640 - side // 2 : 640 - side // 2 + side] = glyph(side)
    light = 0.45 + 0.4 * right + 0.12 * down
    seen = 0.1 + 0.3 * right + 0.5 * written if board else light * (1 - ink * written)
    if shadow:
        seen *= 1 - 0.45 / (1 + np.exp(-60 * (down + 0.6 * right - 0.8)))
    return grey(seen + rng.normal(0, noise, seen.shape))


def turned():
    exif = Image.Exif()
    exif[0x112] = 6  # turn a quarter to the right to see it
    return grey(1 - glyph()).transpose(Image.Transpose.ROTATE_90), {"exif": exif.tobytes()}


def colours(red, green, blue):
    return Image.merge("RGB", [grey(a + (b - a) * glyph()) for a, b in (red, green, blue)])


DARK = 1 - glyph()
# name, file, picture, how it is saved
PICTURES = [
    ("light on dark", "a.png", lambda: grey(glyph()), {}),
    ("pale", "a.png", lambda: grey(0.6 - 0.3 * glyph()), {}),
    ("16 bits", "a.png", lambda: Image.fromarray((65535 * DARK).astype(np.uint16)), {}),
    ("16 bits, light on dark", "a.tiff", lambda: Image.fromarray((65535 * glyph()).astype(np.uint16)), {}),
    ("12 of 16 bits", "a.tiff", lambda: Image.fromarray((4095 * DARK).astype(np.uint16)), {}),
    ("32 bits", "a.tiff", lambda: Image.fromarray((65535 * DARK).astype(np.int32)), {}),
    ("floats to 1", "a.tiff", lambda: Image.fromarray(DARK.astype(np.float32)), {}),
    ("floats to 255", "a.tiff", lambda: Image.fromarray((255 * DARK).astype(np.float32)), {}),
    ("turned", "a.jpg", lambda: turned()[0], turned()[1]),
    ("white on clear", "a.png", lambda: clear((255, 255, 255)), {}),
    ("white on clear white", "a.png", lambda: clear((255, 255, 255), (255, 255, 255)), {}),
    ("black on clear", "a.png", lambda: clear((0, 0, 0)), {}),
    ("yellow on clear", "a.webp", lambda: clear((255, 255, 0)), {"lossless": True}),
    ("grey and clear", "a.png", lambda: clear((255, 255, 255)).convert("LA"), {}),
    ("palette with a clear colour", "a.png", lambda: clear((250, 250, 250)).quantize(32, method=2), {}),
    ("a sheet with a clear margin", "a.png", sheet, {}),
    ("palette", "a.png", lambda: grey(DARK).convert("RGB").quantize(16), {}),
    ("GIF", "a.gif", lambda: grey(DARK), {}),
    ("GIF that begins empty", "a.gif", lambda: grey(DARK * 0 + 1), {"save_all": True, "append_images": [grey(DARK)]}),
    ("CMYK", "a.jpg", lambda: grey(DARK).convert("CMYK"), {}),
    ("CMYK, TIFF", "a.tiff", lambda: grey(DARK).convert("CMYK"), {}),
    ("1 bit", "a.png", lambda: grey(DARK).convert("1", dither=Image.Dither.NONE), {}),
    ("1 bit, light on dark", "a.png", lambda: grey(glyph()).convert("1", dither=Image.Dither.NONE), {}),
    ("ink and paper of one shade", "a.png", lambda: colours((0.2, 0.8), (0.3, 0.1), (0.8, 0.1)), {}),
    ("tight", "a.png", lambda: grey(DARK[40:240, 68:212]), {}),
    ("small", "a.png", lambda: grey(1 - glyph(56)), {}),
    ("large", "a.png", lambda: grey(1 - glyph(3000)), {}),
    ("photograph", "a.jpg", photograph, {}),
    ("noisy photograph", "a.jpg", lambda: photograph(noise=0.08), {}),
    ("small on a photograph", "a.jpg", lambda: photograph(side=140), {}),
    ("photograph with a shadow", "a.jpg", lambda: photograph(shadow=True), {}),
    ("photograph of a board", "a.jpg", lambda: photograph(board=True), {}),
]  # fmt: skip


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the plain picture, dark on white, gives."""
    return read_image(saved(tmp_path_factory.mktemp("plain"), grey(DARK)), SIZE)


# How much a picture must be like the plain one. The edge of a shadow leaves a little of itself.
ALIKE = {"photograph with a shadow": 0.85}


@pytest.mark.parametrize(("kind", "name", "make", "how"), PICTURES, ids=[r[0] for r in PICTURES])
def test_what_a_person_sees(tmp_path, seen, kind, name, make, how):
    picture = read_image(saved(tmp_path, make(), name, **how), SIZE)
    assert picture.dtype == np.float32
    assert np.corrcoef(picture.ravel(), seen.ravel())[0, 1] > ALIKE.get(kind, 0.93)
    assert picture[:3].max() < 0.1  # the paper is clean
    assert picture.max() > 0.8


SEVEN = np.float64(character(DARK, SIZE, "the glyph"))
BATCH = np.stack([SEVEN, SEVEN[:, ::-1], SEVEN.T])
LAYOUTS = [
    ("0 to 1", BATCH),
    ("0 to 16", BATCH * 16),
    ("0 to 255", BATCH * 255),
    ("whole numbers to 16", np.round(BATCH * 16).astype(np.uint8)),
    ("uint8", np.round(BATCH * 255).astype(np.uint8)),
    ("uint16", np.round(BATCH * 65535).astype(np.uint16)),
    ("dark on light", 1 - BATCH),
    ("dark on light, to 255", 255 - 255 * BATCH),
    ("N1HW", BATCH[:, None]),
    ("NHW1", BATCH[..., None]),
    ("NHW3", np.repeat(BATCH[..., None], 3, -1)),
    ("N3HW", np.repeat(BATCH[:, None], 3, 1)),
    ("flat", BATCH.reshape(3, -1)),
    ("by columns", np.asfortranarray(BATCH)),
    ("big end first", BATCH.astype(">f4")),
]
SINGLE = [
    ("HW", SEVEN),
    ("1HW", SEVEN[None]),
    ("HW1", SEVEN[..., None]),
    ("HW3", np.repeat(SEVEN[..., None], 3, -1) * 255),
    ("flat", SEVEN.ravel()),
]


@pytest.mark.parametrize("array", [row[1] for row in LAYOUTS], ids=[row[0] for row in LAYOUTS])
def test_batches_of_the_networks_size_are_taken_as_they_are(array):
    found = pictures(array, SIZE, "x.npy")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], BATCH, atol=0.04)


@pytest.mark.parametrize("array", [row[1] for row in SINGLE], ids=[row[0] for row in SINGLE])
def test_one_picture_needs_no_batch(array):
    np.testing.assert_allclose(pictures(array, SIZE, "x.npy"), SEVEN[None, None], atol=1e-6)


@pytest.mark.parametrize("shape", ["HW", "HW3", "NHW", "NHW3"])
def test_arrays_of_another_size_are_read_as_photographs_are(seen, shape):
    array = 255 * DARK if "N" not in shape else 255 * np.stack([DARK, DARK])
    array = np.repeat(array[..., None], 3, -1) if "3" in shape else array
    for found in pictures(array, SIZE, "x.npy"):
        assert np.corrcoef(found.ravel(), seen.ravel())[0, 1] > 0.99


def test_the_data_sets_own_digits_are_left_alone_and_others_moved_to_the_middle():
    data = datasets.digits(val_fraction=0)
    np.testing.assert_array_equal(pictures(data.x_train, (8, 8), "x.npy"), data.x_train)
    moved = np.roll(SEVEN, (-4, 3), (0, 1))
    np.testing.assert_allclose(pictures(moved, SIZE, "x.npy")[0, 0], SEVEN, atol=1e-6)


# Files that claim more than they hold -------------------------------------------------------------------------------


def png(width, height):
    """A PNG of some hundred bytes that claims a size; its data are zeros."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def npy(shape, dtype="<f8", data=b""):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n" + data


def npz(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def whole_npy(array=BATCH):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("size", [(9_000, 9_000), (12_000, 12_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_pictures_that_claim_a_huge_size_are_refused_at_once(tmp_path, size):
    (tmp_path / "bomb.png").write_bytes(png(*size))
    began = time.perf_counter()
    with pytest.raises(DataError, match=r"bomb\.png (claims|is too large|is no image)"):
        read_image(tmp_path / "bomb.png", SIZE)
    assert time.perf_counter() - began < 2


ARRAYS = [
    ("a huge axis", npy((10**12,)), r"promises shape \(1000000000000,\) of float64, 8,000,000,000,000 bytes, and 0"),
    ("huge axes", npy((2**40, 2**40)), "promises shape"),
    ("in an archive", npz(x=npy((10**12,))), r"array 'x', is damaged: its header promises"),
    ("cut", whole_npy()[:-9], "is damaged: its header promises shape"),
    ("cut in the header", whole_npy()[:40], r"is no \.npy file of numbers"),
    ("no header", b"\x93NUMPY\x01\x00\x10\x00{'descr': [[[[[[[", r"is no \.npy file of numbers"),
    ("not NumPy's", b"hello", r"is no \.npy file of numbers"),
    ("empty", b"", r"is no \.npy file of numbers"),
    ("objects", npy((1,), "|O", b"\x80\x04N."), "holds Python objects, and numbers were expected"),
    ("texts", npy((1,), "<U1", b"a\0\0\0"), "holds <U1, and numbers were expected"),
    ("complex", npy((1,), "<c8", bytes(8)), "holds complex64, and numbers were expected"),
    ("a damaged archive", npz(x=whole_npy())[:-30], r"is no \.np. file of numbers"),
    ("a changed archive", (lambda raw: raw[:90] + bytes([raw[90] ^ 255]) + raw[91:])(npz(x=whole_npy())), "is no"),
    ("another file in an archive", (lambda raw: raw.replace(b"x.npy", b"x.txt"))(npz(x=b"hello")), "which is no array"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "words"), [row[1:] for row in ARRAYS], ids=[row[0] for row in ARRAYS])
def test_damaged_arrays_are_refused_by_a_sentence(tmp_path, content, words):
    (tmp_path / "x.npy").write_bytes(content)
    began = time.perf_counter()
    with pytest.raises(DataError, match=words):
        read_arrays(tmp_path / "x.npy")
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("shape", [(2**31, 2**31), (2**31,)])
def test_a_packed_idx_file_that_claims_or_holds_too_much(tmp_path, shape):
    header = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(header + bytes(10**6)))
    with pytest.raises(DataError, match=r"promises [\d,]+ bytes in its header, and at most 1,073,741,824 are read"):
        idx.read_bytes(path)
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1]) + struct.pack(">I", 5) + bytes(10**7)))
    assert len(idx.read_bytes(path)) < 2000  # no more than shows that it holds too much
    with pytest.raises(DataError, match="has bytes after its end"):
        idx.parse(idx.read_bytes(path), path)


@pytest.mark.parametrize("damage", range(0, 400, 37))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.tiff", "a.webp", "a.bmp"])
def test_a_damaged_picture_is_read_or_refused_by_a_sentence(tmp_path, name, damage):
    path = saved(tmp_path, grey(1 - glyph(64)), name)
    raw = bytearray(path.read_bytes())
    place = damage % len(raw)
    raw[place : place + 4] = b"\xff\x00\xff\x7f"
    for content in (raw, raw[: len(raw) // 2]):
        path.write_bytes(content)
        try:
            assert read_image(path, SIZE).shape == SIZE
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((2, 28, 28), np.nan), r"holds a number that is not finite at \[0, 0, 0, 0\]"),
        ((BATCH - 0.13) / 0.3, "shades were expected, from 0 to 1, 16 or 255: undo its standardisation"),
        (np.zeros((3, 5)), r"has shape \(3, 5\): .*a file of shape \(N, 28, 28\) was expected"),
        (np.zeros((0, 28, 28)), r"has shape \(0, 28, 28\)"),
        (np.zeros((2, 2, 28, 28, 1)), r"has shape \(2, 2, 28, 28, 1\)"),
        (np.ones((2, 50, 50)), "picture 1 of x.npy is of one shade"),
    ],
)
def test_arrays_that_are_no_pictures(array, words):
    with pytest.raises(DataError, match=words):
        pictures(array, SIZE, "x.npy")


def test_classes_as_numbers_or_one_hot():
    names = ["cat", "dog", "cow"]
    for array in (np.array([2, 0]), np.array([2.0, 0]), np.array([[2], [0]]), np.array([[0, 0, 1], [1, 0, 0]])):
        assert class_labels(array, 2, names, "y") == ["cow", "cat"]
    for array in (np.array([3, 0]), np.array([0.5, 1]), np.array([1]), np.array([[0, 1, 1], [1, 0, 0]])):
        with pytest.raises(DataError, match=r"from 0 to 2 each, shape \(2,\), or one-hot rows .* \(2, 3\)"):
            class_labels(array, 2, names, "y")
