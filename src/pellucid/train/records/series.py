"""Numbers and histograms by name and step: what a callback that measures keeps, saves, and gives away as a record."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from pellucid.files import write_atomically
from pellucid.train.files.extras import need
from pellucid.train.loop import Callback
from pellucid.train.records import histogram
from pellucid.train.records.histogram import Counts

FORMAT = 1
Record = dict[str, dict[str, Any]]


class Series(Callback):
    """Base class: a subclass says what its numbers are called, and calls `append` for each name and step.

    It is in the checkpoint: a run that was resumed has the same record as one that was not.
    """

    observes = True
    kind: ClassVar[str]  # what is recorded
    label: ClassVar[str]  # what the names are names of
    numbers: ClassVar[tuple[str, ...]]
    histograms: ClassVar[tuple[str, ...]]

    def __init__(self, every: int = 50, bins: int = 64) -> None:
        for name, value, least in (("every", every, 1), ("bins", bins, 2)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{type(self).__name__} was given {name}={value!r}: a whole number from {least} on.")
        self.every, self.bins = every, bins
        self._columns: dict[str, dict[str, list[Any]]] = {}
        self._classes: dict[str, str] = {}  # what kind of layer a name stands for
        self._next = 1

    # Recording ---------------------------------------------------------------------------------------------------

    def due(self, step: int) -> bool:
        """Whether a step is to be recorded: the first, each multiple of `every`, and the next where one was missed."""
        return step >= self._next

    def recorded(self, step: int) -> None:
        """The record of this step is complete."""
        self._next = (step // self.every + 1) * self.every

    def append(self, name: str, step: int, numbers: dict[str, float], counts: dict[str, Counts | None]) -> None:
        """Add a row."""
        columns = self._columns.setdefault(name, {key: [] for key in ("step", *self.numbers, *self.histograms)})
        for key, value in {"step": step, **numbers, **counts}.items():
            columns[key].append(value)

    def count(self, array: np.ndarray) -> Counts | None:
        """A histogram of the finite elements."""
        return histogram.count(array, self.bins)

    def total(self, several: list[Counts | None]) -> Counts | None:
        """Several histograms as one."""
        return histogram.total(several, self.bins)

    # What is made of it ------------------------------------------------------------------------------------------

    def record(self) -> Record:
        """`{name: {"step": int[n], <number>: float[n], "histogram": int[n, bins], "edges": float[bins + 1]}}`.

        For layers also `"class"`, the name of the layer's class.
        The bins of a name are the same for all its steps: as narrow as `bins` of them, of a width that is a power of
        two, can be over all that was seen.
        """
        result: Record = {}
        for name, columns in self._columns.items():
            row = result[name] = {"step": np.array(columns["step"], np.int64)}
            if name in self._classes:
                row["class"] = self._classes[name]
            row |= {key: np.array(columns[key], np.float64) for key in self.numbers}
            for key in self.histograms:
                row[key], row[key.replace("histogram", "edges")] = histogram.align(columns[key], self.bins)
        return result

    def to_pandas(self) -> Any:
        """The numbers as a pandas DataFrame, a row per name and step; without the histograms.

        Raises ModuleNotFoundError where pandas is not installed.
        """
        pandas = need("pandas", None, f"{type(self).__name__}.to_pandas()")
        rows = [
            {self.label: name, **dict(zip(("step", *self.numbers), values, strict=True))}
            for name, columns in self._columns.items()
            for values in zip(*(columns[key] for key in ("step", *self.numbers)), strict=True)
        ]
        return pandas.DataFrame(rows, columns=[self.label, "step", *self.numbers])

    def save(self, path: str | Path) -> None:
        """Write everything to a file, whole or not at all: NumPy's .npz, which executes nothing when it is read."""
        arrays: dict[str, np.ndarray] = {}
        for place, columns in enumerate(self.state_dict()["columns"].values()):
            for key, value in columns.items():
                parts = {f".{part}": array for part, array in value.items()} if isinstance(value, dict) else {"": value}
                arrays |= {f"{place}.{key}{part}": array for part, array in parts.items()}
        about = {"format": FORMAT, "kind": self.kind, "every": self.every, "bins": self.bins, "next": self._next}
        text = json.dumps({**about, "names": list(self._columns), "classes": self._classes})
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, about=np.array(text), **arrays)
        write_atomically(Path(path), content.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What `save` wrote, to look at or to go on with (at the layers that the default chooses).

        Raises FileNotFoundError where there is no file, ValueError for one that is torn or holds something else.
        """
        content = io.BytesIO(Path(path).read_bytes())  # NumPy leaves a torn file open
        try:
            with np.load(content, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                if about["format"] != FORMAT or about["kind"] != cls.kind:
                    raise ValueError(f"it holds {about['kind']} in format {about['format']}")
                made = cls(every=about["every"], bins=about["bins"])
                columns = {
                    name: {
                        **{key: file[f"{place}.{key}"] for key in ("step", *cls.numbers)},
                        **{
                            key: {part: file[f"{place}.{key}.{part}"] for part in histogram.PARTS}
                            for key in cls.histograms
                        },
                    }
                    for place, name in enumerate(about["names"])
                }
                made.load_state_dict({"columns": columns, "classes": about["classes"], "next": about["next"]})
                return made
        except (
            OSError,
            EOFError,
            ArithmeticError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            MemoryError,
            NotImplementedError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
            struct.error,
        ) as error:
            raise ValueError(f"{path} is no whole file of {cls.kind} statistics, format {FORMAT}: {error}") from error

    # The state ---------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        columns = {
            name: {
                "step": np.array(columns["step"], np.int64),
                **{key: np.array(columns[key], np.float64) for key in self.numbers},
                **{key: histogram.pack(columns[key]) for key in self.histograms},
            }
            for name, columns in self._columns.items()
        }
        return {"columns": columns, "classes": dict(self._classes), "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._next, self._classes = state["next"], dict(state["classes"])
        self._columns = {
            name: {
                **{key: columns[key].tolist() for key in ("step", *self.numbers)},
                **{key: histogram.unpack(columns[key]) for key in self.histograms},
            }
            for name, columns in state["columns"].items()
        }
