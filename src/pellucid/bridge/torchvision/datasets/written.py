"""MNIST and the data sets in its format: IDX files, gzipped or not."""

from __future__ import annotations

import gzip
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import pellucid
from pellucid.core import Tensor

from .vision import InMemory, absent

__all__ = ["EMNIST", "KMNIST", "MNIST", "FashionMNIST"]

_TYPES = {8: np.uint8, 9: np.int8, 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file (http://yann.lecun.com/exdb/mnist/)."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES:
        raise RuntimeError(f"{path} is no IDX file: it begins with {data[:4]!r}")
    shape = np.frombuffer(data, ">i4", data[3], 4)
    array = np.frombuffer(data, _TYPES[data[2]], -1, 4 + 4 * data[3])
    if array.size != np.prod(shape):
        raise RuntimeError(f"{path} should have {np.prod(shape)} numbers, but has {array.size}: it is cut short")
    return array.reshape(shape)


class MNIST(InMemory):
    """70,000 digits of 28 × 28 pixels: 60,000 to train with, 10,000 to test with.

    The four files, `train-images-idx3-ubyte` and so on, gzipped or not, are looked for in `root/MNIST/raw`, then in
    `root`.
    """

    classes: ClassVar[list[str]] = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six", "7 - seven", "8 - eight",
        "9 - nine",
    ]  # fmt: skip

    def __init__(
        self, root: Any, train: bool = True, transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None, download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        self.data, self.targets = self._load()

    @property
    def raw_folder(self) -> str:
        """Where the files are looked for first."""
        return str(Path(self.root) / type(self).__name__ / "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: i for i, name in enumerate(self.classes)}

    def _names(self) -> tuple[str, str]:
        part = "train" if self.train else "t10k"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def _load(self) -> tuple[Any, Any]:
        found = []
        for name in self._names():
            folders = (Path(self.raw_folder), Path(self.root))
            paths = (folder / f"{name}{ending}" for folder in folders for ending in ("", ".gz"))
            path = next((path for path in paths if path.is_file()), None)
            if path is None:
                raise absent(type(self).__name__, folders[0], [f"{name}.gz" for name in self._names()])
            found.append(read_idx(path))
        images, labels = found
        return pellucid.from_numpy(images.copy()), pellucid.from_numpy(labels.astype(np.int64))

    def one(self, index: int) -> tuple[np.ndarray, int]:
        return self.data[index].numpy(), int(self.targets[index])

    def pictures(self, rows: Any) -> Any:
        given = self.data, self.targets
        if any(type(each) is not Tensor or type(each._array) is not np.ndarray for each in given):
            return None
        array, labels = (each._array for each in given)
        if array.dtype != np.uint8 or array.ndim != 3 or labels.dtype != np.int64 or labels.ndim != 1:
            return None
        return array[rows][:, None]

    def labels(self, indices: Sequence[int]) -> Any:
        return self.targets[list(indices)]

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """70,000 pictures of clothes, in MNIST's format (https://github.com/zalandoresearch/fashion-mnist)."""

    classes: ClassVar[list[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """70,000 letters of old Japanese, in MNIST's format (https://github.com/rois-codh/kmnist)."""

    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


_EVERY = sorted(string.digits + string.ascii_letters)
_MERGED = [letter for letter in _EVERY if letter not in "cijklmopsuvwxyz"]  # as large as small, nearly
_SPLITS = {
    "byclass": _EVERY, "bymerge": _MERGED, "balanced": _MERGED, "letters": ["N/A", *string.ascii_lowercase],
    "digits": [*string.digits], "mnist": [*string.digits],
}  # fmt: skip


class EMNIST(MNIST):
    """Letters and digits in MNIST's format (https://www.nist.gov/itl/products-and-services/emnist-dataset)."""

    def __init__(self, root: Any, split: str, **kwargs: Any) -> None:
        if split not in _SPLITS:
            raise ValueError(f"Unknown value '{split}' for argument split.")
        self.split = split
        self.classes = _SPLITS[split]  # type: ignore[misc]
        super().__init__(root, **kwargs)

    def _names(self) -> tuple[str, str]:
        part = "train" if self.train else "test"
        return f"emnist-{self.split}-{part}-images-idx3-ubyte", f"emnist-{self.split}-{part}-labels-idx1-ubyte"
