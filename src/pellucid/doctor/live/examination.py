"""`examine(model, loss, optimizer, batches)`: train in forks of this process, and say what is wrong."""

from __future__ import annotations

import inspect
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.doctor.find import NoProgram
from pellucid.doctor.observed.compare import outcome
from pellucid.doctor.observed.examination import report_on
from pellucid.doctor.observed.laboratory import Laboratory, note_error
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.treatments import Shuffle, Treatment
from pellucid.doctor.process import sandbox
from pellucid.doctor.process.child import ChildAnswer, Lost, ask
from pellucid.doctor.report import Report
from pellucid.errors import user_frame
from pellucid.nn import Module

from .lines import Lines
from .observer import LiveObserver

STEPS = 300  # updates that are made, and at least one pass over the batches
FIRST = 30.0  # seconds that the first batch may take


@dataclass
class Subject:
    """What is trained."""

    model: Module
    loss: Callable[..., Any]
    optimizer: Any
    batches: Iterable[Any]


def examine_model(
    model: Any, loss: Any, optimizer: Any, batches: Any, budget: float = 60.0, steps: int = STEPS
) -> Report:
    """See `pellucid.doctor.examine`."""
    subject = Subject(model, loss, optimizer, batches)
    check(subject)
    if not hasattr(os, "fork"):
        raise NoProgram("examine() forks this process, which this system cannot do: use Linux, macOS, or WSL.")
    started = time.monotonic()
    _check_first(subject)
    laboratory = _ModelLaboratory(started + budget, subject, Lines(user_frame()), steps)
    report = report_on(laboratory)
    _slow(report, laboratory.base)
    report.seconds = time.monotonic() - started
    return report


# What was given -------------------------------------------------------------------------------------------------------

ORDER = "examine(model, loss, optimizer, batches)"


def check(subject: Subject) -> None:
    """Raises TypeError or ValueError for what cannot be trained."""
    model, loss, optimizer, batches = subject.model, subject.loss, subject.optimizer, subject.batches
    for name, part in (("model", model), ("loss", loss), ("optimizer", optimizer)):
        if isinstance(part, type):
            raise TypeError(f"The {name} is the class {part.__name__}, not an object of it: write {part.__name__}(…).")
    if not isinstance(model, Module):
        foreign = type(model).__module__.split(".")[0] == "torch" and "torch" in sys.modules
        raise TypeError(
            f"The model is a {type(model).__name__}, not a Module of pellucid. "
            + (
                "It is PyTorch's own: the command runs a program that imports torch on pellucid, pellucid doctor "
                "train.py."
                if foreign and hasattr(sys.modules["torch"], "_C")
                else f"The order is {ORDER}; for a loop of your own, with doctor.watch(): …, or examine(step)."
            )
        )
    if not any(True for _ in model.parameters()):
        raise ValueError(
            f"{type(model).__name__} has no parameters, so there is nothing to train. Layers in a plain list are not "
            "seen: keep them in nn.ModuleList or nn.Sequential."
        )
    if hasattr(loss, "param_groups") or not callable(loss):
        raise TypeError(
            f"The loss is a {type(loss).__name__}, which cannot be called as loss(output, target). The order is "
            f"{ORDER}."
        )
    if isinstance(optimizer, list | tuple):
        raise TypeError(
            f"There are {len(optimizer)} optimizers, and {ORDER} makes the steps of one. For a loop with several, as "
            "of a GAN: with doctor.watch() as watched: …"
        )
    if not hasattr(optimizer, "param_groups") or not hasattr(optimizer, "step"):
        raise TypeError(
            f"The optimizer is a {type(optimizer).__name__}, which has no param_groups. The order is {ORDER}."
        )
    if isinstance(batches, Tensor) or not hasattr(batches, "__iter__"):
        raise TypeError(
            f"The batches are a {type(batches).__name__}, and have to be an iterable of (inputs, target): a "
            "DataLoader, or a list of pairs, such as [(x, y)]."
        )
    with suppress(TypeError):
        if not len(batches):  # type: ignore[arg-type]
            raise ValueError(f"The {type(batches).__name__} has no batches.")


def _check_first(subject: Subject) -> None:
    """Look at the first batch in a fork: an iterator that can be gone through once is left as it is here."""
    try:
        wrong = ask(lambda: _of_first(subject), FIRST)
    except Lost as lost:
        reason = str(lost).strip().splitlines()[-1]
        raise ValueError(f"The first batch could not be had: {reason}") from None
    if wrong is not None:
        kind, message = wrong
        raise {"type": TypeError, "value": ValueError}[kind](message)


