"""What a Learner is made of, in words: kept in its checkpoint, so that one of another Learner is refused by name.

Parameters and counters say how far a run is. They do not say that it was trained by Adam, in batches of 16, with a ReLU
between the layers: a checkpoint with tensors of the same shapes would be taken up by a Learner that goes on otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.core import Tensor
from pellucid.train.files.described import ANONYMOUS, describe
from pellucid.train.loop import Callback, Loop


def identity(learner: Loop, callbacks: list[tuple[str, Callback]]) -> dict[str, Any]:
    """`{what: description}` of all that decides how a run goes on and is no number that training changes.

    `callbacks` are those of the learner by name; of these, those that only look at the run are left out.
    """
    model, optimizer = learner.model, learner.optimizer
    return {
        "model": {
            **{f"layer {name or '(itself)'}": describe(layer) for name, layer in _layers(model)},
            **_tensors(model),
        },
        "loss": {
            "function": describe(learner.loss_function),
            **{f"layer {name}": describe(layer) for name, layer in _layers(learner.loss_function) if name},
            **_tensors(learner.loss_function),
        },
        "optimizer": {"class": type(optimizer).__name__, **_groups(learner)},
        "data": _data(learner.loader),
        "validation data": {} if learner.valid is None else _data(learner.valid),
        "callbacks": {name: describe(callback) for name, callback in callbacks if decides(callback)},
    }


def decides(callback: Callback) -> bool:
    """Whether a run without this callback would be another one, as far as can be known.

    A callback of somebody else's that neither says that it changes the step nor has a state may be one that only looks.
    """
    if callback.observes:
        return False
    own = type(callback).__module__.startswith("pellucid.train.")
    return own or callback.changes_step or bool(callback.state_dict())


def differences(saved: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """How the Learner of a checkpoint and another one differ, a sentence each, the first in each part.

    A callback that only the new Learner has is no difference: it was added since, and begins anew.

    >>> differences({"optimizer": {"class": "Adam"}}, {"optimizer": {"class": "RMSprop"}})
    ['the optimizer: class was Adam and is RMSprop']
    """
    found: list[str] = []
    for part, before in saved.items():
        now = own.get(part, {})
        names = [*before, *(name for name in now if name not in before and part != "callbacks")]
        for name in names:
            if before.get(name) != now.get(name) and ANONYMOUS not in (before.get(name), now.get(name)):
                what = f"the {part}: {name}"
                if name not in now:
                    found.append(f"{what} ({before[name]}) is missing")
                elif name not in before:
                    found.append(f"{what} ({now[name]}) was not there")
                else:
                    found.append(f"{what} was {before[name]} and is {now[name]}")
                break
    return found


def _layers(model: Any) -> list[tuple[str, Any]]:
    return list(model.named_modules()) if hasattr(model, "named_modules") else []


def _tensors(model: Any) -> dict[str, str]:
    if not hasattr(model, "state_dict"):
        return {}
    return {
        name: f"{tuple(tensor.shape)} {str(tensor.dtype).rpartition('.')[2]}"
        for name, tensor in model.state_dict().items()
        if isinstance(tensor, Tensor)
    }


def _groups(learner: Loop) -> dict[str, str]:
    """Which parameters each group of the optimiser has: its state goes by their order."""
    names: dict[int, str] = {}
    for prefix, owner in (("", learner.model), ("loss.", learner.loss_function)):
        for name, parameter in owner.named_parameters() if hasattr(owner, "named_parameters") else ():
            names.setdefault(id(parameter), f"{prefix}{name}")
    return {
        f"parameters of group {place}": ", ".join(names.get(id(p), "of no layer") for p in group["params"])
        for place, group in enumerate(learner.optimizer.param_groups)
    }


def _data(loader: Any) -> dict[str, Any]:
    """What decides which samples are in which batch."""
    facts: dict[str, Callable[[], Any]] = {
        "batch_size": lambda: loader.batch_size,
        "drop_last": lambda: loader.drop_last,
        "samples": lambda: len(loader.dataset),
        "sampler": lambda: describe(loader.sampler),
        "batches": lambda: len(loader),
    }
    found: dict[str, Any] = {}
    for name, ask in facts.items():
        try:
            found[name] = ask()
        except (AttributeError, TypeError):
            continue
    return {name: value for name, value in found.items() if isinstance(value, int | str | bool | None)}
