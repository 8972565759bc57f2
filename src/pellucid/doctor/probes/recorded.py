"""One pass on arrays that record, in a laboratory: the tape of forward and backward pass, and its autopsy."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.check.autopsy.diagnose import AND_ANOTHER
from pellucid.check.autopsy.examine import TensorFinding, examine
from pellucid.check.record.matrices import as_matrix
from pellucid.check.record.plain import Untraceable, strip
from pellucid.check.record.recording import recording
from pellucid.check.record.reverse import backward
from pellucid.check.record.tape import Tape
from pellucid.check.record.traced import ArrayRecorder, Traced
from pellucid.doctor.probes.another import elsewhere
from pellucid.doctor.probes.derivatives import wrong_functions
from pellucid.doctor.probes.diagonal import diagonal
from pellucid.doctor.probes.lines import chain, first_wrong, of_factors, place
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.meant import meant
from pellucid.doctor.probes.operators import mistyped
from pellucid.doctor.probes.passes import StudiedPass
from pellucid.doctor.probes.shares import unequal
from pellucid.doctor.probes.stepwise import Step, stepwise
from pellucid.doctor.probes.substitute import MULTIPLY, Exchanged, exchanged, turned
from pellucid.doctor.probes.vanished import vanished
from pellucid.doctor.process.lab import Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.paths import Group, Scope, leaves
from pellucid.doctor.rules import summed

LONG = 250  # steps of a forward pass in which a mistake is looked for only where the backward pass goes wrong
TOO_LONG = "the autopsy of the recording took too long"
DISAGREES = "what was recorded of the loss does not agree with its slopes"
LONGEST = 600.0  # seconds, where a laboratory has no end
LARGEST = 2**25  # bytes of an array of data that is taken along
MAKERS = (
    *("zeros", "ones", "empty", "full", "eye", "identity", "zeros_like", "ones_like", "empty_like", "full_like"),
    *("array", "asarray", "asanyarray", "ascontiguousarray"),
)
MATH = ("exp", "log", "sqrt", "tanh", "sin", "cos", "log1p", "expm1", "fabs", "pow")


@dataclass
class Named:
    """What the autopsy says of one tensor."""

    tensor: str
    mistake: str
    confidence: float
    text: str
    fix: str
    forward: tuple[str, int] | None
    backward: tuple[str, int] | None
    others: list[str] = field(default_factory=list)
    second: str = ""


@dataclass
class Autopsy:
    """What came of it: the names of the mistakes, or why there are none."""

    status: str
    named: list[Named] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    agrees: bool = False  # whether the recorded gradient is the measured one
    first_wrong: tuple[str, int] | None = None  # the line of the backward pass, by the values on the tape
    lines: dict[str, tuple[str, int]] = field(default_factory=dict)  # of each tensor that is off by a factor
    derived: bool = False  # whether the gradient that goes wrong is multiplied by a derivative elsewhere
    apart: bool = False  # whether mistakes of one kind in several lines are several
    chain: list[tuple[str, int]] = field(default_factory=list)  # the lines that the wrong gradients come by
    meant: str = ""  # what to write for the first wrong gradient, where no mistake has a name


Steps = Generator[PassRun, PassOutcome, Any]


def autopsy(
    lab: Lab,
    found: Parameters,
    candidate: Candidate,
    entry: StudiedPass,
    earlier: list[StudiedPass],
    sizes: set[int],
    files: Any,
    agreed: list[str],
    factors: dict[str, float],
    untold: Collection[str] = (),
) -> Steps:
    """In a laboratory at the first pass that was studied: go on to `entry`, record that pass, name its mistakes.

    `agreed`: the tensors that are right; `factors`: by how much others are off; `untold`: those of which nothing is
    known.
    """
    for _ in range(entry.index):
        yield Next()
    tape = yield from taped(lab, found, candidate)
    if isinstance(tape, str):
        return Autopsy("inconclusive", notes=[tape])
    shapes = {name: found.groups[name].shape for name in found.parameters}
    given = {name: entry.gradient[name].reshape(shapes[name]) for name in entry.gradient if name not in untold}
    truth = backward(tape).gradients()
    agrees = all(_agrees(truth[name], entry, candidate, name) for name in entry.gradient)
    if not agrees:
        return Autopsy("inconclusive", notes=[DISAGREES])
    for name in agreed:  # what decays, or follows a velocity, beside its slope is as right as the slope
        if name in given and not _multiple(given[name], truth[name].reshape(given[name].shape), 0.0):
            decaying = np.where(entry.update[name] != 0, entry.values[name], 0.0)  # of a table, the rows that moved
            given[name] = _along(given[name], truth[name].reshape(given[name].shape), decaying)
    largest = max((float(np.abs(v).max(initial=0)) for v in given.values()), default=0.0)
    wrong = [n for n, v in given.items() if not _multiple(v, truth[n].reshape(v.shape), largest)]
    moved = {name: entry.values[name] + entry.update[name] for name in entry.values}
    first, derived = first_wrong(tape, wrong or list(given), given, moved, files)
    lines = of_factors(tape, factors, agreed, given, moved, files)
    by_steps: list[Named] = []
    left = set(wrong)
    lined = chain(tape, wrong, moved, files) if wrong else []
    other = exchanged(tape, wrong, given, moved) if wrong else None
    if other is not None:
        named = _exchanged(other, files)
        if left <= {*other.tensors}:
            return Autopsy("wrong", named, [], True, first, lines, derived)
    over = turned(tape, wrong, given, moved) if wrong else []
    if over and left <= {name for found in over for name in found.tensors}:
        at, (text, fix) = place(over[0].site, files), over[0].said(files)
        named = [Named(name, "transpose", 0.9, text, fix, None, at) for name in wrong]
        return Autopsy("wrong", named, [], True, at, lines, derived)
    alone = diagonal(tape, wrong, given, moved) if wrong else None
    if alone is not None and left <= {*alone.tensors}:
        at = place(alone.site, files)
        named = [Named(name, "dropped-term", 0.9, alone.text, alone.fix, None, at) for name in alone.tensors]
        return Autopsy("wrong", named, [], True, at, lines, derived)
    typed = mistyped(tape, wrong, given, moved) if wrong else None
    if typed is not None and left <= {*typed.tensors}:
        mistake, text, fix = typed.named()
        at = place(typed.site, files)
        named = [Named(tensor, mistake, 0.9, text, fix, None, at) for tensor in typed.tensors]
        return Autopsy("wrong", named, [], True, at, lines, derived)
    away = vanished(tape, [name for name in given if name not in agreed], moved)
    if away and left <= {found.tensor for found in away}:
        named = [Named(a.tensor, summed.MISTAKE, 0.9, a.text, a.fix, None, place(a.site, files)) for a in away]
        return Autopsy("wrong", named, [], True, place(away[0].site, files), lines, derived)
    parts = unequal(tape, wrong, given, moved) if wrong else None
    if parts is not None and left <= {*parts.tensors}:
        mistake, text, fix = parts.named(sizes)
        at = place(parts.site, files)
        named = [Named(tensor, mistake, 0.85, text, fix, None, at) for tensor in parts.tensors]
        return Autopsy("wrong", named, [], True, first, lines, derived)
    if wrong:
        until = lab.left() * (1 / 2 if len(tape.useful()) > LONG else 3 / 4)
        steps, left = stepwise(tape, given, wrong, agreed, moved, sizes, lambda: lab.left() > until)
        by_steps = _in_functions([n for step in steps for n in _of_step(step, files)], tape, moved, files)
        at_another = elsewhere(tape, sorted(left), given, moved) if left and not by_steps else None
        if at_another is not None and left <= {*at_another.tensors}:
            text, fix = at_another.said(files)
            at = place(at_another.site, files)
            named = [Named(name, "derivative-at-wrong-point", 0.9, text, fix, None, at) for name in at_another.tensors]
            return Autopsy("wrong", named, [], True, first, lines, derived)
        other = exchanged(tape, sorted(left), given, moved, MULTIPLY) if left and not by_steps else None
        if other is not None and left <= {*other.tensors}:
            return Autopsy("wrong", _exchanged(other, files), [], True, place(other.site, files), lines, derived)
        if by_steps and not left and len(tape.useful()) > LONG:
            return Autopsy("wrong", by_steps, [], True, first, lines, derived)
    before: list[Any] = [
        (None, {n: g.reshape(shapes[n]) for n, g in p.gradient.items()}) for p in earlier if p is not entry
    ]
    try:
        with _limit(lab):
            result = examine(
                tape,
                {name: entry.values[name].reshape(shapes[name]) for name in entry.values},
                given,
                scale="free",
                updated={
                    name: (entry.values[name] + entry.update[name]).reshape(shapes[name]) for name in entry.values
                },
                earlier=before,
                sizes=sorted(sizes),
                tolerance=1e-5,
                right=agreed,
            )
    except TimeoutError:
        notes = [] if by_steps else [TOO_LONG]
        return Autopsy("wrong", by_steps, notes, True, first, lines, derived, chain=lined)
    told = [f for f in result.findings if f.tensor not in untold and f.tensor not in agreed]
    named = [_of_finding(f, files) for found in told for f in (found, found.then) if f is not None]
    named = _in_functions(named, tape, moved, files)
    named.sort(key=lambda item: item.mistake == EARLY)  # which holds a program back the least
    unknown = {item.tensor for item in named if item.mistake == "unknown"}
    apart = bool(by_steps) and not left and any(item.second for item in named)
    if apart:  # each of the two by itself, with its line
        named = by_steps
    if by_steps and len(left) < len(unknown):
        named = [*by_steps, *(item for item in named if item.tensor in left)]
    nameless = [n for n in wrong if all(item.tensor != n or item.mistake == "unknown" for item in named)]
    squared = candidate.kind == "squared" and candidate.label is not None and not candidate.also
    pair = (candidate.output[1], candidate.label[1]) if squared and candidate.label is not None else ("", "")
    whole = meant(tape, nameless, given, moved, files, *pair) if nameless else ""
    return Autopsy(result.status, named, list(result.notes), agrees, first, lines, derived, apart, lined, whole)


def _exchanged(other: Exchanged, files: Any) -> list[Named]:
    (text, fix), at = other.said(files), place(other.site, files)
    return [Named(tensor, "swapped-tensors", 0.85, text, fix, None, at) for tensor in other.tensors]


EARLY = "updated-too-early"


def _in_functions(named: list[Named], tape: Tape, moved: dict[str, np.ndarray], files: Any) -> list[Named]:
    """The same, where a function that computes no derivative is to blame with the line of that function."""
    lines = {item.backward for item in named if item.mistake in OF_DERIVATIVES and item.backward is not None}
    functions = wrong_functions(tape, moved, lines, files) if lines else {}
    return [replace(item, backward=functions.get(item.backward or ("", 0), item.backward)) for item in named]


OF_DERIVATIVES = ("derivative-at-wrong-point", "missing-activation-derivative")


def _of_finding(f: TensorFinding, files: Any) -> Named:
    text = f.text.partition(AND_ANOTHER)[0] if f.then is not None else f.text
    fix = f.fix.removesuffix(f"; and {f.then.fix}") if f.then is not None else f.fix
    at, others = place(f.backward, files), [str(other) for other in f.others]
    return Named(f.tensor, str(f.mistake), f.confidence, text, fix, place(f.forward, files), at, others, str(f.second))


def _of_step(step: Step, files: Any) -> list[Named]:
    """What a step of the way back says of each tensor that it spoils."""
    made = step.hypothesis
    forward = place(made.node.site if made.node is not None else None, files)
    at = place(step.site, files)
    return [
        Named(tensor, str(made.mistake), 0.9 if made.weight >= 0.7 else 0.75, made.explanation, made.fix, forward, at)
        for tensor in step.tensors
    ]


@contextmanager
def _limit(lab: Lab) -> Iterator[None]:
    """Raise TimeoutError in what takes longer than the laboratory is open: by the processor, and by the clock."""

    def late(signum: int, frame: Any) -> None:
        raise TimeoutError

    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, lab.deadline - time.process_time()),
        (signal.SIGALRM, signal.ITIMER_REAL, lab.closes - time.monotonic()),
    )
    before = [signal.signal(number, late) for number, _, _ in timers]
    for _, timer, seconds in timers:
        signal.setitimer(timer, min(max(1.0, seconds - 0.5), LONGEST), 1.0)  # again: a destructor may swallow it
    try:
        yield
    finally:
        for (number, timer, _), old in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, old)


def _multiple(given: np.ndarray, true: np.ndarray, largest: float) -> bool:
    size = float((true * true).sum())
    if size == 0:
        return float(np.abs(given).max(initial=0)) <= 1e-9 * largest
    ratio = float((given * true).sum()) / size
    return bool(np.abs(given - ratio * true).max(initial=0) <= 1e-6 * max(np.abs(given).max(initial=0), 1e-9 * largest))


def _along(given: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The part of a gradient that is the true one, where the rest is a multiple of the weights."""
    design = np.stack([true.ravel(), weights.ravel()], 1)
    ratio = float(np.linalg.lstsq(design, given.ravel(), rcond=None)[0][0])
    return ratio * true


