"""Runs as they lie in their folders: read to be looked at, never written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.experiments import stored
from pellucid.experiments.errors import UsageError
from pellucid.train import RunFolder
from pellucid.train.files.checkpoint import checkpoint_files
from pellucid.train.records.history import history_of, read_history

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What a run folder tells: `config` and `data` as in config.json, the rows of its history, its summary if it is
    complete, what each stretch of it was computed with, and its checkpoints by step."""

    label: str
    path: Path
    config: dict[str, Any]
    data: dict[str, Any]
    rows: list[Row]
    summary: dict[str, Any]
    stretches: list[dict[str, Any]]
    checkpoints: dict[int, Path] = field(repr=False)

    @property
    def complete(self) -> bool:
        return bool(self.summary)

    def environment(self, step: int | None = None) -> dict[str, Any]:
        """What the steps after `step` (by default the last ones) were computed with; empty where it is not known."""
        found = [stretch for stretch in self.stretches if step is None or stretch.get("from_step", 0) <= step]
        return {name: value for name, value in (found[-1] if found else {}).items() if name != "from_step"}

    @property
    def epochs(self) -> list[Row]:
        return [row for row in self.rows if row["kind"] == "epoch"]

    @property
    def kept(self) -> Row:
        """What was measured of the network in its folder: the row of the last epoch, or of the one that it kept."""
        epoch = self.summary.get("kept_epoch")
        return next((row for row in self.epochs if row["epoch"] == epoch), self.epochs[-1] if self.epochs else {})

    @property
    def steps(self) -> int:
        """How far it went, by its last checkpoint or row."""
        return max([*self.checkpoints, *(row["step"] for row in self.rows)], default=0)


def read(paths: list[Path]) -> list[Run]:
    """The runs in `paths`, labelled by the shortest ends of their paths that tell them apart."""
    labels = _labels([path.absolute() for path in paths])
    return [_read(path, label) for path, label in zip(paths, labels, strict=True)]


def read_rows(path: Path) -> list[Row]:
    """The rows of a history.csv: whole numbers, numbers and texts, without its empty cells."""
    return read_history(path)


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """`{"blas": {"name": "x"}}` -> `{"blas.name": "x"}`."""
    if not isinstance(value, dict):
        return {name: value}
    items: dict[str, Any] = {}
    for key, item in value.items():
        items |= flat(item, f"{name}.{key}" if name else str(key))
    return items


def differing(records: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The entries in which flat records are not all alike, each with its value in every one (None: not there)."""
    names = dict.fromkeys(name for record in records for name in record)
    rows = {name: [record.get(name) for record in records] for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def _read(path: Path, label: str) -> Run:
    folder = RunFolder(path)
    if not path.is_dir():
        raise UsageError(f"There is no run folder {path}.")
    if not folder.config.exists():
        inside = sorted(child.parent for child in path.glob("**/config.json"))
        hint = f" It holds {len(inside)} runs: name them, such as {inside[0]}." if inside else ""
        raise UsageError(f"{path} is no run folder: it has no config.json.{hint}")
    config = folder.read_config()
    return Run(
        label,
        path,
        config.get("config", {}),
        stored.check_data(config.get("data", {}), f"{folder.config}, data"),
        history_of(folder),
        folder.read_summary(),
        [stored.check(stretch, stored.STRETCH, str(folder.environment)) for stretch in folder.read_environment()],
        {int(file.stem.rpartition("-")[2]): file for file in reversed(checkpoint_files(folder.checkpoints))},
    )


def _labels(paths: list[Path]) -> list[str]:
    """The last parts of each path, as many as it takes."""
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        labels = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(labels)) == len(set(paths)):
            break
    else:  # pragma: no cover  (whole paths tell themselves apart)
        labels = [str(path) for path in paths]
    # The same folder twice is no mistake: it is compared with itself.
    twice = {label for label in labels if labels.count(label) > 1}
    return [f"{label} ({labels[: i + 1].count(label)})" if label in twice else label for i, label in enumerate(labels)]
