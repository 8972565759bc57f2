"""Handwritten digits: the 1,797 of 8 × 8 that scikit-learn has, too, which lie here, and MNIST's 70,000 of 28 × 28."""

import gzip
import hashlib
import os
from pathlib import Path
from textwrap import shorten

import numpy as np

from pellucid.datasets.idx import parse, read_bytes, unpack
from pellucid.datasets.record import DataError, DataSet, generator, need, split, split_classes
from pellucid.files import beside

# Each file of MNIST, with the MD5 of its bytes once unpacked: mirrors pack them differently.
FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
DIGITS = tuple(str(digit) for digit in range(10))


def digits(val_fraction: float = 0.2, seed: int = 0) -> DataSet:
    """scikit-learn's 1,797 digits, written by 43 people and scanned to 8 × 8 pixels from 0 to 1. Needs no download.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998 (its
    test set, licensed as CC BY 4.0; https://doi.org/10.24432/C50P49). `digits.csv.gz` is the copy that is part of
    scikit-learn.

    Shape: x (N, 1, 8, 8) float32; y (N,) int64.

        >>> digits(val_fraction=0.2, seed=0)
        DataSet(digits: classification, 10 classes; 1,438 train, 359 val; a sample is (1, 8, 8))
    """
    images, labels = _scanned()
    x = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return split_classes(
        "digits",
        "scikit-learn's 1,797 handwritten digits, 8 × 8 pixels from 0 to 1",
        x,
        np.asarray(labels, dtype=np.int64),
        val_fraction,
        generator(seed),
        class_names=DIGITS,
    )


