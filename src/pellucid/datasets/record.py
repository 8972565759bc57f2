"""What every data set is: a record of arrays, how it is split, and the one error its makers raise."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

Task = Literal["classification", "regression", "text"]


class DataError(ValueError):
    """A data set cannot be had. The message says what was asked for, what was found, and what to do."""


@dataclass(frozen=True, eq=False, repr=False)
class DataSet:
    """Samples to train on, to choose by (val) and to judge by (test), as NumPy arrays.

    Shape:
        x_*: (N, features) or, for images, (N, 1, height, width); float32. Of a text (N, T) int64, character numbers.
        y_*: (N,) int64 class numbers, or for a regression (N, 1) float32, the shape that a model's output has. Of a
            text (N, T) int64, the character that follows each; -100 where none does.
        A part that the data set does not have is None.

    Attributes:
        feature_names: a name for each column of `x` (empty for images).
        class_names: what each class number stands for (empty for a regression).
        facts: what was found or decided while it was made, in numbers and words that JSON can hold.
        val_rows: of a table, the row of the file that each sample of the validation part is.
    """

    name: str
    description: str
    task: Task
    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray | None = None
    y_val: np.ndarray | None = None
    x_test: np.ndarray | None = None
    y_test: np.ndarray | None = None
    feature_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    val_rows: tuple[int, ...] = ()

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample of `x`."""
        return self.x_train.shape[1:]

    def plot(self, *, title: str | None = None, ax: Any = None, save: Any = None) -> Any:
        """What the training part holds: of a table each column, of points the plane, of pictures some of each class, of
        text how often each character comes.

        Args:
            title, ax, save: as for `pellucid.viz.curves`; without a title it is the name of the data set.

        Returns:
            The matplotlib figure, which a notebook shows.
        """
        from pellucid.datasets.drawing import draw

        title = f"{self.name}: {len(self.x_train):,} training samples" if title is None else title
        return draw(self, title=title, ax=ax, save=save)

    def __repr__(self) -> str:
        parts = {"train": self.x_train, "val": self.x_val, "test": self.x_test}
        counts = ", ".join(f"{len(x):,} {part}" for part, x in parts.items() if x is not None)
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        return f"DataSet({self.name}: {self.task}{classes}; {counts}; a sample is {self.sample_shape})"


def standardised(data: DataSet) -> DataSet:
    """The same data with each column of `x` shifted and scaled to mean 0 and standard deviation 1.

    Formula: (x − mean) / std. Both come from the training part alone, so that nothing of the validation and test
    parts leaks into training; they are kept in `facts`. A column that does not vary in training is only shifted.

        >>> from pellucid.datasets import circle
        >>> raw = circle(n=1000, seed=0)
        >>> data = standardised(raw)
        >>> bool(abs(data.x_train.mean(axis=0)).max() < 1e-6), bool(abs(data.x_train.std(axis=0) - 1).max() < 1e-6)
        (True, True)
    """
    mean, std = mean_and_std(data.x_train)

    def scaled(x: np.ndarray | None) -> np.ndarray | None:
        return None if x is None else ((x - mean) / std).astype(np.float32)

    x_train = ((data.x_train - mean) / std).astype(np.float32)
    facts = {**data.facts, "feature_mean": mean.tolist(), "feature_std": std.tolist()}
    return replace(data, x_train=x_train, x_val=scaled(data.x_val), x_test=scaled(data.x_test), facts=facts)


