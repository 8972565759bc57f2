"""`--callback early-stopping:patience=5`: from words to the callbacks of `pellucid.train`, and to their normal form.

Nothing is listed here: a callback of `pellucid.train` whose arguments are numbers, words and paths is an option by
being there. An argument named `folder` or `path` that has no default lies in the run folder.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, get_type_hints

from pellucid import train
from pellucid.experiments.errors import UsageError, unknown
from pellucid.train import Callback

# Those that `pellucid train` hangs on by itself or by another option, and those that are parts of others.
OWN = {"Recorder", "Progress", "NaNGuard", "Checkpoint", "CosineDecay", "OneCycle", "ActivationStats", "GradientStats"}


_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "None": "none"}


def known() -> dict[str, type[Callback]]:
    """The callbacks that can be asked for, by their names: `early-stopping`, `ema`, …"""
    kinds = [getattr(train, name) for name in train.__all__ if name not in OWN]
    return {
        _dashed(kind.__name__): kind
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Callback) and kind is not Callback and _speakable(kind)
    }


def normal(text: str) -> str:
    """`Early-Stopping: patience = 5` -> `early-stopping:patience=5`; UsageError with what to write where it makes no
    sense. Whether the callback takes the values it finds out itself, when it is made."""
    name, arguments = _parse(text)
    return name + (":" + ",".join(f"{key}={value}" for key, value in arguments.items()) if arguments else "")


def make(text: str, folder: Path) -> Callback:
    """The callback that the words ask for; its files lie in `folder`."""
    name, arguments = _parse(text)
    kind = known()[name]
    values = {key: _value(text, key, value, kind) for key, value in arguments.items()}
    for key, parameter in _parameters(kind).items():
        if key in ("folder", "path"):
            place = Path(values.get(key, _default_file(name, key)))
            values[key] = place if place.is_absolute() else folder / place
        elif parameter.default is inspect.Parameter.empty and key not in values:
            raise UsageError(f"--callback {text}: {name} needs {key}. Write --callback {name}:{key}=VALUE.")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--callback {text}: {error}") from error


def _parse(text: str) -> tuple[str, dict[str, str]]:
    word, colon, rest = text.partition(":")
    name = _dashed(word.strip()).replace("_", "-")
    kinds = known()
    if name not in kinds:
        raise unknown("callback", word, sorted(kinds))
    allowed = list(_parameters(kinds[name]))
    arguments: dict[str, str] = {}
    for part in rest.split(",") if colon else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        key = key.replace("-", "_")
        if not equals or not value:
            example = f"{name}:{allowed[0]}=VALUE" if allowed else name
            raise UsageError(f"--callback {text}: after the colon come arguments. Write --callback {example}.")
        if key not in allowed:
            raise unknown(f"argument of {name}", key, allowed)
        arguments[key] = value
    return name, arguments


def _parameters(kind: type[Callback]) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def _speakable(kind: type[Callback]) -> bool:
    """Whether every argument that must be given can be said in a word."""
    hints = get_type_hints(kind.__init__)
    return all(
        name in ("folder", "path")
        or re.fullmatch(r"[\w |<>']*\b(int|float|bool|str)\b[\w |<>']*", str(hints.get(name, "")))
        for name, parameter in _parameters(kind).items()
        if parameter.default is inspect.Parameter.empty
    )


def _value(text: str, key: str, word: str, kind: type[Callback]) -> Any:
    """A word as the type that the callback's signature asks for."""
    if key in ("folder", "path"):
        return word
    kinds = set(re.findall(r"\b(int|float|bool|str|None)\b", str(get_type_hints(kind.__init__).get(key, str))))
    if "None" in kinds and word.lower() == "none":
        return None
    if "bool" in kinds and word.lower() in ("true", "false", "yes", "no"):
        return word.lower() in ("true", "yes")
    for name, convert in (("int", int), ("float", float)):
        if name in kinds:
            try:
                return convert(word)
            except ValueError:
                continue
    if "str" in kinds:
        return word
    wanted = " or ".join(words for kind, words in _WORDS.items() if kind in kinds) or "another value"
    raise UsageError(f"--callback {text}: {key} is {word!r}; it must be {wanted}.")


def _default_file(name: str, key: str) -> str:
    return name if key == "folder" else f"{name}.csv"


def _dashed(name: str) -> str:
    """`EarlyStopping` -> `early-stopping`; `EMA` -> `ema`; `CSVLogger` -> `csv-logger`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
