"""Following a run from outside while another process trains it: what its folder says, each time that it says more."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pellucid.experiments.errors import UsageError
from pellucid.experiments.listing import state_of
from pellucid.experiments.runs import Run, read
from pellucid.experiments.stored import readable
from pellucid.train import RunFolder
from pellucid.train.files.checkpoint import checkpoint_files
from pellucid.train.files.lock import is_locked


@dataclass(frozen=True)
class Moment:
    """A run as it is at one moment.

    Attributes:
        state: "running", or how it ended: one of `pellucid.experiments.listing.STATES`.
        epochs: how many it was asked for.
        steps: of those epochs together, where the folder tells it.
    """

    run: Run
    state: str
    epochs: int
    steps: int | None

    @property
    def progress(self) -> float:
        """The part that is done, from 0 to 1."""
        if self.steps:
            return min(1.0, self.run.steps / self.steps)
        return min(1.0, len(self.run.epochs) / self.epochs) if self.epochs else 0.0


def newest(root: Path) -> tuple[Path, list[Path]]:
    """The folder of the run below `root` that began last, or went on last; one that is running before those that ended.

    Beside it, the others that are running.

    Raises:
        UsageError: there is none.
    """
    found = sorted(root.rglob("config.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    folders = [path.parent for path in found]
    if not folders:
        raise UsageError(f"There are no runs in {root} to watch. Name the folder of one, or start one: pellucid train.")
    running = [folder for folder in folders if is_locked(folder)]
    return (running[0], running[1:]) if running else (folders[0], [])


def follow(path: Path, wait: Callable[[], None]) -> Iterator[Moment]:
    """The run in `path` now, and each time that its folder holds more; the last one is how it ended.

    Args:
        wait: called between two looks at the folder.

    Raises:
        UsageError, RunFolderError: the folder holds no run, or one that is damaged.
    """
    seen: object = None
    while True:
        ended = not is_locked(path)  # asked before the files are read: what they hold then is the last
        held = _held(path)
        if ended or held != seen:
            yield _moment(path)
        if ended:
            return
        seen = held
        wait()


def _held(path: Path) -> object:
    """What changes whenever the folder says more."""
    history = RunFolder(path).history
    written = history.stat() if history.exists() else None
    newest = next(iter(checkpoint_files(RunFolder(path).checkpoints)), None)
    return newest, written and (written.st_mtime_ns, written.st_size, written.st_ino)


def _moment(path: Path) -> Moment:
    with readable(path):
        run = read([path])[0]
        epochs, batch = run.config.get("epochs"), run.config.get("batch_size")
        if not isinstance(epochs, int):
            raise UsageError(f"{path / 'config.json'} is not the configuration of a run.")
        samples = run.data.get("train")
        steps = None
        if isinstance(samples, int) and isinstance(batch, int) and batch > 0:
            steps = epochs * math.ceil(samples / batch)
        return Moment(run, state_of(run), epochs, steps)