def taped(lab: Lab, found: Parameters, candidate: Candidate) -> Generator[PassRun, PassOutcome, Tape | str]:
    """The tape of the present pass; where it cannot be recorded, why."""
    stack = ExitStack()
    holder: list[ArrayRecorder] = []

    def before(scope: Scope) -> None:
        makers = {id(getattr(np, name)): name for name in MAKERS}
        # what the program imported by name, vectorised, or takes for `float` has its stand-in there
        recorder = stack.enter_context(recording(spaces=list(scope.modules.values())))
        holder.append(recorder)
        _replace(scope, found, recorder, lab.groups, makers)

    def take(value: Any) -> Any:
        return _taken(holder[0], value)

    def after(scope: Scope) -> Any:
        recorder = holder[0]
        try:
            with np.errstate(all="ignore"):
                seen = dict(lab.watch.series) if lab.watch is not None else {}
                if candidate.frozen and candidate.label in seen:
                    seen[candidate.label] = [np.array(strip(value), dtype=float) for value in seen[candidate.label]]
                loss = candidate.compute(seen)
            if isinstance(loss, Traced):
                recorder.tape.result = recorder.node(loss.reshape(()))
                _at_home(recorder.tape, lab.files)
                return recorder.tape
            return "the loss is made from numbers of which nothing is known"
        except Untraceable as error:
            return str(error)
        finally:
            stack.close()

    outcome = yield PassRun(watch=frozenset(candidate.keys), before=before, after=after, take=take)
    return outcome.said


