"""What a program may be minimising: a number that was seen in the pass, or a usual loss of an output and a label.

A candidate knows how to compute its value from what was seen. Factors are left out: a sum, a mean and a half of it
have slopes in one direction, and a learning rate absorbs the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.doctor.probes.other_names import is_likelihood, is_parameter
from pellucid.doctor.probes.penalties import Penalties, numbers_of
from pellucid.doctor.probes.usual import DECIDED, SIGNED, USUAL, aligned, signs, stacked
from pellucid.doctor.process.alike import same_series
from pellucid.doctor.process.no_labels import is_of
from pellucid.doctor.process.watch import INLINE, is_margin

Key = tuple[str, str]
Seen = dict[Key, list[np.ndarray]]

LOSS_NAME = re.compile(
    r"(^|[^a-z])(loss(es)?|cost(s)?|mse|bce|sse|rss|ssr|ssd|mae|rmse|nll|ce|j|l|objective|energy|criterion|err(or)?s?|entropy|likelihood)"
    r"([^a-z]|$)|loss|cost|entropy|criterion"
)
ERROR_NAME = re.compile(r"^(?!.*(loss|cost|likelihood|entropy|total)).*err(or)?s?([^a-z]|$)")
# A loss that is summed, or another sum; but `sum_h1` is what a unit takes.
TOTAL = re.compile(r"(^|[^a-z])(total|running|acc(um)?)([^a-z]|$)|(^|[^a-z])sum$")
NOT_A_LOSS = re.compile(
    r"acc(uracy)?|grad|delta|correct|^d[A-Z]|^d_|norm|learning|rate|val_|valid|test|best|prev|old|last"
    r"|(^|_)pd_|_wrt_|deriv|partial"
)
LABEL_NAME = re.compile(
    r"(^|[^a-z])(y|ys|yb|yi|y_?true|y_?tr(ain)?|y_?te(st)?|y_?va(l)?|y_?all|t|target(s)?|label(s)?|expected|truth|actual|desired|answer|d|out(put)?s?|yhot|onehot"
    r"|y_?batch|batch_?y|train_?y)([^a-z]|$)|target|label|expect|onehot|one_hot|y_?true|truth"
)
# What returns a loss, if a number.
STEP_NAME = re.compile(r"(^|_)(step|update|train_?(step|batch|on_batch|one)?)$", re.I)
SCORE_NAME = re.compile(r"reward|likelihood|elbo|score|return|log_?prob", re.I)


@dataclass(frozen=True)
class Candidate:
    """A loss: seen as a number at a key, or `kind` of an output and a label.

    Attributes:
        which: of a series of values, "first", "last" or "all".
        frozen: the label depends on the parameters too, and is taken for a constant, as in Q-learning.
        both: it depends on them and counts, as what is left of the label where a part of the output was subtracted.
        also: further pairs of an output and a label, where a program has a number of its own for each: o1, o2, …
    """

    kind: str  # "seen", or a name of USUAL
    output: Key
    label: Key | None = None
    which: str = "all"
    frozen: bool = False
    both: bool = False
    also: tuple[tuple[Key, Key], ...] = ()
    plus: tuple[Key, ...] = ()  # further numbers that are seen, where a program never adds the parts of its loss up
    weights: Key | None = None  # how much each row counts
    turned: bool = False  # a number below zero that is to rise, as a likelihood: the loss is minus it
    subtracted: bool = field(default=False, compare=False)  # the program subtracts the two from one another

    @property
    def keys(self) -> tuple[Key, ...]:
        more = tuple(key for pair in self.also for key in pair)
        more += () if self.weights is None else (self.weights,)
        return (self.output, *self.plus) if self.label is None else (self.output, self.label, *more)

    def is_called(self, name: str) -> bool:
        """Whether it is a number of the program's own of this name, or what a function of this name returns."""
        return self.is_seen and name in (self.output[1], self.output[1].split(".")[-1], self.output[0])

    @property
    def title(self) -> str:
        name = _called(self.output)
        if self.label is None:
            name = " + ".join([name, *map(_called, self.plus)])
            return f"minus {name}" if self.turned else name
        constant = ", taken for a constant" if self.frozen else ""
        outputs = ", ".join([name, *(_called(output) for output, _ in self.also)])
        labels = ", ".join([_called(self.label), *(_called(label) for _, label in self.also)])
        weighted = f", weighted by {_called(self.weights)}" if self.weights is not None else ""
        return f"{USUAL[self.kind].title} of {outputs} and {labels}{weighted}{constant}"

    @property
    def is_seen(self) -> bool:
        return self.kind == "seen"

    @property
    def named(self) -> int:
        """How much its name speaks for it."""
        if self.plus:
            return 2
        if self.is_seen:
            place, text = self.output
            if text == "return":
                function = place.rpartition(".")[2]
                if STEP_NAME.search(function):
                    return 1
                text = f"{function} {text}"
            elif place.endswith(INLINE):  # an operand has the name of a function that returns it, not those of indices
                called = re.match(r"([\w.]+)\(", text)
                return 2 if called and LOSS_NAME.search(called[1].lower()) else 0
            # a helper's total, as what a softmax divides by, is none of the loss
            total = TOTAL.search(text.lower()) and place == ""
            known = 2 if LOSS_NAME.search(text.lower()) else 1 if total else 0
            return known - (2 if NOT_A_LOSS.search(text) else 0)
        if self.subtracted:
            return 2
        return int(self.label is not None and LABEL_NAME.search(self.label[1].lower()) is not None)

    def value(self, seen: Seen, plain: Seen | None = None) -> float:
        """The loss of what was seen; nan where it was not seen. A label is constant, and taken from the pass as it is:
        that of a network which is copied now and then depends on the parameters in the passes that copy it."""
        if plain is not None and not self.both and self.label in plain and self.output in seen:
            seen = {**seen, self.label: plain[self.label]}
        with np.errstate(all="ignore"):
            return float(self.compute(seen))

    def compute(self, seen: Seen) -> Any:
        """The same, as what was seen: of arrays that record, a number that is recorded."""
        outputs = _chosen(seen.get(self.output), self.which)
        if not outputs:
            return float("nan")
        if self.label is None:
            total = sum(value.sum() for value in outputs) if all(v.size == 1 for v in outputs) else float("nan")
            for key in self.plus:
                total = total + Candidate("seen", key, None, self.which).compute(seen)
            return -total if self.turned else total
        labels = _chosen(seen.get(self.label), self.which)
        if not labels:
            return float("nan")
        if len(labels) != len(outputs):
            if len(labels) == 1 and len(outputs) > 1 and labels[0].ndim and len(labels[0]) == len(outputs):
                labels = list(labels[0])
            elif len(labels) == 1:
                labels = labels * len(outputs)
            elif len(outputs) == 1:  # one output is compared with several labels: the words around a word
                outputs = outputs * len(labels)
            else:
                return float("nan")
        if self.weights is None and len(outputs) > MANY_SAMPLES:
            outputs, labels = stacked(outputs, labels, USUAL[self.kind].classes) or (outputs, labels)
        function = USUAL[self.kind].function
        total: Any = 0.0
        for output, label in zip(outputs, labels, strict=True):
            pair = aligned(output, label, USUAL[self.kind].classes)
            if pair is None or (self.kind in SIGNED and not signs(*pair)):
                return float("nan")
            total = total + (function(*pair) if self.weights is None else self._weighted(seen, *pair))
        for output, label in self.also:
            total = total + Candidate(self.kind, output, label, self.which).compute(seen)
        return total

    def _weighted(self, seen: Seen, output: Any, label: Any) -> Any:
        """The sum over rows, each times its weight: those of one weight at once."""
        rows = _chosen(seen.get(self.weights), self.which) if self.weights is not None else []
        if len(rows) != 1 or rows[0].size != output.size:
            return float("nan")
        weights, function = np.array(rows[0], dtype=float).ravel(), USUAL[self.kind].function
        output, label = output.reshape(-1), label.reshape(-1)
        return sum(float(w) * function(output[weights == w], label[weights == w]) for w in np.unique(weights))