def _scanned() -> tuple[np.ndarray, np.ndarray]:
    """Pixels from 0 to 16, (N, 64), and labels, (N,): what `sklearn.datasets.load_digits` returns."""
    with gzip.open(Path(__file__).parent / "digits.csv.gz", "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",")
    return table[:, :-1], table[:, -1]


def mnist(
    root: str | os.PathLike[str] | None = None,
    download: bool = True,
    val_fraction: float = 1 / 12,
    seed: int = 0,
    progress: bool = True,
) -> DataSet:
    """MNIST: 60,000 digits to train on (a part of them kept for validation) and 10,000 to test on, 28 × 28 from 0 to 1.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998.

    Args:
        root: the folder that holds the four IDX files, gzip or not. Without it they are read from the user's cache
            and, where they are not there yet, downloaded to it (11 MB) and checked by the MD5 of their unpacked bytes.
        download: False never touches the network.
        val_fraction, seed: the part of the 60,000 kept for validation, and how it is drawn.
        progress: show a progress bar while downloading.

    Shape: x (N, 1, 28, 28) float32; y (N,) int64.

    The files of a `root` need not be the originals (Fashion-MNIST has the same format): `facts["original"]` says
    whether they are.

    Raises:
        DataError: a file is missing, truncated, corrupt or does not fit the others; or the download fails.
    """
    folder = cache_folder() if root is None else Path(root).expanduser()
    arrays = {}
    original = True
    for name, md5 in FILES.items():
        if root is None:
            path = folder / f"{name}.gz"
            data = cached(path, name, download, progress)
        else:
            path = find(name, folder)
            data = read_bytes(path)
            original = original and md5_of(data) == md5
        arrays[name] = parse(data, path)
    train_images, train_labels = pair(arrays, "train", folder)
    test_images, test_labels = pair(arrays, "t10k", folder)
    train, val = split(len(train_images), val_fraction, generator(seed))
    return DataSet(
        name="mnist",
        description=f"{'MNIST' if original else 'Data in the format of MNIST'} from {folder}, pixels from 0 to 1",
        task="classification",
        x_train=pixels(train_images[train]),
        y_train=train_labels[train],
        x_val=None if val is None else pixels(train_images[val]),
        y_val=None if val is None else train_labels[val],
        x_test=pixels(test_images),
        y_test=test_labels,
        class_names=DIGITS,
        facts={"original": original},
    )


FOLDER = "name the folder that holds the four files (root=… in Python, --data DIR on the command line)"


def find(name: str, folder: Path) -> Path:
    """The file of that name in the folder: plain or .gz, and with the dot that some copies have for a dash."""
    if not folder.is_dir():
        raise DataError(
            f"MNIST was to be read from {folder}, which is not a folder: {FOLDER}, or none to download them"
        )
    dotted = name.replace("-idx", ".idx")
    candidates = [folder / f"{stem}{suffix}" for stem in (name, dotted) for suffix in ("", ".gz")]
    for path in candidates:
        if path.is_file():
            return path
    held = sorted(path.name for path in folder.iterdir())
    shown = (", ".join(held[:6]) + (", …" if len(held) > 6 else "")) or "nothing"
    raise DataError(
        f"MNIST needs {name} or {name}.gz in {folder}, which holds {shown}: {FOLDER}, or none to download them"
    )


def pair(arrays: dict[str, np.ndarray], part: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of a part, checked against each other."""
    images, labels = arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"]
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DataError(
            f"{folder / part}-images-idx3-ubyte holds {images.shape} {images.dtype}, where images are N × 28 × 28 "
            f"uint8: check that the files are MNIST's"
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise DataError(
            f"{folder / part}-labels-idx1-ubyte holds {labels.shape} {labels.dtype}, where labels are N uint8: "
            f"check that images and labels were not exchanged"
        )
    if len(images) != len(labels):
        raise DataError(
            f"the {part} files in {folder} do not belong together: {len(images):,} images and {len(labels):,} labels"
        )
    if len(images) == 0:
        raise DataError(f"the {part} files in {folder} hold no images")
    if labels.max() > 9:
        raise DataError(
            f"{folder / part}-labels-idx1-ubyte holds the label {labels.max()} at position {labels.argmax():,}, "
            f"where labels are 0 to 9: the file is corrupt or another data set's"
        )
    return images, labels.astype(np.int64)


def pixels(images: np.ndarray) -> np.ndarray:
    """uint8 from 0 to 255 (N, 28, 28) -> float32 from 0 to 1 (N, 1, 28, 28)."""
    x = images[:, None].astype(np.float32)
    x /= 255
    return x


# The cache


def cache_folder() -> Path:
    """The folder in the user's cache that MNIST is kept in."""
    try:
        import pooch
    except ImportError as error:
        raise need("pooch", "finding and downloading MNIST") from error
    return Path(pooch.os_cache("pellucid")) / "mnist"


def md5_of(data: bytes) -> str:
    """The MD5 that the original files are known by: it finds damage, and is not meant to find malice."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def cached(path: Path, name: str, download: bool, progress: bool) -> bytes:
    """The unpacked bytes of an original file: from the cache if they are there and whole, else downloaded to it.

    Raises:
        DataError: it is not there (or damaged) and must not, or cannot, be downloaded.
    """
    state = f"{name} is not in the cache {path.parent}"
    if path.exists():
        try:
            data = read_bytes(path)
            if md5_of(data) == FILES[name]:
                return data
        except DataError:
            pass  # damaged: what a fresh download mends
        state = f"{path} is damaged"
    if not download:
        raise DataError(f"{state}, and downloading was forbidden: allow it, or {FOLDER}")
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with beside(path) as temporary:
            return fetch(name, temporary, progress)
    except OSError as error:
        raise DataError(f"MNIST cannot be kept in the cache {folder} ({error.strerror}): {FOLDER}") from error


def fetch(name: str, to: Path, progress: bool) -> bytes:
    """Download one file from the first mirror that has it whole; its unpacked bytes."""
    try:
        import pooch
        import requests

        get = pooch.HTTPDownloader(progressbar=progress, timeout=30)
    except (ImportError, ValueError) as error:  # pooch's way to say that tqdm is not there
        raise need("pooch and tqdm", "downloading MNIST") from error
    tried: list[str] = []
    for mirror in MIRRORS:
        url = f"{mirror}{name}.gz"
        try:
            get(url, str(to), None)
            data = unpack(to.read_bytes(), Path(url))
        except requests.ConnectionError:
            tried.append(f"{url}: no connection")
            continue
        except (OSError, DataError) as error:  # requests' other errors are OSErrors
            tried.append(shorten(f"{url}: {error}", 160, placeholder=" …"))
            continue
        received = md5_of(data)
        if received == FILES[name]:
            return data
        tried.append(f"{url}: its unpacked bytes have MD5 {received}, not {FILES[name]}")
    raise DataError(
        f"MNIST could not be downloaded. Tried {'; '.join(tried)}. Check the network connection, or {FOLDER}"
    )
