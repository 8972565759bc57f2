"""Tables of typed columns, Parquet and Arrow (Feather), as the cells of a table: read by pyarrow where it is there."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import Any

from pellucid.datasets.record import DataError

ENDINGS = (".parquet", ".pq", ".feather", ".arrow")
_MARKS = {b"PAR1": "a Parquet file", b"ARROW1": "an Arrow file"}


def is_columnar(path: Path) -> bool:
    """Whether a file is one of these, by the bytes it begins with; of one that is not there, by its ending."""
    try:
        with path.open("rb") as file:
            begins = file.read(6)
        return any(begins.startswith(mark) for mark in _MARKS) or (
            path.suffix.lower() == ".arrow" and begins.startswith(b"\xff\xff\xff\xff")  # a stream, which has no mark
        )
    except OSError:
        return path.suffix.lower() in ENDINGS


def read_columns(path: Path) -> dict[str, list[str]]:
    """The columns of the file as cells of text, empty where a value is missing.

    Raises:
        DataError: pyarrow is not installed, the file is damaged, or a column holds lists, bytes or the like.
    """
    try:
        arrow: Any = import_module("pyarrow")
    except ModuleNotFoundError:
        raise DataError(
            f'{path} is {_kind(path)}, which needs the package pyarrow: pip install "pellucid[tables]"; or save the '
            "table as CSV in UTF-8"
        ) from None
    try:
        table = _table(path, arrow)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as {_kind(path)}: {error}") from error
    kinds = arrow.types
    columns: dict[str, list[str]] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = field.type.value_type if kinds.is_dictionary(field.type) else field.type
        if kinds.is_nested(kind) or kinds.is_binary(kind) or kinds.is_large_binary(kind):
            raise DataError(
                f"{path}: column {field.name!r} holds values of the kind {kind}, which are neither numbers nor texts: "
                "leave it out of the file, or write a number or a text in its place"
            )
        if field.name in columns:
            raise DataError(f"{path}: two columns are named {field.name!r}: rename one of them")
        columns[field.name] = [_cell(value) for value in column.to_pylist()]
    columns.pop("__index_level_0__", None)  # pandas's numbers of the rows
    return columns


def _table(path: Path, arrow: Any) -> Any:
    with path.open("rb") as file:
        begins = file.read(6)
    if begins.startswith(b"PAR1"):
        return import_module("pyarrow.parquet").read_table(path)
    ipc = import_module("pyarrow.ipc")
    with arrow.OSFile(str(path), "rb") as source:
        opened = ipc.open_file(source) if begins == b"ARROW1" else ipc.open_stream(source)
        return opened.read_all()


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as file:
            begins = file.read(6)
    except OSError:
        begins = b""
    return next((kind for mark, kind in _MARKS.items() if begins.startswith(mark)), "an Arrow file")


def _cell(value: Any) -> str:
    """A value as a cell of a CSV file would hold it.

    >>> [_cell(value) for value in (None, float("nan"), True, 3, 1.234, " a ")]
    ['', '', 'true', '3', '1.2340', 'a']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = repr(value)
        # Three digits behind a point could be thousands; four are not.
        return f"{text}0" if len(text.partition(".")[2]) == 3 and "e" not in text else text
    return str(value).strip()
