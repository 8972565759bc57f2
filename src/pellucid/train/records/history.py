"""Reading the history of a run: what its CSV file holds, and what the newest checkpoint knows beyond it."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

from pellucid.train.files.checkpoint import checkpoint_files, load_checkpoint, steps_of
from pellucid.train.files.run import RunFolder, RunFolderError
from pellucid.train.records.recorder import Recorder, Row

START = ["kind", "epoch", "step", "train_loss"]  # the columns that every history has, in this order
_WHOLE = re.compile("[0-9]{1,18}")


def history_of(folder: RunFolder) -> list[Row]:
    """The rows of a run: those of history.csv, or of its newest whole checkpoint where that has come further.

    The file is written now and then only, so a run that was killed may have a checkpoint of an epoch that is not in it.

    Raises:
        RunFolderError: history.csv is there and is none.
    """
    rows = read_history(folder.history)
    newest = next(iter(checkpoint_files(folder.checkpoints)), None)
    last = max((int(row["step"]) for row in rows), default=-1)
    epochs = max((int(row["epoch"]) for row in rows if row["kind"] == "epoch"), default=0)
    if newest is None or (steps_of(newest), _epoch_of(newest)) <= (last, epochs):
        return rows
    try:
        state = load_checkpoint(newest)["callbacks"]["Recorder"]
        recorder = Recorder()
        recorder.load_state_dict(state)
        kept = recorder.rows
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return rows  # a damaged checkpoint, or one without a Recorder, adds nothing
    return kept if len(kept) > len(rows) else rows


def read_history(path: Path) -> list[Row]:
    """The rows of a CSV file of `Recorder` or `CSVLogger`: whole numbers and numbers, without its empty cells.

    A last line that was cut short is left out; a file that is not there has no rows.

    Raises:
        RunFolderError: the file is no such history; the message names the line.
    """
    try:
        rows = parse(path)
    except FileNotFoundError:
        return []
    return [{name: _cell(name, text) for name, text in row.items() if text} for _, row in rows]


def parse(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The line and the cells by column of each whole row. Raises as `read_history`, and FileNotFoundError."""
    try:
        text = path.read_text(encoding="utf-8")
        text = text[: text.rfind("\n") + 1] or text
        table = csv.reader(io.StringIO(text))
        columns = next(table, [])
        rows = [(table.line_num, row) for row in table if row]
    except FileNotFoundError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise RunFolderError(f"{path} cannot be read as the history of a run: {error}.") from None
    if text and (columns[:4] != START or len(set(columns)) < len(columns)):
        raise RunFolderError(
            f"{path} is not the history of a run: its columns begin with {', '.join(columns[:4])!r} and not with "
            f"{', '.join(START)!r}."
        )
    for line, row in rows:
        if len(row) != len(columns):
            raise RunFolderError(f"{path}, line {line}: {len(row)} cells in a table of {len(columns)} columns.")
        cells = dict(zip(columns, row, strict=True))
        whole = all(_WHOLE.fullmatch(cells[name]) for name in ("epoch", "step"))
        if cells["kind"] not in ("step", "epoch") or not whole:
            raise RunFolderError(
                f"{path}, line {line}: kind is 'step' or 'epoch', and epoch and step are whole numbers, but they are "
                f"{cells['kind'][:20]!r}, {cells['epoch'][:20]!r} and {cells['step'][:20]!r}."
            )
    return [(line, dict(zip(columns, row, strict=True))) for line, row in rows]


def _cell(name: str, text: str) -> str | int | float:
    if name == "kind":
        return text
    try:
        return int(text) if name in ("epoch", "step") else float(text)
    except ValueError:
        return math.nan


def _epoch_of(path: Path) -> int:
    return int(path.name.split("-")[1])
