"""no-nonlinearity: layers with nothing between them, so that all of them together are one linear map."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.data import Batch
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import culprits
from pellucid.doctor.process.places import SourcePlace
from pellucid.doctor.report import Finding

LINEAR = 1e-7  # what is left of an output that is a linear map of the inputs, as a share of its spread
GAINS = 0.25  # of the variance of the labels, that a curved map has to explain more than a straight one
USUAL = 0.3  # the size of weights below which what an activation gets may be tiny
FEW = 16  # rows that cannot be divided into those to fit and those to ask


def find(case: Case) -> Finding | None:
    """Asked of a training's result, standing still: whether it is linear, and whether the labels are not."""
    layers = [name for name, values in start.weights(case.tensors).items() if values.ndim <= 2 and values.size > 1]
    if len(layers) < 2 or case.keys.inputs is None or case.keys.outputs is None or not case.as_is.values:
        return None
    still = case.run(case.fixed_at(case.as_is, Remedy()), 80, 1.0, case.keys.known)
    for batch in (probe.rows_of(still.last, case.keys), probe.rows_of(still.first, case.keys)):
        finding = only_linear(batch)
        if finding is not None:
            if len(np.unique(_rows(batch), axis=0)) <= FEW and case.learns:
                return None
            if _bends(case, layers):
                return None
            at(finding, _stacked(case, layers) or culprits.product(case.sources, layers[0]))
            return finding
    return None


def _bends(case: Case, layers: list[str]) -> bool:
    """Whether larger weights would make the outputs curved: an activation is nearly straight while what it gets is
    tiny."""
    sizes = {
        name: float(np.sqrt(np.mean(case.as_is.values[name] ** 2))) for name in layers if name in case.as_is.values
    }
    begin = [
        case.to_values(name, case.as_is.values[name] / size)
        for name, size in sizes.items()
        if 0 < size < USUAL and name in case.session.found.parameters
    ]
    if not begin:
        return False
    larger = case.fixed_at(case.as_is, Remedy())
    still = case.run(larger.and_(Remedy(scale=0.0, begin=tuple(begin))), 80, 1.0, case.keys.known)
    return only_linear(probe.rows_of(still.last, case.keys)) is None


def _stacked(case: Case, layers: list[str]) -> SourcePlace | None:
    """Where layers that are objects are put one behind the other."""
    paths = [case.session.found.groups[name].paths[0] for name in layers]
    held = [case.session.scope.get(path[:-1]) for path in paths if len(path) > 1]
    kinds = {type(layer).__name__ for layer in held if not isinstance(layer, list | tuple | dict)}
    return culprits.stacked(case.sources, kinds.pop()) if len({*map(id, held)}) > 1 and len(kinds) == 1 else None


def only_linear(batch: Batch) -> Finding | None:
    """Outputs that are a linear map of the inputs (before a sigmoid or softmax), for labels that are none."""
    x, y, o = batch.inputs, batch.labels, batch.outputs
    if x is None or y is None or o is None or not len(x) == len(y) == len(o):
        return None
    if not (np.isfinite(x).all() and np.isfinite(y).all() and np.isfinite(o).all()):
        return None
    _, first = np.unique(x, axis=0, return_index=True)
    x, y, o = x[first][:2000], y[first][:2000].astype(float), o[first][:2000]
    few = len(x) <= FEW
    if len(x) < x.shape[1] + 2 or (not few and len(x) < 2 * x.shape[1] + 8) or o.std(0).max() == 0:
        return None
    if not any(_left(x, scores) < LINEAR for scores in _scores(o)):
        return None
    known = probe.classes(y)
    target = np.eye(int(known.max()) + 1)[known] if known is not None and known.min() >= 0 else y
    straight, curved = (1 - _left(x, target), 1.0) if few else explained(x, target)
    if straight > 0.5 if few else curved < straight + GAINS:
        return None
    return error(
        "no-nonlinearity",
        0.9,
        f"The outputs are a linear map of the inputs, to the last digit. A straight line explains "
        f"{100 * max(straight, 0):.0f} % of the labels' variance"
        + ("." if few else f", a curved map (fitted to half of {len(x)} rows) {100 * curved:.0f} %."),
        "There is nothing between the layers: several linear maps in a row are one linear map.",
        "put an activation between the layers: h = np.tanh(x @ W1 + b1), and its derivative into the backward pass",
    )


def _rows(batch: Batch) -> np.ndarray:
    return batch.inputs if batch.inputs is not None else np.empty((0, 1))


def _scores(outputs: np.ndarray) -> list[np.ndarray]:
    """The outputs, and what they were before a sigmoid or a softmax."""
    found = [outputs]
    if outputs.min() > 1e-12 and outputs.max() < 1 - 1e-12:
        found.append(np.log(outputs / (1 - outputs)))
        if outputs.shape[1] > 1:
            found.append(np.log(outputs[:, 1:] / outputs[:, :1]))
    return found


def _left(x: np.ndarray, y: np.ndarray) -> float:
    """The share of the spread that a linear map leaves."""
    design = np.column_stack([x, np.ones(len(x))])
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(np.linalg.norm(y - fitted) ** 2 / max(float(np.linalg.norm(y - y.mean(0)) ** 2), 1e-300))


def explained(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The share of the variance of labels in one half of the rows that a straight and a curved map of the other half
    explain."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    fit, ask = order[: len(x) // 2], order[len(x) // 2 :]
    spread = x.std(0)
    rows = (x - x.mean(0)) / np.where(spread > 1e-12, spread, 1.0)
    width = min(200, max(20, len(fit)))
    hidden = np.tanh(rows @ rng.normal(0, 1.5 / np.sqrt(x.shape[1]), (x.shape[1], width)) + rng.normal(size=width))
    found = []
    for features in (rows, np.column_stack([rows, hidden])):
        design = np.column_stack([features, np.ones(len(x))])
        gram = design[fit].T @ design[fit] + 1e-2 * np.eye(design.shape[1])
        weights = np.linalg.solve(gram, design[fit].T @ y[fit])
        rest, whole = y[ask] - design[ask] @ weights, y[ask] - y[fit].mean(0)
        found.append(1 - float((rest**2).sum() / max(float((whole**2).sum()), 1e-300)))
    return found[0], found[1]
