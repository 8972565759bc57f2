"""`torch.autograd.forward_ad`: dual numbers, a value and how it changes along a direction (see `tangents`)."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from pellucid.core.context import state
from pellucid.core.tensor import Tensor, printed
from pellucid.torch_names import absent

from .tangents import Level, alias, laid_as, switch
from .tangents import level as level_open

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """The value of a dual tensor, and its tangent; None where it does not depend on a dual."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open a level; `dual_level` is the block. Raises RuntimeError where one is open: levels are not nested."""
    if level_open() is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    state.tangents = opened = Level()
    state.interpreters = (*state.interpreters, opened)
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close it: its duals have no tangents any more."""
    opened = level_open()
    if opened is None:
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created: none is open")
    state.tangents = None
    state.interpreters = tuple(other for other in state.interpreters if other is not opened)


class dual_level:
    """A block in which tensors can be made dual.

    >>> import pellucid
    >>> with dual_level():
    ...     x = make_dual(pellucid.tensor(3.0), pellucid.tensor(1.0))
    ...     unpack_dual(x**2)
    UnpackedDualTensor(primal=tensor(9.), tangent=tensor(6.))
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: object) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """The tensor, changing in direction `tangent`, which has its shape and dtype.

    Raises:
        RuntimeError: no level is open; another shape.
        ValueError: numbers that have no derivative.
    """
    opened = level_open()
    if opened is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for name, given in (("primal", tensor), ("tangent", tangent)):
        if not (given.is_floating_point() or given.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {given.dtype!r}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    if opened.of(tangent) is not None:
        raise RuntimeError(
            "Setting a forward grad that itself has a forward gradient at the same level is not supported. Give the "
            "tangent that unpack_dual() finds in it"
        )
    with opened.aside():
        dual = alias(tensor)
        opened.note(dual, laid_as(dual._array, tangent, memory=True))
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value of a tensor that was computed from duals, and its tangent."""
    opened = level_open()
    if opened is None:
        return UnpackedDualTensor(tensor, None)
    tangent = opened.of(tensor)
    with opened.aside():
        primal = alias(tensor)
    opened.forget(primal)
    return UnpackedDualTensor(primal, tangent)


def _is_fwd_grad_enabled() -> bool:
    """Whether ops compute tangents where a level is open."""
    return switch.on


class _set_fwd_grad_enabled:
    """Have ops compute tangents from here on or not, until the end of the block if it is one."""

    def __init__(self, mode: bool) -> None:
        self._before, switch.on = switch.on, mode

    def __enter__(self) -> None:
        """Nothing more: the mode holds already."""

    def __exit__(self, *error: object) -> None:
        switch.on = self._before


def _told(tensor: Tensor) -> Generator[str]:
    """What is printed of a dual."""
    opened = level_open()
    found = None if opened is None else opened.of(tensor)
    if found is not None:
        yield f"tangent={found!r}"


printed.append(_told)

_lacking = absent(__name__)


def __getattr__(name: str) -> object:
    return (-1 if level_open() is None else 0) if name == "_current_level" else _lacking(name)
