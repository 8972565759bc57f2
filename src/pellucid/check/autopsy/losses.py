"""A loss and a gradient that do not belong together: the gradient is exactly that of another usual loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pellucid.check.autopsy.hypothesis import Hypothesis, TapeCase, line
from pellucid.check.mistakes import WRONG_LOSS
from pellucid.check.record.reverse import Change
from pellucid.check.record.rules import ELEMENTWISE
from pellucid.check.record.tape import Array, TapeNode

MOST_OUTPUTS = 12  # values before the loss that are taken for the output
FACTORS = (1.0, 2.0, 0.5)

Gradient = Callable[[Array, Array], Array]

# What the output p and the target t give: the loss by its name, its gradient with respect to p, for one element.
USUAL: tuple[tuple[str, Gradient], ...] = (
    ("the squared error, Σ (p − t)²", lambda p, t: p - t),
    ("the absolute error, Σ |p − t|", lambda p, t: np.sign(p - t)),
    ("the log loss, −Σ t·log p + (1 − t)·log(1 − p)", lambda p, t: (p - t) / (p * (1 - p))),
    ("the cross entropy, −Σ t·log p", lambda p, t: -t / p),
    ("the log loss of sigmoid(p)", lambda p, t: 1 / (1 + np.exp(-p)) - t),
    ("the cross entropy of softmax(p)", lambda p, t: _softmax(p) - t),
    ("the hinge loss, Σ max(0, 1 − t·p)", lambda p, t: np.where(t * p < 1, -t, 0.0)),
)


def losses(case: TapeCase) -> Iterator[Hypothesis]:
    """On the way back, begin with the gradient of another loss."""
    constants = [node.value for node in case.tape.nodes if node.op == "constant" and node.value.dtype.kind in "fiu"]
    users: dict[int, list[TapeNode]] = {}
    for node in case.tape.useful():
        for source in node.inputs:
            users.setdefault(source.index, []).append(node)
    for outs in _outputs(case, _behind(case.tape.useful(), users)):
        owns = [case.adjoint(out) for out in outs]
        without = case.way.changed(Change(adjoints={out.index: np.zeros_like for out in outs}))
        truth = case.way.gradients()
        shares = [truth[name] - gradient for name, gradient in without.items()]
        for targets in _targets(outs, constants, users):
            for called, gradient in USUAL:
                with np.errstate(all="ignore"):
                    wrongs = [np.asarray(gradient(out.value, t), float) for out, t in zip(outs, targets, strict=True)]
                if not all(np.isfinite(wrong).all() for wrong in wrongs) or _parallel(wrongs, owns):
                    continue
                change = Change(adjoints={o.index: lambda a, w=w: w for o, w in zip(outs, wrongs, strict=True)})
                moved = case.way.changed(change)
                if _parallel([moved[name] - gradient for name, gradient in without.items()], shares):
                    continue  # another adjoint here is the same gradient further down: softmax is flat along ones
                for factor in _factors(case, outs):
                    yield Hypothesis(
                        WRONG_LOSS,
                        Change(
                            adjoints={
                                out.index: lambda a, value=factor * wrong: value
                                for out, wrong in zip(outs, wrongs, strict=True)
                            }
                        ),
                        f"The gradient is that of another loss: at {line(outs[0])} it begins with {_said(factor)}the "
                        f"derivative of {called}, and the loss is another.",
                        "take the derivative of the loss that is computed, or compute the loss whose derivative it is",
                        outs[0],
                        1.02,
                    )


def _behind(nodes: Sequence[TapeNode], users: dict[int, list[TapeNode]]) -> set[int]:
    """The values on whose way to the loss no parameter comes in any more: what a loss takes. A hidden layer is none."""
    found: set[int] = set()
    for node in reversed(nodes):
        if all(user.index in found and not any(map(_is_parameter, user.inputs)) for user in users.get(node.index, [])):
            found.add(node.index)
    return found


def _is_parameter(node: TapeNode) -> bool:
    return node.op == "parameter" or (len(node.inputs) == 1 and node.op == "move" and _is_parameter(node.inputs[0]))


def _outputs(case: TapeCase, behind: set[int]) -> Iterator[list[TapeNode]]:
    """The last values that are arrays, the nearest to the loss first; the passes of a loop over samples together."""
    groups = sorted(case.loops().values(), key=lambda nodes: -nodes[-1].index)
    seen: set[bytes] = set()
    for nodes in groups:
        node = nodes[0]
        alone = node.value.size < 2 and len(nodes) < 2
        if (
            alone
            or any(n.index not in behind for n in nodes)
            or node.op not in (*ELEMENTWISE, "matmul", "move", "einsum")
            or len({n.shape for n in nodes}) > 1
        ):
            continue
        key = b"".join(n.value.tobytes() for n in nodes)
        if key in seen:
            continue
        seen.add(key)
        yield nodes
        if len(seen) >= MOST_OUTPUTS:
            return


def _targets(outs: list[TapeNode], constants: list[Array], users: dict[int, list[TapeNode]]) -> Iterator[list[Array]]:
    """What may be the targets: constants of the output's shape, labels of its rows, what a loop compares each with."""
    if len(outs) == 1:
        for target in _distinct([np.asarray(value, float) for value in constants], outs[0]):
            yield [target]
        return
    found: list[Array] = []
    for out in outs:
        beside = (source for user in users.get(out.index, []) for source in user.inputs if not source.needs)
        target = next((s.value for s in beside if s.shape == out.shape and s.value.dtype.kind in "fiu"), None)
        if target is None:
            return
        found.append(np.asarray(target, float))
    yield found


def _distinct(values: list[Array], out: TapeNode) -> Iterator[Array]:
    """The constants that may be targets of an output: of its shape up to axes of length 1, or labels of its rows."""
    seen: set[bytes] = set()
    for value in values:
        target = value.reshape(out.shape) if value.size == out.value.size else _one_hot(value, out)
        if target is not None and target.tobytes() not in seen:
            seen.add(target.tobytes())
            yield target


def _one_hot(labels: Array, out: TapeNode) -> Array | None:
    rows = out.value.ndim == 2 and labels.size == out.shape[0] and out.shape[1] > 1
    if not rows or (labels != labels.round()).any() or labels.min() < 0 or labels.max() >= out.shape[1]:
        return None
    return np.eye(out.shape[1])[labels.ravel().astype(int)]


def _factors(case: TapeCase, outs: list[TapeNode]) -> tuple[float, ...]:
    count = sum(out.value.size for out in outs)
    counts = {1, count, len(outs), *outs[0].shape, *case.sizes}
    return tuple(dict.fromkeys(factor / n for n in sorted(counts) if n for factor in FACTORS))


def _said(factor: float) -> str:
    return "" if factor == 1 else f"{factor:.4g} times "


def _parallel(ones: list[Array], others: list[Array]) -> bool:
    """Whether some arrays are one multiple of others: then it is a factor, and no other loss."""
    first, second = (np.concatenate([value.ravel() for value in values]) for values in (ones, others))
    size = float((first**2).sum())
    factor = float((first * second).sum()) / size if size else 0.0
    return not size or bool(np.abs(second - factor * first).max() <= 1e-6 * np.abs(second).max(initial=1e-300))


def _softmax(p: Array) -> Array:
    e = np.exp(p - p.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
