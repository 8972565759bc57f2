"""What the losses share: how they reduce to one number, and by what their mean divides.

`loss_function` makes a loss of an expression. It adds the two flags that PyTorch had before ``reduction``, and gives
the function a companion ``total_weight``, which takes the same arguments and returns the divisor of the mean. With it
the means of several batches combine into the mean over all their samples, Σ wᵢ·lossᵢ / Σ wᵢ.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ...core import Declaration, Tensor
from ...declare.arguments import parsed
from ...errors import warn
from ...ops.loss import class_axis, reduction_name
from ...ops.refusals import without

__all__ = ["check_sizes", "hint", "legacy_reduction", "loss_function", "reduced", "weighted"]


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or each element."""
    if reduction == "mean":
        return loss.mean()
    return loss.sum() if reduction_name(reduction) == "sum" else loss


def weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Reduced; a ``weight`` for each element makes the mean a weighted mean."""
    if weight is None:
        return reduced(loss, reduction)
    loss = loss * weight
    return loss.sum() / weight.expand(loss.shape).sum() if reduction == "mean" else reduced(loss, reduction)


# ------------------------------------------------------------------------------- the flags before ``reduction``


def legacy_reduction(function: Any = None, *, before: str = "reduction") -> Any:
    """``function`` with the arguments ``size_average`` and ``reduce`` of old PyTorch programs, which warn.

    ``reduce`` comes just before ``reduction``, and ``size_average`` before the argument named ``before``: that is where
    they are when arguments are given by position.
    """
    if function is None:
        return functools.partial(legacy_reduction, before=before)
    signature = inspect.signature(function)
    names = list(signature.parameters)
    names.insert(names.index("reduction"), "reduce")
    first = names.index("reduce" if before == "reduction" else before)
    names.insert(first, "size_average")
    flags = {
        name: inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation="bool | None")
        for name in ("size_average", "reduce")
    }

    function = parsed(function, function.__name__)

    @functools.wraps(function)
    def with_flags(*args: Any, **kwargs: Any) -> Any:
        if len(args) <= first and "size_average" not in kwargs and "reduce" not in kwargs:
            return function(*args, **kwargs)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if len(args) > len(names):
            raise TypeError(f"{function.__name__}() takes at most {len(names)} arguments, but got {len(args)}")
        for name in set(names[: len(args)]).intersection(kwargs):
            raise TypeError(f"{function.__name__}() got multiple values for argument {name!r}")
        size_average, reduce = given.pop("size_average", None), given.pop("reduce", None)
        if size_average is not None or reduce is not None:
            given["reduction"] = "none" if reduce is False else "sum" if size_average is False else "mean"
            warn(
                f"size_average and reduce args will be deprecated, please use reduction='{given['reduction']}' instead."
            )
        return function(**given)

    with_flags.parses = True  # type: ignore[attr-defined]
    parameters = {**signature.parameters, **flags}
    with_flags.__signature__ = signature.replace(parameters=[parameters[name] for name in names])  # type: ignore[attr-defined]
    return with_flags


# ------------------------------------------------------------------------------------ what the mean divides by


def loss_function(
    total_weight: Callable[..., float], flags_before: str | None = "reduction", refuses: tuple[str, ...] = ()
) -> Any:
    """A decorator: ``function`` with the flags before ``reduction`` (None: without), and with ``total_weight``.

    It looks at the name of the reduction before anything else, and refuses the kinds of dtype in ``refuses``.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        function = _checked(function, refuses)
        made: Any = function if flags_before is None else legacy_reduction(function, before=flags_before)
        signature = inspect.signature(made)

        def divisor(*args: Any, **kwargs: Any) -> float:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return total_weight(**bound.arguments)

        divisor.__doc__ = total_weight.__doc__
        made.total_weight = divisor
        return made

    return decorate


def _checked(function: Callable[..., Any], refuses: tuple[str, ...]) -> Callable[..., Any]:
    if isinstance(function, Declaration):
        return cast("Callable[..., Any]", function)
    names = list(inspect.signature(function).parameters)
    place, allowed = names.index("reduction"), frozenset(("none", "mean", "sum", "batchmean"))

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        reduction = args[place] if len(args) > place else kwargs.get("reduction", "mean")
        if type(reduction) is not str or reduction not in allowed:
            reduction_name(reduction)
        return function(*args, **kwargs)

    return without(*refuses)(checked) if refuses else checked