def by_recording(found: Parameters, candidate: Candidate) -> Any:
    """The gradient of each parameter, by reverse mode through the recorded pass. Raises ValueError where it is none."""

    def gradient(lab: Lab) -> Generator[PassRun, PassOutcome, dict[str, np.ndarray]]:
        tape = yield from taped(lab, found, candidate)
        if isinstance(tape, str):
            raise ValueError(tape)
        gradients = backward(tape).gradients()
        return {name: np.nan_to_num(np.asarray(value, dtype=float).ravel()) for name, value in gradients.items()}

    return gradient


def _at_home(tape: Tape, files: Any) -> None:
    """A usual loss is computed here, in no line of the user's: it goes by the line of what it was computed from."""
    for node in tape.nodes:
        if node.site is not None and node.site.file not in files:
            sites = [source.site for source in node.inputs if source.site is not None and source.needs]
            node.site = replace(sites[-1], part=f"loss {node.site.line} {node.site.instruction}") if sites else None


def _taken(recorder: ArrayRecorder, value: Any) -> Any:
    if isinstance(value, Traced):
        return recorder.wrap(recorder.node(value))
    if isinstance(value, float | np.floating):
        known = [node for seen, node in recorder.floats if seen == float(value) and node.value.size == 1]
        if known:
            return recorder.wrap(known[-1]).reshape(())
    if isinstance(value, list):
        items = [_taken(recorder, item) for item in value]
        if any(isinstance(item, Traced) for item in items):
            return np.stack([item if isinstance(item, Traced) else np.array(float(item)) for item in items])
    return np.array(strip(value), dtype=float)


