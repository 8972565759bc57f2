"""What a search goes over: the words of `--grid` and `--random`, and the settings that come of them."""

from __future__ import annotations

import dataclasses
import itertools
import re
from dataclasses import dataclass
from typing import Any, get_type_hints

from pellucid.experiments import options as settings
from pellucid.experiments.config import Config, Options
from pellucid.experiments.errors import UsageError, unknown

_FIXED = {
    "dataset",
    "target",
    "data",
    "device",
    "log_every",
    "keep",
    "encoding",
    "compile",
}  # they are not settings of how to learn
_RANGE = re.compile(r"(?P<low>[^,]+?)\.\.(?P<high>[^,:]+)(:(?P<scale>\w+))?")


@dataclass(frozen=True)
class Choices:
    """A setting that takes one of some values."""

    values: tuple[Any, ...]

    def __str__(self) -> str:
        return ",".join(str(value) for value in self.values)


@dataclass(frozen=True)
class Range:
    """A setting that takes any number from `low` to `high`, both included; `log`: evenly by factors."""

    low: float
    high: float
    log: bool

    def __str__(self) -> str:
        return f"{self.low}..{self.high}{':log' if self.log else ''}"


Space = dict[str, Choices | Range]


def parse(grid: list[str], random: list[str], fixed: Options) -> Space:
    """The space of `--grid NAME=VALUE,VALUE` or of `--random NAME=LOW..HIGH[:log]`; UsageError for what is neither.

    `fixed` are the other options, which hold for every trial.

    >>> space = parse([], ["lr=1e-4..0.1:log", "batch-size=16,64"], {"dataset": "digits"})
    >>> {name: str(values) for name, values in space.items()}
    {'lr': '0.0001..0.1:log', 'batch_size': '16,64'}
    """
    if grid and random:
        raise UsageError(
            "--grid tries all combinations and --random draws some: a sweep does one of them. A list can be drawn "
            f"from, too: --random {grid[0]}."
        )
    if not grid and not random:
        raise UsageError("What is to be tried? Write --grid lr=0.01,0.1 or --random lr=1e-4..1e-1:log.")
    space: Space = {}
    for word in grid or random:
        option = f"{'--grid' if grid else '--random'} {word}"
        name, equals, text = word.partition("=")
        name = name.strip().removeprefix("--").replace("-", "_")
        kinds = _kinds()
        if name not in kinds:
            raise unknown("parameter", name.replace("_", "-"), [known.replace("_", "-") for known in kinds])
        if not equals or not text.strip():
            raise UsageError(f"{option} names no values. Write for example --grid lr=0.01,0.1.")
        if name in space:
            raise UsageError(f"{name.replace('_', '-')} is given twice. Write all its values at once, with commas.")
        if name in fixed:
            shown = name.replace("_", "-")
            raise UsageError(f"--{shown} is given, and {shown} is to be tried, too. Leave one of them out.")
        found = _RANGE.fullmatch(text.strip())
        if found and grid:
            raise UsageError(f"{option}: a grid needs values, such as {name}=0.01,0.1; a range is for --random.")
        space[name] = _range(option, name, found, fixed) if found else _choices(option, name, text, fixed)
    return space


def combinations(space: Space) -> list[Options]:
    """All combinations of a space of choices, in the order of a nested loop.

    >>> combinations({"lr": Choices((0.1, 1.0)), "epochs": Choices((1, 2))})[1]
    {'lr': 0.1, 'epochs': 2}
    """
    values = [choices.values for choices in space.values() if isinstance(choices, Choices)]
    return [dict(zip(space, values_of_one, strict=True)) for values_of_one in itertools.product(*values)]


def as_json(space: Space) -> dict[str, Any]:
    return {name: dataclasses.asdict(values) for name, values in space.items()}


def from_json(stored: dict[str, Any]) -> Space:
    return {
        name: Choices(tuple(entry["values"])) if "values" in entry else Range(**entry) for name, entry in stored.items()
    }


def _kinds() -> dict[str, type]:
    """The settings that can be tried, each with the kind of its values."""
    hints = get_type_hints(Config)
    kinds: dict[str, type] = {}
    for name, hint in hints.items():
        kind = next((kind for kind in (int, float, str) if hint == kind or hint == kind | None), None)
        if kind is not None and name not in _FIXED:
            kinds[name] = kind
    return kinds


def _choices(option: str, name: str, text: str, fixed: Options) -> Choices:
    words = [word.strip() for word in text.split(",")]
    # The sizes of mlp:128,64 are separated by commas, too, and so are the arguments of rmsprop:alpha=0.9,eps=1e-6.
    if _kinds()[name] is str:
        joined: list[str] = []
        for word in words:
            if joined and (word.isdigit() if name == "model" else ":" in joined[-1] and "=" in word):
                joined[-1] += f",{word}"
            else:
                joined.append(word)
        words = joined
    values = (_checked(name, _value(option, name, word), fixed) for word in words)
    return Choices(tuple(dict.fromkeys(values)))


def _range(option: str, name: str, found: re.Match[str], fixed: Options) -> Range:
    kind = _kinds()[name]
    if kind is str:
        raise UsageError(f"{option}: {name.replace('_', '-')} is no number. List its values, with commas.")
    low, high = (_checked(name, _value(option, name, found[end].strip()), fixed) for end in ("low", "high"))
    if found["scale"] not in (None, "log"):
        raise UsageError(f"{option}: after the range comes :log or nothing, not :{found['scale']}.")
    log = found["scale"] == "log"
    if not low < high:
        raise UsageError(f"{option}: a range goes from the smaller to the greater number, such as {name}=0.001..0.1.")
    if log and low <= 0:
        raise UsageError(f"{option}: a logarithmic range begins above 0.")
    return Range(low, high, log)


def _value(option: str, name: str, word: str) -> Any:
    kind = _kinds()[name]
    try:
        return kind(word)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise UsageError(f"{option}: {name.replace('_', '-')} is {wanted}, and {word!r} is none.") from None


def _checked(name: str, value: Any, fixed: Options) -> Any:
    """The value in its normal form; UsageError where `pellucid train` would not take it."""
    return settings.check({**fixed, name: value})[name]
