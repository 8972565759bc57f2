"""unshuffled-data: batches are not a mix of the classes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from pellucid.doctor.conditions.case import Case, at, called
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.data import SeenData, classes
from pellucid.doctor.probes.tables import Holder, Turned, by_rows
from pellucid.doctor.probes.trials import Change, Remedy, transformed
from pellucid.doctor.process import orders
from pellucid.doctor.process.paths import Path, Scope, leaves
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    """Confirmed by a training on shuffled rows. The loss of a sorted run is that of the class it just saw: so both are
    asked again over all rows, standing still."""
    data = case.data
    labels = data.all("labels") if data is not None else None
    order = sorted_labels(data) if data is not None else None
    if data is None or order is None or labels is None:
        return None
    found = _shuffled(case, data)
    if found is None:
        return None
    shuffled, held = found
    passes = max(40, min(case.as_is.passes, 3000))
    was, other = case.alone(passes, 2.5), case.run(shuffled, passes, 2.5)
    if not was.finite or not other.finite:
        return None
    count = min(2000, len(data.batches))
    was_then, other_then = (
        case.run(case.fixed_at(done, remedy), count, 2.0) for done, remedy in ((was, Remedy()), (other, shuffled))
    )
    if not (was_then.losses and other_then.losses and was_then.finite and other_then.finite):
        return None
    before, after = float(np.mean(was_then.losses)), float(np.mean(other_then.losses))
    if not after < 0.75 * before:
        return None
    begin = case.run(Remedy(scale=0.0), count, 1.5)
    begun = float(np.mean(begin.losses)) if begin.finite else before
    finding = Finding(
        "unshuffled-data",
        "warning",
        0.9,
        f"The class of the labels changes {order[1]} times in {len(labels)} samples ({order[0]} classes). "
        f"After {passes} passes the loss over the data is {before:.4g}; with shuffled rows it is {after:.4g}.",
        "The samples come sorted by class: each batch pulls the parameters to the class it is made of.",
        "shuffle inputs and labels together before each epoch: order = np.random.permutation(len(X)); "
        "X, y = X[order], y[order]",
        verified=True,
        fork={
            "what": f"{case.candidate.title}, over all rows",
            "as it is": [begun, before],
            "with shuffled rows": [begun, after],
        },
    )
    if any(isinstance(group, Turned) for group in held.values()):
        finding.fix = finding.fix.replace("len(X)", "X.shape[1]").replace(
            "X[order], y[order]", "X[:, order], y[:, order]"
        )
    loop = case.session.program.loops.loops[case.session.number]
    if len(held) == 2 and all(re.fullmatch(r"[\w.]+", name) for name in held):
        places = {name: "[:, order]" if isinstance(group, Turned) else "[order]" for name, group in held.items()}
        rows = ", ".join(f"{name}{place}" for name, place in places.items())
        counted = next(
            (f"len({name})" for name, place in places.items() if place == "[order]"), f"{next(iter(held))}.shape[1]"
        )
        new = f"order = np.random.permutation({counted}); {', '.join(held)} = {rows}"
        finding.fix = f"shuffle inputs and labels together before each epoch: {new}"
        finding.patch = {"before": new, "line": loop.line}
    names = {called(key) for key in (data.keys.inputs, data.keys.labels) if key is not None}
    at(finding, orders.sorted_rows(case.sources, names, loop.file, loop.line))
    around = loop
    while around.outer is not None:
        around = case.session.program.loops.loops[around.outer]
    if (
        shuffled.each and around.line <= (finding.line or 0) <= around.last_line
    ):  # made anew, it is not that of the data
        finding.patch = None
        finding.fix = "take the rows in a new random order in each epoch, with np.random.permutation(n) here"
    return finding


def sorted_labels(data: SeenData) -> tuple[int, int] | None:
    """How many classes there are and how often the class changes from sample to sample, where that is as if sorted."""
    found = classes(data.all("labels"))
    batches = [classes(batch.labels) for batch in data.batches]
    if found is None or len(found) < 40 or len(data.batches) < 4:
        return None
    known = [batch for batch in batches if batch is not None]
    count = len(np.unique(found))
    if count < 2 or len(known) < len(batches):
        return None
    if np.mean([len(np.unique(batch)) for batch in known]) > max(1.0, 0.6 * count):  # a batch is a mix
        return None
    changes = int((np.diff(found) != 0).sum())
    expected = (1 - float(((np.bincount(found - found.min()) / len(found)) ** 2).sum())) * len(found)
    return (count, changes) if changes < 0.15 * expected and changes < len(found) / 8 else None


def _shuffled(case: Case, data: SeenData) -> tuple[Remedy, dict[str, Holder]] | None:
    """The rows of all that holds the data, in one new order; and what holds them, by name."""
    labels, inputs = data.all("labels"), data.all("inputs")
    if labels is None or inputs is None:
        return None
    excluded = frozenset(case.session.found.groups)
    width = inputs.shape[1]
    x = [by_rows(holder, width) for holder in probe.holders(case.session.scope, width, excluded, True, inputs)]
    y = probe.label_holders(case.session.scope, excluded, {group.shape[0] for group in x}, columns=True)
    pairs = [(a, b) for a in x for b in y if a.shape[0] == b.shape[0] and a.shape[0] >= 20]
    if not pairs:
        return None
    taken = orders_taken(case.session.scope, {a.shape[0] for a in x})
    changes = []
    for count in {a.shape[0] for a, _ in pairs}:
        order = np.random.default_rng(0).permutation(count)
        tensors = list({g.name: g for pair in pairs for g in pair if g.shape[0] == count}.values())
        changes.append(transformed(tensors, lambda values, order=order: values[order]))
    held = {group.name: group for pair in pairs for group in pair}
    each = (in_any_order(taken),) if taken else ()
    return Remedy("unshuffled-data", "with shuffled rows", begin=tuple(changes), each=each), held


def orders_taken(scope: Scope, counts: set[int]) -> list[Path]:
    """What numbers the rows in some order, by which a pass takes them: sorted anew, it undoes any order of the rows."""
    return [path for path, value in leaves(scope, max(counts, default=0)).items() if _is_order(value, counts)]


def _is_order(value: Any, counts: set[int]) -> bool:
    if not isinstance(value, np.ndarray | list) or len(np.shape(value)) != 1 or len(value) not in counts:
        return False
    numbers = np.asarray(value)
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        return False
    return numbers.dtype.kind in "iu" and np.array_equal(np.sort(numbers), np.arange(len(numbers)))


def in_any_order(paths: list[Path]) -> Change:
    """At the head of each pass: what a program has put into an order of its own since the last one is mixed."""
    rng, mixed = np.random.default_rng(0), dict[Path, np.ndarray]()

    def change(scope: Scope) -> None:
        for path in paths:
            value = scope.get(path)
            known = path in mixed and np.array_equal(value, mixed[path])
            if not known and _is_order(value, {np.size(value)}):
                mixed[path] = rng.permutation(len(value))
                value[:] = mixed[path].tolist()  # in place, for a loop that goes through it

    return change
