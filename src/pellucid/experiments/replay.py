"""Where two runs part: by their checkpoints first, then by doing the steps between two of them again.

A checkpoint holds all that decides how a run goes on. So the last pair that is equal bit for bit is where both runs can
be taken up again, and the steps up to the first pair that is not equal are repeated, tensor by tensor.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.datasets import DataError
from pellucid.experiments import data as source
from pellucid.experiments import options as settings
from pellucid.experiments.errors import UsageError
from pellucid.experiments.runs import Run, differing, flat, read_rows
from pellucid.experiments.session import RunSession
from pellucid.train import Callback, CheckpointError, Learner, NonFiniteError, RunFolder, load_checkpoint
from pellucid.train.files.checkpoint import checkpoint_files
from pellucid.train.files.environment import environment
from pellucid.train.records.divergence import Difference, difference, first_difference
from pellucid.train.records.trace import StepTrace, TensorPlace


@dataclass
class RunDivergence:
    """What is known of where two runs part.

    Attributes:
        identical: no state or tensor that was compared differs.
        compared: the last step to which that was looked at.
        equal: the last step at which both had saved equal states; None where there is none.
        place, difference: the first tensor that differs, where it is known, and how.
        by: where that was found: in the "checkpoints" of that step, or by "repeating" the step.
        why: what the difference means, in a sentence.
        reproduced: by run: whether repeating it gave what it had recorded; empty where nothing was repeated.
        notes: what else a reader must know.
    """

    identical: bool = False
    compared: int = 0
    equal: int | None = None
    place: TensorPlace | None = None
    difference: Difference | None = None
    by: str = "checkpoints"
    why: str = ""
    reproduced: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def first_divergence(left: Run, right: Run, replay: bool = True) -> RunDivergence:
    """The first step at which two runs differ, and the first tensor in it.

    Args:
        left, right: the runs, each as its folder tells.
        replay: repeat the steps between the last equal checkpoints and the next; otherwise only checkpoints are
            compared.
    """
    verdict = RunDivergence()
    until = _compare_checkpoints(left, right, verdict)
    ends = min(left.steps, right.steps)
    if verdict.place is None or verdict.place.step > 0:  # what differs before the first step needs no repeating
        if until is None and (verdict.equal == ends or _same_settings(left, right)):
            verdict.identical, verdict.compared = True, verdict.equal if verdict.equal is not None else 0
            _compare_rows(left, right, verdict)
        if replay and not verdict.identical and ends > 0:
            _replay(left, right, until, verdict)
    elif verdict.place.kind == "random" and replay and ends > 0:
        _show_effect(left, right, verdict)
    if verdict.place is not None:
        verdict.why = _why(verdict, left, right)
    return verdict


# Checkpoints ------------------------------------------------------------------------------------------------------


def _compare_checkpoints(left: Run, right: Run, verdict: RunDivergence) -> int | None:
    """The step of the first pair of checkpoints that differ, or None; fills in what they tell."""
    common = sorted(set(left.checkpoints) & set(right.checkpoints))
    for step in common:
        try:
            states = [load_checkpoint(run.checkpoints[step]) for run in (left, right)]
        except CheckpointError as error:
            verdict.notes.append(f"{error} It was passed over.")
            continue
        found = first_state_difference(*states)
        if found is None:
            verdict.equal = verdict.compared = step
            continue
        kind, detail = found
        epoch = states[0]["epoch"] + bool(states[0]["batch"])
        verdict.place, verdict.difference, verdict.compared = TensorPlace(epoch, step, kind, detail.name), detail, step
        return step
    return None


def first_state_difference(left: dict[str, Any], right: dict[str, Any]) -> tuple[str, Difference] | None:
    """The first tensor in which two states of a learner differ, with the kind of it; settings are not compared."""
    for kind, parts in {
        "parameter": [state["model"] for state in (left, right)],
        "optimizer": [state["optimizer"]["state"] for state in (left, right)],
        "callback": _callback_tensors(left, right),
        "random": [state["random"] for state in (left, right)],
    }.items():
        found = first_difference(*parts)
        if found is not None:
            statistic = found.name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
            return ("buffer" if statistic else kind), found
    return None


def _callback_tensors(left: dict[str, Any], right: dict[str, Any]) -> list[dict[str, Any]]:
    """What the callbacks of both runs keep as tensors: an average of the weights, say, but no rows and no times."""

    def tensors(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept for key, item in value.items() if (kept := tensors(item)) is not None}
        return value if isinstance(value, Tensor) else None

    names = [name for name in left["callbacks"] if name in right["callbacks"]]
    return [{name: tensors(state["callbacks"][name]) for name in names} for state in (left, right)]


def _compare_rows(left: Run, right: Run, verdict: RunDivergence) -> None:
    """Where the checkpoints say that two runs are equal, their histories must say so too."""
    ours, theirs = (_losses(run.rows) for run in (left, right))
    shared = [key for key in ours if key in theirs]
    wrong = next((key for key in shared if ours[key] != theirs[key]), None)
    if wrong is not None:
        verdict.notes.append(
            f"The saved states are equal, yet the histories differ at step {wrong[1]} ({wrong[0]} row): one of the "
            "files history.csv was not written by its run."
        )
    verdict.compared = max([verdict.compared, *(step for _, step in shared)] if wrong is None else [verdict.compared])


def _losses(rows: list[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """What repeating must give again: everything in a row but the time."""
    return {(row["kind"], row["step"]): {k: v for k, v in row.items() if k != "seconds"} for row in rows}


def _same_settings(left: Run, right: Run) -> bool:
    """Whether the same steps were asked for; how many of them, and where the files lie, does not matter."""
    apart = set(differing([left.config, right.config])) - settings.RESUMABLE - {"log_every"}
    return not apart and left.data.get("fingerprint") == right.data.get("fingerprint")


# Repeating --------------------------------------------------------------------------------------------------------


def _replay(left: Run, right: Run, until: int | None, verdict: RunDivergence) -> None:
    """Repeat both runs from the last equal state, and put the first tensor that differs into `verdict`."""
    start = verdict.equal or 0
    pair = _pair(left, right, start, until, verdict.equal is not None, verdict)
    if pair is None:
        return
    if verdict.equal is None:  # neither saved how it began: what their settings give is compared
        found = first_state_difference(*(repeat.initial() for repeat in pair))
        if found is not None:
            verdict.place, verdict.difference = TensorPlace(0, 0, found[0], found[1].name), found[1]
            return
    last, first, wrong = _walk(*pair)
    verdict.reproduced = {run.label: not why for run, why in zip((left, right), wrong, strict=True)}
    verdict.notes += [
        f"Repeating {run.label} did not give what it recorded: {why}"
        for run, why in zip((left, right), wrong, strict=True)
        if why
    ]
    if first is not None:
        verdict.place, verdict.difference = first
        verdict.by, verdict.compared = "repeating", verdict.place.step
    elif until is None:
        verdict.identical, verdict.compared = True, last
        verdict.notes.append(f"Beyond step {last} they saved no state at the same step to compare.")
    else:
        verdict.notes.append(
            f"Repeated from step {start}, both go the same way up to step {until}, where what they saved differs: "
            "something other than their settings, data and seed parted them (another machine, another version, or a "
            "file that was changed by hand)."
        )


def _show_effect(left: Run, right: Run, verdict: RunDivergence) -> None:
    """Where it shows that two runs began with other random states: perhaps nowhere, if nothing was drawn."""
    pair = _pair(left, right, 0, None, True, verdict)
    if pair is not None:
        last, first, _ = _walk(*pair, passed_over={"random"})
        where = f"no other tensor up to step {last}" if first is None else f"{first[0]} in step {first[0].step}"
        verdict.notes.append(f"What differs by it first: {where}.")


def _pair(
    left: Run, right: Run, start: int, until: int | None, saved: bool, verdict: RunDivergence
) -> tuple[_Repeat, _Repeat] | None:
    try:
        return _Repeat(left, start, until, saved), _Repeat(right, start, until, saved)
    except (UsageError, DataError, CheckpointError) as error:
        verdict.notes.append(f"The steps after {start} cannot be repeated: {error}")
        return None


def _walk(
    ours: _Repeat, theirs: _Repeat, passed_over: Collection[str] = ()
) -> tuple[int, tuple[TensorPlace, Difference] | None, tuple[str, str]]:
    """Repeat both: the last step of the second, the first difference, and where each is not what was recorded."""
    marks: dict[tuple[int, str, str], bytes] = {}  # of the tensors of one: they would not all fit into memory

    def mark(place: TensorPlace, array: np.ndarray) -> None:
        marks[place[1:4]] = _digest(array)

    last = ours.start
    first: list[tuple[TensorPlace, np.ndarray]] = []

    def look(place: TensorPlace, array: np.ndarray) -> None:
        nonlocal last
        last = place.step
        if not first and place.kind not in passed_over and marks.get(place[1:4]) != _digest(array):
            first.append((place, array.copy()))

    wrong = ours(mark), theirs(look)
    if not first:
        return last, None, wrong
    place, array = first[0]
    kept: list[np.ndarray] = []

    def keep(other: TensorPlace, value: np.ndarray) -> None:
        if other[1:4] == place[1:4]:
            kept.append(value.copy())

    ours(keep, until=place.step)
    found = difference(place.name, kept[-1], array) if kept else None
    if found is None:  # there is no such tensor in the other run
        found = Difference(place.name, "missing", "not there", f"{array.dtype} {array.shape}")
    return last, (place, found), wrong


class _Repeat:
    """A run that can be done again, from its checkpoint of `start` or from its settings, in a passing folder."""

    def __init__(self, run: Run, start: int, until: int | None, saved: bool) -> None:
        self.run, self.start, self.saved = run, start, saved
        self.config = settings.from_json(run.config)
        self.environment = run.environment(start)
        options = {name: value for name, value in run.config.items() if value is not None}
        self.data = source.load({**options, "quiet": True})
        if source.fingerprint(self.data) != run.data.get("fingerprint"):
            raise UsageError(f"the data of {run.path} have changed since: their checksum differs.")
        self.until = until

    def session(self, folder: Path) -> RunSession:
        session = RunSession(self.config, self.data, RunFolder(folder))
        if self.saved:
            session.learner.load_state_dict(load_checkpoint(self.run.checkpoints[self.start]))
        return session

    def initial(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            return self.session(Path(folder)).learner.state_dict()

    def __call__(self, sink: Callable[[TensorPlace, np.ndarray], None], until: int | None = None) -> str:
        """Repeat the steps, and say where what came out is not what the run recorded ("" where it is)."""
        with tempfile.TemporaryDirectory() as name:
            folder = RunFolder(Path(name) / "run")
            session = self.session(folder.path)
            folder.create(session.record())
            learner = session.learner
            # Without a later state in common, an epoch is what is repeated.
            until = until or self.until or min(self.start + len(learner.loader), self.run.steps)
            learner.add(_StopAfter(until), StepTrace(sink))
            try:
                with np.errstate(all="ignore"), _blas_threads(self.environment):
                    learner.fit(until=self.config.epochs)
            except NonFiniteError:
                pass  # as it did when it was run
            wrong = self._compare(folder, learner)
        here = {name: value for name, value in flat(environment()).items() if name.startswith(_DECIDES)}
        there = {name: value for name, value in flat(self.environment).items() if name in here}
        apart = {} if not wrong else differing([there, {name: here[name] for name in there}])
        apart.pop("blas.threads", None)  # there were as many
        return wrong + "".join(f" {name} was {was}, and is {now} here." for name, (was, now) in apart.items())

    def _compare(self, folder: RunFolder, learner: Learner) -> str:
        again, recorded = _losses(read_rows(folder.history)), _losses(self.run.rows)
        for key, row in again.items():
            if self.start < key[1] <= learner.step and key in recorded and recorded[key] != row:
                names = [name for name, values in differing([recorded[key], row]).items() if values]
                return f"at step {key[1]} its {key[0]} row has another {', '.join(names)}."
        for path in checkpoint_files(folder.checkpoints):
            step = int(path.stem.rpartition("-")[2])
            if step > self.start and step in self.run.checkpoints:
                found = first_state_difference(load_checkpoint(self.run.checkpoints[step]), load_checkpoint(path))
                if found is not None:
                    return (
                        f"in its checkpoint of step {step}, {TensorPlace(0, step, found[0], found[1].name)} is another."
                    )
        return ""


@contextmanager
def _blas_threads(environment: dict[str, Any]) -> Iterator[None]:
    """As many threads as the run had: another number adds the products of a matrix in another order."""
    threads = (environment.get("blas") or {}).get("threads")
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        threads = None
    if threads is None:
        yield
    else:
        with threadpool_limits(limits=threads, user_api="blas"):
            yield


class _StopAfter(Callback):
    order = 999

    def __init__(self, step: int) -> None:
        self.step = step

    def after_batch(self, learner: Learner) -> None:
        if learner.step >= self.step:
            learner.stop()


def _digest(array: np.ndarray) -> bytes:
    text = f"{array.dtype} {array.shape}".encode()
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16, key=text[:64]).digest()


# What it means ----------------------------------------------------------------------------------------------------

_DECIDES = ("versions.pellucid", "versions.numpy", "blas.", "platform", "processor.name")  # of the bits

# What each kind of tensor depends on, beside the tensors that come before it in a step.
_DEPENDS = {
    "inputs": ("dataset", "target", "balance", "val_fraction", "batch_size", "seed"),
    "target": ("dataset", "target", "balance", "val_fraction", "batch_size", "seed"),
    "layer": ("model", "activation", "device"),
    "output": ("model", "activation", "device"),
    "loss": ("loss", "device"),
    "gradient": ("loss", "device"),
    "parameter": ("optimizer", "lr", "momentum", "weight_decay", "schedule", "epochs"),
    "buffer": ("model",),
    "optimizer": ("optimizer", "lr", "momentum", "weight_decay"),
}


def _why(verdict: RunDivergence, left: Run, right: Run) -> str:
    """A sentence on what the first difference comes from, as far as the records tell."""
    place, apart = verdict.place, differing([left.config, right.config])
    if place is None:
        return ""
    begin = place.step == 0
    if not begin and verdict.by == "checkpoints":
        if verdict.reproduced:
            return ""  # the notes say it
        return "A step before has parted them: which one, only repeating them can tell."
    what = {
        "inputs": "Both were equal up to here, so the order, the size or the contents of the batches differ",
        "target": "The inputs were equal, so the targets of the data differ",
        "layer": "What went into it was equal, so the layer computes something else, or in another order",
        "output": "Each layer's output was equal, so what the model does between them differs",
        "loss": "The model's output was equal, so the loss differs",
        "gradient": "The loss was equal, so backward, or what changes the gradients after it, differs",
        "parameter": "The gradients were equal, so the update differs",
        "buffer": "What went into its layer was equal, so the layer computes something else",
        "optimizer": "The gradients were equal, so what the optimiser keeps differs",
        "random": "It decides what is drawn from here on: the order of the batches, or dropout",
        "callback": "What a callback keeps differs",
    }[place.kind]
    if begin and place.kind != "random":
        what = "The runs begin with other values"
    if begin:
        names = ["seed", "model", "dataset", "target"]
    else:
        names = list(_DEPENDS.get(place.kind, ()))
    causes = [name for name in names if name in apart] or list(apart)
    if left.data.get("fingerprint") != right.data.get("fingerprint") and place.kind in ("inputs", "target"):
        return f"{what}: the data are others (their checksums differ)."
    if causes:
        values = {name: [f"{v:g}" if isinstance(v, float) else str(v) for v in apart[name]] for name in causes}
        listed = ", ".join(f"{name.replace('_', '-')} {' / '.join(values[name])}" for name in causes)
        return f"{what}: {listed}."
    elsewhere = differing([left.environment(), right.environment()])
    if elsewhere:
        return f"{what}. No setting differs; what they were computed with does: {', '.join(elsewhere)}."
    return f"{what}. Nothing that the runs record of themselves explains it."