def _called(key: Key) -> str:
    place, name = key
    if name.startswith("return"):
        return f"{place.removesuffix('.<locals>')}(){name.removeprefix('return')}"
    return name


def _chosen(series: list[np.ndarray] | None, which: str) -> list[np.ndarray]:
    if not series:
        return []
    return series[:1] if which == "first" else series[-1:] if which == "last" else series


# Candidates ---------------------------------------------------------------------------------------------------------

MOST_OUTPUTS, MOST_LABELS, MOST, ENOUGH = 40, 24, 300, 8
MANY_SAMPLES = 8  # of a loop, from which on their losses are computed at once
LONGEST = 2000  # values of a series that may be the outputs of a loop over samples


def candidates(
    seen: Seen,
    moved: Seen,
    excluded: frozenset[str] = frozenset(),
    wanted: str | None = None,
    parameters: frozenset[float] = frozenset(),
    subtracted: Collection[tuple[str, str]] = (),
    least: int | None = None,
    running: Collection[Key] = (),
    tensors: Sequence[np.ndarray] = (),
    residuals: Collection[str] = (),
    no_labels: Collection[str] = (),
) -> list[Candidate]:
    """Every loss that the values seen in a pass suggest. `moved` is the same pass with other parameters.

    `parameters` are the values of the parameters: a number that is one of them is another name for it. `subtracted` are
    the names of what the program subtracts from one another: an output and its label, often. `least`: how much a name
    has to speak for a candidate. `running`: sums that go on from pass to pass: what a pass adds to one may be its loss,
    and it is nobody's output. `tensors`: the parameters of `moved`; a multiple of one is a penalty's slope, no output.
    `residuals`: names of errors that are a mere difference. `no_labels`: names of sizes, and of what is an output.
    What has the same value in both is one loss, seen at several places: the name that says most is kept.
    """
    kept: dict[tuple[str, str, str], Candidate] = {}
    penalties = Penalties(tensors, numbers_of(seen, moved)) if tensors else None
    seen = {
        key: series
        for key, series in seen.items()
        if not (_stays(key, series, seen) and _stays(key, moved.get(key, series), moved))  # alike while weights are 0
        and not (penalties and penalties.has(moved.get(key, [])))
    }
    others = {key for key in seen if is_parameter(key, seen, moved, parameters, tensors, excluded)}
    for candidate in sorted(_all(seen, moved, excluded, others, subtracted, running, no_labels), key=_rank):
        if least is not None and candidate.named < least:
            continue
        if candidate.is_seen and candidate.output[1] in residuals:
            continue
        before, after = candidate.value(seen), candidate.value(moved, seen)
        if np.isfinite(before) and np.isfinite(after) and before != after:
            # of one sample whose label is 1, two usual losses may be the same by chance
            kept.setdefault((candidate.kind, f"{before:.11e}", f"{after:.11e}"), candidate)
            falls = candidate.named > 0 and max(before, after) < 0
            if candidate.is_seen and (falls or is_likelihood(candidate.output)):  # which one, is seen
                kept.setdefault(("turned", f"{before:.11e}", f"{after:.11e}"), replace(candidate, turned=True))
    found = list(kept.values())
    likely = [c for c in found if c.named > 0 or (c.output in running and c.named == 0) or c.turned]
    if len(likely) >= ENOUGH:  # then a pair whose names say nothing is by chance
        found = likely
    if wanted is not None:
        named = [c for c in found if c.is_called(wanted)]
        return named or found
    return found


