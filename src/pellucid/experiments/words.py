"""`early-stopping:patience=5`: from words to the classes of the library, and to their normal form.

Nothing is listed here: a class whose arguments are numbers, words and paths can be asked for by being there. See
`choices` for which classes those are.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

from pellucid.experiments.errors import UsageError, unknown

_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "None": "none"}
_SEQUENCE = r"\b(tuple|list|Iterable|Sequence)\["
_FILES = ("folder", "path")  # arguments that say where a callback keeps its files


class Words:
    """A table of classes that can be asked for by name, with arguments: `name:argument=value,argument=value`.

    A sequence is written with slashes: `betas=0.9/0.99`.

    Args:
        what: what they are called in an error, and the option of the command line.
        find: gives the classes by name; it is called when they are first needed.
        own: arguments that have an option of their own, or are given by the program; they are no words.
        option: what the words are written after, in an error; by default the option of the command line.
        refused: names of the library that cannot be asked for, and why.
        places: folders below a run's own for the files of some of them; those of the others bear their name.
    """

    def __init__(
        self,
        what: str,
        find: Callable[[], dict[str, type]],
        own: Collection[str] = (),
        option: str = "",
        refused: Mapping[str, str] | None = None,
        places: Mapping[str, str] | None = None,
    ) -> None:
        self.what, self._find, self._own = what, find, own
        self._refused, self._places = refused or {}, places or {}
        self.option = option or f"--{what}"

    @cached_property
    def kinds(self) -> dict[str, type]:
        """The classes by their names: those of which every argument that must be given can be written in a word."""
        return {name: kind for name, kind in self._find().items() if self._speakable(kind)}

    def __iter__(self) -> Iterator[str]:
        return iter(self.kinds)

    def name(self, text: str) -> str:
        """The name by which the words ask, in its normal form."""
        return self._parse(text)[0]

    def kind(self, text: str) -> type:
        """The class that the words ask for."""
        return self.kinds[self._parse(text)[0]]

    def normal(self, text: str) -> str:
        """`Early-Stopping: patience = 5` -> `early-stopping:patience=5`; UsageError with what to write where it makes
        no sense. Whether the class accepts the values it finds out itself, when it is made."""
        name, arguments = self._parse(text)
        return name + (":" + ",".join(f"{key}={value}" for key, value in arguments.items()) if arguments else "")

    def make(self, text: str, *leading: Any, folder: Path = Path(), **given: Any) -> Any:
        """What the words ask for, made with the arguments `leading` and `given` beside them; its files lie in `folder`.

        Of `given`, what the class has no argument for is left out.
        """
        name, arguments = self._parse(text)
        kind, option = self.kinds[name], f"{self.option} {text}"
        takes = inspect.signature(kind).parameters
        values = {key: value for key, value in given.items() if key in takes}
        values |= {key: _value(option, key, value, kind) for key, value in arguments.items()}
        for key, parameter in self.arguments(kind).items():
            if key in _FILES:
                place = Path(values.get(key, self._places.get(name, name) if key == "folder" else f"{name}.csv"))
                values[key] = place if place.is_absolute() else folder / place
            elif parameter.default is inspect.Parameter.empty and key not in values:
                raise UsageError(f"{option}: {name} needs {key}. Write {self.option} {name}:{key}=VALUE.")
        try:
            return kind(*leading, **values)
        except (TypeError, ValueError, ImportError) as error:
            raise UsageError(f"{option}: {error}") from error

    def arguments(self, kind: type) -> dict[str, inspect.Parameter]:
        """The arguments of a class that are written as words."""
        return {
            name: parameter
            for name, parameter in inspect.signature(kind).parameters.items()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name not in self._own
        }

    def _parse(self, text: str) -> tuple[str, dict[str, str]]:
        word, colon, rest = text.partition(":")
        name = self._named(word)
        allowed = list(self.arguments(self.kinds[name]))
        arguments: dict[str, str] = {}
        for part in rest.split(",") if colon else ():
            key, equals, value = (piece.strip() for piece in part.partition("="))
            key = key.replace("-", "_")
            if not equals or not value:
                example = f"{name}:{allowed[0]}=VALUE" if allowed else name
                raise UsageError(
                    f"{self.option} {text}: after the colon come arguments. Write {self.option} {example}."
                )
            if key not in allowed:
                raise unknown(f"argument of {name}", key, allowed)
            arguments[key] = value
        return name, arguments

    def _named(self, word: str) -> str:
        """The name that a word means, however it is written: `EarlyStopping`, `early_stopping`, `early-stopping`."""
        plain = {name.replace("-", ""): name for name in self.kinds}
        asked = re.sub(r"[\s_-]", "", word).lower()
        found = plain.get(asked)
        if asked in self._refused:
            raise UsageError(self._refused[asked])
        if found is None:
            raise unknown(self.what, word, list(self.kinds))
        return found

    def _speakable(self, kind: type) -> bool:
        hints = get_type_hints(kind.__init__)
        return all(
            name in _FILES or re.search(r"^(?!.*(Callable|dict)).*\b(int|float|bool|str)\b", str(hints.get(name, "")))
            for name, parameter in self.arguments(kind).items()
            if parameter.default is inspect.Parameter.empty
        )


def dashed(name: str) -> str:
    """`EarlyStopping` -> `early-stopping`; `EMA` -> `ema`; `CSVLogger` -> `csv-logger`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def _value(option: str, key: str, word: str, kind: type) -> Any:
    """A word as the type that the class's signature asks for."""
    if key in _FILES:
        return word
    hint = str(get_type_hints(kind.__init__).get(key, str))
    kinds = set(re.findall(r"\b(int|float|bool|str|None)\b", hint))
    if "None" in kinds and word.lower() == "none":
        return None
    if re.search(_SEQUENCE, hint) and ("/" in word or not re.search(r"\| (int|float|str)|(int|float|str) \|", hint)):
        return [_number(option, key, piece, kinds) for piece in word.split("/")]
    return _number(option, key, word, kinds)


def _number(option: str, key: str, word: str, kinds: set[str]) -> Any:
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
    raise UsageError(f"{option}: {key} is {word!r}; it must be {wanted}.")
