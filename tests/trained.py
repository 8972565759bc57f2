"""A folder of runs for the tests of a file: each is trained when a test first asks for it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from pellucid.cli.program import app


class Runs(os.PathLike[str]):
    """A folder with the files that were put into it and the runs that `pellucid train` makes of these words.

    Tests are shared out among processes, and each of these would train all of them before its first test.
    """

    def __init__(self, folder: Path, words: Mapping[str, Sequence[object]], *options: str) -> None:
        self.folder = folder
        self.words = words
        self.options = options

    def __truediv__(self, path: str) -> Path:
        name = Path(path).parts[0]
        if name in self.words and not (self.folder / name).exists():
            words = ["train", *self.words[name], "--out", self.folder / name, *self.options]
            result = CliRunner().invoke(app, [str(word) for word in words])
            assert result.exit_code == 0, result.output
        return self.folder / path

    def __fspath__(self) -> str:
        """The folder with all of its runs."""
        for name in self.words:
            self / name
        return str(self.folder)


def noisy_table(path: Path, count: int) -> Path:
    """A table from which a network learns its rows by heart: eight numbers, one of which says a little of the kind."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(count, 8))
    kinds = np.where(x[:, 0] + rng.normal(size=count) > 0, "up", "down")
    names = ",".join([*(f"v{i}" for i in range(8)), "kind"])
    rows = [",".join([*(f"{v:.3f}" for v in row), kind]) for row, kind in zip(x, kinds, strict=True)]
    path.write_text("\n".join([names, *rows]) + "\n")
    return path
