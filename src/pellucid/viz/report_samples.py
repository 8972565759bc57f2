"""The parts of a report that show samples: the data, and what a network predicts for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.viz.document import Block, Facts, Gallery, Picture, Section, Table, Text, number

MOST_IMAGES = 20
MOST_MARKS = 500  # in a drawing that is stored as SVG
LEAST_CALIBRATED = 50  # samples of which calibration is shown
MOST_ROWS, MOST_FEATURES = 12, 8  # of a table of samples


@dataclass(frozen=True)
class TrainingData:
    """What a network was trained on.

    Attributes:
        x, y: a sample of the training part: images (N, height, width[, 3]), points (N, 2), or features (N, F); class
            numbers (N,), or real numbers (N,).
        counts: samples per part.
        class_counts: samples of the training part per class.
        columns: of a table, a row per column: name, what it holds; or what `column_heads` says.
        head: of a table, its header and first rows as they are in the file; `caption` says what they are.
        axes: what the two coordinates of points are called.
    """

    description: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    x: Any = None
    y: Any = None
    class_names: Sequence[str] = ()
    class_counts: Sequence[int] = ()
    columns: Sequence[tuple[Any, ...]] = ()
    column_heads: Sequence[str] = ()
    head: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None
    caption: str = "The first rows of the file."
    facts: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[str, str] = ("x₁", "x₂")


@dataclass(frozen=True)
class Predictions:
    """What a network answers for samples that it did not learn from.

    Attributes:
        part: which samples they are, such as "validation".
        x: images (N, height, width[, 3]), points (N, 2) or features (N, F).
        target: class numbers (N,), or real numbers (N,) in the units of the data.
        output: a score or probability per class (N, C), or real numbers (N,).
        predict: from points (M, 2) to outputs, where x are points.
        names: of a table's features.
        unit: what the target is called, for a real one.
        cells: of a table, what to call its columns, the number of the row being the first, and for each sample its
            cells, as a person reads them.
        importance: of a table's columns, (name, what is lost when it is shuffled, its deviation), the most first.
    """

    part: str
    x: Any
    target: Any
    output: Any
    predict: Callable[[Any], Any] | None = None
    class_names: Sequence[str] = ()
    names: Sequence[str] = ()
    unit: str = "target"
    cells: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None
    importance: Sequence[tuple[str, float, float]] = ()


def data_section(data: TrainingData | None) -> Section | None:
    if data is None:
        return None
    blocks: list[Block] = []
    x = None if data.x is None else np.asarray(data.x)
    y = None if data.y is None else np.asarray(data.y)
    if data.counts:
        counted = ", ".join(f"{count:,} {part}" for part, count in data.counts.items() if count)
        blocks.append(Text(f"Samples: {counted}."))
    if x is not None and x.ndim >= 3 and y is not None:
        chosen = _some_of_each(y, MOST_IMAGES)
        labels = [_class(int(y[i]), data.class_names) for i in chosen]
        alts = [f"image labelled {label}" for label in labels]
        caption = "Images of the training part, each with the class that it is labelled."
        blocks.append(Gallery(x[chosen], labels, alts, caption))
    elif x is not None and x.ndim == 2 and x.shape[1] == 2 and y is not None and data.class_names:
        from pellucid.viz.plane import scatter

        figure = scatter(x, y, class_names=data.class_names, feature_names=data.axes)
        counted = f"{len(x):,} points" if len(x) == sum(data.class_counts or [len(x)]) else f"{len(x):,} of the points"
        told = f"{counted} of the training part in the plane, coloured by their class: {', '.join(data.class_names)}."
        blocks.append(Picture(figure, told, told, pixels=len(x) > MOST_MARKS))
    if data.head is not None:
        header, rows = data.head
        shown = [[_shortened(cell) for cell in row] for row in rows]
        said = data.caption if shown == [list(row) for row in rows] else f"{data.caption} Long numbers are shortened."
        blocks.append(Table(header, shown, said))
    if data.columns:
        heads, folded = data.column_heads or ("column", "holds"), len(data.columns) > 20
        blocks.append(Table(heads, data.columns, "What the columns of the file hold.", folded=folded))
    if len(data.class_counts):
        blocks.append(
            Table(
                ["class", "training samples"],
                [[_class(i, data.class_names), int(count)] for i, count in enumerate(data.class_counts)],
                "How many samples each class has.",
                bars="training samples",
                folded=len(data.class_counts) > 30,
            )
        )
    elif y is not None and y.size and y.dtype.kind == "f":
        rows = [("least", y.min()), ("median", np.median(y)), ("mean", y.mean()), ("greatest", y.max())]
        blocks.append(Facts([(name, float(value)) for name, value in rows], "The target in the training part"))
    if data.facts:
        blocks.append(Facts(list(data.facts.items()), "How the data were made ready"))
    return Section("Data", blocks, data.description)


def _shortened(cell: str) -> str:
    """A number of many digits in few: what a program wrote of a float32 or float64 says no more in 17 than in 5."""
    return number(float(cell)) if re.fullmatch(r"[-+]?\d*\.\d{7,}([eE][-+]?\d+)?", cell) else cell


def _some_of_each(y: np.ndarray, count: int) -> np.ndarray:
    """Which samples to show: as many of each class as fit, in the order of the classes."""
    classes = np.unique(y)
    each = max(count // len(classes), 1)
    return np.concatenate([np.flatnonzero(y == label)[:each] for label in classes[:count]])


def _class(i: int, names: Sequence[str]) -> str:
    return str(names[i]) if i < len(names) else str(i)


def predictions_section(found: Predictions | None) -> Section | None:
    if found is None or not len(found.target):
        return None
    blocks = [*(_of_classes(found) if found.class_names else _of_numbers(found)), *_importance(found)]
    return Section("Predictions", blocks, f"On the {len(found.target):,} samples of the {found.part} part.")


def _importance(found: Predictions) -> list[Block]:
    if not found.importance:
        return []
    lost = "accuracy lost" if found.class_names else "R² lost"
    caption = (
        "What each column is worth: what is lost when its cells are shuffled among the rows, the mean of five times "
        "and its deviation. Columns that say the same can each seem worth nothing."
    )
    rows = [[name, mean, spread] for name, mean, spread in found.importance]
    return [Table(["column", lost, "±"], rows, caption, bars=lost, folded=len(rows) > 30)]


def _of_classes(found: Predictions) -> list[Block]:
    from pellucid.viz.confusion import confusion_matrix
    from pellucid.viz.values import read_output

    names = list(found.class_names)
    _, shares = read_output(found.output)
    known: np.ndarray = np.all(np.isfinite(shares), axis=1)
    blocks: list[Block] = []
    if not known.all():
        blocks.append(Text(f"For {(~known).sum():,} of {len(known):,} samples the network answers NaN.", "warning"))
    if not known.any():
        return blocks
    target, shares = np.asarray(found.target).astype(np.int64)[known], shares[known]
    said = shares.argmax(axis=1)
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(matrix, (target, said), 1)
    right = int(np.trace(matrix))
    figure = confusion_matrix(matrix, class_names=names)
    told = f"Confusion matrix: {right:,} of {len(target):,} samples are on its diagonal, {right / len(target):.1%}."
    width = 640 if len(names) <= 15 else 10_000  # of more, the figure has a list of mistakes beside the matrix
    blocks.append(Picture(figure, told, "Rows are the true classes, columns the predicted ones.", width=width))
    blocks.append(_per_class(matrix, names))
    blocks += _calibration(target, shares)
    if found.predict is not None:
        blocks += _plane(found, found.predict, np.asarray(found.target).astype(np.int64))
    return [*blocks, *_mistakes(found, np.flatnonzero(known), shares, said, target)]


def _calibration(target: np.ndarray, shares: np.ndarray) -> list[Block]:
    """How far the probabilities can be believed. Of few samples a share in a bin says nothing."""
    if len(target) < LEAST_CALIBRATED:
        return []
    from pellucid.viz.calibration import calibration, calibration_error

    error = calibration_error(target, shares)
    told = f"Calibration: the expected calibration error is {error:.3f}."
    caption = (
        f"How often it is right, by the probability of what it answers; below the diagonal it is surer than it should "
        f"be. A point is the larger the more answers it stands for; their number is beside it. The mean distance from "
        f"the diagonal, the expected calibration error, is {error:.3f}."
    )
    return [Picture(calibration(target, shares), told, caption, width=520)]


def _mistakes(
    found: Predictions, places: np.ndarray, shares: np.ndarray, said: np.ndarray, target: np.ndarray
) -> list[Block]:
    """The mistakes whose true class was given the least probability: as images, or as rows of a table.

    `places` says which of the samples the others are about.
    """
    x = np.asarray(found.x)[places]
    sure = np.take_along_axis(shares, target[:, None], axis=1)[:, 0]  # (N, C) -> (N,)
    wrong = np.flatnonzero(said != target)
    if not len(wrong):
        return [Text("No sample was taken for another class.", "note")]
    names = found.class_names
    worst = wrong[np.argsort(sure[wrong], kind="stable")][: MOST_IMAGES if x.ndim >= 3 else MOST_ROWS]
    all_of = f"The {len(worst)} worst of {len(wrong):,} mistakes" if len(worst) < len(wrong) else "All mistakes"
    caption = f"{all_of}, the one that gave its true class the least probability first."
    true = [_class(int(target[i]), names) for i in worst]
    taken = [_class(int(said[i]), names) for i in worst]
    if x.ndim >= 3:
        labels = [f"{is_} → {as_}" for is_, as_ in zip(true, taken, strict=True)]
        alts = [f"{is_} taken for {as_}" for is_, as_ in zip(true, taken, strict=True)]
        details = [f"{_percent(float(sure[i]))} : {_percent(float(shares[i, said[i]]))}" for i in worst]
        caption += " Below each image: true → predicted, and the probabilities that the two were given."
        return [Gallery(x[worst], labels, alts, caption, details)]
    said_of = [[is_, as_, float(sure[i])] for i, is_, as_ in zip(worst, true, taken, strict=True)]
    titles = ["true", "predicted", "probability of the true class"]
    return [_of_samples(found, places[worst].tolist(), titles, said_of, caption)]


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.0995 else f"{share:.0%}"


def _titles(found: Predictions) -> list[str]:
    """The names of the features that a table has room for, or of the columns that they were made of."""
    if found.cells is not None:
        return list(found.cells[0])
    width = np.asarray(found.x).shape[1] if np.asarray(found.x).ndim == 2 else 0
    return [str(found.names[j]) if j < len(found.names) else f"x{j + 1}" for j in range(min(width, MOST_FEATURES))]


def _of_samples(
    found: Predictions, places: Sequence[int], titles: Sequence[str], said: Sequence[Sequence[Any]], caption: str
) -> Table:
    """A row for each of some samples: which row of the file it is, what is `said` of it, and what it holds."""
    numbered = found.cells is not None
    heads = _titles(found)
    rows = [_features(found, i) for i in places]
    first = 1 if numbered else 0
    table = [[*row[:first], *cells, *row[first:]] for row, cells in zip(rows, said, strict=True)]
    return Table([*heads[:first], *titles, *heads[first:]], table, caption)


def _features(found: Predictions, i: int) -> list[Any]:
    if found.cells is not None:
        return list(found.cells[1][i])
    sample = np.asarray(found.x)[i]
    return [float(value) for value in sample[:MOST_FEATURES]] if sample.ndim == 1 else []


def _per_class(matrix: np.ndarray, names: Sequence[str]) -> Table:
    """Precision, recall and F1 of each class, from counts (true, predicted)."""
    right, said, there = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    rows = []
    for i, name in enumerate(names):
        precision = float(right[i] / said[i]) if said[i] else None
        recall = float(right[i] / there[i]) if there[i] else None
        f1 = float(2 * right[i] / (said[i] + there[i])) if said[i] + there[i] else None
        rows.append([name, int(there[i]), precision, recall, f1])
    titles = ["class", "samples", "precision", "recall", "F1"]
    return Table(titles, rows, "Precision, recall and F1 of each class", folded=True)


def _plane(found: Predictions, predict: Callable[[Any], Any], target: np.ndarray) -> list[Block]:
    """What the network answers everywhere in the plane: from above, and as a relief."""
    from pellucid.viz.plane import decision_regions
    from pellucid.viz.relief import surface

    how: dict[str, Any] = {"feature_names": list(found.names) or None, "output_is": "value"}
    what = f"The {found.unit} that the network predicts"
    if found.class_names:
        how |= {"class_names": found.class_names, "output_is": "probabilities"}
        what = "The class that the network predicts"
    x = np.asarray(found.x)
    return [
        Picture(
            decision_regions(predict, x, target, **how),
            f"{what} in the plane, and the {found.part} points.",
            f"{what} at each point of the plane, and the {found.part} points.",
            pixels=len(x) > MOST_MARKS,
        ),
        Picture(
            surface(predict, x, target, **how),
            f"{what} in the plane, as a relief.",
            "The same as a relief.",
            pixels=True,
        ),
    ]


def _of_numbers(found: Predictions) -> list[Block]:
    from pellucid.viz.regression import predicted_against_true

    target = np.asarray(found.target, dtype=np.float64).reshape(-1)
    output = np.asarray(found.output, dtype=np.float64).reshape(-1)
    known = np.isfinite(output)
    blocks: list[Block] = []
    if not known.all():
        blocks.append(Text(f"For {(~known).sum():,} of {len(known):,} samples the network answers NaN.", "warning"))
    if not known.any():
        return blocks
    places, target, output = np.flatnonzero(known), target[known], output[known]
    error = output - target
    told = (
        f"Predicted against true {found.unit}: the mean absolute error is {number(float(np.abs(error).mean()))}, "
        f"the root of the mean square error {number(float(np.sqrt((error**2).mean())))}."
    )
    blocks.append(Picture(predicted_against_true(target, output, unit=found.unit), told, told))
    if found.predict is not None:
        blocks += _plane(found, found.predict, np.asarray(found.target, dtype=np.float64).reshape(-1))
    worst = np.argsort(-np.abs(error), kind="stable")[:MOST_ROWS]
    said = [[float(target[i]), float(output[i]), float(error[i])] for i in worst]
    caption = f"The {len(worst)} samples with the largest errors."
    blocks.append(_of_samples(found, places[worst].tolist(), ["true", "predicted", "error"], said, caption))
    return blocks