def mean_and_std(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, in float64. A column that does not vary gets its value and 1."""
    constant = x.max(axis=0) == x.min(axis=0)  # rounding would leave a tiny deviation where there is none
    mean = np.where(constant, x.min(axis=0), x.mean(axis=0, dtype=np.float64))
    return mean, np.where(constant, 1.0, x.std(axis=0, dtype=np.float64))


def split(n: int, val_fraction: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
    """Shuffled row numbers for training and for validation (None where `val_fraction` is 0).

    Raises:
        DataError: `val_fraction` is not in [0, 1), or leaves either part without a sample.
    """
    if not 0 <= val_fraction < 1:
        raise DataError(
            f"the validation fraction is the part of the samples kept out of training: "
            f"it must be at least 0 and less than 1, received {val_fraction}"
        )
    order = rng.permutation(n)
    if val_fraction == 0:
        return order, None
    n_val = round(n * val_fraction)
    if not 0 < n_val < n:
        raise DataError(
            f"a validation fraction of {val_fraction} of {n} samples leaves {n - n_val} to train on and {n_val} to "
            f"validate on, and both need at least one: choose another fraction, or 0 for no validation"
        )
    return order[n_val:], order[:n_val]


def split_by_class(
    y: np.ndarray, val_fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """As `split`, with the same share of each class in both parts, to a sample; each class has one to train on.

    Args:
        y: class numbers (N,).

        >>> train, val = split_by_class(np.array([0] * 90 + [1] * 10), 0.2, np.random.default_rng(0))
        >>> len(train), len(val), int((val >= 90).sum())
        (80, 20, 2)
    """
    train, val = split(len(y), val_fraction, rng)
    if val is None:
        return train, None
    order = rng.permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    step = len(y) / len(val)  # every so often along the classes, from a random place on
    places = np.floor((np.arange(len(val)) + rng.random()) * step).astype(np.int64)
    chosen = np.zeros(len(y), bool)
    chosen[order[places]] = True
    for number in np.unique(y[chosen]):
        rows = np.flatnonzero(y == number)
        if chosen[rows].all():  # it would be new in validation: a row of the most frequent class takes its place
            others = np.flatnonzero(~chosen & (y == np.bincount(y[~chosen]).argmax()))
            chosen[rows[0]], chosen[others[0]] = False, True
    return rng.permutation(np.flatnonzero(~chosen)), rng.permutation(np.flatnonzero(chosen))


def split_fold(y: np.ndarray, folds: int, fold: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Shuffled row numbers for training and for validation, where the rows are dealt into parts and one validates.

    The parts differ by at most one row, and so do the rows of each class in them. The same generator gives the same
    parts for each `fold`.

    Args:
        y: class numbers (N,).
        folds, fold: how many parts, and which of them, from 1, is for validation.

    Raises:
        DataError: fewer than 2 parts, more parts than rows, or no such part.

        >>> y = np.array([0] * 6 + [1] * 3)
        >>> [np.bincount(y[split_fold(y, 3, k, np.random.default_rng(0))[1]]).tolist() for k in (1, 2, 3)]
        [[2, 1], [2, 1], [2, 1]]
    """
    if not 2 <= folds <= len(y):
        raise DataError(f"{len(y)} rows are dealt into 2 to {len(y)} folds, received folds={folds}")
    if not 1 <= fold <= folds:
        raise DataError(f"of {folds} folds, number {fold} was asked for: it must be from 1 to {folds}")
    order = rng.permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    part = np.empty(len(y), np.int64)
    part[order] = np.arange(len(y)) % folds
    return rng.permutation(np.flatnonzero(part != fold - 1)), rng.permutation(np.flatnonzero(part == fold - 1))


def split_classes(
    name: str,
    description: str,
    x: np.ndarray,
    y: np.ndarray,
    val_fraction: float,
    rng: np.random.Generator,
    **rest: Any,
) -> DataSet:
    """A classification `DataSet` whose training and validation parts are drawn at random from `x` and `y`."""
    train, val = split(len(x), val_fraction, rng)
    return DataSet(
        name=name,
        description=description,
        task="classification",
        x_train=x[train],
        y_train=y[train],
        x_val=None if val is None else x[val],
        y_val=None if val is None else y[val],
        **rest,
    )


def generator(seed: int) -> np.random.Generator:
    """The random numbers of a data set: its own stream, so that making it disturbs no other.

    Raises:
        DataError: the seed is not a whole number from 0 up.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"a seed is a whole number from 0 up, received {seed!r}")
    return np.random.default_rng(int(seed))


def need(package: str, what: str) -> DataError:
    """The error for a third-party package that is not installed."""
    return DataError(f'{what} needs the package {package}, which is not installed: pip install "pellucid[standard]"')
