"""What the passes of a training loop saw: the rows of the inputs, the labels, the outputs, pass after pass."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.doctor.probes.losses import LABEL_NAME, NO_OUTPUT, Candidate, Key, Seen
from pellucid.doctor.probes.tables import Holder, Part, Turned, parts
from pellucid.doctor.probes.usual import aligned
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.paths import LARGEST_DATA, Scope, groups, leaves

INPUT_NAME = re.compile(
    r"^(x|xs|x_?i|xb|xx|x\d|x_?batch|x_?tr(ain)?|x_?data|batch_?x|inp(ut)?s?|input_?data|data|features?|images?|imgs?|im|pic(ture)?s?|samples?|train_?x|train_?data"
    r"|train_?inputs?|a0|l_?0|layer_?0|z0|rows?|inputs_list|observations?|example|point|pixels?)$",
    re.I,
)
HOLDS_INPUTS = re.compile(r"[xX](_|$|[a-z]?$|(tr|train|te|test|va|val|valid|dev|all|full)\d*(_|$))|(train|test|val)_?x")


FEW_ROWS = 8  # by which an array is known to hold what passes saw
ROWS = 240  # that are looked at, though they come again
MOST_KEPT = 800_000  # numbers of rows that are sent to the parent
STILL = 8  # passes in which inputs that never change are none
SOME_ROWS = 1000  # of inputs that are too large to be sent


@dataclass(frozen=True)
class Keys:
    """Where the inputs, the labels and the outputs of a pass are seen; None where that is not known.

    `single`: the label is one vector for one sample, whatever its shape suggests.
    """

    inputs: Key | None
    labels: Key | None
    outputs: Key | None
    single: bool = False

    @property
    def known(self) -> frozenset[Key]:
        return frozenset(key for key in (self.inputs, self.labels, self.outputs) if key is not None)


@dataclass
class Batch:
    """The rows of one pass: (samples, …) each."""

    inputs: np.ndarray | None = None
    labels: np.ndarray | None = None
    outputs: np.ndarray | None = None


@dataclass
class SeenData:
    """What was seen over some passes.

    Attributes:
        names: how the program calls its inputs and labels.
        epoch: after how many passes a row came again; None where none did.
    """

    keys: Keys
    batches: list[Batch] = field(default_factory=list)
    ended: bool = False
    lines: dict[Key, tuple[str, int]] = field(default_factory=dict)

    def all(self, what: str) -> np.ndarray | None:
        """All rows of the inputs, labels or outputs, one below the other."""
        parts = [part for batch in self.batches if (part := getattr(batch, what)) is not None]
        if not parts or len({part.shape[1:] for part in parts}) != 1:
            return None
        return np.concatenate(parts)


def keys_of(seen: Seen, depends: set[Key], pair: Candidate | None, excluded: frozenset[str]) -> Keys:
    """The keys of the inputs that go with an output and a label."""
    if pair is None or pair.label is None:
        return Keys(None, None, None if pair is None else pair.output)
    label = seen[pair.label]
    count = samples(label, seen.get(pair.output))
    upright = len(label) == 1 and any(_is_upright(values, count) for values in (label, seen.get(pair.output, [])))
    found = _inputs(seen, depends, pair.label, count, excluded, upright)
    if found is None and len(label) == 1 and 1 < label[0].size == max(label[0].shape):
        found = _inputs(seen, depends, pair.label, 1, excluded)
        if found is not None:
            return Keys(found, pair.label, pair.output, single=True)
    return Keys(found, pair.label, pair.output)


def left_over(data: SeenData) -> bool:
    """Whether the inputs are one row in all passes, though the labels change: what a loop before the training left in
    its variable, say."""
    inputs, labels = data.all("inputs"), data.all("labels")
    if inputs is None or labels is None or not STILL <= len(data.batches) == len(inputs) == len(labels):
        return False
    return bool((inputs == inputs[0]).all()) and not bool((labels == labels[0]).all())


def other_inputs(keys: Keys, seen: Seen, depends: set[Key], excluded: frozenset[str]) -> Keys:
    """The same keys, with what else may be the inputs: not what is seen where they are."""
    if keys.labels is None or keys.inputs is None:
        return keys
    count = samples(seen[keys.labels], seen.get(keys.outputs) if keys.outputs else None)
    others = {key: series for key, series in seen.items() if key != keys.inputs}
    return replace(keys, inputs=_inputs(others, depends, keys.labels, count, excluded))


def _is_upright(values: list[np.ndarray], count: int) -> bool:
    """Whether an array holds a sample a row, not a column: all 1,797 rows of 64 pixels are then no batch of 64."""
    return bool(values) and values[0].ndim == 2 and values[0].shape[0] == count != values[0].shape[1]


def _inputs(
    seen: Seen, depends: set[Key], label_key: Key, count: int, excluded: frozenset[str], upright: bool = False
) -> Key | None:
    label = seen[label_key]
    found: list[tuple[tuple[bool | int, ...], Key]] = []
    for key, series in seen.items():
        name = re.sub(r"\[[^\]]*\]", "", key[1]).split(".")[-1]
        if key in depends or key == label_key or key[1] in excluded or key[1].endswith((".grad", "[-1]")):
            continue
        if not series[0].size:
            continue
        if LABEL_NAME.search(name.lower()) and not INPUT_NAME.match(name):
            continue
        if len(series) != len(label) or not _rows_fit(series[0], count if len(label) == 1 else 1):
            continue
        if upright and count > 1 and series[0].shape[:1] != (count,):
            continue
        matrix = series[0].size != max(series[0].shape, default=0)
        if len(label) == 1 and count == 1 and matrix and not _is_item(series[0], seen):
            continue  # one sample is a vector; a matrix of its name holds them all
        if count == 1 and "[*][*]" in key[1]:
            continue  # a list of samples, each with what belongs to it
        twin = name != _called(label_key) and name.lower() == _called(label_key).lower().replace("y", "x", 1)
        if twin or INPUT_NAME.match(name):
            of_list = "[" in key[1]  # the first of a list of samples, which the sample of the pass may be by chance
            found.append(((not twin, key[0] != label_key[0], -series[0].size, of_list), key))
    return min(found)[1] if found else None


def _is_item(value: np.ndarray, seen: Seen) -> bool:
    """Whether a matrix is one of many of its shape: an image out of an array of images."""
    for (place, _), series in seen.items():
        whole = series[0]
        if place == "" and whole.ndim == value.ndim + 1 and len(whole) > 3 and whole.shape[1:] == value.shape:
            return bool((whole == value).reshape(len(whole), -1).all(1).any())
    return False


def _called(key: Key) -> str:
    return re.sub(r"\[[^\]]*\]", "", key[1]).split(".")[-1]


def samples(labels: list[np.ndarray], outputs: list[np.ndarray] | None) -> int:
    """How many samples a label array is for."""
    if len(labels) > 1:
        return 1
    label = labels[0]
    if label.ndim <= 1:
        width = outputs[0].size if outputs else 0
        one_hot = label.size == width and label.size > 1 and outputs is not None and outputs[0].ndim == 1
        return 1 if one_hot and abs(float(label.sum()) - 1) < 1e-6 else int(label.size)
    if label.shape[0] == 1 and label.shape[1] > 1:
        return int(label.shape[1]) if not _one_hot(label) else 1
    if label.shape[1] == 1 and label.shape[0] > 1:
        return 1 if _one_hot(label.T) else int(label.shape[0])
    columns = not _one_hot(label) and _one_hot(label.T)
    return int(label.shape[1 if columns else 0])


def _one_hot(label: np.ndarray) -> bool:
    several = label.shape[1] > 2 or (label.shape[1] == 2 and label.shape[0] > 2)
    return bool(several and np.isin(label, (0.0, 1.0)).all() and np.abs(label.sum(1) - 1).max() < 1e-6)


def _rows_fit(value: np.ndarray, count: int) -> bool:
    return count == 1 or (value.ndim >= 1 and count in value.shape[:2])


def rows(value: np.ndarray, count: int) -> np.ndarray:
    """(samples, …): the axis of the samples first."""
    if count == 1:
        return value.reshape(1, -1)
    if value.ndim == 0 or (value.shape[0] != count and value.ndim < 2):
        return value.reshape(1, -1)
    if value.shape[0] != count and value.shape[1] == count:
        value = np.swapaxes(value, 0, 1)
    return value.reshape(value.shape[0], -1)


def observe(
    lab: Lab, keys: Keys, candidate: Candidate, passes: int, seconds: float
) -> Generator[PassRun, PassOutcome, SeenData]:
    """In a laboratory: the rows of some passes in a row, until the same ones have come often. The training goes on
    meanwhile."""
    result = SeenData(keys)
    end = time.process_time() + seconds
    total = count = again = 0
    known: set[bytes] = set()
    try:
        while len(result.batches) < passes and time.process_time() < end and lab.left() > 0.1 and total < MOST_KEPT:
            outcome = yield Next(watch=keys.known)
            batch = batch_of(outcome.seen, keys)
            result.batches.append(batch)
            total += sum(part.size for part in (batch.inputs, batch.labels) if part is not None)
            if batch.inputs is not None:
                count += len(batch.inputs)
                digest = hashlib.blake2b(np.ascontiguousarray(batch.inputs).tobytes()).digest()
                again += digest in known
                known.add(digest)
                if again >= max(8, 2 * len(known)) and count >= ROWS:
                    break
    except Ended:
        result.ended = True
    return result


def without_labels(data: SeenData) -> SeenData:
    """The same, the label taken out of rows that end in it."""
    inputs, labels = data.all("inputs"), data.all("labels")
    if inputs is None or labels is None or labels.shape[1] != 1 or inputs.shape[1] < 2 or len(inputs) != len(labels):
        return data
    if not np.array_equal(inputs[:, -1], labels[:, 0]):
        return data
    batches = [replace(batch, inputs=None if batch.inputs is None else batch.inputs[:, :-1]) for batch in data.batches]
    return replace(data, batches=batches)


def batch_of(seen: Seen, keys: Keys) -> Batch:
    """The rows of a pass."""
    labels = seen.get(keys.labels, []) if keys.labels else []
    outputs = seen.get(keys.outputs, []) if keys.outputs else []
    inputs = seen.get(keys.inputs, []) if keys.inputs else []
    inputs = _taken_one_by_one(inputs, len(labels))
    count = samples(labels, outputs) if labels and not keys.single else 1
    return Batch(*(_stacked(series, count) for series in (inputs, labels, outputs)))


def rows_of(seen: Seen, keys: Keys) -> Batch:
    """The rows of several passes, one below the other, but for those of a batch that is the rest of an epoch."""
    labels, outputs, inputs = (seen.get(key, []) if key else [] for key in (keys.labels, keys.outputs, keys.inputs))
    labels, outputs, inputs = _of_whole_batches(labels, outputs, inputs)
    count = samples(labels[:1], outputs[:1]) if labels and not keys.single else 1
    inputs = _taken_one_by_one(inputs, len(labels)) if count == 1 else inputs
    shapes = [{value.shape for value in series} for series in (inputs, labels, outputs)]
    stacked = (
        np.concatenate([rows(value, count) for value in series]) if len(found) == 1 else None
        for series, found in zip((inputs, labels, outputs), shapes, strict=True)
    )
    return Batch(*stacked)


def _of_whole_batches(*series: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Series of batches without those whose labels are fewer than most are."""
    shapes = [value.shape for value in series[0]]
    usual = max(shapes, key=shapes.count, default=())
    for values in series:
        alike = len(values) == len(shapes)
        yield [v for v, shape in zip(values, shapes, strict=True) if shape == usual] if alike else values


