"""`examine`: a model and what trains it, or a step that is written by hand, in a session of Python."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any, cast, overload

from pellucid.doctor.examination import Options
from pellucid.doctor.examination import examine as examine_session
from pellucid.doctor.find import NoProgram
from pellucid.doctor.live.examination import STEPS, examine_model
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.parameters import parameters
from pellucid.doctor.process.scout import movers
from pellucid.doctor.process.step import StepProgram, StepSession
from pellucid.doctor.report import Report
from pellucid.errors import user_frame
from pellucid.nn import Module


@overload
def examine(
    model: Module, loss: Callable[..., Any], optimizer: Any, batches: Iterable[Any], *, budget: float = 60.0,
    steps: int = STEPS,
) -> Report: ...  # fmt: skip
@overload
def examine(step: Callable[[], Any], *objects: Any, loss: str | None = None, budget: float = 60.0) -> Report: ...
def examine(*parts: Any, budget: float = 60.0, **named: Any) -> Report:
    """Say what is wrong with the training of a model, `examine(model, loss, optimizer, batches)`, or with a step that
    is written by hand, `examine(step, *objects, loss=None)`.

    Everything is tried out in forks of this process: the model, the optimizer, the batches and all random streams are
    here what they were.

    Args:
        model: a Module with its parameters. It is trained as it is, from the weights and in the mode that it has.
        loss: `loss(output, target)`, a Tensor of one number. For a step: the name of the loss among the values that
            are seen, where the doctor does not find it.
        optimizer: of the parameters of the model.
        batches: an iterable of `(inputs, target)`, as a DataLoader or a list of pairs. Of more than two parts the last
            is the target, and the others go to the model.
        steps: updates that are made in each fork, and at least one pass over the batches.
        step: it takes no arguments; one call of it is one update. What it reads and changes is found: variables around
            it, attributes of its object, globals of its module.
        objects: what else it changes, where it reaches that by a way that cannot be seen.
        budget: seconds that it may take.

    Raises:
        TypeError, ValueError: there is nothing to train, such as a model without parameters, batches that are empty, or
            a loss of more than one number.
        NoProgram: a system without `fork`.

        report = pellucid.doctor.examine(model, nn.CrossEntropyLoss(), optimizer, loader)
        print(report)

        def step():
            predicted = x @ w
            w[:] -= 0.1 * x.T @ (predicted - y)

        print(pellucid.doctor.examine(step))
    """
    names = {"model", "optimizer", "batches", "steps"}
    if names & set(named) or (parts and isinstance(parts[0], Module)) or (parts and isinstance(parts[0], type)):
        return examine_model(**_by_name(parts, named), budget=budget)
    step = named.pop("step") if "step" in named and not parts else None
    if step is None and not parts:
        raise TypeError("examine() was given nothing: examine(model, loss, optimizer, batches), or examine(step).")
    step, objects = (step, ()) if step is not None else (parts[0], parts[1:])
    loss = named.pop("loss", None)
    if named:
        raise TypeError(f"examine() has no argument {next(iter(named))!r}.")
    if not callable(step):
        raise TypeError(
            f"examine() was given a {type(step).__name__}. It takes a model and what trains it, examine(model, loss, "
            "optimizer, batches), or a function that makes one update, examine(step)."
        )
    return _examine_step(step, objects, loss, budget)


def _by_name(parts: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `examine_model`."""
    names: tuple[str, ...] = ("model", "loss", "optimizer", "batches")
    if len(parts) > len(names):
        raise TypeError(f"examine(model, loss, optimizer, batches) was given {len(parts)} things in their place.")
    given: dict[str, Any] = dict(zip(names, parts, strict=False))
    for name, value in named.items():
        if name in given or name not in (*names, "steps"):
            raise TypeError(f"examine() was given {name!r} {'twice' if name in given else ', which it does not have'}.")
        given[name] = value
    missing = [name for name in names if name not in given]
    if missing:
        raise TypeError(
            f"examine() of a model takes the loss, the optimizer and the batches, too, and {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing: examine(model, loss, optimizer, batches)."
        )
    return given


def _examine_step(step: Callable[[], Any], objects: tuple[Any, ...], loss: str | None, budget: float) -> Report:
    if not hasattr(os, "fork"):
        raise NoProgram("examine() forks this process, which this system cannot do: use Linux, macOS, or WSL.")
    started = time.monotonic()
    named = {_name_of(value, i): value for i, value in enumerate(objects)}
    session = StepSession(StepProgram(step, named), started + budget)
    try:
        session.found = session.lab(parameters, movers(session.scope), min(15.0, budget / 3))
    except Lost as lost:
        return Report("inconclusive", reason=f"step() could not be repeated: {lost.said}")
    if not session.found.parameters:
        return Report(
            "inconclusive",
            reason="step() moves nothing that can be seen. Pass the arrays and objects that it updates: "
            "examine(step, model, weights).",
        )
    report = examine_session(cast(Any, session), Options(loss, budget, conditions=False))
    report.seconds = time.monotonic() - started
    return report


def _name_of(value: Any, number: int) -> str:
    """What the caller of `examine` calls an object."""
    frame = user_frame()
    names = {**frame.f_globals, **frame.f_locals} if frame is not None else {}
    return next(
        (name for name, other in names.items() if other is value and not name.startswith("_")), f"object{number}"
    )
