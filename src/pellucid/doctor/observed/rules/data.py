"""What is wrong with the batches: values, labels, their order, how much of the data they show."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from pellucid.doctor.probes.neighbours import MOST, agreement, nearest

from .. import foresight, orders
from .. import labels as making
from ..compare import does_well, explained, stands
from ..record import Place, ProgramRecord
from ..rows import inside
from ..suspicion import Suspicion
from ..treatments import BatchFirst, Shuffle

FEW = 4  # rows of a batch, which say nothing of their order
WINDOW = 12
MIXED = 1e-3  # of its spread, by which a row's output changes with the others
OFTEN = 6  # times that each row was used
FEW_TWICE = 0.9  # of the rows, that differ, where few are there more than once
ERRORS = 2.5  # of a correlation, within which it is none
FEWER = 100  # rows that say that labels have nothing to do with them, where an evaluation says so, too
TIMES = 10  # as many rows as a data set says that it has, in its tables
MOSTLY = 0.9  # of the rows, that classes with many rows have
A_TERM = 0.01  # of a factor, by which it changes where something is added to the loss
FURTHEST = 3  # steps, by which targets are ahead
TOLD = 0.9  # of the steps of a sequence, that have one token
VALUES = 8  # that a row of targets has, which is more than a class
LEARNT = 0.95  # of the answers right at the end
EPOCH, SORTED = 5, 0.5  # batches of an epoch; the share of the spread of targets, that those of a batch have


def not_finite(record: ProgramRecord) -> Iterator[Suspicion]:
    """Rows that are no numbers, where they get as far as the loss: a program may fill them, or leave them out."""
    if record.steps and all(np.isfinite(step.loss) for step in record.steps):
        return
    for what, bad in (("inputs", record.bad_inputs), ("targets", record.bad_targets)):
        if bad:
            places = (record.lines.get(what) for what in ("made bad", "first bad", "made"))
            yield Suspicion(
                "non-finite-data",
                f"There are NaN or infinite values in the {what}.",
                "One such value makes the loss and, with the next step, every parameter NaN.",
                "leave out these rows or fill the values, and look where they come from",
                next((at for at in places if at is not None), _rows_at(record)),
                certain=True,
            )
            return


def constant(record: ProgramRecord) -> Iterator[Suspicion]:
    """Targets of one value only."""
    if not record.together or len(record.targets) < 2 or record.several:  # of which the last is kept
        return
    if _of_pairs(record) or _is_one_picture(record) or _is_residual(record) or _is_center(record):
        return  # the first of the others that a row is compared with is the one like it
    try:
        targets = np.concatenate([t.reshape(len(t), -1) for t in record.targets if t.ndim])
    except ValueError:
        return
    if len(targets) >= 20 and float(np.ptp(targets, axis=0).max()) == 0 and _vary(record):
        meant = _is_term(record) or _is_difference(record)
        yield Suspicion(
            "constant-target",
            f"All {len(targets)} targets that were seen are {targets[0].ravel()[0]:.4g}.",
            "There is nothing to learn from: the network will say this one value.",
            "look at how the targets are made",
            making.made_at(record.loss.place) or record.loss.place,
            certain=not meant or _asked_of_others(record, targets),
            otherwise="info",
        )


def _is_term(record: ProgramRecord) -> bool:
    """Whether backward is called on more than the loss, as of one that keeps rows of one kind where they are."""
    known = [step.factor for step in record.steps if step.factor is not None and np.isfinite(step.factor)]
    return any(abs(factor - record.factor) > A_TERM * abs(record.factor) for factor in known)


def _is_difference(record: ProgramRecord) -> bool:
    """Whether what is to be so is by how much the output for one row is above that for another, as of pairs of which
    the first is the better one."""
    last, said = record.loss.chain[0] if record.loss.chain else None, record.loss.prediction
    return last is not None and said is not None and last.key[0] == "sub" and last.inputs == [said.shape] * 2


def _asked_of_others(record: ProgramRecord, targets: np.ndarray) -> bool:
    """Whether an evaluation compares what the network says with other targets than the one of the training."""
    asked = [np.asarray(held.target) for held in record.held_out if held.target is not None]
    return any(bool((target != targets[0].ravel()[0]).any()) for target in asked)


def _of_pairs(record: ProgramRecord) -> bool:
    """Whether what a loss is given are no outputs of a layer, but how alike outputs are, as in a contrastive loss."""
    last = record.loss.body[0] if record.loss.body else None
    shape = () if record.loss.prediction is None else record.loss.prediction.shape
    if last is None or record.loss.kind != "cross_entropy" or len(shape) != 2:
        return False
    return not last.weight or (bool(last.shape) and last.shape[-1] != shape[-1])


def _is_one_picture(record: ProgramRecord) -> bool:
    """Whether a program fits one example of many numbers, as a picture, and has no others: each batch is that one."""
    sizes = {(len(t), t.size) for t in record.targets if t.ndim > 1}
    single = len(sizes) == 1 and all(rows == 1 and size > VALUES for rows, size in sizes)
    return single and len(np.unique(record.targets[0])) > VALUES


def _is_residual(record: ProgramRecord) -> bool:
    """Whether what is to be 0 is a difference or a sum of others like it, as of the two sides of an equation."""
    last, prediction = record.loss.chain[0] if record.loss.chain else None, record.loss.prediction
    if last is None or prediction is None or last.weight or last.key[0] not in ("sub", "add"):
        return False
    return last.inputs == [prediction.shape] * 2 and not any(t.any() for t in record.targets)


def _is_center(record: ProgramRecord) -> bool:
    """Whether rows are drawn to the middle of what a network said of them at first, away from which others stay."""
    said, target = record.loss.prediction, record.targets[0]
    if said is None or said.shape != target.shape or said.ndim != 2 or min(said.shape) < 2 or record.classes:
        return False
    return bool((np.abs(said.mean(0) - target[0]) < said.std(0)).all())


def _vary(record: ProgramRecord) -> bool:
    return bool(record.inputs) and float(record.inputs[0].std()) > 0


def conflicting(record: ProgramRecord) -> Iterator[Suspicion]:
    """The same row with other labels in another epoch."""
    pairs = _pairs(record)
    told = record.classes or explained(record) is not None  # whether it is known how far it comes with its labels
    if pairs is None or _in_parts(record) or _of_pairs(record) or (told and not stands(record)):
        return  # labels that are others each time cannot be learnt, not even by heart
    rows, labels = pairs
    if not record.classes and not record.available and not record.loaders:
        return  # where rows are made anew, as those of a game, one that comes again may well have another value
    copies = _copies(record, rows)
    first: dict[float, set[float]] = {}
    again = differ = 0
    for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
        own = first.setdefault(row, set())
        full = len(own) >= copies.get(row, 1)
        again += full or label in own
        differ += full and label not in own
        if not full:
            own.add(label)
    if again < 30 or len(first) < 20:
        return
    total, kinds = _size(record)
    if kinds and not copies and differ <= (total - kinds) * math.ceil(len(rows) / max(total, 1)):
        return  # some rows are there twice, and may well have two labels, as where chance decides of a click
    share = differ / again
    apart = 1 - float((np.unique(labels, return_counts=True)[1] ** 2).sum()) / len(labels) ** 2
    if share > 0.3 * apart and share > 0.1:
        yield Suspicion(
            "labels-misaligned",
            f"Of {again} times that a row came again, it had another label {differ} times.",
            "Inputs and targets are put into different orders, so labels belong to other rows.",
            "draw one permutation for both: p = torch.randperm(n); x, y = x[p], y[p]",
            orders.alone(record.lines.get("backward"))
            or _of_two_loaders(record)
            or record.lines.get("rows")
            or record.loss.place,
            certain=True,
        )


def _of_two_loaders(record: ProgramRecord) -> Place | None:
    """The second of two DataLoaders that shuffle as many rows, as of inputs and of labels; None of others."""
    if len(record.loaders) < 2:
        return None
    first, second = record.loaders[:2]
    alike = first.rows == second.rows and first.batch == second.batch
    return second.place if alike and first.shuffled and second.shuffled else None


def _in_parts(record: ProgramRecord) -> bool:
    """Whether a network is called several times for each backward: with the parts of what has a label, as the letters
    of a name one after the other, or with other rows beside those that have one."""
    return record.calls > 1.5 * len(record.steps)


def _pairs(record: ProgramRecord) -> tuple[np.ndarray, np.ndarray] | None:
    """A number for each row and its label, for targets of one number a row."""
    count = len(record.targets)
    if record.bad_inputs or record.bad_targets:
        return None  # rows that hold no numbers cannot be told apart
    if not record.classes and any(t.ndim == 2 and t.shape[1] > 1 for t in record.targets):
        return None
    labels = [t.argmax(1) if t.ndim == 2 and t.shape[1] > 1 else t.ravel() for t in record.targets]
    rows = record.rows[:count]
    if not labels or not rows or any(len(a) != len(b) for a, b in zip(rows, labels, strict=False)):
        return None
    return rounded(np.concatenate(rows)), np.concatenate(labels).astype(float)


def _size(record: ProgramRecord) -> tuple[int, int]:
    """How many rows the data hold, and how many of them differ."""
    loader = record.loaders[0] if record.loaders else None
    return (loader.rows, loader.distinct) if loader is not None else (record.available, record.distinct)


def _copies(record: ProgramRecord, rows: np.ndarray) -> dict[float, int]:
    """How often the data hold a row, where they may hold it more than once, as of ratings and of other small tables:
    how often it came within one epoch. Each time it may well have another label."""
    total, differ = _size(record)
    if not total or differ >= FEW_TWICE * total:
        return {}
    ends, taken = [0], 0
    sizes = [len(batch) for batch in record.rows[: len(record.targets)]]
    for number, size in enumerate(sizes):
        taken += size
        following = sizes[number + 1] if number + 1 < len(sizes) else size
        if taken + following > total or size < max(sizes):
            ends.append(ends[-1] + taken)
            taken = 0
    found: dict[float, int] = {}
    for start, end in pairwise([*ends, len(rows)]):
        for row, count in zip(*np.unique(rows[start:end], return_counts=True), strict=True):
            found[float(row)] = max(found.get(float(row), 1), int(count))
    return found


def _rows_at(record: ProgramRecord) -> tuple[str, int] | None:
    """The line by which the rows of a batch are taken, or that of the loss."""
    return record.loaders[0].place if record.loaders else record.lines.get("rows") or record.loss.place


def rounded(rows: np.ndarray) -> np.ndarray:
    """The numbers of rows without what rounding makes of the same row in another place of a batch."""
    return np.round(rows / (float(np.abs(rows).max(initial=0.0)) or 1.0), 10)


def same_rows(record: ProgramRecord) -> Iterator[Suspicion]:
    """An epoch that shows a part of the rows, the same again and again."""
    loader = record.loaders[0] if record.loaders else None
    short = loader is not None and loader.rows <= FEWER and loader.held >= TIMES * loader.rows  # by a wrong __len__
    total = max(record.distinct, (loader.held if short else loader.distinct or loader.rows) if loader else 0)
    if not record.rows or total < 20 or record.bad_inputs:
        return
    rows = rounded(np.concatenate(record.rows))
    distinct = len(np.unique(rows))
    if _in_parts(record):
        return
    total = max(total - _kept_back(record), distinct)
    by_chance = total * (1 - np.exp(-len(rows) / total))  # rows that differ, where as many are drawn from all of them
    if len(rows) >= OFTEN * distinct and 1 < distinct < 0.5 * by_chance and len(record.rows) >= 10:
        dropped = 2 * record.passed >= len(record.rows)  # of a loop over batches none of which is used
        alone = _asks_of_no_other(record) and not dropped
        names = (*("rows",) * dropped, "seed", "some of", "drawn")
        yield Suspicion(
            "low-coverage",
            f"In {len(record.rows)} steps {distinct} different rows of {total} were used, {len(rows) / distinct:.0f} "
            "times each.",
            "All steps see one batch, and the network is asked of no other rows: it is shown that it can learn these."
            if alone
            else "The network sees the same part of the data again and again, and never the rest.",
            "return len(self.x) in __len__ of the data set: it says how many rows a DataLoader takes"
            if short
            else "set the seed once, before the loop: each draw is the same here"
            if "seed" in record.lines
            else "shuffle=True in the DataLoader, or all of its batches in each epoch"
            if "some of" in record.lines
            else "take the next batch in each step: for x, y in loader: …",
            next((record.lines[at] for at in names if at in record.lines), _rows_at(record)),
            certain=not alone,
            otherwise="info" if alone else "",
        )


def _kept_back(record: ProgramRecord) -> int:
    """How many rows a program is asked of and never trains on: to learn from few of a table, and be asked of the rest
    of it, is meant. 0 where it is asked of rows that it was trained on before; later is another thing, as of rows that
    are labelled one after the other."""
    trained = np.concatenate(record.rows)
    if not trained.size:
        return 0
    size = float(np.abs(trained).max()) or 1.0
    known, first = np.unique(np.round(trained / size, 9), return_index=True)
    since = np.repeat(np.arange(len(record.rows)), [len(batch) for batch in record.rows])[first]
    asked = [(held.step, held.rows) for held in record.held_out if held.step and len(held.rows)]
    if len(record.afterwards):
        asked.append((len(record.rows), record.afterwards))
    kept: set[float] = set()
    for step, rows in asked:
        own = np.unique(np.round(rows / size, 9))
        at = np.searchsorted(known, own).clip(max=len(known) - 1)
        met = known[at] == own
        if (since[at][met] < step).any():
            return 0
        kept |= set(own[~met].tolist())
    return len(kept)


def _asks_of_no_other(record: ProgramRecord) -> bool:
    """Whether every step sees one batch, and the network says nothing of any other rows: who wants it to know others
    looks at how well it does. To fit one batch is the first thing that is tried of a network, on purpose."""
    first = np.sort(rounded(record.rows[0]))
    one = all(np.array_equal(first, np.sort(rounded(batch))) for batch in record.rows[1:])
    asked = [*(h.rows for h in record.held_out), record.afterwards]
    return one and "seed" not in record.lines and all(inside(rows, record.rows[0]).all() for rows in asked)


def in_order(record: ProgramRecord) -> Iterator[Suspicion]:
    """Batches that hold few of the classes each."""
    if not record.classes or len(record.targets) < 4:
        return
    batches = [t.argmax(1) if t.ndim == 2 and t.shape[1] > 1 else t.ravel() for t in record.targets]
    single = len(batches[0]) < FEW  # one after the other, several of them are looked at as one batch
    if single:
        together = np.concatenate(batches)
        batches = [together[i : i + WINDOW] for i in range(0, len(together), WINDOW)]
    size = len(batches[0])
    whole = _entropy(np.concatenate(batches))
    if size < FEW or whole == 0 or (record.loaders and record.loaders[0].shuffled):
        return
    own = float(np.mean([_entropy(batch) for batch in batches]))
    draw = np.random.default_rng(0).permutation(np.concatenate(batches))
    mixed = float(np.mean([_entropy(draw[i : i + size]) for i in range(0, len(draw), size)]))
    if own > (0.3 if single else 0.6) * mixed:
        return
    accuracy = record.final.accuracy if record.final is not None else None
    of = "rows that follow each other" if single else "a batch"
    yield Suspicion(
        "unshuffled-data",
        f"The labels of {of} have an entropy of {own:.2f} on average, and those of all the data {whole:.2f}.",
        "The rows come in the order of their classes, so each batch pulls the network to one of them.",
        "shuffle=True in the DataLoader, or a new permutation in each epoch",
        _rows_at(record),
        [] if single else [Shuffle(record.available, size)],
        certain=single and accuracy is not None and accuracy < LEARNT,  # there is no loader that a fork could shuffle
        by_final=True,
        confidence=0.7 if single else 0.9,
    )


def ascending(record: ProgramRecord) -> Iterator[Suspicion]:
    """Batches that come in the order of their targets, which are real numbers."""
    if record.classes or len(record.targets) < EPOCH or (record.loaders and record.loaders[0].shuffled):
        return
    total = record.loaders[0].rows if record.loaders else record.available
    sizes = [t.size for t in record.targets]
    batches = next((i + 1 for i in range(len(sizes)) if sum(sizes[: i + 1]) >= total), 0)
    if batches < EPOCH or sizes[0] < FEW or any(t.size != len(t) for t in record.targets[:batches]):
        return
    means = np.array([float(t.mean()) for t in record.targets[:batches]])
    within = float(np.mean([float(t.std()) for t in record.targets[:batches]]))
    whole = float(np.concatenate([t.ravel() for t in record.targets[:batches]]).std())
    steps = np.diff(means)
    if not ((steps > 0).all() or (steps < 0).all()) or within > SORTED * whole:
        return
    yield Suspicion(
        "unshuffled-data",
        f"The mean of the targets goes from {means[0]:.3g} to {means[-1]:.3g} from the first batch of an epoch to the "
        f"last, and not once the other way; within a batch they have a standard deviation of {within:.3g}, and in all "
        f"one of {whole:.3g}.",
        "The rows are sorted by their targets, so each batch pulls the network to another value.",
        "shuffle=True in the DataLoader, or a new permutation in each epoch",
        _rows_at(record),
        [Shuffle(record.available, sizes[0])],
        by_final=True,
    )


def _entropy(labels: np.ndarray) -> float:
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def mixed(record: ProgramRecord) -> Iterator[Suspicion]:
    """A row's output that depends on other rows."""
    varied = len(record.rows) > 1 and len(record.rows[0]) == len(record.rows[1])
    same = varied and len(record.rows[0]) > 0 and np.allclose(np.sort(record.rows[0]), np.sort(record.rows[1]))
    if record.mixing > MIXED and varied and not same and not _of_pairs(record):
        turned = _split_the_other_way(record)
        time_first = None if turned else record.lines.get("time first")
        yield Suspicion(
            "samples-mixed",
            f"In eval(), the output of the last row changes by {record.mixing:.2g} of its spread when other rows of "
            "the batch change.",
            "Samples are mixed: a view() or reshape() where a transpose was meant, or an axis of time taken for that "
            "of the batch.",
            "keep the axis of the batch apart: transpose() or permute() instead of view(), batch_first=True",
            turned
            or time_first
            or _taken_for_batch(record)
            or next((op.place for op in record.loss.body if op.key[0] in ("view", "reshape")), None)
            or record.lines.get("turned", record.loss.place),
            [BatchFirst()] if time_first else [],
            certain=not does_well(record),  # as where rows are to look at each other, which tells more of each
            otherwise="info",
            confidence=0.8,
        )


