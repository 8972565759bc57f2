"""A folder of runs for the tests of a file: each is trained when a test first asks for it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

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
