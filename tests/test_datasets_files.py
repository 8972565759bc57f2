"""Files of digits and of text: MNIST as it is, damaged in every way, downloaded and refused; characters and back."""

import functools
import gzip
import hashlib
import http.server
import shutil
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pellucid import datasets
from pellucid.datasets import DataError, handwritten, idx

NAMES = list(handwritten.FILES)


def idx_bytes(array):
    """The IDX file of a uint8 array."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def small_files():
    """Four small files in MNIST's format, by name."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 36), ("t10k", 10)):
        arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = (np.arange(n) % 10).astype(np.uint8)
    return {name: idx_bytes(array) for name, array in arrays.items()}


def write(folder, files, suffix=""):
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(data) if suffix == ".gz" else data)
    return folder


def test_the_real_mnist(mnist_folder):
    data = datasets.mnist(mnist_folder)
    assert data.facts["original"] is True
    assert data.x_train.shape == (55_000, 1, 28, 28)
    assert data.x_val.shape == (5_000, 1, 28, 28)
    assert data.x_test.shape == (10_000, 1, 28, 28)
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int64
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    counts = np.bincount(data.y_train) + np.bincount(data.y_val)
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    total = data.x_train.sum(dtype=float) + data.x_val.sum(dtype=float)
    assert total / (60_000 * 784) == pytest.approx(0.1307, abs=5e-5)  # the mean that everyone knows


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda raw: raw[: len(raw) // 2], "is truncated: its gzip stream ends early"),
        (lambda raw: raw[:2000] + bytes(200) + raw[2200:], "is corrupt: its gzip stream cannot be unpacked"),
    ],
    ids=["truncated", "corrupt"],
)
def test_the_real_mnist_damaged(mnist_folder, tmp_path, name, damage, words):
    for path in mnist_folder.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    path = tmp_path / f"{name}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=words) as raised:
        datasets.mnist(tmp_path)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_of_that_format_packed_or_not(tmp_path, suffix):
    files = small_files()
    data = datasets.mnist(str(write(tmp_path, files, suffix)), val_fraction=0.25, seed=2)
    assert data.facts["original"] is False
    assert data.x_train.shape == (27, 1, 28, 28)
    assert data.x_val.shape == (9, 1, 28, 28)
    images = np.frombuffer(files["t10k-images-idx3-ubyte"], np.uint8, offset=16).reshape(10, 1, 28, 28)
    np.testing.assert_array_equal(data.x_test, images / np.float32(255))
    assert data.y_test.tolist() == list(range(10))
    assert sorted([*data.y_train, *data.y_val]) == sorted(np.arange(36) % 10)
    again = datasets.mnist(tmp_path, val_fraction=0.25, seed=2)
    np.testing.assert_array_equal(data.x_train, again.x_train)
    assert datasets.mnist(tmp_path, val_fraction=0).x_val is None


def test_names_with_a_dot(tmp_path):
    files = {name.replace("-idx", ".idx"): data for name, data in small_files().items()}
    assert datasets.mnist(write(tmp_path, files)).x_test.shape == (10, 1, 28, 28)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
# what is wrong, file, what is done to its bytes, words of the message
DAMAGE = [
    ("empty", IMAGES, lambda raw: b"", "is truncated: it holds 0 bytes"),
    ("magic", IMAGES, lambda raw: b"\x89PNG" + raw[4:], "is not an IDX file: it starts with 89 50 4e 47"),
    ("type", IMAGES, lambda raw: b"\0\0\x07\x03" + raw[4:], "is not an IDX file: it starts with 00 00 07 03"),
    ("header", IMAGES, lambda raw: raw[:9], "is truncated within its header, at 9 of 16 bytes"),
    (
        "short",
        IMAGES,
        lambda raw: raw[:-5],
        r"is truncated: its header promises 36 × 28 × 28 values, 28,224 bytes, and 28,219",
    ),
    (
        "long",
        LABELS,
        lambda raw: raw + b"x",
        "has bytes after its end: its header promises 36 values, 36 bytes, and 37",
    ),
    ("huge", LABELS, lambda raw: raw[:4] + b"\xff" * 4 + raw[8:], "header promises 4294967295 values"),
    (
        "axes",
        IMAGES,
        lambda raw: idx_bytes(np.zeros((36, 784), np.uint8)),
        r"holds \(36, 784\) uint8, where images are",
    ),
    ("dtype", IMAGES, lambda raw: raw[:2] + b"\x09" + raw[3:], r"int8, where images are N × 28 × 28"),
    (
        "exchanged",
        LABELS,
        lambda raw: idx_bytes(np.zeros((36, 28, 28), np.uint8)),
        "images and labels were not exchanged",
    ),
    ("counts", LABELS, lambda raw: idx_bytes(np.zeros(35, np.uint8)), "36 images and 35 labels"),
    ("label", LABELS, lambda raw: raw[:-1] + b"\x0a", "holds the label 10 at position 35"),
]