def of_classes(candidate: Candidate, seen: Seen) -> bool:
    """Whether an output is a probability of each class, and a label by its name is the number of one."""
    if candidate.kind != "cross" or candidate.named <= 0 or candidate.label is None:
        return False
    output, label = seen.get(candidate.output, []), seen.get(candidate.label, [])
    if not output or not label or output[0].ndim != 2 or label[0].size * output[0].shape[1] != output[0].size:
        return False
    return abs(float(output[0].sum(1).mean()) - 1) < 1e-6 or abs(float(output[0].sum()) - 1) < 1e-6


def _stays(key: Key, series: list[np.ndarray], seen: Seen) -> bool:
    """Whether a value seen in a loop inside the pass is the same at each of its turns, and is known otherwise."""
    if not key[0].startswith("loop") or ("", key[1]) not in seen or len(series) < 2:
        return False
    return same_series(series[1:], series[:1] * (len(series) - 1))


def _rank(candidate: Candidate) -> tuple[Any, ...]:
    kinds = list(USUAL)
    order = -1 if candidate.is_seen else kinds.index(candidate.kind)
    return (
        -candidate.named,
        candidate.output[0] != "",
        candidate.output[0].startswith("loop"),
        order,
        candidate.which != "all",
        # while a loop has one turn, the last value of a variable is that of each turn: later it is not
        candidate.label is not None and _is_of_turns(candidate.output) != _is_of_turns(candidate.label),
        len(candidate.output[1]),
    )


