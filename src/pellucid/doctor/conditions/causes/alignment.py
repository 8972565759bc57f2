"""labels-misaligned: inputs and labels were put into different orders, or shifted against each other."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pellucid.doctor.conditions.case import MEAN, Case, at, called, error, number
from pellucid.doctor.conditions.rows import relabelled, related, together
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes import neighbours
from pellucid.doctor.probes.data import SeenData
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import orders
from pellucid.doctor.process.paths import groups, leaves
from pellucid.doctor.report import Finding

FEWEST = 40  # rows that a statement about an order needs
CHANCE = 4.0  # standard deviations of an agreement by chance
NOWHERE = 0.95  # of the loss of a guess: who ends there has found nothing in the inputs
MOST = 2_000_000  # numbers of an array that is looked through
DIFFERENT = 0.3  # the share of rows with another label, beyond which no labels were corrected
CLEAR = 0.35  # an agreement that is none by chance in any number of rows

EXPLANATION = "The inputs are put into another order than the labels: each row gets the label of another one."


def find(case: Case) -> Finding | None:
    """What `_seen` says, and, where the right labels can be had, a training with them that has to be better."""
    finding, source = _seen(case)
    held = together(case, case.data) if finding is not None and case.data is not None else None
    if finding is None or held is None or case.session.left() < 6:
        return finding
    change = relabelled(case, held)
    if change is None:
        return finding
    remedy = Remedy("labels-misaligned", "with each row's own label", each=(change,))
    passes = max(60, min(case.as_is.passes, 3000))
    was, other = case.alone(passes, 1.5), case.run(remedy, passes, 2.0)
    if not other.finite or not other.losses:
        return finding
    before = was.level_at(other.passes)
    nowhere = source is not None or not case.learns or case.as_is.level > NOWHERE * case.guess
    if was.losses == other.losses and nowhere:  # rows are torn apart where they are taken: nothing was put right
        return finding
    if not other.level + 2 * other.noise < before:
        return None
    finding.verified = True
    finding.evidence += (
        f" After {other.passes} passes the loss is {number(before)}; {remedy.what} {other.level:.4g} ({MEAN})."
    )
    finding.fork = {"what": case.candidate.title, "as it is": was.curve(), remedy.what: other.curve()}
    return finding


def _seen(case: Case) -> tuple[Finding | None, Original | None]:
    """By the source and what the rows show, or by the rows alone: a row that comes again has another label then, or
    labels have nothing in common with those of the nearest rows until they are shifted. And the arrays in which each
    row has its own label, where these tell it."""
    if case.data is None:
        return None, None
    torn = orders.torn(case.sources)
    share = conflicting(case.data)
    said = ""
    if share >= 0.2 and (torn is not None or changing(case.data)):
        said = f"Of the rows that came more than once, {100 * share:.0f} % had another label the next time."
    elif torn is not None and torn.before_training and not case.learns:
        said = (
            f"Inputs and labels are put into different orders, and the loss stays at {case.as_is.level:.4g} "
            f"(it begins at {case.frozen.level:.4g})."
        )
    else:
        said = _unrelated(case) if torn is not None else _shifted(case)
    computed = orders.computed(case.sources, called(case.data.keys.labels))
    source = _side_by_side(case) if not said and not computed else None
    if source is not None:
        said = (
            f"In {source.inputs} and {source.labels}, side by side, {100 * source.share:.0f} % of the rows that the "
            "passes saw have another label."
        )
    if not said:
        return None, None
    if torn is not None:
        where = {"file": torn.place.file, "line": torn.place.line}
        return error("labels-misaligned", 0.93, said, EXPLANATION, torn.fix, **where), source
    label = called(case.data.keys.labels) or "the labels"
    finding = error(
        "labels-misaligned", 0.9, said, EXPLANATION, f"take inputs and {label} by the same indices, in the same order"
    )
    names = {called(key) for key in (case.data.keys.inputs, case.data.keys.labels) if key is not None}
    names |= {source.labels} if source is not None else set()
    apart = orders.taken_apart(case.sources, source.inputs, source.labels) if source is not None else None
    at(finding, apart or orders.out_of_order(case.sources, names))
    return finding, source


def conflicting(data: SeenData) -> float:
    """Of the rows that came several times, the share whose label changed."""
    labels = _labels_by_row(data)
    again = [found for found in labels.values() if len(found) > 1]
    return sum(len(set(found)) > 1 for found in again) / len(again) if len(again) >= 4 else 0.0


def changing(data: SeenData) -> bool:
    """Whether a row that comes again is no likelier to have its label than any other row would be.

    Not so where labels are noisy, where inputs are few symbols that are followed by this and that, or where labels are
    made anew in each pass.
    """
    labels = _labels_by_row(data)
    inputs = data.all("inputs")
    if inputs is None or len(labels) < 8 or not _tell_rows_apart(inputs):
        return False
    return _steady(labels) is False


def _steady(labels: dict[bytes, list[bytes]]) -> bool | None:
    """Whether a row that comes again is far likelier to have its label than any other row would be; None where too few
    come again to say so."""
    values = [label for found in labels.values() for label in found]
    kinds = {label: count / len(values) for label, count in Counter(values).items()}
    pairs = [a == b for found in labels.values() for a, b in itertools.pairwise(found)]
    if not 1 < len(kinds) <= len(labels) or len(pairs) < 8:
        return None
    chance = sum(share**2 for share in kinds.values())
    return float(np.mean(pairs)) >= chance + 0.5 * (1 - chance)


def _labels_by_row(data: SeenData) -> dict[bytes, list[bytes]]:
    batches = [(b.inputs, b.labels) for b in data.batches if b.inputs is not None and b.labels is not None]
    return _by_row(
        [pair for x, y in batches if len(x) == len(y) for pair in zip(_as_bytes(x), _as_bytes(y), strict=True)]
    )


def _by_row(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    labels: dict[bytes, list[bytes]] = {}
    for row, label in pairs:
        labels.setdefault(row, []).append(label)
    return labels


def _as_bytes(rows: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in rows]


def _tell_rows_apart(inputs: np.ndarray) -> bool:
    """Whether inputs are measurements, of which no two are the same by chance."""
    fractions = float((np.mod(inputs, 1) != 0).mean())
    return fractions > 0.2 or (inputs.shape[1] >= 16 and len(np.unique(inputs)) > 4)


# By the arrays that the rows were made of ------------------------------------------------------------------------


@dataclass(frozen=True)
class Original:
    """Inputs and labels that go together, and the share of the rows that passes saw with another label."""

    inputs: str
    labels: str
    share: float


def _side_by_side(case: Case) -> Original | None:
    """Arrays of the program whose inputs are those that were seen and whose labels are others, where theirs go with
    the inputs and those that were seen do not."""
    data = case.data
    inputs, labels = (data.all("inputs"), data.all("labels")) if data is not None else (None, None)
    if inputs is None or labels is None or not FEWEST <= len(labels) == len(inputs):
        return None
    kinds, rows = _kinds(labels), _as_bytes(inputs)
    if _go_together(inputs, labels, _by_row(zip(rows, kinds, strict=True))):
        return None
    scope, excluded = case.session.scope, frozenset(case.session.found.groups)
    held = [g for n, g in groups(leaves(scope)).items() if n not in excluded and g.shape and g.shape[0] >= FEWEST]
    arrays = [(g, g.read(scope).reshape(g.shape)) for g in held if g.size <= MOST]
    for a, x in arrays:
        own = _as_bytes(x) if x.ndim == 2 and x.shape[1] == inputs.shape[1] else []
        if len(set(own) & set(rows)) < min(max(FEWEST, 0.8 * len(set(rows))), len(set(rows))):
            continue
        for b, y in arrays:
            theirs = _kinds(y.reshape(len(y), -1)) if len(y) == len(x) and y.ndim <= 2 else []
            if len(set(theirs)) < 2 or not set(kinds) <= set(theirs) or is_column(x, y):
                continue
            known = _by_row(zip(own, theirs, strict=True))
            if not _go_together(x, y, known):
                continue
            share = float(
                np.mean([kind not in known[row] for row, kind in zip(rows, kinds, strict=True) if row in known])
            )
            if share > DIFFERENT:
                return Original(a.name, b.name, share)
    return None


def _kinds(labels: np.ndarray) -> list[bytes]:
    """Labels as what can be compared: numbers of classes, also of one-hot rows, or the numbers that they are."""
    classes = probe.classes(labels)
    return _as_bytes(np.asarray(labels if classes is None else classes, dtype=float))


def _go_together(inputs: np.ndarray, labels: np.ndarray, by_row: dict[bytes, list[bytes]]) -> bool:
    """Whether labels are those of their rows: of measurements by the nearest other rows, of what comes again and again
    by itself."""
    return related(inputs, labels) if _tell_rows_apart(inputs) else _steady(by_row) is True


def is_column(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether numbers are one of the inputs, such as the class in which a passenger travelled: no labels of them."""
    return y.size == len(x) and bool((x == y.reshape(-1, 1)).all(0).any())


