"""Losses that are ops of their own, for speed or for safety near 0: cross-entropy in its forms.

Throughout, `input` is (N, C), (N, C, d1, …) or (C), the classes in dimension 1 (0); `target` holds class indices and
has the shape of `input` without the classes.
"""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, apply, called, real
from pellucid.declare import TABLE, op
from pellucid.errors import DimensionError, ShapeError
from pellucid.kernels import classes as native
from pellucid.types.dtypes import SCALAR_TYPES

from .node_names import of_classes
from .reduce import sum as _sum
from .reduction import widened
from .softmax import shifted


@op(name="cross_entropy", method=False, public=False, domain=real(), aux=("probs",),
    reference="torch.nn.functional.cross_entropy", node=of_classes)  # fmt: skip
def class_cross_entropy(
    xp: Any, input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """-log softmax(input)[target], from scores: the two in one, so that nothing overflows and nothing is done twice.

    It keeps the probabilities p, from which the gradient is p - onehot(target).
    """
    if weight is None and not label_smoothing:
        made = native.loss(input, target, ignore_index, reduction)
        if made is not None:
            return made
    classes = class_axis(input)
    safe, valid = checked_target(xp, input, target, ignore_index)
    if input.ndim == 2 and input.shape[1] <= 64:  # each class's scores side by side: reductions run along memory
        input = input.copy(order="F")
    z, _, kind = shifted(xp, "cross_entropy", input, classes)
    at = where_target(xp, safe, classes)
    found = -z[at]
    total = xp.add.reduce(z, axis=classes) if label_smoothing and weight is None else None
    smooth = weighted_sum(xp, z, weight, classes) if label_smoothing and weight is not None else total
    xp.exp(z, out=z)
    sums = _sum.forward(xp, z, dim=classes, keepdim=True)
    z /= sums
    logs = xp.log(sums).reshape(found.shape)
    found = found + logs
    w = None if weight is None else weight[safe]
    if w is not None:
        found = found * w
    if label_smoothing:
        count = z.shape[classes]
        mass = count if weight is None else xp.add.reduce(weight)
        found = found * (1 - label_smoothing) + (mass * logs - smooth) * (label_smoothing / count)
    return reduced(xp, found, valid, w, reduction).astype(kind, copy=False), z


def weighted_sum(xp: Any, z: Any, weight: Any, classes: int) -> Any:
    """Σ weight · z over the classes."""
    return xp.tensordot(xp.moveaxis(z, classes, -1), weight, axes=1)


class_cross_entropy.recomputes(probs=lambda m, input: m.softmax(input, dim=class_axis(input)))
class_cross_entropy.vjp(
    input=lambda m, g, input, probs, target, weight, ignore_index, reduction, label_smoothing: (
        m.cross_entropy_backward(
            g, probs, target, weight,
            ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing,
        )
    )
)  # fmt: skip


@op(public=False, method=False)
def cross_entropy_backward(
    xp: Any, grad: Any, probs: Any, target: Any, weight: Any = None, *, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """grad · (probs · Σ q - q), q being the weight with which each class's -log p stands in the loss."""
    classes = class_axis(probs)
    if label_smoothing or weight is not None or probs.ndim != 2:
        q = class_weights.forward(
            xp, probs, target, weight,
            ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing,
        )  # fmt: skip
        made = probs * xp.add.reduce(q, axis=classes, keepdims=True)
        made -= q
        made *= xp.expand_dims(grad, classes) if grad.ndim else grad
        return made
    slope = native.slope(grad, probs, target, ignore_index, reduction)
    if slope is not None:
        return slope
    # The usual case again, in two passes.
    safe, valid = checked_target(xp, probs, target, ignore_index)
    scale = grad
    if reduction == "mean":
        scale = grad / probs.dtype.type(target.size if valid is None else xp.count_nonzero(valid))
    if valid is not None:
        scale = xp.where(valid, scale, scale.dtype.type(0))
    made = probs * (scale[:, None] if scale.ndim else scale)
    made[where_target(xp, safe, 1)] -= scale
    return made


def _backward_of_gradient(m: Any, g: Any, grad: Any, probs: Any, q: Any) -> Any:
    classes = class_axis(probs)
    back = g * (probs * m.sum(q, dim=classes, keepdim=True) - q)
    return m.sum(back, dim=classes) if len(grad.shape) else m.sum(back)


def _backward_of_probs(m: Any, g: Any, grad: Any, q: Any) -> Any:
    classes = class_axis(q)
    scale = m.reshape(grad, shape=(*grad.shape[:classes], 1, *grad.shape[classes:])) if len(grad.shape) else grad
    return g * scale * m.sum(q, dim=classes, keepdim=True)


cross_entropy_backward.vjp(
    grad=lambda m, g, grad, probs, target, weight, ignore_index, reduction, label_smoothing: _backward_of_gradient(
        m, g, grad, probs, m.class_weights(
            probs, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
    ),
    probs=lambda m, g, grad, probs, target, weight, ignore_index, reduction, label_smoothing: _backward_of_probs(
        m, g, grad, m.class_weights(
            probs, target, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
    ),
)  # fmt: skip


@op(public=False, method=False)
def class_weights(
    xp: Any, input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    """The weight, of `input`'s shape, with which each class's -log p stands in the loss; the mean's divisor included.

    (1 - s) · w[target] for the target itself and s · w[c] / C for each class c, s the label smoothing.
    """
    classes = class_axis(input)
    safe, valid = checked_target(xp, input, target, ignore_index)
    kind, count = input.dtype, input.shape[classes]
    w = xp.ones(count, kind) if weight is None else weight.astype(kind, copy=False)
    along = w.reshape(-1, *[1] * (input.ndim - 1 - classes))
    made = xp.zeros(input.shape, kind) + along * kind.type(label_smoothing / count)
    chosen = w[safe]
    made[where_target(xp, safe, classes)] += chosen * kind.type(1 - label_smoothing)
    if valid is not None:
        made *= xp.expand_dims(valid, classes)
    if reduction == "mean":
        made /= xp.add.reduce(chosen if valid is None else chosen * valid, axis=None)
    return made


@op(
    name="nll_loss",
    method=False,
    public=False,
    domain=real(),
    reference="torch.nn.functional.nll_loss",
    node=of_classes,
    piecewise=True,
)
def class_nll_loss(
    xp: Any, input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    """-input[target], `input` being log-probabilities."""
    classes = class_axis(input)
    safe, valid = checked_target(xp, input, target, ignore_index)
    found = -widened(xp, input)[where_target(xp, safe, classes)]
    w = None if weight is None else weight[safe]
    if w is not None:
        found = found * w
    return reduced(xp, found, valid, w, reduction).astype(input.dtype, copy=False)


def _nll_back(m: Any, g: Any, q: Any) -> Any:
    classes = class_axis(q)
    return -q * (m.reshape(g, shape=(*g.shape[:classes], 1, *g.shape[classes:])) if len(g.shape) else g)


class_nll_loss.vjp(
    input=lambda m, g, input, target, weight, ignore_index, reduction: _nll_back(
        m, g, m.class_weights(input, target, weight, ignore_index=ignore_index, reduction=reduction)
    )
)


def class_axis(input: Any) -> int:
    """Where the classes are: dimension 1, or 0 of a single sample."""
    return 1 if len(input.shape) > 1 else 0


def checked_target(xp: Any, input: Any, target: Any, ignore_index: int) -> Any:
    """(`target` with 0 where it is to be ignored, and where it is not, or None if nowhere).

    Raises DimensionError where a target is not one of the classes.
    """
    classes = input.shape[class_axis(input)]
    if target.dtype == xp.int64 and target.size and not 0 <= ignore_index < classes:
        # Seen as unsigned, a negative target is a huge one: the usual case takes one pass.
        largest = xp.maximum.reduce(target.view(xp.uint64), axis=None)
        if largest < classes:
            return target, None
    valid = target != ignore_index
    wrong = valid & ((target < 0) | (target >= classes))
    if wrong.any():
        raise DimensionError(
            f"Target {target[wrong].flat[0]} is out of bounds: a target is one of the classes 0 … {classes - 1} "
            f"(or ignore_index, {ignore_index})"
        )
    return xp.where(valid, target, 0), None if valid.all() else valid


def where_target(xp: Any, target: Any, classes: int) -> Any:
    """The index that picks, in an array with classes, the one of each target."""
    if target.ndim == 1:
        return xp.arange(len(target)), target
    if not classes:
        return target
    grid = [xp.arange(n).reshape(-1, *[1] * (target.ndim - i - 1)) for i, n in enumerate(target.shape)]
    return (*grid[:1], target, *grid[1:])


def reduced(xp: Any, found: Any, valid: Any, w: Any, reduction: str) -> Any:
    """The losses of the targets as they are, added, or averaged (by the weights of their classes, if any)."""
    if valid is not None:
        found = xp.where(valid, found, found.dtype.type(0))
    if reduction == "none":
        return xp.asarray(found)
    total = xp.add.reduce(found, axis=None)
    if reduction == "mean":
        if w is not None:
            total = total / xp.add.reduce(w if valid is None else w * valid, axis=None)
        else:
            total = total / total.dtype.type(found.size if valid is None else xp.count_nonzero(valid))
    return xp.asarray(total)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log p[target], p = softmax(input): the loss of a classifier that puts out scores.

    With s = `label_smoothing` the target's probability is (1 - s) + s / C and each other class's s / C. A `target` of
    `input`'s shape holds the probability of each class. `weight` (C) weighs classes, and makes the mean a weighted
    one; targets equal to `ignore_index` do not count.

    Shape: input (C), (N, C) or (N, C, d1, …); target (), (N) or (N, d1, …); result as target, or () if reduced.
    Raises IndexError for a target that is no class, ValueError for shapes that do not fit.

    >>> import pellucid
    >>> cross_entropy(pellucid.tensor([[0.0, 0.0]]), pellucid.tensor([1]))
    tensor(0.6931)
    """
    reduction_name(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    shape, labels = input._array.shape, target._array
    if weight is not None or len(shape) != 2 or labels.shape != shape[:1] or labels.dtype.kind != "i":
        if target.is_floating_point() and input.shape == target.shape:
            if ignore_index >= 0:
                raise RuntimeError("ignore_index is not supported for floating point target: it is a class's number")
            return _cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing)
        check_classes(input, target, weight)
    attributes: dict[str, Any] = {}
    if ignore_index != -100 or reduction != "mean" or label_smoothing:
        attributes = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
    return apply(class_cross_entropy, (input, target, weight), attributes)[0]


@called(lambda *args: "DivBackward1" if args[3] == "mean" else "NegBackward0")
def _cross_entropy_of_probabilities(input: Any, target: Any, weight: Any, reduction: str, smoothing: float) -> Any:
    classes = class_axis(input)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / input.shape[classes]
    found = TABLE["log_softmax"](input, dim=classes) * target
    if weight is not None:
        found = found * weight.reshape(-1, *[1] * (input.ndim - 1 - classes))
    if reduction == "none":
        return -found.sum(classes)
    total = -found.sum()
    return total if reduction == "sum" else total / (input.numel() // max(input.shape[classes], 1))


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input[target]: the negative log-likelihood, `input` being log-probabilities (of `log_softmax`).

    Arguments, shapes and errors as in `cross_entropy`.
    """
    reduction_name(reduction)
    check_classes(input, target, weight)
    return class_nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)


def check_classes(input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Raise where the shapes of scores, class indices and class weights do not fit together."""
    shape: Any = tuple(input.shape)
    wanted = tuple(target.shape)
    if not shape:
        raise ShapeError("the input needs a dimension of classes, (C), (N, C) or (N, C, d1, …), but got a 0-d tensor")
    if len(shape) > 1 and (not wanted or shape[0] != wanted[0]):
        raise ValueError(
            f"Expected input batch_size ({shape[0]}) to match target batch_size ({wanted[0] if wanted else 0})."
        )
    if wanted == shape and len(shape) > 1 and not target.is_floating_point():
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {target.dtype.name}: a target of "
            f"the input's shape {shape} holds a probability for each class (write target.float() if these are "
            f"one-hot); class indices, {tuple(n for i, n in enumerate(shape) if i != 1)}, are faster: target.argmax(1)"
        )
    if len(wanted) == len(shape) > 1 and wanted[1] == 1 and (wanted[0], *wanted[2:]) == (shape[0], *shape[2:]):
        raise ShapeError(
            "0D or 1D target tensor expected, multi-target not supported: the target "
            f"{wanted} has a dimension of 1 where the input {shape} has its classes; write target.squeeze(1)"
        )
    if len(shape) == len(wanted) == 1 and wanted != (1,):
        raise ValueError(f"For 1D input, 1D target must have size 1, but got target size: {wanted[0]}")
    if (*shape[:1], *shape[2:]) != wanted and not (len(shape) == 1 and wanted in ((), (1,))):
        raise ShapeError(
            f"Expected target size {[*shape[:1], *shape[2:]]}, got {list(wanted)}: the target has the shape of the "
            f"input {shape} without its classes"
        )
    if target.is_floating_point() or target.dtype.numpy.kind == "b":
        raise RuntimeError(
            f"expected target dtype to be Long or Byte, but got {SCALAR_TYPES[target.dtype.name]}: class indices are "
            "integers (write target.long()); probabilities of classes have the shape of the input"
        )
    classes = shape[class_axis(input)]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor "
            f"of shape: {list(weight.shape)}"
        )


def reduction_name(reduction: str) -> str:
    """``reduction``, if it is one of the three."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction: it is 'none', 'mean' or 'sum'")
    return reduction


@op(name="binary_cross_entropy", kind="float", elementwise=True, method=False, public=False,
    reference="torch.nn.functional.binary_cross_entropy")  # fmt: skip
def element_bce(xp: Any, input: Any, target: Any) -> Any:
    """-(t · log x + (1 - t) · log(1 - x)) of each element, the logarithms no less than -100."""
    if not ((input >= 0) & (input <= 1)).all():
        raise RuntimeError(
            "all elements of input should be between 0 and 1: binary_cross_entropy takes probabilities; put a sigmoid "
            "before it, or write binary_cross_entropy_with_logits"
        )
    return (target - 1) * xp.maximum(xp.log1p(-input), -100) - target * xp.maximum(xp.log(input), -100)


_LEAST = 9.999999960041972e-13  # 1e-12 as a float32, as it stands in PyTorch for every dtype

element_bce.vjp(
    input=lambda m, g, input, target: g * (input - target) / m.clamp_min(input * (1 - input), _LEAST),
    target=lambda m, g, input: g * (m.log1p(-input) - m.log(input)),
)


@op(name="smooth_l1", kind="arith", elementwise=True, method=False, public=False,
    reference="torch.nn.functional.smooth_l1_loss")  # fmt: skip
def element_smooth_l1(xp: Any, input: Any, target: Any, *, beta: float) -> Any:
    """d² / (2·beta) of each element where d = |input - target| is below `beta`, else d - beta / 2."""
    apart = input - target
    d = xp.abs(apart)
    return xp.where(d < beta, 0.5 * apart * apart / beta, d - 0.5 * beta)


def _slope(m: Any, apart: Any, beta: float) -> Any:
    return m.clamp(apart / beta, min=-1.0, max=1.0)


element_smooth_l1.vjp(
    input=lambda m, g, input, target, beta: g * _slope(m, input - target, beta),
    target=lambda m, g, input, target, beta: g * _slope(m, target - input, beta),
)


@called("BinaryCrossEntropyBackward0")
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t · log x + (1 - t) · log(1 - x)), `input` being probabilities; a logarithm counts as no less than -100.

    `weight`, broadcast to the input, multiplies each element. Raises RuntimeError for an input outside [0, 1],
    ValueError where the shapes of input and target differ.
    """
    reduction_name(reduction)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    if input.dtype is not target.dtype:
        raise RuntimeError(
            f"Found dtype {target.dtype!r} but expected {input.dtype!r}: write target.to(input.dtype), since it "
            "holds probabilities"
        )
    loss: Any = element_bce(input, target)
    if weight is not None:
        loss = loss * weight
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()
