"""Whether what a run folder's files hold has the shape that pellucid writes: a sentence says where it has not."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pellucid.datasets import DataError
from pellucid.experiments.errors import UsageError
from pellucid.train import CheckpointError, RunFolderError

Number = int | float

# What config.json says of the data of a run, and what it says of how they were made ready.
DATA: dict[str, Any] = {
    "description": str,
    "train": int,
    "val": int,
    "test": int,
    "classes": list[str | int | float | bool],
    "features": list[str],
    "sample_shape": list[int],
    "facts": dict[str, Any],
    "fingerprint": str,
}
FACTS: dict[str, Any] = {
    "feature_mean": dict[str, Number] | list[Number],
    "feature_std": dict[str, Number] | list[Number],
    "target_mean": Number,
    "target_std": Number,
    "categories": dict[str, list[Any]],
}
STRETCH: dict[str, Any] = {
    "from_step": int,
    "versions": dict[str, str],
    "blas": dict[str, Any],
    "kernels": str,
    "processor": dict[str, Any],
    "platform": str,
    "git": dict[str, Any] | None,
}


def check(value: Any, shape: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`value`, a dict whose entries have the types in `shape`, where they are there; UsageError for another."""
    if not isinstance(value, dict):
        raise UsageError(f"{where} is {_brief(value)}, where an object with names was expected. Was the file changed?")
    for name, hint in shape.items():
        if name in value and not fits(value[name], hint):
            raise UsageError(
                f"{where}: {name} is {_brief(value[name])}, where {spoken(hint)} was expected. Was the file changed?"
            )
    return value


def check_data(value: Any, where: str) -> dict[str, Any]:
    """What config.json says of the data."""
    data = check(value, DATA, where)
    if any(size < 1 for size in data.get("sample_shape", ())):
        raise UsageError(f"{where}: sample_shape is {data['sample_shape']}; each length is 1 or more.")
    check(data.get("facts", {}), FACTS, f"{where}.facts")
    return data


def fits(value: Any, hint: Any) -> bool:
    """Whether a value from JSON is of a type: None, a number, a text, a list or a dict of such, or one of several."""
    if hint is Any:
        return True
    if hint is None or hint is type(None):
        return value is None
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, part) for part in parts)
    if origin in (list, tuple):
        return isinstance(value, list | tuple) and all(fits(item, parts[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(fits(item, parts[1]) for item in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """What the checks of single files do not see: one that contradicts another, and so cannot be worked with."""
    try:
        yield
    except (UsageError, DataError, CheckpointError, RunFolderError):
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        import traceback

        raise UsageError(
            f"The files in {folder} do not fit together, or one of them is damaged: "
            f"{traceback.format_exception_only(error)[-1].strip()}"
        ) from error


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def spoken(hint: Any) -> str:
    """A type in words."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(dict.fromkeys(spoken(part) for part in parts))
    if origin in (list, tuple):
        return f"a list of {spoken(parts[0]).removeprefix('a ')}s"
    if origin is dict:
        return "an object with names"
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}.get(
        hint, "another value"
    )