@pytest.mark.parametrize(("name", "damage", "words"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE])
def test_damaged_files(tmp_path, name, damage, words):
    files = small_files()
    files[name] = damage(files[name])
    with pytest.raises(DataError, match=words) as raised:
        datasets.mnist(write(tmp_path, files))
    assert str(tmp_path) in str(raised.value)


def test_files_without_images(tmp_path):
    files = small_files()
    files["t10k-images-idx3-ubyte"] = idx_bytes(np.zeros((0, 28, 28), np.uint8))
    files["t10k-labels-idx1-ubyte"] = idx_bytes(np.zeros(0, np.uint8))
    with pytest.raises(DataError, match=r"t10k files in .* hold no images"):
        datasets.mnist(write(tmp_path, files))


def test_a_missing_file_or_folder(tmp_path):
    write(tmp_path, small_files())
    (tmp_path / IMAGES).unlink()
    with pytest.raises(
        DataError, match=r"needs train-images-idx3-ubyte or .*\.gz in .*, which holds t10k-images.*--data"
    ):
        datasets.mnist(tmp_path)
    with pytest.raises(DataError, match="nowhere, which is not a folder: name the folder that holds the four files"):
        datasets.mnist(tmp_path / "nowhere")


def test_a_name_that_lies_about_gzip(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(b"plain text")
    with pytest.raises(DataError, match=r"named \.gz but is not gzip \(it starts with b'plai'\)"):
        idx.read_bytes(path)
    with pytest.raises(DataError, match="cannot be read"):
        idx.read_bytes(tmp_path)


@pytest.mark.parametrize(
    ("code", "dtype"), [(0x08, "u1"), (0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")]
)
def test_every_type_of_idx(code, dtype):
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    data = bytes([0, 0, code, 2]) + struct.pack(">2I", 2, 3) + array.tobytes()
    parsed = idx.parse(data, Path("file"))
    np.testing.assert_array_equal(parsed, array)
    assert parsed.dtype == array.dtype.newbyteorder("=")


# The cache and the download, from a server of our own


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and counts what it was asked for."""

    asked: list[str] = []  # noqa: RUF012

    def log_message(self, *args):
        self.asked.append(self.path)


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror that serves `tmp_path/served`, an empty cache, and the small files in place of the originals."""
    files = small_files()
    served = write(tmp_path / "served", files, ".gz")
    Server.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(handwritten, "cache_folder", lambda: tmp_path / "cache" / "mnist")
    monkeypatch.setattr(handwritten, "FILES", {name: hashlib.md5(data).hexdigest() for name, data in files.items()})
    monkeypatch.setattr(handwritten, "MIRRORS", (f"http://127.0.0.1:{server.server_port}/",))
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def test_downloaded_once_then_read_from_the_cache(mirror, tmp_path, capfd):
    data = datasets.mnist()
    assert data.facts["original"] is True
    assert data.x_test.shape == (10, 1, 28, 28)
    assert sorted(Server.asked) == sorted(f"/{name}.gz" for name in NAMES)
    assert "100%" in capfd.readouterr().err  # the progress bar
    cache = tmp_path / "cache" / "mnist"
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{name}.gz" for name in NAMES)
    again = datasets.mnist(download=False, progress=False)
    np.testing.assert_array_equal(again.x_train, data.x_train)
    assert len(Server.asked) == 4


def test_no_progress_bar_where_none_is_wanted(mirror, capfd):
    datasets.mnist(progress=False)
    assert capfd.readouterr().err == ""


def test_a_damaged_cache_is_mended(mirror, tmp_path):
    datasets.mnist(progress=False)
    path = tmp_path / "cache" / "mnist" / f"{LABELS}.gz"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz is damaged, and downloading was forbidden"):
        datasets.mnist(download=False)
    assert datasets.mnist(progress=False).facts["original"] is True
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(36, np.uint8))))  # whole, but not the original
    assert datasets.mnist(progress=False).y_train.any()