def _is_of_turns(key: Key) -> bool:
    """Whether a value is seen as often as a loop inside the pass has turns."""
    return key[0].startswith("loop") or key[0].endswith(INLINE)


def _all(
    seen: Seen,
    moved: Seen,
    excluded: frozenset[str],
    others: Collection[Key],
    subtracted: Collection[tuple[str, str]] = (),
    running: Collection[Key] = (),
    no_labels: Collection[str] = (),
) -> Iterator[Candidate]:
    changed = {key for key, series in seen.items() if key in moved and not same_series(series, moved[key])}
    depends = {key for key in changed if key[1] not in excluded and key not in others}
    subtracted = _by_value(subtracted, seen)
    count = 0
    for key in sorted(depends, key=lambda k: -Candidate("seen", k).named):
        series = seen[key]
        if all(value.size == 1 for value in series) and count < MOST and not _is_difference(key, seen, moved):
            for which in ("all",) if len(series) == 1 else ("first", "last", "all"):
                yield Candidate("seen", key, None, which)
            count += 1
    yield from _sums(depends, seen)
    logs = {key for key in seen if key[0] == "" and key[1].endswith("[-1]")}  # the last item of a list that grows
    usable = {key for key, series in seen.items() if len(series) <= LONGEST and key not in logs}
    outputs = [k for k in depends & usable if not (is_no_output(k) or _is_loss(k, seen) or k in running)]
    beside = {name for pair in subtracted for name in pair}
    outputs.sort(key=lambda key: (key[1] not in beside, *liking_output(key, seen)))
    outputs = distinct_keys(outputs, seen)
    labels = [
        key
        for key in usable
        if key not in changed and key[1] not in excluded and not is_of(key[1], no_labels)
        if _may_be_label(key) and _label_like(seen[key])
    ]
    decisions = {key[1] for key, series in seen.items() if all(np.isin(v, (-1.0, 0.0, 1.0)).all() for v in series)}
    known = {name for _, name in seen}
    decided = {b for a, b in subtracted if b in decisions and (a in decisions or a not in known) and not a[0].isdigit()}
    named = {
        key
        for key in labels
        if LABEL_NAME.search(key[1].lower()) or any((o[1], key[1]) in subtracted for o in outputs) or key[1] in decided
    }
    if named:  # then a number by another name is none
        labels = [k for k in labels if k in named or seen[k][0].size > 1]
    labels.sort(key=lambda key: (key not in named, len(key[1]), key))
    labels = distinct_keys(labels, seen)
    for output in outputs[:MOST_OUTPUTS]:  # a target that is itself made by the network, and held
        for other in outputs[:MOST_OUTPUTS]:
            alike = len(seen[output]) == len(seen[other]) and seen[output][0].size == seen[other][0].size
            if other != output and alike and (output[1], other[1]) in subtracted:
                yield Candidate("squared", output, other, frozen=True, subtracted=True)
                both = {*np.unique(seen[other][0])} == {0, 1}  # labels of rows that what is said of them chooses
                logs = _pairs(seen, output, other, True) if both else ()
                yield from (replace(c, frozen=True) for c in logs if c.which == "all" and c.kind in ("log", "cross"))
                if (output, other) <= (other, output):  # of y - a * x - b, what is subtracted from what is left of y
                    yield Candidate("squared", output, other, both=True, subtracted=True)
    alone: dict[tuple[str, ...], list[tuple[Key, Key]]] = {}
    for output in outputs:
        for label in labels:
            single = seen[output][0].size == seen[label][0].size == 1 and len(seen[output]) == len(seen[label])
            if single and (output[1], label[1]) in subtracted:
                alone.setdefault((output[0], *(_numbered(key) for key in (output, label))), []).append((output, label))
    for pairs in alone.values():
        if len({output for output, _ in pairs}) == len(pairs) > 1:
            for kind in ("squared", "log"):
                yield Candidate(kind, *pairs[0], also=tuple(pairs[1:]), subtracted=True)
    weights = [key for key in labels if _are_weights(key, seen[key])]
    for output in outputs[:MOST_OUTPUTS]:
        for label in labels:
            rows = [k for k in weights if k != label and seen[k][0].size == seen[output][0].size == seen[label][0].size]
            if rows and (output[1], label[1]) in subtracted:
                pairs = _pairs(seen, output, label, True)
                yield from (replace(c, weights=k) for c in pairs for k in rows[:2] if c.kind in OF_ROWS)
    for output in outputs[:MOST_OUTPUTS]:
        for likely in (True, False):  # what is called a label first; anything else only where none of these fits
            found = [
                candidate
                for label in labels[:MOST_LABELS]
                if (label in named) is likely
                for candidate in _pairs(seen, output, label, (output[1], label[1]) in subtracted, label[1] in decided)
            ]
            yield from found[: MOST - count]
            count += len(found)
            if found or count >= MOST:
                break


