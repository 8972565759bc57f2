"""What the Tab key offers for the value of an option, where the shell's completion is installed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from pellucid.experiments import callbacks
from pellucid.experiments import config as settings

# By the name of the parameter, in whichever command. What is not here is a number, a file or a folder.
VALUES: dict[str, Callable[[], Iterable[str]]] = {
    "dataset": lambda: settings.DATASETS,
    "model": lambda: settings.MODELS,
    "activation": lambda: settings.ACTIVATIONS,
    "loss": lambda: settings.LOSSES,
    "optimizer": lambda: settings.OPTIMIZERS,
    "schedule": lambda: settings.SCHEDULES,
    "device": lambda: settings.DEVICES,
    "callback": callbacks.known,
}


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a command for typer, with the parameters whose values are known offering them."""
    found = inspect.signature(function, eval_str=True)
    for name, parameter in found.parameters.items():
        if name in VALUES:
            parameter.annotation.__metadata__[0].autocompletion = _among(VALUES[name])
    return found


def _among(values: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    def offer(incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return offer
