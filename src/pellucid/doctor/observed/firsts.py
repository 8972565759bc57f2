"""Where a program first had the labels, the rows and the broken numbers that it trains on or evaluates, by what its
variables held as its lines were followed: the line that a reader would change, however the numbers were handed on."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pellucid.doctor.edits import statement_at
from pellucid.doctor.report import Finding
from pellucid.doctor.sources import text_of

from . import labels
from .findings import finding_of, show
from .following import Follower, Made
from .matching import trained_rows
from .record import Place, ProgramRecord
from .reordered import reordered
from .rows import inside, told_apart
from .suspicion import Suspicion

# causes that are told where the numbers came to be, by what is asked for: see `firsts`
ASKED = {
    "non-finite-data": "bad", "noisy-labels": "labels", "labels-out-of-range": "labels", "constant-target": "labels",
    "train-val-leak": "split", "train-val-preprocessing-mismatch": "held", "labels-misaligned": "order",
}  # fmt: skip
SOME = 0.05  # of the rows of an evaluation, that were trained on
SEEN = 0.95  # the confidence in an order that was seen to change
LEAST = 4  # rows of a batch, which say where they come from
CLOSE = 1e-5  # of the largest of them, by which numbers that tell rows apart are the same


def shown_where_made(
    findings: list[Finding],
    record: ProgramRecord,
    followed: Callable[[np.ndarray | None], dict[str, Place]],
    lost: bool = False,
) -> None:
    """Have faults of the data stand where these came to be. `followed`: runs the program once more for that; `lost`:
    whether it knows hardly anything of its rows, and nothing was found, so that it is asked whether these have others'
    labels."""
    asked = [f for f in findings if f.cause in ASKED and f.severity == "error" and (f.file or "").endswith(".py")]
    if not asked and not lost:
        return
    made = followed(_evaluated(record, any(ASKED[f.cause] == "split" for f in asked)))
    for finding in asked:
        at = _instead((str(finding.file), finding.line or 0), made.get(ASKED[finding.cause]), finding.cause, record)
        if at is not None and "diff" not in finding.fork:
            show(finding, *at)
            finding.confidence = SEEN if ASKED[finding.cause] == "order" else finding.confidence
    if lost and "order" in made:
        findings.append(finding_of(_misaligned(made["order"]), record, None))


def _misaligned(at: Place) -> Suspicion:
    return Suspicion(
        "labels-misaligned",
        "By what its variables held, this line puts rows into another order than their labels, or these than their "
        "rows, and it learns next to nothing.",
        "Labels belong to other rows than those that they come with.",
        "draw one permutation for both: p = torch.randperm(n); x, y = x[p], y[p]",
        at,
        certain=True,
        confidence=SEEN,
    )


def _evaluated(record: ProgramRecord, trained: bool) -> np.ndarray | None:
    """Rows of the last evaluation; where some are to be of the training, of the last one that has such and others."""
    told = [held for held in record.held_out if held.inputs is not None and held.inputs.ndim > 1]
    if trained and told:
        known = trained_rows(record)
        shares = [float(inside(held.rows, known).mean()) for held in told]
        told = [held for held, share in zip(told, shares, strict=True) if SOME <= share < 1] or told
    rows = None if not told else told[-1].inputs
    return None if rows is None else rows.reshape(len(rows), -1)


def _instead(now: Place, first: Place | None, cause: str, record: ProgramRecord) -> Place | None:
    """What a finding is to be told at in the place of this line; None where that is right already."""
    what = ASKED[cause]
    if what == "labels":
        read = labels.made_at(record.loss.place)
        within = read is None or (first is not None and called_in(read, first))
        return first if within or first is None else read if now == record.loss.place else None
    if what in ("split", "held"):
        measured = {at for held in record.held_out for at in (held.place, held.source)}
        return first if now in measured else None
    return first


def firsts(follower: Follower, record: ProgramRecord, held: np.ndarray | None) -> dict[str, Place]:
    """Lines by what they made first, of the first batch and of some rows of an evaluation, `held`: "labels", "bad",
    "split" (after which rows of both are not in one table any more), "held", "order" (see `reordered`)."""
    if not record.inputs or not record.targets:
        return {}
    batch = record.inputs[0]
    found = {"labels": _labels(follower, batch, record.targets[0]), "bad": _bad(follower, batch)}
    if held is not None and held.ndim == 2 and len(held):
        found["held"] = next((made.at for made in follower.made if _holds(made, held)), None)
        found["split"] = _split(follower, batch, held)
    rows = next(
        (i for i, made in enumerate(follower.made) if _pair(follower.made, made, batch, record.targets[0])), None
    )
    if rows is not None:
        labels_at = _pair(follower.made, follower.made[rows], batch, record.targets[0])
        found["order"] = reordered(follower.made, rows, labels_at - 1)
    return {what: at for what, at in found.items() if at is not None}


def _pair(every: list[Made], table: Made, batch: np.ndarray, target: np.ndarray) -> int:
    """Which array, from 1 on, holds the labels of a batch in the places that its rows have in this table; 0: none."""
    at = _places(table, batch)
    if at is None or target.size != len(target) or len(target) != len(batch) or len(batch) < LEAST:
        return 0
    alike = [i for i, made in enumerate(every, 1) if made.values.shape[:1] == table.values.shape[:1]]
    asked = target.reshape(-1, 1).astype(float)
    return next((i for i in alike if _has(every[i - 1], asked, [(len(table.values), at)])), 0)


def _numbers(rows: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return told_apart(np.nan_to_num(rows.astype(np.float32), posinf=0, neginf=0).astype(np.float64))


def _table(made: Made, width: int) -> np.ndarray | None:
    """An array as a table of rows of this many numbers; None of any other."""
    values = made.values
    return values.reshape(len(values), width) if values.size == len(values) * width else None


def _places(made: Made, asked: np.ndarray) -> np.ndarray | None:
    """Which row of a table each of these is; None where not all are there."""
    table = _table(made, asked.shape[1])
    if table is None:
        return None
    known, own = _numbers(table), _numbers(asked)
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known[order], own).clip(max=len(known) - 1)
    before = (at - 1).clip(min=0)
    nearer = np.abs(known[order][before] - own) < np.abs(known[order][at] - own)
    at = np.where(nearer, before, at)
    size = float(np.abs(own).max()) or 1.0
    return order[at] if bool((np.abs(known[order][at] - own) <= CLOSE * size).all()) else None


def _holds(made: Made, asked: np.ndarray) -> bool:
    return _places(made, asked) is not None


def _labels(follower: Follower, batch: np.ndarray, target: np.ndarray) -> Place | None:
    """The line that first held the labels which these rows have."""
    if len(batch) < LEAST or target.ndim == 0 or len(target) != len(batch):
        return None
    asked = target.reshape(len(target), -1).astype(float)
    orders = [(len(m.values), at) for m in follower.made if (at := _places(m, batch)) is not None]
    orders += [(0, at) for at in _by_items(follower, batch)]
    for made in follower.made:
        if made.values.size % len(made.values) == 0 and _has(made, asked, orders):
            return made.at
    return None


def _has(made: Made, asked: np.ndarray, orders: list[tuple[int, np.ndarray]]) -> bool:
    """Whether an array has these numbers in the places that rows have in one of the tables, or in one that was cut off
    a longer one, at its beginning or at its end, where they differ."""
    values = made.values.reshape(len(made.values), -1)
    if values.shape[1] != asked.shape[1]:
        return False
    wanted, varied = asked.astype(np.float32), float(np.ptp(asked, axis=0).max()) > 0
    places = [at for length, at in orders if length in (0, len(values)) or (varied and length < len(values))]
    places += [at + len(values) - length for length, at in orders if varied and 0 < length < len(values)]
    return any(at.max() < len(values) and np.array_equal(values[at].astype(np.float32), wanted) for at in places)


def _by_items(follower: Follower, batch: np.ndarray) -> Iterator[np.ndarray]:
    """The indices by which a data set of the program's gave the rows of a batch."""
    items = [(index, row) for index, row, _ in follower.items if row.size == batch.shape[1]]
    if not items:
        return
    known = _numbers(np.stack([row.reshape(-1) for _, row in items]))
    own, size = _numbers(batch), float(np.abs(known).max()) or 1.0
    apart = np.abs(known[None] - own[:, None])
    if (apart.min(1) <= CLOSE * size).all():
        yield np.array([items[i][0] for i in apart.argmin(1)])