OF_ROWS = ("squared", "log", "log-logits")  # losses of one output a row
ROW_WEIGHTS = re.compile(r"(^|_)(c|s|class|sample|row|pos|inst\w*)?_?w(eight)?s?$", re.I)


def _are_weights(key: Key, series: list[np.ndarray]) -> bool:
    """Whether these are weights of rows by their name: a positive number for each, of a few that are not all one."""
    value = series[0]
    if len(series) != 1 or not value.size > 1 or not ROW_WEIGHTS.search(key[1]) or not (value >= 0).all():
        return False
    return 1 < len(np.unique(value)) <= MOST_WEIGHTS


MOST_WEIGHTS = 200
PART = re.compile(
    r"^(rec|recon\w*|kl|kld|kl_\w+|\w+_kl|reg|regul\w*|penalty|prior|nll|bce|mse|l2)(_?(loss|term|div))?$", re.I
)


def _sums(depends: Collection[Key], seen: Seen) -> Iterator[Candidate]:
    """The sum of numbers of one place that are called parts of a loss: a reconstruction and a divergence, an error and
    a penalty."""
    parts: dict[str, list[Key]] = {}
    for key in sorted(depends):
        if PART.match(key[1]) and len(seen[key]) == 1 and seen[key][0].size == 1:
            parts.setdefault(key[0], []).append(key)
    for keys in parts.values():
        if 1 < len(keys) <= MOST_PARTS:
            yield Candidate("seen", keys[0], plus=tuple(keys[1:]))


MOST_PARTS = 3


def _is_difference(key: Key, *passes: Seen) -> bool:
    """Whether a number is called an error and is below zero now and then: an output less its label."""
    if not ERROR_NAME.search(key[1].lower()):
        return False
    series = [series for seen in passes for (_, name), series in seen.items() if name == key[1]]
    return min((float(value.min(initial=0)) for values in series for value in values), default=0.0) < 0


