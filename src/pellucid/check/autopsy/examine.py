"""`examine`: gradients that some program computed, beside the true ones, and the mistakes behind the difference.

This is the autopsy's door for callers that have found a training step themselves (`pellucid.doctor`). Its names and the
meaning of its arguments are stable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.check.autopsy.diagnose import Diagnosis, diagnose, free_scale
from pellucid.check.autopsy.evidence import Evidence, compare, norm
from pellucid.check.autopsy.guards import guards
from pellucid.check.autopsy.pointing import point_out
from pellucid.check.mistakes import UNKNOWN
from pellucid.check.record.plain import Untraceable, strip
from pellucid.check.record.recording import record
from pellucid.check.record.reverse import Change, backward
from pellucid.check.record.tape import Array, Site, Tape

TOLERANCE = 1e-6  # relative error of a gradient in float64 that is right
ALIGNED = 1e-5  # how near two gradients are to being multiples of each other


@dataclass
class TensorFinding:
    """One tensor whose gradient is wrong.

    Attributes:
        tensor: its name.
        mistake: a name of `pellucid.check.mistakes`, a string.
        confidence: from 0 to 1.
        text, fix: what is wrong, and what to write instead.
        forward: the line of the forward step whose backward is wrong; None where that is not known.
        backward: the line of the backward pass that computes the first wrong value, where one computes just that.
        others: further mistakes that would give the same numbers.
        second: a further mistake on the same path, made as well; empty where there is none.
        then: the same, with its own text and lines.
        evidence: the true gradient and the given one, divided by the common scale.
    """

    tensor: str
    mistake: str
    confidence: float
    text: str
    fix: str
    forward: Site | None = None
    backward: Site | None = None
    others: list[str] = field(default_factory=list)
    second: str = ""
    evidence: Evidence | None = field(default=None, repr=False)
    then: TensorFinding | None = field(default=None, repr=False)


@dataclass
class Examination:
    """What `examine` found.

    Attributes:
        status: "right", "wrong", or "inconclusive" (then `notes` says why).
        scale: the factor common to the gradients; 1.0 where none was asked for, nan where it could not be told.
        findings: for each wrong tensor, the mistake that explains most tensors first.
        evidence: for every tensor, how far it is off.
        notes: what else there is to say (a guard that the backward pass leaves out).
        truth: the true gradients.
    """

    status: str
    scale: float = 1.0
    findings: list[TensorFinding] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    truth: dict[str, Array] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        return self.status == "right"


def examine(
    loss: Callable[[dict[str, Array]], Any] | Tape,
    params: Mapping[str, Any],
    gradients: Mapping[str, Any],
    *,
    scale: float | str | None = None,
    truth: Mapping[str, Any] | None = None,
    updated: Mapping[str, Any] | None = None,
    earlier: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]] = (),
    sizes: Iterable[int] = (),
    tolerance: float = TOLERANCE,
    right: Iterable[str] = (),
) -> Examination:
    """Say whether gradients are right up to one common scale, and which mistakes explain those that are not.

    Args:
        loss: `loss(params)`, a number, which is run once on arrays that record; or a recording of one pass (a `Tape`
            from `check.record.recording.recording`, with its `parameters` and its `result`, the node of the loss). A
            recording may hold the backward pass as well; then the line of it that is wrong is found.
        params: the parameters at which the gradients were taken, by name.
        gradients: what the program computed, by the same names; None or a missing name for none at all. An update is
            one too: `(before − after)`, whose scale is the learning rate.
        scale: None: the gradients are what they are. A number: they are this many times the gradients (a learning
            rate). "free": one positive factor that is common to all, which is found.
        truth: true gradients that were measured otherwise (by differences in forks). Without them those of the
            recording are taken; with them, a recording that disagrees is not used.
        updated: the parameters as they were after the program's update, to find what was computed with them too early.
        earlier: pairs (params, gradients) of earlier passes, the latest last, to find what is accumulated or stale. The
            params may be None where only the gradients are known. They have the same scale.
        sizes: what may be the number of samples, for the name of a factor; found in the recording as well.
        tolerance: the relative error up to which a gradient is right.
        right: of a free scale, the tensors that have it, where that is known; without them, most decide.

    Returns:
        An `Examination`. Nothing that the user's `loss` raises while it is recorded comes through: the gradients are
        then judged by `truth` alone, and without `truth` the status is "inconclusive".

    >>> x, t = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0]]), np.array([[1.0], [0.0], [2.0]])
    >>> params = {"w": np.array([[0.1], [0.2]]), "v": np.array([[0.7]])}
    >>> def loss(p):
    ...     return np.mean((np.tanh(x @ p["w"]) @ p["v"] - t) ** 2)
    >>> h = np.tanh(x @ params["w"])
    >>> d = 2 * (h @ params["v"] - t) / 3
    >>> steps = {"v": 0.1 * h.T @ d, "w": 0.1 * x.T @ (d @ params["v"].T)}
    >>> found = examine(loss, params, steps, scale="free")
    >>> round(found.scale, 6), [(one.tensor, one.mistake) for one in found.findings]
    (0.1, [('w', 'missing-activation-derivative')])
    """
    point = {str(name): np.array(strip(value), float) for name, value in params.items()}
    notes: list[str] = []
    tape, true = _truth(loss, point, truth, notes)
    if true is None:
        return Examination("inconclusive", notes=notes)
    if not any(value.any() for value in true.values()):
        return Examination("inconclusive", notes=[*notes, "The loss does not change with the parameters."], truth=true)
    given = {name: _array(value) for name, value in gradients.items()}
    voters = {name: given[name] for name in right if name in given} or given
    size = {int(n) for n in sizes} | set(tape.means() if tape is not None else ())
    conventions: list[tuple[str, dict[str, Array], Change]] = [("", true, Change())]
    if tape is not None:
        way = backward(tape)
        conventions += [(said, {**true, **way.changed(change)}, change) for said, change in guards(tape)]
    factor = 1.0 if scale is None else float(scale) if not isinstance(scale, str) else math.nan
    fewest, base = len(true) + 1, Change()
    for said, truth_there, change in conventions:
        common = factor if math.isfinite(factor) else common_scale(truth_there, voters)
        evidence = evidence_at(truth_there, given, common, tolerance)
        if not any(row.wrong for row in evidence.values()):
            if said:
                notes.append(f"The gradients are right without {said}, as nearly everybody writes them.")
            return Examination("right", common, evidence=evidence, notes=notes, truth=truth_there)
        if (count := sum(row.wrong for row in evidence.values())) < fewest:
            fewest, base, true = count, change, truth_there
    common = factor if math.isfinite(factor) else common_scale(true, voters)
    tapes, before = _earlier(loss, earlier, common)
    new = {name: np.array(strip(value), float) for name, value in (updated or {}).items()}
    if not math.isfinite(common):
        common = free_scale(true, given, tape, tapes, tuple(size), new)
    if not math.isfinite(common):
        lengths = {name: norm(value) for name, value in given.items() if value is not None}
        common = max((lengths[n] / norm(true[n]) for n in true if _comparable(true, given, n)), default=1.0)
        notes.append("No factor is common to the gradients; they are shown at the scale of the largest.")
    evidence = evidence_at(true, given, common, tolerance)
    if not any(row.wrong for row in evidence.values()):
        return Examination("right", common, evidence=evidence, notes=notes, truth=true)
    rtol = max(1e-5, 3 * tolerance)
    found = diagnose(evidence, tape, tapes, before, tuple(size), rtol, updated=new, base=base)
    if tape is not None:
        point_out(tape.nodes, found)
    findings = _ranked(found, evidence)
    return Examination("wrong", common, findings, evidence, notes, true)


def common_scale(true: Mapping[str, Array], given: Mapping[str, Array | None]) -> float:
    """The factor that most gradients have in common; nan where none is a multiple of the true one.

    Of several, the one that more tensors share, and among equals the one of the last tensor, which is nearest to the
    loss. A single number is a multiple of any other and has no say, unless there is nothing else.

    >>> two = {"w": np.array([1.0, 2.0]), "v": np.array([3.0, 1.0])}
    >>> common_scale(two, {"w": np.array([0.1, 0.3]), "v": np.array([1.5, 0.5])})
    0.5
    """
    ratios: list[tuple[float, int, int]] = []
    for order, name in enumerate(true):
        if not _comparable(true, given, name):
            continue
        value, own = np.reshape(given[name], true[name].shape), true[name]  # type: ignore[arg-type]
        ratio = float((value * own).sum() / (own**2).sum())
        if ratio and norm(value - ratio * own) <= ALIGNED * norm(value):
            ratios.append((ratio, order, own.size))
    several = [entry for entry in ratios if entry[2] > 1]
    votes: list[tuple[float, int, float]] = []
    for ratio, _, _ in several or ratios:
        alike = [entry for entry in ratios if math.isclose(entry[0], ratio, rel_tol=1e-4)]
        share = sum(1.0 if entry[2] > 1 else 0.25 for entry in alike)
        votes.append((share, max(entry[1] for entry in alike), ratio))
    if not votes:
        return math.nan
    _, _, best = max(votes, key=lambda vote: (vote[2] > 0, vote[0], vote[1]))
    return abs(float(best))


def evidence_at(
    true: Mapping[str, Array], given: Mapping[str, Any], scale: float, tolerance: float
) -> dict[str, Evidence]:
    """The evidence for each tensor, of the given gradients divided by their scale."""
    factor = scale if math.isfinite(scale) and scale else 1.0
    largest = max((norm(value) for value in true.values()), default=0.0)
    return {
        name: compare(name, value, None if given.get(name) is None else given[name] / factor, tolerance, largest)
        for name, value in true.items()
    }


def _truth(
    loss: Callable[..., Any] | Tape, point: dict[str, Array], truth: Mapping[str, Any] | None, notes: list[str]
) -> tuple[Tape | None, dict[str, Array] | None]:
    measured = None if truth is None else {str(n): np.array(strip(value), float) for n, value in truth.items()}
    tape: Tape | None = None
    if isinstance(loss, Tape):
        tape = loss
    else:
        try:
            tape = record(loss, {name: value.copy() for name, value in point.items()})
        except Untraceable as error:
            notes.append(f"The loss could not be recorded: {error}.")
        except Exception as error:  # noqa: BLE001 (whatever an unusual program does with an unusual array)
            notes.append(f"The loss could not be recorded: {type(error).__name__}: {error}.")
    if tape is None:
        return None, measured
    recorded = backward(tape).gradients()
    if measured is None:
        return tape, recorded
    size = max((norm(value) for value in measured.values()), default=0.0)
    away = max((norm(recorded[n] - v) if n in recorded else norm(v) for n, v in measured.items()), default=0.0)
    if away > 1e-3 * size:
        notes.append("What was recorded of the loss does not agree with its slopes, and is not used.")
        return None, measured
    return tape, {name: recorded[name] for name in measured}


def _earlier(loss: Any, earlier: Iterable[Any], scale: float) -> tuple[list[Tape], list[dict[str, Array]]]:
    """Tapes and gradients of earlier passes, the latest first."""
    tapes: list[Tape] = []
    before: list[dict[str, Array]] = []
    factor = scale if math.isfinite(scale) else 1.0
    for params, given in reversed(list(earlier)):
        arrays = {name: _array(value) for name, value in given.items()}
        before.append({name: value / factor for name, value in arrays.items() if value is not None})
        if params is not None and callable(loss):
            try:
                tapes.append(record(loss, {str(n): np.array(strip(value), float) for n, value in params.items()}))
            except Exception:  # noqa: BLE001 (the first recording says why)
                continue
    return tapes, before


def _array(value: Any) -> Array | None:
    if value is None:
        return None
    array = np.asarray(strip(value))
    return array.astype(float) if array.dtype.kind in "fiub" else None


def _comparable(true: Mapping[str, Array], given: Mapping[str, Array | None], name: str) -> bool:
    value = given.get(name)
    return value is not None and value.size == true[name].size and bool(true[name].any()) and bool(value.any())


def _ranked(found: Mapping[str, Diagnosis], evidence: Mapping[str, Evidence]) -> list[TensorFinding]:
    """The mistake that explains most tensors first, and among equals the surest."""
    alike: dict[tuple[str, str], int] = {}
    for diagnosis in found.values():
        key = (diagnosis.mistake, diagnosis.where or diagnosis.explanation)
        alike[key] = alike.get(key, 0) + 1

    def rank(name: str) -> tuple[bool, int, float]:
        diagnosis = found[name]
        return (
            diagnosis.mistake == UNKNOWN,
            -alike[diagnosis.mistake, diagnosis.where or diagnosis.explanation],
            -diagnosis.confidence,
        )

    return [_told(name, found[name], evidence[name]) for name in sorted(found, key=rank)]


def _told(name: str, said: Diagnosis, evidence: Evidence) -> TensorFinding:
    return TensorFinding(
        name,
        said.mistake,
        said.confidence,
        said.explanation,
        said.fix,
        said.site,
        said.backward,
        list(said.others),
        said.second,
        evidence,
        _told(name, said.then, evidence) if said.then is not None else None,
    )
