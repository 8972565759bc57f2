"""What both libraries answer in one case, and whether it is the same."""

import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

import pellucid
from tests.opinfo.convert import difference


@dataclass(frozen=True)
class Case:
    """One thing to compare: `ask(library)` is called with `torch` and with `pellucid`."""

    subject: str
    kind: str
    what: str
    ask: Callable[[types.ModuleType], Any]
    slack: float = 1.0

    @property
    def id(self) -> str:
        return f"{self.subject}-{self.kind}-{self.what}".replace(" ", "_")


def run(case: Case, library: types.ModuleType = pellucid) -> str | None:
    """What differs, in a line; None where nothing does."""
    theirs, ours = answer(case, torch), answer(case, library)
    if isinstance(theirs, BaseException):
        if isinstance(ours, type(theirs)):
            return None
        shown = f"{type(ours).__name__}: {ours}" if isinstance(ours, BaseException) else "accepts it"
        return f"PyTorch raises {type(theirs).__name__} ({theirs}), here: {shown}"
    if isinstance(ours, BaseException):
        return f"raises {type(ours).__name__}: {ours}, where PyTorch does not"
    for at, (a, b) in enumerate(zip(flat(theirs), flat(ours), strict=False)):
        found = difference(a, b, library, slack=case.slack)
        if found is not None:
            return f"part {at}: {found}"
    return None if len(list(flat(theirs))) == len(list(flat(ours))) else "the answers have not as many parts"


def answer(case: Case, library: types.ModuleType) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "The epoch parameter in")
        warnings.filterwarnings("ignore", "`torch.jit.script`", DeprecationWarning)  # PyTorch's own, in its jvp
        warnings.filterwarnings("ignore", "Attempted to insert a get_attr Node")  # and in its linearize
        try:
            return case.ask(library)
        except (Exception, Warning) as error:
            return error


def flat(value: Any) -> Iterator[Any]:
    """The parts of nested dicts, lists and tuples, with their keys, and of a parameter its tensor."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from flat(item)
    elif isinstance(value, list | tuple):
        yield len(value)
        for item in value:
            yield from flat(item)
    else:
        yield value