def _by_value(subtracted: Collection[tuple[str, str]], seen: Seen) -> set[tuple[str, str]]:
    """The pairs by every name of their values: of `acts[-1] - target` also p and yb, if these are the same."""
    sides = {name for pair in subtracted for name in pair}
    by_values: dict[Any, set[str]] = {}
    values = {
        key: tuple(value.tobytes() for value in series)
        for key, series in seen.items()
        if len(series) <= 4 and series[0].size > 1
    }
    for key, value in values.items():
        by_values.setdefault(value, set()).add(key[1])
    called: dict[str, set[str]] = {name: {name} for name in sides}
    for name in sides:
        if name.startswith("self."):  # which is called otherwise where the loop stands: `model.y`
            called[name] |= {key[1] for key in seen if key[1].endswith(name.removeprefix("self"))}
    for key, value in values.items():
        if key[1] in sides:
            called[key[1]] |= by_values[value]
    return {(a, b) for first, second in subtracted for a in called[first] for b in called[second]}


def _numbered(key: Key) -> str:
    return re.sub(r"\d+", "#", key[1])


NO_OUTPUT = re.compile(
    r"grad|deriv|delta|nabla|^d[A-Z_0-9]|^d_|^d(score|logit|hidden|prob|pred|out$)|^d\w*_d|^d[wbzahoypsx]s?\d?$|loss|cost|error|err$|^lr$|learning|alpha|^eta$|epoch"
)


def is_no_output(key: Key) -> bool:
    """Whether its name, or that of what it is part of (`dws[1]`), is one of a gradient, an error or a rate."""
    return any(NO_OUTPUT.search(name) for name in (key[1], re.sub(r"\[[^\]]*\]", "", key[1])))


def _may_be_label(key: Key) -> bool:
    """Whether the name is none of a gradient or a rate; of `gradient_y`, the last word counts."""
    return not is_no_output(key) or re.search(r"_(y|Y|labels?|targets?)$", key[1]) is not None


def _is_loss(key: Key, seen: Seen) -> bool:
    return Candidate("seen", key).named > 0 and all(value.size == 1 for value in seen[key])


def liking_output(key: Key, seen: Seen) -> tuple[Any, ...]:
    likely = re.search(r"out|pred|prob|hat|logit|score|softmax|a\d|y|p$|o$|z", key[1].lower())
    return (likely is None, seen[key][0].size > 100_000, key)


def distinct_keys(keys: list[Key], seen: Seen) -> list[Key]:
    """Of keys with the same values, the first. Single numbers may be the same by chance: y · o, where y is 1."""
    known: set[Any] = set()
    kept: list[Key] = []
    for key in keys:
        values = tuple((value.shape, value.tobytes()) for value in seen[key])
        if values not in known or seen[key][0].size == 1:
            known.add(values)
            kept.append(key)
    return kept


def _label_like(series: list[np.ndarray]) -> bool:
    return all(np.isfinite(value).all() and value.size <= 200_000 for value in series)


SATURATED = 30.0  # from here on a sigmoid is 0 or 1, as what a unit decides


def _pairs(seen: Seen, output: Key, label: Key, subtracted: bool = False, decided: bool = False) -> Iterator[Candidate]:
    """The usual losses of an output and a label, which the program subtracts from one another, or from what the output
    decides."""
    outputs, labels = seen[output], seen[label]
    whichs = ["all"] if len(outputs) == 1 else ["first", "last", "all"]
    if len(labels) not in (1, len(outputs)):
        if len(outputs) > 1:
            return
        whichs = ["first", "last", "all"] if len(labels) <= 400 else []
    if len(outputs) == 1 and len(labels) == 1 and outputs[0].size == 1 and labels[0].size != 1:
        return
    for which in whichs:
        o, y = _chosen(outputs, which)[0], _chosen(labels, which)[0]
        if len(_chosen(outputs, which)) > 1 and len(_chosen(labels, which)) == 1:
            if not (y.ndim and len(y) == len(outputs)):
                continue
            y = y[0]
        for kind, usual in USUAL.items():
            if is_margin(output) and kind not in DECIDED:
                continue
            pair = aligned(o, y, usual.classes)
            if pair is None or (usual.classes and pair[0].size < 2) or not np.isfinite(pair[0]).all():
                continue
            if usual.fits(*pair):
                decides = kind in DECIDED or (kind == "log-logits" and np.abs(o).min(initial=np.inf) > SATURATED)
                decides = decides and decided and o.size == y.size
                yield Candidate(kind, output, label, which, subtracted=subtracted or decides)
