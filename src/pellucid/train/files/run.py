"""The folder of a run: configuration, environment, history, checkpoints, model, summary: each whole or absent."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pellucid import shell
from pellucid.files import is_partial, write_json
from pellucid.train.files.checkpoint import CheckpointError, checkpoint_files, load_checkpoint
from pellucid.train.files.lock import NAME as LOCK
from pellucid.train.files.lock import RunFolderError
from pellucid.train.files.model import write_model


class RunFolder:
    """Where the files of a run are.

    >>> run = RunFolder("runs/digits")
    >>> run.history.as_posix()
    'runs/digits/history.csv'
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.history = self.path / "history.csv"
        self.model = self.path / "model.safetensors"
        self.checkpoints = self.path / "checkpoints"
        self.summary = self.path / "summary.json"
        self.failure = self.path / "failure.txt"
        self.curves = self.path / "loss.png"
        self.environment = self.path / "environment.json"
        self.report = self.path / "report.html"

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def check_free(self, besides: Collection[str] = ()) -> None:
        """Refuse, before anything is computed, a folder that is taken or that cannot be written.

        Files of the names `besides` may be there.
        """
        try:
            if self.config.exists():
                state = "a finished run" if self.summary.exists() else "a run"
                raise RunFolderError(
                    f"{self.path} holds {state} already. Go on with it: --resume "
                    f"{shell.quote(self.path)}; or write elsewhere: --out another folder."
                )
            # A file that was being written when a run was killed before it began does not count.
            own = {LOCK, *besides}
            if self.path.is_dir() and any(
                not is_partial(path) and path.name not in own for path in self.path.iterdir()
            ):
                raise RunFolderError(f"{self.path} is not empty and holds no run. Give --out a new or empty folder.")
            check_writable(self.path)
        except OSError as error:
            raise RunFolderError(
                f"Cannot write to {self.path}: {error.strerror}. Give --out another folder."
            ) from error

    def create(self, config: dict[str, Any]) -> None:
        """Make the folder, with the configuration in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.config, config)
            self.checkpoints.mkdir(exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"Cannot write to {self.path}: {error.strerror}. Give --out another folder."
            ) from error

    def read_config(self) -> dict[str, Any]:
        """The configuration of the run that the folder holds."""
        if not self.path.is_dir():
            raise RunFolderError(f"There is no folder {self.path} to resume from.")
        try:
            value = _read_json(self.config)
        except FileNotFoundError:
            raise RunFolderError(f"{self.path} holds no run: it has no config.json.") from None
        if not isinstance(value, dict) or not all(isinstance(value.get(part, {}), dict) for part in ("config", "data")):
            raise RunFolderError(f"{self.config} is not the configuration of a run.")
        return value

    def read_summary(self) -> dict[str, Any]:
        """The figures of the run, empty where it is not complete. RunFolderError for a file that holds none."""
        try:
            value = _read_json(self.summary)
        except FileNotFoundError:
            return {}
        if not isinstance(value, dict) or any(isinstance(figure, dict | list) for figure in value.values()):
            raise RunFolderError(f"{self.summary} is not the summary of a run.")
        return value

    def last_checkpoint(self) -> tuple[Path, dict[str, Any], list[str]] | None:
        """The whole checkpoint with the most steps, its state, and what was wrong with those passed over.

        None where the run ended before it saved one. RunFolderError where there are some and none is whole.
        """
        passed: list[str] = []
        files = checkpoint_files(self.checkpoints)
        if not files:
            return None
        for path in files:
            try:
                return path, load_checkpoint(path), passed
            except CheckpointError as error:
                passed.append(str(error))
        others = f" Nor is any of the {len(passed) - 1} before it." if len(passed) > 1 else ""
        raise RunFolderError(f"{self.checkpoints} has no whole checkpoint to resume from: {passed[0]}{others}")

    def write_model(self, state: dict[str, Any]) -> None:
        """The parameters and buffers of the model as safetensors, by their PyTorch names."""
        write_model(self.model, state)

    def write_environment(self, environment: dict[str, Any], step: int) -> None:
        """What the run is computed with from `step` on; a resumed run may go on elsewhere, so the file holds a list."""
        stretches = [stretch for stretch in self.read_environment() if stretch["from_step"] < step]
        if not stretches or {**stretches[-1], "from_step": 0} != {**environment, "from_step": 0}:
            stretches.append({"from_step": step, **environment})
        write_json(self.environment, stretches)

    def read_environment(self) -> list[dict[str, Any]]:
        """What `write_environment` wrote: one entry per stretch of the run, empty where there is no (whole) file."""
        try:
            value = _read_json(self.environment)
        except (OSError, RunFolderError):
            return []
        stretches = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
        return [item for item in stretches if isinstance(item.setdefault("from_step", 0), int)]

    def write_summary(self, summary: dict[str, Any]) -> None:
        write_json(self.summary, summary)


def _read_json(path: Path) -> Any:
    """What a file holds. Raises FileNotFoundError, and RunFolderError where it is unreadable or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except RecursionError:
        raise RunFolderError(f"{path} cannot be read: it is nested too deeply.") from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from None


def check_writable(path: Path) -> None:
    """Raise OSError unless a folder could be made at `path` and written: tried, since permissions alone tell less."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise NotADirectoryError(20, f"{existing} is a file, not a folder")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(13, f"no permission to write in {existing}")
    with tempfile.TemporaryFile(dir=existing):
        pass
