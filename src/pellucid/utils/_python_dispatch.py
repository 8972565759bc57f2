"""`torch.utils._python_dispatch`: a mode sees each op that is applied, under PyTorch's name, and may answer for it.

PyTorch asks below autograd: what the mode returns becomes the result, and the gradient is that of the op. Here the op
records itself while the mode has it done; only a result of another origin is given the history of the op afterwards.
"""

from __future__ import annotations

import copy
from types import TracebackType
from typing import Any, Self

from ..core import Tensor
from ..core.context import state
from ..core.declaration import Declaration
from ..core.door import Interpreter, apply
from ..core.node import Arguments, Attributes
from ..torch_names import absent
from .overloads import Asked, OpOverload, overload_of, thread

__all__ = ["TorchDispatchMode", "is_behind"]


class TorchDispatchMode:
    """Derive from it, and within a `with` block `__torch_dispatch__` is called in place of each op.

    >>> import pellucid
    >>> class Names(TorchDispatchMode):
    ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
    ...         print(func)
    ...         return func(*args, **(kwargs or {}))
    >>> x = pellucid.ones(2, 3)
    >>> with Names():
    ...     y = (x * 2).exp().sum(0)
    aten.mul.Tensor
    aten.exp.default
    aten.sum.dim_IntList
    """

    def __init__(self, _dispatch_key: object = None) -> None:
        """Nothing is kept."""

    def __torch_dispatch__(
        self, func: OpOverload, types: tuple[type, ...], args: Arguments = (), kwargs: Attributes | None = None
    ) -> Any:
        """What the op, `func(*args, **kwargs)`, gives."""
        raise NotImplementedError(f"{type(self).__name__}: write a method __torch_dispatch__(self, func, types, ...)")

    def __enter__(self) -> Self:
        state.interpreters = (*state.interpreters, _Behind(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        own = next(other for other in reversed(state.interpreters) if is_behind(other, self))
        state.interpreters = tuple(other for other in state.interpreters if other is not own)


class _Behind(Interpreter):
    """Asks a mode."""

    as_given = True

    def __init__(self, mode: TorchDispatchMode) -> None:
        self.mode = mode

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
        asked = Asked(overload_of(op, args, kwargs), op, apply)
        before, outer = thread.asked, state.interpreters
        thread.asked = (*before, asked)
        state.interpreters = outer[: outer.index(self)]  # the mode's own ops are not its own to see
        types = tuple({type(value): None for value in args if isinstance(value, Tensor)})
        try:
            result = self.mode.__torch_dispatch__(asked.overload, types, args, kwargs)
        finally:
            thread.asked, state.interpreters = before, outer
        if result is asked.made or op.mutates:
            return result
        state.interpreters = tuple(other for other in outer[: outer.index(self)] if not isinstance(other, _Behind))
        try:
            return apply(_answered(op, result), args, kwargs)  # nothing is computed, so there is nothing to be seen
        finally:
            state.interpreters = outer


def _answered(op: Declaration, result: Any) -> Declaration:
    """The op with a forward that gives what a mode answered."""
    arrays = tuple(part._array for part in result) if isinstance(result, tuple | list) else result._array
    made = copy.copy(op)
    made.forward = lambda *_, **__: arrays
    return made


def is_behind(interpreter: object, mode: object = None) -> bool:
    """Whether it stands for a mode: for this one, where one is given."""
    return isinstance(interpreter, _Behind) and mode in (None, interpreter.mode)


def _get_current_dispatch_mode() -> TorchDispatchMode | None:
    """The innermost mode that is on."""
    return next((other.mode for other in reversed(state.interpreters) if isinstance(other, _Behind)), None)


def _get_current_dispatch_mode_stack() -> list[TorchDispatchMode]:
    """All that are on, innermost last."""
    return [other.mode for other in state.interpreters if isinstance(other, _Behind)]


__getattr__ = absent(__name__)