def _replace(
    scope: Scope, found: Parameters, recorder: ArrayRecorder, groups: dict[str, Group], makers: dict[int, str]
) -> None:
    """Parameters become parameters of the tape wherever the program sees them, and data becomes constants."""
    new: dict[int, Any] = {}  # what takes the place of an array, by the array
    for name in found.parameters:
        group = groups[name]
        base = recorder.parameter(name, group.read(scope).reshape(group.shape))
        if len(group.paths) == 1:
            old = scope.get(group.paths[0])
            if isinstance(old, list):
                old[:] = [base[i] for i in range(len(old))]
            else:
                new[id(old)] = as_matrix(base) if isinstance(old, np.matrix) else base
                scope.put(group.paths[0], new[id(old)])
            continue
        flat = base.reshape(-1)
        start = 0
        for path, size in zip(group.paths, group.sizes, strict=True):
            old = scope.get(path)
            if isinstance(old, list):
                old[:] = [flat[start + i] for i in range(size)]
            elif isinstance(old, np.ndarray):
                taken = flat[start : start + size].reshape(old.shape)
                new[id(old)] = as_matrix(taken) if isinstance(old, np.matrix) else taken
                scope.put(path, new[id(old)])
            else:
                scope.put(path, flat[start])
            start += size
    for path, value in leaves(scope).items():
        if isinstance(value, Traced) or not isinstance(value, np.ndarray) or value.nbytes > LARGEST:
            continue
        if id(value) not in new and (value.dtype.kind == "f" or value.ndim >= 2):
            kept = value.astype(float) if value.dtype.kind == "f" else value  # whole numbers may be indices
            known = recorder.wrap(recorder.tape.add("constant", (), np.asarray(kept), needs=False))
            new[id(value)] = as_matrix(known) if isinstance(value, np.matrix) else known
        if id(value) in new:
            scope.put(path, new[id(value)])
    for names in scope.modules.values():
        for name, value in list(names.items()):
            if id(value) in makers:
                names[name] = getattr(np, makers[id(value)])


def _agrees(truth: np.ndarray, entry: StudiedPass, candidate: Candidate, name: str) -> bool:
    slopes = entry.slopes[candidate][name]
    along = entry.directions[name] @ truth.ravel()
    fine = np.isfinite(slopes)
    size = max(float(np.abs(slopes[fine]).max(initial=0)), float(np.abs(along[fine]).max(initial=0)))
    most = max(float(np.nanmax(np.abs(s), initial=0)) for s in entry.slopes[candidate].values())
    return bool((np.abs(slopes - along)[fine] <= 1e-3 * size + 1e-7 * most).all())