def test_a_mirror_with_other_bytes_leaves_nothing_behind(mirror, tmp_path):
    (mirror / f"{IMAGES}.gz").write_bytes(gzip.compress(idx_bytes(np.zeros((36, 28, 28), np.uint8))))
    with pytest.raises(DataError, match=r"could not be downloaded\. Tried http.*: its unpacked bytes have MD5 "):
        datasets.mnist(progress=False)
    assert not list((tmp_path / "cache" / "mnist").iterdir())


def test_the_second_mirror_is_tried(mirror, monkeypatch):
    (good,) = handwritten.MIRRORS
    monkeypatch.setattr(handwritten, "MIRRORS", (f"{good}gone/", good))
    assert datasets.mnist(progress=False).x_test.shape == (10, 1, 28, 28)


def test_no_network(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(handwritten, "MIRRORS", ("http://127.0.0.1:1/",))
    with pytest.raises(
        DataError, match=r"could not be downloaded.*: no connection\. Check the network connection, or name the folder"
    ):
        datasets.mnist(progress=False)
    assert not list((tmp_path / "cache" / "mnist").iterdir())
    with pytest.raises(DataError, match=r"is not in the cache .*, and downloading was forbidden: allow it, or name"):
        datasets.mnist(download=False)


def test_a_cache_that_cannot_be_written(mirror, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(DataError, match=r"cannot be kept in the cache .*: name the folder that holds the four files"):
        datasets.mnist(progress=False)


def test_the_cache_is_the_users():
    assert "pellucid" in handwritten.cache_folder().parts


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r'which is not installed: pip install "pellucid\[standard\]"'):
        datasets.mnist()


def test_the_digits_are_those_of_scikit_learn():
    x, y = load_digits(return_X_y=True)
    pixels, labels = handwritten._scanned()
    assert (pixels == x).all()
    assert (labels == y).all()


def test_digits():
    data = datasets.digits(val_fraction=0.2, seed=1)
    assert data.x_train.shape == (1438, 1, 8, 8)
    assert data.x_val.shape == (359, 1, 8, 8)
    assert (data.x_train.dtype, data.y_train.dtype) == (np.float32, np.int64)
    assert (data.x_train.min(), data.x_train.max()) == (0, 1)
    assert len(np.unique(data.y_val)) == len(data.class_names) == 10
    np.testing.assert_array_equal(data.y_val, datasets.digits(seed=1).y_val)
    assert not np.array_equal(data.y_val, datasets.digits(seed=2).y_val)


# Text


def test_the_real_texts(shared_data):
    shakespeare = datasets.text(shared_data / "text" / "tinyshakespeare.txt")
    assert len(shakespeare.vocab) == 65
    assert (len(shakespeare.train), len(shakespeare.val)) == (1_003_855, 111_539)
    assert shakespeare.decode(shakespeare.train[:14]) == "First Citizen:"
    names = datasets.text(shared_data / "text" / "names.txt", shuffle_lines=True, seed=3)
    assert names.vocab == "\nabcdefghijklmnopqrstuvwxyz"
    lines = names.decode(np.concatenate([names.train, names.val])).split("\n")
    expected = (shared_data / "text" / "names.txt").read_text(encoding="utf-8").split("\n")
    assert lines != expected
    assert sorted(line for line in lines if line) == sorted(line for line in expected if line)


def test_text_round_trip(tmp_path):
    path = tmp_path / "greek.txt"
    path.write_bytes("\ufeffἈχιλλεύς\r\n\r\nmên".encode())
    data = datasets.text(path, val_fraction=0.2)
    everything = "Ἀχιλλεύς\n\nmên"
    assert data.decode(np.concatenate([data.train, data.val])) == everything
    assert data.vocab == "".join(sorted(set(everything)))
    assert data.encode(everything).dtype == np.int64
    assert data.decode(data.encode("")) == ""
    assert len(datasets.text(path, val_fraction=0).val) == 0
    assert repr(data) == "TextSet(greek.txt: 11 characters; 10 train, 3 val)"


def test_text_errors(tmp_path):
    path = tmp_path / "ab.txt"
    path.write_text("abba", encoding="utf-8")
    data = datasets.text(path, val_fraction=0)
    with pytest.raises(DataError, match=r"the character 'z' at position 1 is not among the 2 of ab\.txt: 'ab'"):
        data.encode("bz")
    with pytest.raises(DataError, match="have the numbers 0 to 1; received 0 to 2"):
        data.decode([0, 2])
    with pytest.raises(DataError, match="leaves none to train on"):
        datasets.text(path, val_fraction=1)
    path.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="is empty"):
        datasets.text(path)
    with pytest.raises(DataError, match="there is no file"):
        datasets.text(tmp_path / "absent.txt")
