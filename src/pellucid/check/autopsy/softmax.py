"""Mistakes at a softmax: normalised over the wrong axis, or its outputs not coupled."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from pellucid.check.autopsy.hypothesis import Hypothesis, TapeCase, line
from pellucid.check.mistakes import DROPPED_TERM, MISSING_ACTIVATION_DERIVATIVE, SIGN, SOFTMAX_WRONG_AXIS
from pellucid.check.record.reverse import Change
from pellucid.check.record.rules import vjp
from pellucid.check.record.tape import Array, TapeNode


def softmaxes(case: TapeCase) -> Iterator[Hypothesis]:
    """Wherever exponentials are divided by their sum, in whatever words: what else might have been done."""
    sums = [
        nodes
        for (_, op), nodes in case.groups().items()
        if op == "sum" and all(node.inputs[0].op == "exp" for node in nodes)
    ]
    for nodes in sums:
        found = [_parts(case, node) for node in nodes]
        z = found[0][0]
        axes = nodes[0].attributes["axes"]
        rank = z.value.ndim
        wrongs = [c for size in range(1, rank + 1) for c in combinations(range(rank), size) if c != axes]
        where = line(nodes[0])
        for wrong in wrongs:
            for shifted in (False, True):
                if shifted and all(parts[0] is parts[1] for parts in found):
                    continue
                for kind in range(4):
                    changes = [
                        (start, _wrong(u, start, r, c, axes, wrong, kind, shifted)) for start, u, _, r, c in found
                    ]
                    yield Hypothesis(
                        SOFTMAX_WRONG_AXIS,
                        _fixed(case, [parts[1] for parts in found], changes),
                        f"In the backward of {where}, the softmax is normalised over axis {wrong} of {z.shape}; the "
                        f"forward pass normalises over axis {axes}."
                        if kind != 2
                        else f"In the backward of {where}, Σ da·a is summed over axis {wrong} of {z.shape}, "
                        f"not over axis {axes}.",
                        _repair(case, z, axes),
                        nodes[0],
                        1.2 - 0.05 * kind - (0.02 if shifted else 0.0),
                    )
        uncoupled = [(start, r + p * c) for start, _, p, r, c in found]
        yield Hypothesis(
            DROPPED_TERM,
            _fixed(case, [parts[1] for parts in found], uncoupled),
            f"In the backward of {where}, the coupling of the softmax's outputs is left out: each is taken to "
            "depend on its own input alone.",
            "dz = a * (da - (da * a).sum(axis, keepdims=True))",
            nodes[0],
            1.2,
        )
        reverse = [(start, r + 2 * p * c) for start, _, p, r, c in found]
        yield Hypothesis(
            SIGN,
            _fixed(case, [parts[1] for parts in found], reverse),
            f"In the backward of {where}, the coupling of the softmax's outputs is added, and must be subtracted.",
            "dz = a * (da - (da * a).sum(axis, keepdims=True))",
            nodes[0],
            1.2,
        )
        with np.errstate(all="ignore"):
            through = [(start, np.where(p > 0, (r + p * c) / p, 0.0)) for start, _, p, r, c in found]
        yield Hypothesis(
            MISSING_ACTIVATION_DERIVATIVE,
            _fixed(case, [parts[1] for parts in found], through),
            f"The gradient passes the softmax of {where} unchanged: dz = da, without its derivative.",
            "dz = a * (da - (da * a).sum(axis, keepdims=True))",
            nodes[0],
            1.2,
        )
        diagonal = [(start, (r + p * c) * (1 - p)) for start, _, p, r, c in found]
        yield Hypothesis(
            DROPPED_TERM,
            _fixed(case, [parts[1] for parts in found], diagonal),
            f"In the backward of {where}, only the diagonal a·(1 − a) of the softmax's Jacobian is taken.",
            "dz = a * (da - (da * a).sum(axis, keepdims=True))",
            nodes[0],
            1.2,
        )


def _repair(case: TapeCase, z: TapeNode, axes: tuple[int, ...]) -> str:
    """Where the forward pass itself normalises over the samples, it is the forward pass that is wrong."""
    if z.value.ndim == 2 and axes == (0,) and z.shape[0] in case.sizes and z.shape[1] not in case.sizes:
        return "the forward pass normalises over the samples: e / e.sum(axis=1, keepdims=True) there"
    return f"e / e.sum(axis={axes[0] if len(axes) == 1 else axes}, keepdims=True)"


def _parts(case: TapeCase, total: TapeNode) -> tuple[TapeNode, TapeNode, Array, Array, Array]:
    """Of a sum of exponentials: the array that they are of (before the shift), after it, the softmax, the gradient with
    respect to it, and the coupling Σ q, where the gradient is q − softmax·Σ q."""
    exponential = total.inputs[0]
    u = exponential.inputs[0]
    start = u
    if u.op == "subtract" and u.inputs[0].shape == u.shape and u.inputs[0].needs:
        start = u.inputs[0]
    axes = total.attributes["axes"]
    keep = tuple(1 if i in axes else n for i, n in enumerate(u.shape))
    softmax = exponential.value / total.value.reshape(keep)
    coupling = -(case.adjoint(total) * total.value).reshape(keep)
    return start, u, softmax, case.adjoint(u), coupling


def _wrong(
    u: TapeNode,
    start: TapeNode,
    right: Array,
    coupling: Array,
    axes: tuple[int, ...],
    wrong: tuple[int, ...],
    kind: int,
    shifted: bool,
) -> Array:
    with np.errstate(all="ignore"):
        exponential = np.exp((u if shifted else start).value)
        own = np.exp(u.value)
        p = own / own.sum(axis=axes, keepdims=True)
        other = exponential / exponential.sum(axis=wrong, keepdims=True)
        q = right + p * coupling
        if kind == 0:  # P' − Y: the combined gradient of cross-entropy
            return q - other * coupling
        again = np.where(p > 0, q / p, 0) * other
        if kind == 1:  # its own Jacobian, with the same gradient from above
            return again - other * again.sum(axis=wrong, keepdims=True)
        if kind == 2:
            return q - p * q.sum(axis=wrong, keepdims=True)
        return again - other * again.sum(axis=axes, keepdims=True)


def _fixed(case: TapeCase, after: list[TapeNode], contributions: list[tuple[TapeNode, Array]]) -> Change:
    """The gradient before the shift is given, whatever comes from above; what goes through the shift stays."""
    change = Change()
    for u, (start, value) in zip(after, contributions, strict=True):
        if u is start:
            change.adjoints[u.index] = lambda adjoint, value=value: value
        else:
            change.jumps[u.index] = lambda adjoint, u=u, start=start, value=value: [
                (start, value),
                *(
                    (source, vjp(u, i, adjoint))
                    for i, source in enumerate(u.inputs)
                    if i and source.needs and (u.index, i) not in case.way.change.edges
                ),
            ]
    return change