def foreseen(record: ProgramRecord) -> Iterator[Suspicion]:
    """A network that is to say the next token, and is given it."""
    if record.foreseen > foresight.AHEAD:
        op = next((o for o in record.loss.body if o.key[0] in ("softmax", "attention")), None)
        yield Suspicion(
            "train-val-leak",
            "The target of each step is the token that goes in at the next one, and with another last token the "
            f"outputs of the steps before it change by {record.foreseen:.2g} of their spread.",
            "The network reads the token that it is to say: its loss falls below what can be known, and where the text "
            "ends, it knows nothing.",
            "a causal mask: scores.masked_fill(torch.triu(torch.ones(T, T, dtype=torch.bool), 1), -inf) before the "
            "softmax, or is_causal=True; of a recurrence, one direction only",
            record.lines.get("looks ahead") or (op.place if op is not None else record.loss.place),
            certain=True,
        )


def shifted(record: ProgramRecord) -> Iterator[Suspicion]:
    """Steps of sequences of tokens that are asked for the token itself, or for the one after the next."""
    if record.repeats:
        yield Suspicion(
            "labels-misaligned",
            "The target of each step is the token that goes in at that step, and no output changes with a later token.",
            "The targets are not shifted: the network is asked to repeat what it is given, so the loss falls to 0, and "
            "what comes next is never learnt.",
            "targets that are one token ahead of the inputs, also of a decoder's: x, y = row[:-1], row[1:]",
            orders.cut_twice(record.lines.get("backward")) or record.loss.place,
            certain=True,
            confidence=0.9,
        )
    if not record.whole_numbers or record.several or len(record.optimizers) != 1:
        return
    for by in range(2, FURTHEST + 1):
        alike = [_ahead(record, number, by) for number in range(len(record.targets))]
        if not alike or None in alike:
            return
        if min(share or 0.0 for share in alike) == 1:
            yield Suspicion(
                "labels-misaligned",
                f"The target of each step is the token that goes in {by} steps later.",
                "Targets are shifted twice, as by the data set and by what is asked of it: the next token is never "
                "asked for.",
                "targets that are one token ahead of the inputs: x, y = row[:-1], row[1:]",
                record.loss.place,
                certain=True,
                confidence=0.8,
            )
            return


