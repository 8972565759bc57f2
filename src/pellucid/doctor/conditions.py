"""The causes that need no gradient: what the data, the first values, the rate and the length of a training make of it.

Asked only where the gradient is right. What a program does when left alone comes first: one that learns is not asked
whether it could do better. Otherwise each premise is tried in a fork, the best remedy is kept, and the search goes on
with it until the training learns.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.slopes import Study
from pellucid.doctor.probes.trials import BURST, Remedy, Trial, to_values, transformed, trial
from pellucid.doctor.probes.trials import rewind as put_back
from pellucid.doctor.process import places
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import Session
from pellucid.doctor.process.source import Source
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import data as rules
from pellucid.doctor.rules import gradient, learning, start

MOST_PASSES = 200_000


@dataclass
class Case:
    """What is known of a program while its conditions are looked at."""

    session: Session
    candidate: Candidate
    study: Study
    keys: probe.Keys
    initial: dict[str, np.ndarray]
    data: probe.Data | None = None
    frozen: Trial = field(default_factory=Trial)
    as_is: Trial = field(default_factory=Trial)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)

    def run(self, remedy: Remedy, passes: int, seconds: float, keys: frozenset[Any] = frozenset()) -> Trial:
        """A training in a fork."""
        found = self.session.found
        return self.session.lab(
            lambda lab: trial(lab, found, self.candidate, self.initial, passes, seconds, remedy, keys),
            found.groups,
            seconds * 1.3 + 1,
        )


def structure(session: Session, judgement: gradient.Judgement, study: Study) -> list[Finding]:
    """What is wrong about the outputs of the first pass already, and makes a right gradient look wrong."""
    for pair in probe.distributions(study.seen, study.depends):
        excluded = frozenset(session.found.groups)
        keys = probe.keys_of(study.seen, study.depends, pair, excluded)
        batch = probe.batch_of(study.seen, keys)
        finding = rules.softmax_axis(batch) or rules.single_unit(batch)
        if finding is not None:
            return [_placed(_case(session, judgement, study), finding)]
    return []


def look(session: Session, judgement: gradient.Judgement, study: Study) -> list[Finding]:
    """The findings, the one to begin with first."""
    try:
        return _look(_case(session, judgement, study))
    except Lost:
        return []


def rewind(session: Session) -> None:
    """Put the parameters of the program itself back to what they were at first."""
    put_back(session.found, session.controller.scout.loops[session.number].initial, session.scope)
    session.returned = True


def strayed(session: Session) -> bool:
    """Whether a few passes took a parameter far away from where it began."""
    initial = session.controller.scout.loops[session.number].initial
    for name in session.found.parameters:
        old, now = initial.get(name), session.found.groups[name].read(session.scope)
        if old is not None and old.shape == now.shape and (size := float(np.linalg.norm(old))) > 0:
            distance = float(np.linalg.norm(now - old))
            if not distance < 30 * size:
                return True
    return False


def _case(session: Session, judgement: gradient.Judgement, study: Study) -> Case:
    candidate = judgement.candidate
    scores = {
        c: found.score
        for c in study.candidates
        if c.label is not None and (found := gradient.by(study.passes, c)) is not None
    }
    usual = sorted(scores, key=lambda c: -scores[c])
    excluded = frozenset(session.found.groups)
    pair = candidate if candidate.label is not None else probe.pair_of(usual, study.seen, study.depends)
    keys = probe.keys_of(study.seen, study.depends, pair, excluded)
    loop = session.controller.scout.loops[session.number]
    case = Case(session, candidate, study, keys, loop.initial)
    found = session.found
    for name in found.parameters:
        values = case.initial.get(name)
        if values is not None and values.size == found.groups[name].size:
            case.tensors[name] = values.reshape(found.groups[name].shape)
    return case


def _look(case: Case) -> list[Finding]:
    session = case.session
    seconds = max(1.0, min(5.0, session.left() / 6))
    outputs = frozenset(key for key in (case.keys.labels, case.keys.outputs) if key is not None)
    case.as_is = case.run(Remedy(), MOST_PASSES, seconds, outputs)
    case.frozen = case.run(Remedy(scale=0.0), BURST, 1.5)
    findings: list[Finding] = []
    if case.keys.labels is not None:
        case.data = session.lab(
            lambda lab: probe.observe(lab, case.keys, case.candidate, 400, 2.0), session.found.groups, 4.0
        )
        findings += _of_data(case)
    if findings and findings[0].severity == "error":
        return [_placed(case, finding) for finding in findings]
    findings += _of_training(case)
    return [_placed(case, finding) for finding in findings]


# The data ------------------------------------------------------------------------------------------------------------


def _of_data(case: Case) -> list[Finding]:
    data = case.data
    if data is None:
        return []
    first, last = (probe.batch_of(seen, case.keys) for seen in (case.as_is.first, case.as_is.last))
    learnt = learning.learns(case.frozen, case.as_is)
    found = [rules.not_finite(data), rules.constant_target(data)]
    found += [_coverage(case, data), _misaligned(case, data, learnt)]
    if not learnt:
        found += [rules.out_of_reach(first, last), rules.imbalance(data, last)]
    found.append(_unshuffled(case, data))
    return [finding for finding in found if finding is not None]


def _coverage(case: Case, data: probe.Data) -> Finding | None:
    loop = case.session.program.loops.loops[case.session.number]
    cut = places.cut(case.session.program.loops.sources, loop.file, loop.line, loop.last_line, _name(data.keys.inputs))
    if cut is None:
        return None
    try:
        base = case.session.scope.get(_path(case, cut.base))
        count = probe.distinct(base)
    except (LookupError, AttributeError, TypeError, ValueError, StopIteration):
        return None
    finding = rules.repeated_rows(data, count)
    if finding is not None:
        finding.file, finding.line = cut.place.file, cut.place.line
    return finding


def _path(case: Case, name: str) -> Any:
    frame = case.session.frame
    parts = name.split(".")
    if frame.f_code.co_name != "<module>" and parts[0] in frame.f_locals:
        root: Any = ("local", parts[0])
    else:
        module = next(m for m, names in case.session.program.modules().items() if parts[0] in names)
        root = ("global", (module, parts[0]))
    return (root, *(("attr", part) for part in parts[1:]))


def _misaligned(case: Case, data: probe.Data, learnt: bool) -> Finding | None:
    torn = places.torn(case.session.program.loops.sources)
    if torn is None:
        return None
    share = rules.conflicting(data)
    if share < 0.2 and (learnt or not torn.before_training):
        return None
    evidence = (
        f"Of the rows that came more than once, {100 * share:.0f} % had another label the next time."
        if share >= 0.2
        else f"Inputs and labels are put into different orders, and the loss stays at {case.as_is.level:.4g} "
        f"(it begins at {case.frozen.level:.4g})."
    )
    return rules.error(
        "labels-misaligned",
        0.93 if share >= 0.2 else 0.8,
        evidence,
        "The inputs are put into another order than the labels: each row gets the label of another one.",
        torn.fix,
        file=torn.place.file,
        line=torn.place.line,
    )


def _unshuffled(case: Case, data: probe.Data) -> Finding | None:
    order = rules.sorted_labels(data)
    labels = data.all("labels")
    if order is None or labels is None:
        return None
    shuffled = _shuffled(case, data)
    if shuffled is None:
        return None
    passes = max(40, min(case.as_is.passes, 3000))
    was, other = case.run(Remedy(), passes, 2.5), case.run(shuffled, passes, 2.5)
    if not was.finite or not other.finite:
        return None
    # The loss of a sorted run is that of the class it just saw: both are asked again over all rows, standing still.
    count = min(2000, len(data.batches))
    was_then, other_then = (
        case.run(_still(case, done, remedy), count, 2.0) for done, remedy in ((was, Remedy()), (other, shuffled))
    )
    if not (was_then.losses and other_then.losses and was_then.finite and other_then.finite):
        return None
    before, after = float(np.mean(was_then.losses)), float(np.mean(other_then.losses))
    if not after < 0.75 * before:
        return None
    return Finding(
        "unshuffled-data",
        "warning",
        0.9,
        f"The class of the labels changes {order[1]} times in {len(labels)} samples ({order[0]} classes). "
        f"After {passes} passes the loss over the data is {before:.4g}; with shuffled rows it is {after:.4g}.",
        "The samples come sorted by class: each batch pulls the parameters to the class it is made of.",
        "shuffle inputs and labels together before each epoch: order = np.random.permutation(len(X)); "
        "X, y = X[order], y[order]",
        verified=True,
        fork={"what": case.candidate.title, "as it is": was.curve(), "with shuffled rows": other.curve()},
    )


def _still(case: Case, done: Trial, remedy: Remedy) -> Remedy:
    values = [to_values(case.session.found, name, done.values[name]) for name in case.session.found.groups]
    return Remedy(scale=0.0, begin=(*remedy.begin, *values))


def _shuffled(case: Case, data: probe.Data) -> Remedy | None:
    """The rows of all that holds the data, in one new order."""
    labels = data.all("labels")
    inputs = data.all("inputs")
    if labels is None or inputs is None:
        return None
    excluded = frozenset(case.session.found.groups)
    x = probe.holders(case.session.scope, inputs.shape[1], excluded)
    y = probe.label_holders(case.session.scope, excluded, {group.shape[0] for group in x})
    pairs = [(a, b) for a in x for b in y if a.shape[0] == b.shape[0] and a.shape[0] >= 20]
    if not pairs:
        return None
    changes = []
    for count in {a.shape[0] for a, _ in pairs}:
        order = np.random.default_rng(0).permutation(count)
        tensors = list({g.name: g for pair in pairs for g in pair if g.shape[0] == count}.values())
        changes.append(transformed(tensors, lambda values, order=order: values[order]))
    return Remedy("unshuffled-data", "with shuffled rows", begin=tuple(changes))


# The training --------------------------------------------------------------------------------------------------------


def _of_training(case: Case) -> list[Finding]:
    """Remedies tried in forks, until the training learns."""
    found: list[Finding] = []
    remedy, was = Remedy(), case.as_is
    for _ in range(2):
        if case.session.left() < 3 or (learning.learns(case.frozen, was) and not _stays_alike(case, was, found)):
            break
        better = _best(case, remedy, was, [finding.cause for finding in found])
        if better is None:
            break
        finding, added, was = better
        found.append(finding)
        remedy = remedy.and_(added)
    return found


def _stays_alike(case: Case, was: Trial, found: list[Finding]) -> bool:
    """Units that began alike and are still alike at the end."""
    if found:
        return False
    groups = case.session.found.groups
    return any(
        name in was.values and start.alike(was.values[name].reshape(groups[name].shape)) for name in _hidden_alike(case)
    )


def _hidden_alike(case: Case) -> list[str]:
    return [n for n in start.symmetric(case.tensors) if min(case.tensors[n].shape) > 1]


Made = tuple[Finding, Remedy, Trial]


def _best(case: Case, so_far: Remedy, was: Trial, known: list[str]) -> Made | None:
    """The first premise whose remedy is one."""
    tries: list[Callable[[Case, Remedy, Trial], Made | None]] = [
        _symmetric, _scaled_inputs, _init_large, _init_small, _rate, _more_updates
    ]  # fmt: skip
    for attempt in tries:
        if case.session.left() < 2:
            return None
        try:
            made = attempt(case, so_far, was)
        except Lost:
            continue
        if made is not None and made[0].cause not in known:
            return made
    return None


def _try(case: Case, so_far: Remedy, was: Trial, remedy: Remedy) -> Trial | None:
    """The trial of a remedy, if it is one."""
    seconds = max(0.8, min(4.0, 1.5 * was.seconds, case.session.left() / 5))
    other = case.run(so_far.and_(remedy), max(was.passes, 1), seconds)
    return other if learning.confirmed(case.frozen, was, other) else None


def _finding(
    case: Case, was: Trial, other: Trial, remedy: Remedy, evidence: str, explanation: str, fix: str
) -> Finding:
    if other.passes >= 0.9 * was.passes:
        went = was.level
    else:
        went = was.level_at(other.passes)
    proof = f"After {other.passes} passes the loss is {_number(went)}; {remedy.what} it is {other.level:.4g} "
    proof += f"(it begins at {case.frozen.level:.4g})."
    return Finding(
        remedy.name,
        "warning",
        0.9,
        f"{evidence} {proof}".strip(),
        explanation,
        fix,
        verified=True,
        fork={"what": case.candidate.title, "as it is": was.curve(), remedy.what: other.curve()},
    )


def _symmetric(case: Case, so_far: Remedy, was: Trial) -> Made | None:
    names = start.symmetric(case.tensors)
    if not names:
        return None
    rng = np.random.default_rng(0)
    begin = tuple(
        to_values(
            case.session.found,
            name,
            rng.normal(0, 1 / np.sqrt(np.mean(case.tensors[name].shape)), case.tensors[name].size),
        )
        for name in names
    )
    remedy = Remedy("symmetric-init", "with random weights", begin=begin)
    other = _try(case, so_far, was, remedy)
    if other is None:
        return None
    same = ", ".join(names)
    zero = all((case.tensors[name] == 0).all() for name in names)
    finding = _finding(
        case, was, other, remedy,
        f"At the beginning all units of {same} are the same" + (": every weight is 0." if zero else "."),
        "Units that begin alike get the same gradient and stay alike: the layer is as good as one unit.",
        "begin with random numbers: np.random.randn(n_in, n_out) / np.sqrt(n_in)",
    )  # fmt: skip
    _at(case, finding, places.first_values(_sources(case), names[0]))
    return finding, remedy, other


def _scaled_inputs(case: Case, so_far: Remedy, was: Trial) -> Made | None:
    rows = case.data.all("inputs") if case.data is not None else None
    if rows is None or len(rows) < 4 or not np.isfinite(rows).all():
        return None
    rows = np.unique(rows[:5000], axis=0)
    big = start.unequal(rows)
    if not big and not start.unscaled(rows):
        return None
    mean, std = start.columns(rows)
    holders = probe.holders(case.session.scope, rows.shape[1], frozenset(case.session.found.groups))
    if not holders:
        return None

    def standard(values: np.ndarray) -> np.ndarray:
        return (values - mean) / std if values.shape[1] == len(mean) else (values - mean[:, None]) / std[:, None]

    name = "feature-scale-mismatch" if big else "input-not-scaled"
    remedy = Remedy(name, "with scaled inputs", begin=(transformed(holders, standard),))
    other = _try(case, so_far, was, remedy)
    if other is None:
        return None
    size = np.sqrt(np.mean(rows**2, axis=0))
    evidence = (
        f"Columns {', '.join(map(str, big[:6]))} of the inputs are up to "
        f"{size.max() / max(np.median(size), 1e-300):.3g} times as large as the others."
        if big
        else f"The inputs have a mean of {rows.mean():.4g} and a standard deviation of {rows.std():.4g}."
    )
    called = _name(case.data.keys.inputs if case.data else None) or "X"
    finding = _finding(
        case, was, other, remedy, evidence,
        "Inputs of this size saturate the units or make every step too long for some weights.",
        "scale them before the training, by the numbers of the training rows: "
        f"{called} = ({called} - {called}.mean(axis=0)) / {called}.std(axis=0)",
    )  # fmt: skip
    _at(case, finding, places.first_values(_sources(case), holders[0].name))
    return finding, remedy, other


def _init_large(case: Case, so_far: Remedy, was: Trial) -> Made | None:
    large = {name: size for name, size in start.sizes(case.tensors).items() if size > 4}
    return _resized(case, so_far, was, large, "init-too-large", "with smaller first weights") if large else None


def _init_small(case: Case, so_far: Remedy, was: Trial) -> Made | None:
    small = {name: size for name, size in start.sizes(case.tensors).items() if 0 < size < 0.1}
    return _resized(case, so_far, was, small, "init-too-small", "with larger first weights") if small else None


def _resized(case: Case, so_far: Remedy, was: Trial, odd: dict[str, float], name: str, what: str) -> Made | None:
    begin = tuple(
        to_values(case.session.found, tensor, case.tensors[tensor].ravel() / size) for tensor, size in odd.items()
    )
    remedy = Remedy(name, what, begin=begin)
    other = _try(case, so_far, was, remedy)
    if other is None:
        return None
    tensor = max(odd, key=lambda key: abs(np.log(odd[key])))
    small = name == "init-too-small"
    finding = _finding(
        case, was, other, remedy,
        f"The first weights of {tensor} are about {odd[tensor]:.3g} times as large as 1 / √(units).",
        "So small weights let the signal and the gradient fade from layer to layer."
        if small
        else "So large weights saturate the units, or blow the outputs up, before anything is learnt.",
        "begin with np.random.randn(n_in, n_out) / np.sqrt(n_in)",
    )  # fmt: skip
    _at(case, finding, places.first_values(_sources(case), tensor))
    return finding, remedy, other


def _rate(case: Case, so_far: Remedy, was: Trial) -> Made | None:
    """Over decades: down where it does not come down, up where it hardly moves."""
    share = learning.share(case.frozen.level, was.level)
    off = learning.worsened(was, case.frozen)
    down = not was.finite or share < learning.BARELY or off is not None
    for scale in (0.1, 0.01, 0.001, 1e-4) if down and not _crawls(case, was) else ():
        remedy = Remedy("lr-too-high", f"at {scale:g} times the rate", scale=scale)
        other = _try(case, so_far, was, remedy)
        if other is not None:
            return _of_rate(case, was, other, remedy, off), remedy, other
    total = _total(case)
    if was.finite and off is None and share > -0.02 and not _noisy(was):
        best: tuple[Remedy, Trial] | None = None
        for scale in (10.0, 100.0, 1000.0, 10_000.0):
            remedy = Remedy("lr-too-low", f"at {scale:g} times the rate", scale=scale)
            other = _try(case, so_far, was, remedy)
            if other is None or (best is not None and other.level >= best[1].level):
                if best is not None or (other is not None and not other.finite):
                    break
                continue
            best = remedy, other
            if learning.share(case.frozen.level, other.level) > 0.8:
                break
        if best is not None and _is_low(case, was, best[0].scale, total):
            return _of_rate(case, was, best[1], best[0], None), *best
    return None


def _crawls(case: Case, was: Trial) -> bool:
    return learning.travels(was, was.passes) < 1e-2


def _noisy(was: Trial) -> bool:
    curve = was.curve()
    rises = sum(b > a * 1.02 for a, b in itertools.pairwise(curve))
    return len(curve) > 4 and rises > 0.4 * len(curve)


def _is_low(case: Case, was: Trial, scale: float, total: int | None) -> bool:
    """Not where the program would get there by its own end, nor where too few passes are the cause."""
    if was.ended:
        return was.passes > 60 or scale >= 100
    return learning.travels(was, total or 100 * was.passes) < 0.2 and scale >= 10


def _total(case: Case) -> int | None:
    loop = case.session.program.loops.loops[case.session.number]
    frame = case.session.frame
    names = {**frame.f_globals, **frame.f_locals}
    return places.passes(_sources(case), loop.file, loop.line, names)


def _of_rate(case: Case, was: Trial, other: Trial, remedy: Remedy, off: int | None) -> Finding:
    groups = case.session.found.groups
    source = Source.of(_sources(case))
    updates = [(u.file, u.line) for name in case.session.found.parameters for u in source.updates(groups[name])]
    place = places.rate(_sources(case), updates)
    high = remedy.scale < 1
    new = f" {place.value * remedy.scale:.3g}" if place is not None and place.value is not None else ""
    is_now = f"The learning rate is {place.text}. " if place is not None and place.text else ""
    late = high and off is not None and off > 2 * BURST
    finding = _finding(
        case, was, other, remedy,
        is_now + (f"The training comes off the road at pass {off}." if late else ""),
        "Each step goes beyond the valley: the loss grows or jumps." if high else
        "The steps are so short that the parameters hardly leave their place.",
        f"try a learning rate of{new}" if new else f"{'divide' if high else 'multiply'} the learning rate by "
        f"{1 / remedy.scale if high else remedy.scale:g}",
    )  # fmt: skip
    if late:
        finding.cause = "late-instability"
    _at(case, finding, place)
    if place is not None and place.text and place.value is not None:
        old = case.session.program.loops.line(place.file, place.line)
        finding.patch = {
            "file": place.file,
            "line": place.line,
            "old": old,
            "new": old.replace(place.text, f"{place.value * remedy.scale:.3g}", 1),
        }
    return finding


def _more_updates(case: Case, so_far: Remedy, was: Trial) -> Made | None:
    """A run that ends while its loss still falls."""
    curve = was.losses
    falls = was.finite and learning.share(case.frozen.level, was.level) > 0.01
    if not was.ended or was.passes > 200 or len(curve) < 2 or not falls or _noisy(was):
        return None
    remedy = Remedy("too-few-updates", "with each pass run 20 times", repeat=20)
    seconds = max(1.0, min(4.0, case.session.left() / 5))
    other = case.run(so_far.and_(remedy), was.passes * 20, seconds)
    if not other.losses or not other.finite:
        return None
    if learning.share(case.frozen.level, other.level) < 2.5 * max(0.08, learning.share(case.frozen.level, was.level)):
        return None
    finding = _finding(
        case, was, other, remedy,
        f"The program makes {was.passes} updates and ends while its loss still falls.",
        "Nothing is wrong with the updates; there are too few of them.",
        "train for more epochs",
    )  # fmt: skip
    loop = case.session.program.loops.loops[case.session.number]
    while loop.outer is not None:
        loop = case.session.program.loops.loops[loop.outer]
    _at(case, finding, places.Place(loop.file, loop.line))
    return finding, remedy, other


# Where --------------------------------------------------------------------------------------------------------------


def _sources(case: Case) -> dict[str, str]:
    return case.session.program.loops.sources


def _name(key: Any) -> str:
    return key[1] if key is not None else ""


def _at(case: Case, finding: Finding, place: places.Place | None) -> None:
    if place is not None:
        finding.file, finding.line = place.file, place.line


def _placed(case: Case, finding: Finding) -> Finding:
    """With the line of the source, where the cause says which one it is."""
    if finding.line is None:
        _at(case, finding, places.of_cause(finding.cause, _sources(case), case.keys))
    if finding.file is not None and finding.line is not None:
        finding.code = case.session.program.loops.line(finding.file, finding.line)
    return finding


def _number(value: float) -> str:
    return "no number any more" if not np.isfinite(value) else f"{value:.4g}"