def _taken_one_by_one(inputs: list[np.ndarray], labels: int) -> list[np.ndarray]:
    """The rows of a matrix of all inputs that was seen with each label: `X`, where a loop takes `X[i]` and `y[i]`."""
    if len(inputs) < 4 or len(inputs) != labels or inputs[0].ndim != 2 or labels % len(inputs[0]):
        return inputs
    size = len(inputs[0])
    if size < 4 or any(value.shape != inputs[0].shape for value in inputs):
        return inputs
    if not all(value is inputs[0] or np.array_equal(value, inputs[0]) for value in inputs[1:size]):
        return inputs
    return [inputs[i][i % size] for i in range(labels)]


def _stacked(series: list[np.ndarray], count: int) -> np.ndarray | None:
    if not series or len({value.shape for value in series}) != 1:
        return None
    return np.concatenate([rows(value, count if len(series) == 1 else 1) for value in series])


def holders(
    scope: Scope, width: int, excluded: frozenset[str], deep: bool = False, rows: np.ndarray | None = None
) -> list[Holder]:
    """What holds the data from pass to pass: tensors called like inputs, with `width` numbers a row, and lists of rows.

    With `deep`, also (samples, …) with `width` numbers a sample, such as images; with `rows` that passes saw, also what
    holds these, whatever it is called.
    """
    found: list[Holder] = []
    some = None if rows is None or width < 2 else {row.tobytes() for row in np.asarray(rows[:FEW_ROWS], dtype=float)}
    for name, group in groups(leaves(scope, LARGEST_DATA)).items():
        last = re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]
        count, columns = group.shape if len(group.shape) == 2 else (0, 0)
        flat = columns > 0 and width in (count, columns)
        images = deep and len(group.shape) > 2 and group.size == group.shape[0] * width
        called = INPUT_NAME.match(last) or HOLDS_INPUTS.match(last)
        if not called and some and columns == width and count > len(some):
            values = np.asarray(group.read(scope), dtype=float).reshape(group.shape)
            called = some <= {row.tobytes() for row in values}
        if called and name not in excluded and (flat or images) and max(group.shape) > 3:
            found.append(group)
    lists = [part for part in parts(scope) if not part.is_label and part.shape[1] == width]
    return _with_lists(found, [part for part in lists if part.name not in excluded and width > (part.place == 0)])