def _bad(follower: Follower, batch: np.ndarray) -> Place | None:
    """The last line that made numbers that are not finite of ones that were, before the rows were as they are."""
    end = next((i for i, made in enumerate(follower.made) if _holds(made, batch)), len(follower.made) - 1)
    born = [m.at for m in follower.made[: end + 1] if m.born and len(m.values) >= min(len(batch), LEAST)]
    return born[-1] if born else None


def _split(follower: Follower, batch: np.ndarray, held: np.ndarray) -> Place | None:
    """The line by which rows of the training, or of the evaluation, were in a table without all of the others, where
    one table had both before."""
    both = False
    for made in follower.made:
        has = _holds(made, batch), _holds(made, held)
        if both and has[0] != has[1]:
            return made.named or made.at
        both |= all(has)
    return None


def called_in(place: Place, inner: Place) -> bool:
    """Whether a line calls a function by its name that another line is in."""
    try:
        tree, other = (ast.parse(text_of(Path(at[0]))) for at in (place, inner))
    except (OSError, SyntaxError, ValueError):
        return False
    statement = statement_at(tree, place[1])
    calls = [] if statement is None else [n for n in ast.walk(statement) if isinstance(n, ast.Call)]
    named = {ast.unparse(call.func).rsplit(".", 1)[-1] for call in calls}
    kinds = [n for n in ast.walk(other) if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name in named]
    return any(kind.lineno <= inner[1] <= (kind.end_lineno or 0) for kind in kinds)
