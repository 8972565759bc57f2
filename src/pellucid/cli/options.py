"""The options that commands share. Those of a run are the fields of `Config`: nothing about them is said here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from pellucid.experiments.config import SETTINGS, Config
from pellucid.experiments.errors import UsageError
from pellucid.experiments.options import option_of
from pellucid.experiments.setting import Setting


def of_config(
    *, without: Collection[str] = (), only: Collection[str] = tuple(SETTINGS)
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Put an option for each field of `Config` in place of `**options`, which then holds those that were given."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        def given(**values: Any) -> None:
            options = {name: values.pop(name) for name in names}
            function(**values, **{name: value for name, value in options.items() if value not in (None, [])})

        names = [name for name in SETTINGS if name in only and name not in without]
        hints = get_type_hints(Config)
        theirs = [_parameter(name, hints[name], SETTINGS[name]) for name in names]
        own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.kind != p.VAR_KEYWORD]
        given.__signature__ = inspect.Signature([*theirs, *own])  # type: ignore[attr-defined]
        given.__name__, given.__doc__ = function.__name__, function.__doc__
        return given

    return decorate


def _parameter(name: str, hint: Any, known: Setting) -> inspect.Parameter:
    many = hint == tuple[str, ...]
    kind = list[str] if many else next(kind for kind in (bool, int, float, str) if hint in (kind, kind | None))
    shown = known.shown or (False if known.default in (None, ()) else str(known.default))
    more: dict[str, Any] = {"help": known.help, "show_default": shown}
    if known.offers is not None:
        more["autocompletion"] = _among(known.offers)
    if name == "dataset":
        option: Any = typer.Argument(metavar="DATASET", **more)
    elif kind is bool:
        option = typer.Option(f"--{option_of(name)}/--{option_of(name, False)}", **more)
    else:
        option = typer.Option(f"--{option_of(name)}", **more)
    annotation = Annotated[kind | None, option]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation)


def _among(values: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    def offer(incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return offer


def check_file(option: str, path: Path | None, endings: Collection[str] = ()) -> None:
    """UsageError unless `path` ends as it must and lies in a folder that is there."""
    if path is None:
        return
    if endings and path.suffix.lower() not in endings:
        *others, last = endings
        wanted = f"{', '.join(others)} or {last}"
        raise UsageError(f"{option} {path}: the file must end in {wanted}. Write {option} {path.stem}{others[0]}.")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {path.absolute().parent} to write {path.name} to.")
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder; name a file in it, such as {path / 'FILE'}.")