def _with_lists(found: list[Holder], lists: list[Part]) -> list[Holder]:
    """What holds something, and the lists of rows that do; those of which that is not sure where nothing else does."""
    sure = [*found, *(part for part in lists if part.sure)]
    return sure or [*lists]


def stores(scope: Scope, width: int, excluded: frozenset[str]) -> dict[str, np.ndarray]:
    """What is called like inputs and holds samples of `width` numbers, along its first axis or its last: (samples,
    width)."""
    found: dict[str, np.ndarray] = {}
    for name, group in groups(leaves(scope)).items():
        last = re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]
        called = INPUT_NAME.match(last) or HOLDS_INPUTS.match(last) or re.match("train|test|val", last)
        if name in excluded or not called or len(group.shape) < 2 or group.size > 5_000_000:
            continue
        values = np.asarray(group.read(scope), dtype=float).reshape(group.shape)
        if values[0].size == width:
            found[name] = values.reshape(len(values), -1)
        elif len(group.shape) == 2 and len(values) == width:
            found[name] = np.ascontiguousarray(values.T)
    return found


def held_rows(scope: Scope, count: int, excluded: frozenset[str]) -> np.ndarray | None:
    """Some rows of a matrix that is called like inputs and holds `count` samples, a row or a column each."""
    for name, group in sorted(groups(leaves(scope, LARGEST_DATA)).items(), key=lambda item: (len(item[0]), item[0])):
        last = re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]
        if name in excluded or not INPUT_NAME.match(last) or len(group.shape) != 2 or count not in group.shape:
            continue
        values = np.asarray(scope.get(group.paths[0])) if len(group.paths) == 1 else group.read(scope)
        values = values.reshape(group.shape)
        values = values if group.shape[0] == count else values.T
        return np.array(values[:: max(count // SOME_ROWS, 1)], dtype=float)
    return None


def distinct(base: Any) -> int:
    """How many different rows an array or a list holds."""
    if isinstance(base, np.ndarray) and base.ndim:
        return len({row.tobytes() for row in np.asarray(base, dtype=float)})
    return len({repr(item) for item in base})


def label_holders(scope: Scope, excluded: frozenset[str], counts: set[int], columns: bool = False) -> list[Holder]:
    """What holds the labels from pass to pass: tensors called like labels, of as many rows as the inputs have, and what
    stands second in lists of pairs, or last in lists of rows. With `columns`, also tensors of as many columns, as rows.
    """
    found: list[Holder] = []
    for name, group in groups(leaves(scope)).items():
        last = re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]
        called = LABEL_NAME.search(last.lower()) and not INPUT_NAME.match(last)
        if called and name not in excluded and group.shape:
            if group.shape[0] in counts:
                found.append(group)
            elif columns and len(group.shape) == 2 and group.shape[1] in counts:
                found.append(Turned(group))
    return _with_lists(found, [part for part in parts(scope) if part.is_label and part.shape[0] in counts])


def classes(labels: np.ndarray | None) -> np.ndarray | None:
    """Labels (samples, …) as numbers of classes; None where they are none."""
    if labels is None or not labels.size:
        return None
    if labels.ndim == 2 and labels.shape[1] > 1:
        if not (np.isin(labels, (0.0, 1.0)).all() and (labels.sum(1) == 1).all()):
            return None
        return labels.argmax(1)
    flat = labels.ravel()
    return flat.astype(int) if np.equal(np.mod(flat, 1), 0).all() and len(np.unique(flat)) <= 20 else None


def distributions(seen: Seen, depends: set[Key]) -> Iterator[Candidate]:
    """Outputs between 0 and 1, one for each class and sample, with the labels that go with them."""
    labels = [key for key in seen if key not in depends and LABEL_NAME.search(key[1].lower()) and len(seen[key]) == 1]
    for output in depends:
        series = seen[output]
        value = series[0]
        if len(series) > 1 or value.ndim != 2 or not np.isfinite(value).all() or value.min() < 0 or value.max() > 1:
            continue
        one_hot = [key for key in labels if _is_one_hot_for(seen[key][0], value)]
        # Ten names of classes beside (10, 1797) outputs are no labels of ten samples out of 1,797 classes: of numbers
        # that fit one axis and of others that fit the other, those are meant that name as many classes as there are.
        numbers = [key for key in labels if _are_numbers_for(seen[key][0], value)]
        turned = [key for key in labels if _are_numbers_for(seen[key][0], value.T)]
        if numbers and turned and value.shape[0] != value.shape[1]:
            unnamed, unnamed_turned = (
                min(abs(width - 1 - seen[key][0].max()) for key in keys)
                for width, keys in ((value.shape[1], numbers), (value.shape[0], turned))
            )
            numbers = numbers if unnamed <= unnamed_turned else []
        for label in one_hot or numbers:
            yield Candidate("cross", output, label)


def _is_one_hot_for(label: np.ndarray, outputs: np.ndarray) -> bool:
    return label.shape == outputs.shape and (_one_hot(label) or _one_hot(label.T))


def _are_numbers_for(label: np.ndarray, outputs: np.ndarray) -> bool:
    """Whether these are numbers of classes, one for each row of the outputs."""
    whole = bool(label.size and np.equal(np.mod(label, 1), 0).all() and label.min() >= 0)
    width = outputs.shape[1]
    return whole and label.size == len(outputs) and bool(width == 1 or width > max(1, label.max()))


def undone(seen: Seen, depends: set[Key]) -> Iterator[tuple[Key, Key, np.ndarray]]:
    """Outputs that a pass made its error out of in place, `p[range(n), y] -= 1`: what they were, (samples, classes).

    With their key and that of the labels.
    """
    labels = [key for key in seen if key not in depends and LABEL_NAME.search(key[1].lower()) and len(seen[key]) == 1]
    for key in sorted(depends):
        value = seen[key][-1]
        if len(seen[key]) > 1 or value.ndim != 2 or min(value.shape) < 2 or not np.isfinite(value).all():
            continue
        for label_key in labels:
            chosen = seen[label_key][0]
            if chosen.shape != (len(value),) or not np.isin(chosen, range(value.shape[1])).all():
                continue
            for scale in (float(len(value)), 1.0):  # where it was divided, both give numbers between 0 and 1
                q = scale * value
                q[np.arange(len(q)), chosen.astype(int)] += 1
                sums = np.abs(q.sum(1) - 1).max() < 1e-6 or np.abs(q.sum(0) - 1).max() < 1e-6
                if sums and q.min() >= -1e-9 and q.max() <= 1 + 1e-9 and value.min() < -1e-3 / len(value):
                    yield key, label_key, np.maximum(q, 0.0)
                    break


def is_gradient(key: Key) -> bool:
    """Whether a value is called like a gradient or an error: no output then, though it is computed from one."""
    name = re.sub(r"\[[^\]]*\]", "", key[1]).split(".")[-1]
    return NO_OUTPUT.search(name) is not None or re.match(r"err|diff|resid", name) is not None


def pair_of(candidates: list[Candidate], seen: Seen, depends: set[Key]) -> Candidate | None:
    """A usual loss whose output and label were seen: the first of the candidates, or one by the names."""
    for candidate in candidates:
        if candidate.label is not None and candidate.label in seen and candidate.output in seen:
            return candidate
    outputs = [key for key in depends if re.search(r"out|pred|prob|hat|softmax|probs|a\d|^p$|^o$", key[1].lower())]
    labels = [key for key in seen if key not in depends and LABEL_NAME.search(key[1].lower())]
    for output in sorted(outputs, key=lambda key: (-len(seen[key]), key)):
        for label in sorted(labels, key=lambda key: (len(key[1]), key)):
            if len(seen[output]) == len(seen[label]) and seen[label][0].size:
                if is_gradient(output) or re.search(r"loss|cost|acc", output[1]):
                    continue
                if aligned(seen[output][0], seen[label][0], True) is not None:
                    return Candidate("squared", output, label)
    return None