def elements(input: Tensor, target: Tensor, **options: Any) -> float:
    """The number of elements of input and target, broadcast against each other."""
    return float(_count(input, target))


def weighted_elements(input: Tensor, target: Tensor, weight: Tensor | None = None, **options: Any) -> float:
    """Σ weight over all elements; without weights, their number."""
    shape = np.broadcast_shapes(tuple(input.shape), tuple(target.shape))
    if weight is None:
        return float(math.prod(shape))
    shape = np.broadcast_shapes(shape, tuple(weight.shape))
    return float(weight.detach().expand(shape).sum().item())


def classes(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100, **options: Any
) -> float:
    """Σ weight[target] over the targets other than ignore_index; without class weights, the number of these targets.

    If the targets are probabilities, the number of samples, whatever the weights.
    """
    if target.is_floating_point() and target.shape == input.shape:
        return float(input.numel() // input.shape[class_axis(input)])
    chosen = target._array[target._array != ignore_index]
    return float(chosen.size if weight is None else weight.detach()._array[chosen].sum())


def pairs(input1: Tensor, input2: Tensor, target: Tensor, **options: Any) -> float:
    """The number of elements of both inputs and the target, broadcast against each other."""
    return float(_count(input1, input2, target))


def pairs_of_vectors(input1: Tensor, input2: Tensor, target: Tensor, **options: Any) -> float:
    """The number of pairs of vectors, (N, D) and (N, D) with a target (N)."""
    shape = np.broadcast_shapes(tuple(input1.shape[:-1]), tuple(input2.shape[:-1]), tuple(target.shape))
    return float(math.prod(shape))


def samples(input: Tensor, target: Tensor, **options: Any) -> float:
    """The number of targets."""
    return float(target.numel())


def rows(input: Tensor, target: Tensor, **options: Any) -> float:
    """The number of rows of classes."""
    return float(input.numel() // input.shape[-1])


def triplets(anchor: Tensor, positive: Tensor, negative: Tensor, **options: Any) -> float:
    """The number of triplets of vectors."""
    return float(math.prod(np.broadcast_shapes(*(tuple(t.shape[:-1]) for t in (anchor, positive, negative)))))


def divergences(input: Tensor, target: Tensor, reduction: str = "mean", **options: Any) -> float:
    """The number of elements; of samples, for ``reduction="batchmean"``."""
    return float(input.shape[0]) if reduction == "batchmean" and input.ndim else elements(input, target)


def _count(*tensors: Tensor) -> int:
    return math.prod(np.broadcast_shapes(*(tuple(tensor.shape) for tensor in tensors)))


# ------------------------------------------------------------------------------------------------------- sizes


def check_sizes(input: Tensor, target: Tensor) -> None:
    """Warn where a loss would broadcast its arguments: (N,) against (N, 1) compares every row with every other."""
    if input.shape != target.shape:
        warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). They are "
            "broadcast against each other, so elements that do not belong together are compared, which will likely "
            f"lead to incorrect results{hint(input, target)}",
        )


def hint(input: Tensor, target: Tensor) -> str:
    """What to write where the sizes of a prediction and its target differ by a dimension of 1."""
    shapes = tuple(input.shape), tuple(target.shape)
    if shapes[0] == (*shapes[1], 1):
        return ": write input.squeeze(-1), or target.unsqueeze(-1)"
    if shapes[1] == (*shapes[0], 1):
        return ": write target.squeeze(-1), or input.unsqueeze(-1)"
    if input.numel() == target.numel():
        return ": write target.reshape(input.shape), if the order of the elements is the same"
    return ": give tensors of the same shape"


def same_kind(input: Tensor, target: Tensor) -> None:
    """Refuse an input of whole numbers or bools, whose dtype the loss would have."""
    if not input.is_floating_point() and target.is_floating_point():
        raise RuntimeError(
            f"result type {target.dtype!r} can't be cast to the desired output type {input.dtype!r}: "
            "write input.float()"
        )
