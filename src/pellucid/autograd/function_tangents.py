"""Forward mode through a `Function`: its `jvp` is asked, and what that returns is checked as PyTorch does."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from pellucid.core.node import Arguments
from pellucid.core.tensor import Tensor, View, counter_of, zeros_like

from .context import FunctionCtx, Kept
from .tangents import Level, alias

_VIEW = "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a view."
_AGAIN = (
    "If the forward is modifying an input inplace, then the jvp function must modify the corresponding gradient "
    "inplace and return it as-is."
)


def push(
    opened: Level,
    jvp: Callable[..., object],
    ctx: FunctionCtx,
    kept: Kept,
    args: Arguments,
    outputs: Arguments,
) -> Arguments:
    """The outputs of a Function's forward, with the tangents that its `jvp` makes of those of its arguments.

    Raises:
        RuntimeError: they are not one for each output, in its shape; or no view where the output is one.
    """
    sources = [_source(output, args) for output in outputs]
    outputs = tuple(_apart(output, args, kept) for output in outputs)
    own = [opened.of(value) if isinstance(value, Tensor) else None for value in args]
    given = [
        zeros_like(value) if tangent is None and _differentiable(value) else tangent
        for value, tangent in zip(args, own, strict=True)
    ]
    counts = [None if tangent is None else counter_of(tangent)[0] for tangent in own]
    saved = kept.saved, kept.guards
    kept.saved, kept.guards = kept.saved_for_forward or (), []
    try:
        with opened.aside():
            result = jvp(ctx, *given)
    finally:
        kept.saved, kept.guards = saved
    found = cast("tuple[Tensor | None, ...]", result if isinstance(result, tuple) else (result,))
    if len(found) != len(outputs):
        raise RuntimeError(
            "Function's jvp returned an invalid number of forward gradients "
            f"(expected {len(outputs)} but got {len(found)})"
        )
    for place, (output, tangent, source) in enumerate(zip(outputs, found, sources, strict=True)):
        if not _differentiable(output) or any(output is other for other in kept.nondifferentiable):
            if tangent is not None:
                raise RuntimeError(
                    f"Function's jvp returned a gradient at position {place}, but the corresponding forward output "
                    "is not a differentiable Tensor. You should return None at that position instead."
                )
            if isinstance(output, Tensor):
                opened.forget(output)
            continue
        if tangent is None:
            opened.forget(output)
            continue
        if tuple(tangent.shape) != tuple(output.shape):
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is "
                f"not supported. Tensor is of size {list(output.shape)} while the given forward gradient is of size "
                f"{list(tangent.shape)}."
            )
        dirty = next((i for i, value in enumerate(args) if value is output), None)
        before = None if dirty is None else own[dirty]
        if dirty is not None and before is not None:
            _check_changed(before, counts[dirty], tangent)
            continue
        if dirty is None:
            _check_view(tangent, source, args, own)
        opened.note(output, tangent)
    return outputs


def _differentiable(value: object) -> bool:
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def _check_changed(own: Tensor, count: int | None, tangent: Tensor) -> None:
    """The tangent of what forward changed in place was changed in place."""
    if counter_of(own)[0] == count:
        raise RuntimeError(f"An inplace custom Function is not modifying the forward mode gradients inplace. {_AGAIN}")
    if own is not tangent:
        raise RuntimeError(f"An inplace custom Function is not returning the forward mode gradients as-is. {_AGAIN}")


def _check_view(tangent: Tensor, base: object, args: Arguments, own: list[Tensor | None]) -> None:
    """The tangent of an output that is a view of an argument is a view of the argument's tangent."""
    if base is None:
        return
    of_input = next((t for value, t in zip(args, own, strict=True) if t is not None and owner_of(value) is base), None)
    if of_input is None:
        return
    if not isinstance(tangent._view, View):
        raise RuntimeError(_VIEW)
    if tangent._view.base is not owner_of(of_input):
        which = "the same base as the given" if of_input._view is not None else "the given"
        raise RuntimeError(
            f"A custom Function is returning a view but the jvp is not returning a view of {which} grad input."
        )


def owner_of(tensor: object) -> object:
    """The tensor whose memory this is a part of."""
    return tensor._view.base if isinstance(tensor, Tensor) and tensor._view is not None else tensor


def _source(output: object, args: Arguments) -> object:
    """The tensor that an output lies in the memory of, where that is an argument or the base of one."""
    for given in args:
        if isinstance(given, Tensor) and isinstance(output, Tensor):
            base = owner_of(given)
            if output._array is given._array or owner_of(output) is base:
                return base
    return None


def _apart(output: object, args: Arguments, kept: Kept) -> object:
    """An input that is handed back as it is, as a view of itself: in forward mode it has a tangent of its own."""
    if any(output is changed for changed in kept.dirty):
        return output
    for given in args:
        if isinstance(given, Tensor) and isinstance(output, Tensor) and output._array is given._array:
            return alias(output)
    return output