def _ahead(record: ProgramRecord, number: int, by: int) -> float | None:
    """The share of steps of a batch whose target goes in as many steps later, of those for which that can be told;
    None where there is no target for each step, or too few differ."""
    tokens, target = record.inputs[number], record.targets[number]
    if target.dtype.kind not in "iu" or target.size != tokens.size or len(record.shape) != 1:
        return None
    targets = target.reshape(tokens.shape)
    if tokens.shape[1] <= 2 * FURTHEST or len(np.unique(targets)) < VALUES or (targets == tokens).mean() > TOLD:
        return None
    return float((targets[:, :-by] == tokens[:, by:]).mean())


def _taken_for_batch(record: ProgramRecord) -> Place | None:
    """The line that gives the batch the first axis by another shape alone, where it was a later one, as of states of
    a recurrence, (layers, batch, units)."""
    count = record.steps[0].count if record.steps else 0
    for op in record.loss.body:
        if op.key[0] in ("view", "reshape") and op.inputs and count > 1 and op.shape[:1] == (count,):
            before = op.inputs[0]
            if before[:1] != (count,) and count in before[1:]:
                return op.place
    return None


def _split_the_other_way(record: ProgramRecord) -> Place | None:
    """The line that splits an axis that was made of the batch and of time, (batch · time, …), as if time came first,
    (time, batch, …), so that rows are cut up."""
    said = record.loss.prediction
    first = (*record.shape[:1], *(() if said is None else said.shape[:1]))
    for op in record.loss.body if len(set(first)) == 2 else ():
        split = op.key[0] in ("view", "reshape") and op.inputs and op.shape[:2] == first
        if split and op.inputs[0][:1] == (first[0] * first[1],):
            return op.place
    return None


