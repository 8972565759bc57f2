"""The runs below a folder, a row each: what they were asked, how far they are, and how they ended."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.datasets import DataError
from pellucid.experiments import baseline
from pellucid.experiments.config import SETTINGS
from pellucid.experiments.errors import UsageError, unknown
from pellucid.experiments.runs import Run, read
from pellucid.experiments.sources import short_dataset
from pellucid.experiments.stored import readable
from pellucid.train import CheckpointError, RunFolder, RunFolderError
from pellucid.train.files.lock import is_locked

# What a row has beside the settings of its run.
COLUMNS = ("name", "data", "model", "lr", "epochs", "asked", "val_accuracy", "val_r2", "val_loss", "seconds", "state")
STATES = ("running", "complete", "stopped", "diverged", "did not learn")


@dataclass(frozen=True)
class Listed:
    """A run in a list.

    Attributes:
        values: by `COLUMNS`; what is not known is None. `epochs` are those done, `asked` those asked for.
        settings: of its config.json.
        changed: when it last began or went on, in seconds since 1970.
    """

    path: Path
    values: dict[str, Any]
    settings: dict[str, Any]
    changed: float = field(repr=False)

    def value(self, key: str) -> Any:
        """A column, or a setting."""
        return self.values[key] if key in self.values else self.settings.get(key)


def listing(root: Path) -> tuple[list[Listed], list[str]]:
    """The runs below `root`, the newest first, and a sentence for each folder that cannot be read.

    Raises:
        UsageError: there is no such folder.
    """
    if not root.is_dir():
        raise UsageError(f"There is no folder {root}. Runs lie in runs/, where `pellucid train` was called.")
    found: list[Listed] = []
    problems: list[str] = []
    for path in sorted(root.rglob("config.json")):
        try:
            found.append(_listed(path.parent, root))
        except (UsageError, DataError, CheckpointError, RunFolderError) as error:
            problems.append(_sentence(path.parent, str(error)))
        except OSError as error:
            problems.append(_sentence(path.parent, error.strerror or str(error)))
    return sorted(found, key=lambda run: run.changed, reverse=True), problems


def matching(runs: Sequence[Listed], conditions: Sequence[str]) -> list[Listed]:
    """Those of which each `key=value` holds: equal numbers, or texts that match (`model=mlp*`).

    Raises:
        UsageError: a condition is none, or its key is no column and no setting.
    """
    kept = list(runs)
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if not equals:
            raise UsageError(f"--filter {condition}: write key=value, such as model=mlp* or state=complete.")
        key = key_of(key)
        kept = [run for run in kept if _matches(run.value(key), value.strip())]
    return kept


def ordered(runs: Sequence[Listed], key: str) -> list[Listed]:
    """Sorted by a column or a setting: figures of which more is better from the top, others upwards; None last."""
    key = key_of(key)
    sign = -1 if key in ("val_accuracy", "val_r2") else 1
    there = [run for run in runs if run.value(key) is not None]
    numbers = all(isinstance(run.value(key), int | float) for run in there)
    there.sort(key=lambda run: sign * run.value(key) if numbers else str(run.value(key)))
    return [*there, *(run for run in runs if run.value(key) is None)]


def key_of(text: str) -> str:
    """`val-accuracy` -> `val_accuracy`; UsageError for what is no column and no setting."""
    key = text.strip().lower().replace("-", "_").replace(" ", "_")
    known = list(dict.fromkeys([*COLUMNS, *SETTINGS]))
    if key not in known:
        raise unknown("column", key, known)
    return key


def _listed(path: Path, root: Path) -> Listed:
    with readable(path):
        run = read([path])[0]
        settings = run.config
        asked = settings.get("epochs")
        if "dataset" not in settings or not isinstance(asked, int):
            raise UsageError(f"{path / 'config.json'} is not the configuration of a run.")
        last = run.epochs[-1] if run.epochs else {}
        values = {
            "name": str(path.relative_to(root)) if path != root else path.name,
            "data": short_dataset(str(settings["dataset"])),
            "epochs": int(last.get("epoch", 0)),
            "asked": asked,
            "seconds": run.rows[-1].get("seconds") if run.rows else None,
            "state": state_of(run),
            **{name: run.kept.get(name) for name in ("val_accuracy", "val_r2", "val_loss")},
            **{name: settings.get(name) for name in ("model", "lr")},
        }
        changed = (path / "config.json").stat().st_mtime
        return Listed(path, {name: values[name] for name in COLUMNS}, settings, changed)


def state_of(run: Run) -> str:
    """One of `STATES`."""
    folder = RunFolder(run.path)
    if is_locked(run.path):
        return "running"
    if folder.failure.exists():
        return "diverged"
    if not run.complete:
        return "stopped"
    return "did not learn" if baseline.unlearned(run.summary, run.data.get("val", 0)) else "complete"


def _matches(value: Any, wanted: str) -> bool:
    if isinstance(value, list | tuple):
        return any(_matches(item, wanted) for item in value)
    if isinstance(value, int | float):
        try:
            return float(value) == float(wanted)
        except ValueError:
            return False
    return fnmatch.fnmatchcase("none" if value is None else str(value).lower(), wanted.lower())


def _sentence(path: Path, message: str) -> str:
    message = " ".join(message.split())
    return message if str(path) in message else f"{path}: {message}"
