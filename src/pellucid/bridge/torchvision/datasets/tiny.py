"""CIFAR-10 and CIFAR-100, from the files for Python (https://www.cs.toronto.edu/~kriz/cifar.html)."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.utils.data import default_collate

from .vision import InMemory, absent

__all__ = ["CIFAR10", "CIFAR100"]

_ARRAYS = {("_reconstruct", "multiarray"), ("ndarray", "numpy"), ("dtype", "numpy"), ("encode", "_codecs")}


class _Arrays(pickle.Unpickler):
    """Reads arrays and plain data, and refuses a file that asks for anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (name, module.rpartition(".")[2]) in _ARRAYS and module.split(".")[0] in ("numpy", "_codecs"):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"the file asks for {module}.{name}, which no file of CIFAR's has")


class CIFAR10(InMemory):
    """60,000 pictures of 32 × 32 pixels in ten classes: 50,000 to train with, 10,000 to test with.

    `root` has the folder `cifar-10-batches-py`, or the archive `cifar-10-python.tar.gz`, which is read as it is.
    """

    base_folder, filename, meta, label = "cifar-10-batches-py", "cifar-10-python.tar.gz", "batches.meta", "labels"
    train_files, test_files, names = tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",), "label_names"

    def __init__(
        self, root: Any, train: bool = True, transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None, download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        files = self.train_files if train else self.test_files
        parts = self._read([*files, self.meta])
        self.data = np.concatenate([part["data"] for part in parts[:-1]]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.targets: list[int] = [label for part in parts[:-1] for label in part[self.label]]
        self.classes: list[str] = parts[-1][self.names]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _read(self, names: list[str]) -> list[dict[str, Any]]:
        folder, archive = Path(self.root) / self.base_folder, Path(self.root) / self.filename
        if all((folder / name).is_file() for name in names):
            data = [(folder / name).read_bytes() for name in names]
        elif archive.is_file():
            with tarfile.open(archive) as tar:
                members = [tar.extractfile(f"{self.base_folder}/{name}") for name in names]
                data = [member.read() for member in members if member is not None]
        else:
            raise absent(type(self).__name__, Path(self.root), [self.filename])
        return [_Arrays(io.BytesIO(part), encoding="latin1").load() for part in data]

    def one(self, index: int) -> tuple[np.ndarray, int]:
        return self.data[index], self.targets[index]

    def pictures(self, rows: Any) -> Any:
        plain = type(self.data) is np.ndarray and self.data.dtype == np.uint8 and self.data.shape[1:] == (32, 32, 3)
        return self.data[rows].transpose(0, 3, 1, 2) if plain else None

    def labels(self, indices: Sequence[int]) -> Any:
        return default_collate([self.targets[index] for index in indices])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """The same in a hundred classes."""

    base_folder, filename, meta, label = "cifar-100-python", "cifar-100-python.tar.gz", "meta", "fine_labels"
    train_files, test_files, names = ("train",), ("test",), "fine_label_names"