def _of_first(subject: Subject) -> tuple[str, str] | None:
    """What is wrong with the first batch, or with the loss of it; what raises an error itself is seen in the runs."""
    batch = next(iter(subject.batches), None)
    if batch is None:
        return "value", (
            f"The batches, a {type(subject.batches).__name__}, gave nothing: an iterator that was used up before, or "
            "no data. Give a DataLoader or a list, which begin anew each time."
        )
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        shown = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, tuple | list) else "")
        return "type", (
            f"A batch is {shown}, and has to be (inputs, target): model(inputs) is compared with the target by the "
            "loss. For a loop of another form, as of a GAN: with doctor.watch() as watched: …"
        )
    *inputs, target = batch
    try:
        value = subject.loss(subject.model(*inputs), target)
    except Exception:  # noqa: BLE001 (it is seen with its line in the runs)
        return None
    if not isinstance(value, Tensor):
        return "type", (
            f"loss(output, target) gave a {type(value).__name__}, and backward() needs a Tensor: leave out .item(), "
            "float() and numpy() in it."
        )
    if value.numel() != 1:
        return "value", (
            f"loss(output, target) gave a Tensor of shape {tuple(value.shape)}, and training needs one number: "
            "reduction='mean' or 'sum', or .mean() at its end."
        )
    return None


# The runs -------------------------------------------------------------------------------------------------------------


@dataclass
class _ModelLaboratory(Laboratory):
    """Trains the model in forks, each from the state in which it is here, and with the same random numbers."""

    subject: Subject
    lines: Lines
    steps: int
    base: ProgramRecord | None = None

    def run(
        self, treatments: Sequence[Treatment] = (), steps: int = STEPS, seconds: float = 20.0
    ) -> ProgramRecord | None:
        self.base = super().run(treatments, steps, seconds)
        return self.base

    def _program(self, end: ChildAnswer, treatments: Sequence[Treatment], steps: int, seconds: float) -> None:
        sandbox.quiet()
        subject = self.subject
        observer = LiveObserver(self.lines, treatments, min(steps, 10 * self.steps), seconds)
        observer.enough = lambda: end.send(observer.record)
        observer.start()
        observer.met_optimizer(subject.optimizer)
        try:
            _train(subject, _reordered(subject.batches, treatments), self.steps)
            observer.record.ended = True
        except Exception as error:  # noqa: BLE001 (it is reported)
            note_error(observer.record, error, error.__traceback__)
        observer.stop()
        end.send(observer.finish())


def _train(subject: Subject, batches: Iterable[Any], steps: int) -> None:
    """One update a batch, in the mode in which the model is."""
    model, loss, optimizer = subject.model, subject.loss, subject.optimizer
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    asks = closure is not None and closure.default is inspect.Parameter.empty
    for *inputs, target in _enough(batches, steps):

        def evaluate(inputs: Any = inputs, target: Any = target) -> Any:
            optimizer.zero_grad()
            value = loss(model(*inputs), target)
            value.backward()
            return value

        if asks:  # as L-BFGS does
            optimizer.step(evaluate)
        else:
            evaluate()
            optimizer.step()


def _enough(batches: Iterable[Any], steps: int) -> Iterator[Any]:
    """The batches over and over, each at least once; those of an iterator, which has one pass, are kept."""
    made = 0
    if iter(batches) is batches:
        kept: list[Any] = []
        for batch in batches:
            kept.append(batch)
            yield batch
        yield from itertools.islice(itertools.cycle(kept), max(steps - len(kept), 0))
        return
    while made < steps:
        before = made
        for batch in batches:
            made += 1
            yield batch
        if made == before:
            return


def _reordered(batches: Any, treatments: Sequence[Treatment]) -> Any:
    """A list of pairs with its rows in another order, where that is tried; a DataLoader is seen to by the observer."""
    if not any(isinstance(treatment, Shuffle) for treatment in treatments) or not isinstance(batches, list | tuple):
        return batches
    columns = list(zip(*batches, strict=False))
    if not all(isinstance(part, Tensor) for column in columns for part in column):
        return batches
    whole = [np.concatenate([part.detach().numpy() for part in column]) for column in columns]
    sizes = [len(part) for part in columns[0]]
    order = np.random.default_rng(0).permutation(sum(sizes))
    cuts = list(itertools.accumulate(sizes, initial=0))
    return [
        tuple(column[0].new_tensor(rows[order[a:b]]) for column, rows in zip(columns, whole, strict=True))
        for a, b in itertools.pairwise(cuts)
    ]


def _learns(base: ProgramRecord) -> bool:
    """Whether it gets anywhere; an untrained network may answer many rows rightly, with a loss that stands still."""
    end = outcome(base)
    return end.progress >= 0.25 and end.begin - end.loss > 0.05 * abs(end.begin)


def _slow(report: Report, base: ProgramRecord | None) -> None:
    """It was trained for as long as the doctor likes: a rate that comes along in that time may be as it is meant."""
    if base is None or not _learns(base):
        return
    for finding in report.findings:
        if finding.cause in ("lr-too-low", "too-few-updates"):
            finding.severity = "info"
            finding.notes.append(f"It learns, in the {len(base.steps)} updates that were tried: more of them may do.")
    if report.status == "faults" and all(finding.severity == "info" for finding in report.findings):
        report.status = "healthy"