# By the nearest rows ---------------------------------------------------------------------------------------------


def _ordered(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inputs and labels, a row each, in the order of the data: as the passes saw them, and as what holds them has
    them."""
    data = case.data
    inputs, labels = (data.all("inputs"), data.all("labels")) if data is not None else (None, None)
    if inputs is None or labels is None or not _tell_rows_apart(inputs):
        return []
    found: list[tuple[np.ndarray, np.ndarray]] = []
    if len(inputs) == len(labels):
        _, first = np.unique(inputs[:20_000], axis=0, return_index=True)
        first.sort()
        found.append((inputs[first], labels[first]))
    excluded = frozenset(case.session.found.groups)
    x = probe.holders(case.session.scope, inputs.shape[1], excluded, rows=inputs)
    held = probe.label_holders(case.session.scope, excluded, {group.shape[0] for group in x})
    for group in x:
        for label in (label for label in held if label.shape[0] == group.shape[0]):
            y = label.read(case.session.scope).reshape(label.shape[0], -1)
            found.append((group.read(case.session.scope).reshape(group.shape), y))
    fit = [(a, _as_numbers(b)) for a, b in found if len(a) == len(b) >= FEWEST and np.isfinite(a).all()]
    return [(a[: neighbours.MOST], b[: neighbours.MOST]) for a, b in fit if np.isfinite(b).all()]


def _as_numbers(labels: np.ndarray) -> np.ndarray:
    """Numbers of classes one-hot: 3 is no nearer to 2 than to 0."""
    known = probe.classes(labels)
    return np.eye(int(known.max()) + 1)[known] if known is not None and known.min() >= 0 else labels


def _unrelated(case: Case) -> str:
    """Where the source says that labels are out of order: whether they are those of any row, by what was seen."""
    for inputs, labels in _ordered(case)[:1]:
        found = neighbours.agreement(labels, neighbours.nearest(inputs))
        if abs(found) < CHANCE / np.sqrt(len(inputs)) and abs(found) < CLEAR / 2:
            return (
                f"The labels of {len(inputs)} rows have nothing in common with those of the nearest other rows: their "
                f"correlation is {found:.2g}."
            )
    return ""


def _shifted(case: Case) -> str:
    for inputs, labels in _ordered(case):
        found = shift(inputs, labels)
        if found is not None:
            return found
    return ""


def shift(inputs: np.ndarray, labels: np.ndarray) -> str | None:
    """What is to be said of labels that go with their inputs only when they are shifted, or turned round."""
    near = neighbours.nearest(inputs)
    now = neighbours.agreement(labels, near)
    limit = CHANCE / np.sqrt(len(inputs))
    if abs(now) > max(limit, 0.1):
        return None
    ways = {f"{abs(k)} rows {'later' if k > 0 else 'earlier'}": v for k, v in neighbours.by_shift(labels, near).items()}
    ways |= {"in the reverse order": neighbours.agreement(labels[::-1], near)}
    best = max(ways, key=lambda way: ways[way])
    if ways[best] < max(CLEAR, now + 2 * limit):
        return None
    # Where labels come in blocks, many shifts agree; then the order alone explains it.
    others = sorted(value for way, value in ways.items() if way != best)
    if others[len(others) // 2] > 0.3 * ways[best]:
        return None
    return (
        f"The labels have nothing in common with those of the nearest other rows (a correlation of {now:.2g}); taken "
        f"{best} they have: {ways[best]:.2g}."
    )