def unrelated(record: ProgramRecord, least: int = 150, errors: float = 0.0) -> Iterator[Suspicion]:
    """Labels that say nothing of their rows, of which there are to be as many. For a program that learns nothing, or
    only what is of no use for other rows, when nothing else was found. Up to as many standard errors are taken for
    chance."""
    pairs = _pairs(record)
    if (
        pairs is None
        or _in_parts(record)
        or record.whole_numbers
        or len({batch.shape[1:] for batch in record.inputs}) != 1
    ):
        return
    rows, labels = pairs
    _, first = np.unique(rows, return_index=True)
    first = first[:MOST]
    if record.classes:  # of a class with few rows the neighbours say little
        kinds, counts = np.unique(labels[first], return_counts=True)
        many = kinds[counts >= min(0.1 * len(first), 0.5 * counts.max(initial=0))]
        if counts[np.isin(kinds, many)].sum() < MOSTLY * len(first):
            return
        first = first[np.isin(labels[first], many)]
    if len(first) < least or len(np.unique(labels[first])) < 2:
        return
    x, y = np.concatenate(record.inputs)[first].astype(float), labels[first]
    shown = (y[:, None] == np.unique(y)[None]).astype(float) if record.classes else y[:, None]
    alike = agreement(shown, nearest(x))
    if alike < max(0.06, errors / len(first) ** 0.5):
        where = orders.alone(record.lines.get("backward")) or _of_two_loaders(record)
        yield Suspicion(
            "labels-misaligned",
            f"The labels of rows that lie next to each other have a correlation of {alike:.2f}, for {len(first)} rows, "
            + ("and it learns next to nothing." if stands(record) else "and on other rows it is right by chance only."),
            "The labels have nothing to do with the inputs, as where one of them was shuffled or shifted alone.",
            "keep rows and labels together in all that sorts, shuffles or cuts them",
            where or _rows_at(record),
            certain=True,
            confidence=0.6 if where else orders.UNSEEN,
        )


def split_apart(record: ProgramRecord) -> Iterator[Suspicion]:
    """Rows and labels that the program splits by two calls, each in an order of its own."""
    at = orders.split_apart(record.lines.get("backward"))
    for found in unrelated(record, FEWER, ERRORS) if at is not None else ():
        yield replace(
            found,
            explanation="Rows and labels are split by two calls, and each puts them into an order of its own, so "
            "labels belong to other rows.",
            fix="split both by one call: x_train, x_test, y_train, y_test = train_test_split(x, y)",
            place=at,
            confidence=0.95,
        )


RULES = (not_finite, constant, conflicting, same_rows, in_order, ascending, mixed, foreseen, shifted, split_apart)
