"""From the data set of a configuration to batches of Tensors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import datasets
from pellucid.core import device as device_of
from pellucid.core import from_data
from pellucid.datasets import DataSet
from pellucid.experiments.config import Options
from pellucid.experiments.errors import UsageError
from pellucid.experiments.recipes import BELONGS
from pellucid.experiments.sources import source_of
from pellucid.random import Generator
from pellucid.utils.data import DataLoader, TensorDataset

FILES = {"csv": datasets.csv, "text": datasets.passages, "folder": datasets.folder}  # by the kind of the source


def load(options: Options) -> DataSet:
    """The data set that the options name; DataError with what to do where it cannot be had."""
    name = options["dataset"]
    common = {key: options[key] for key in ("seed", "val_fraction") if key in options}
    source = source_of(name, options.get("target"))
    if source in FILES:
        common |= {
            key: options[key] for key, belongs in BELONGS.items() if source in belongs and options.get(key) is not None
        }
        common.pop("augment", None)  # the folder's pictures are not changed, their batches are
        return FILES[source](name, **common)
    if name == "digits":
        return datasets.digits(**common)
    if name == "mnist":
        how = {"progress": not options.get("quiet", False), "download": options.get("download", True)}
        return datasets.mnist(root=options.get("data"), **how, **common)
    if name == "circle" and options.get("balance") is not None:
        common["balance"] = options["balance"]
    return datasets.standardised(getattr(datasets, name)(**common))


def classes_of(data: DataSet) -> int | None:
    """The number of classes, of a text its characters, or None for a real target."""
    return None if data.task == "regression" else len(data.class_names)


def fingerprint(data: DataSet) -> str:
    """A checksum of all samples: a resumed run must find the data that it began with."""
    total = hashlib.sha256()
    for name in ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"):
        array = getattr(data, name)
        if array is not None:
            total.update(f"{name} {array.dtype.str} {array.shape}".encode())
            total.update(np.ascontiguousarray(array).data)
    return f"sha256:{total.hexdigest()}"


@dataclass(frozen=True)
class Loaders:
    """Batches to train on (in an order drawn anew each epoch), to validate on, and to test on where there is a test."""

    train: Any
    val: Any
    test: Any | None


def loaders(data: DataSet, batch_size: int, seed: int, device: str) -> Loaders:
    """The order of the training data has a generator of its own: it depends on the seed and on nothing else."""
    check_device(device)

    def part(x: np.ndarray | None, y: np.ndarray | None, **order: Any) -> Any:
        if x is None or y is None:
            return None
        tensors = [from_data(np.ascontiguousarray(array), device=device, copy=False) for array in (x, y)]
        return DataLoader(TensorDataset(*tensors), **order)

    at_once = max(batch_size, 1000)  # nothing is learnt from these, so only memory limits the batch
    return Loaders(
        part(data.x_train, data.y_train, batch_size=batch_size, shuffle=True, generator=Generator().manual_seed(seed)),
        part(data.x_val, data.y_val, batch_size=at_once),
        part(data.x_test, data.y_test, batch_size=at_once),
    )


def check_device(device: str) -> None:
    """UsageError where the device's array library is not there."""
    if device == "cpu":
        return
    try:
        _ = device_of(device).backend  # imports the library
    except (ImportError, RuntimeError) as error:
        raise UsageError(f"--device {device} cannot be used: {error}") from error
