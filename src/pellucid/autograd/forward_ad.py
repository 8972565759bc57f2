"""`torch.autograd.forward_ad`: dual numbers, a value and how it changes along a direction.

Forward mode is computed by reverse mode, twice: u ↦ uᵀJ is linear, and its gradient in direction t is Jt. So a dual
tensor is one that requires a gradient, with a node of its own so that it may be changed in place, and what is computed
from it must be recorded: `dual_level` sees to that, a `no_grad` block within it does not, and there is no tangent for
what was computed there.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from pellucid.core.context import state
from pellucid.core.modes import enable_grad, pushing
from pellucid.core.node import Node, Source, Vocabulary, next_number
from pellucid.core.tensor import Tensor, like, printed, zeros_like
from pellucid.reverse import grad
from pellucid.reverse.engine import reached
from pellucid.reverse.gradients import GradientEdge
from pellucid.torch_names import absent

from .graph import get_gradient_edge

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """The value of a dual tensor, and its tangent; None where it does not depend on a dual."""

    primal: Tensor
    tangent: Tensor | None


class _Level:
    """The duals that were made while a level is open."""

    def __init__(self) -> None:
        self.outer_grad = state.grad
        self.duals: list[tuple[GradientEdge, Tensor]] = []  # where a dual begins, and its tangent


class _DualNode(Node):
    """Where a dual begins whose tensor has no history."""

    def __init__(self) -> None:
        self.edges = ()
        self.number = next_number()

    def propagate(
        self, g: object, vocabulary: Vocabulary, lifted: bool, create: bool
    ) -> list[tuple[Source | None, object]]:
        return []

    def name(self) -> str:
        return "AliasBackward0"


_levels: list[_Level] = []


def enter_dual_level() -> int:
    """Open a level; `dual_level` is the block. Raises RuntimeError where one is open: levels are not nested."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(_Level())
    state.grad = True
    return len(_levels) - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Close it: its duals have no tangents any more."""
    if not _levels:
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created: none is open")
    state.grad = _levels.pop().outer_grad


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
    if not _levels:
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
    level_open = _levels[-1]
    if _begins(tangent, level_open):
        raise RuntimeError(
            "Setting a forward grad that itself has a forward gradient at the same level is not supported. Give the "
            "tangent that unpack_dual() finds in it"
        )
    with enable_grad():
        if tensor.requires_grad:
            dual = tensor.view_as(tensor)
        else:
            dual = like(tensor, tensor._array)
            dual._node, dual._requires = _DualNode(), True
    level_open.duals.append((get_gradient_edge(dual), tangent))
    return dual


def _begins(tensor: Tensor, level: _Level) -> bool:
    """Whether a tensor was computed from a dual of the level."""
    if not tensor.requires_grad:
        return False
    there = reached([tensor])
    return any(edge.node in there for edge, _ in level.duals)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The value of a tensor that was computed from duals, and its tangent."""
    if not _levels:
        return UnpackedDualTensor(tensor, None)
    level_open = _levels[-1]
    for edge, tangent in level_open.duals:
        if tensor.grad_fn is edge.node:
            return UnpackedDualTensor(_left(tensor, level_open), tangent)
    tangent = _tangent(tensor, level_open) if tensor.requires_grad else None
    return UnpackedDualTensor(_left(tensor, level_open), None if tangent is None else _left(tangent, level_open))


def _tangent(output: Tensor, level: _Level) -> Tensor | None:
    duals = [edge for edge, _ in level.duals]
    if not duals:
        return None
    with enable_grad():
        along = zeros_like(output).requires_grad_()
        with pushing():
            pulled: Any = grad(output, duals, along, create_graph=True, allow_unused=True)
        used = [(g, tangent) for g, (_, tangent) in zip(pulled, level.duals, strict=True) if g is not None]
        if not used:
            return None
        used = [(g, tangent) for g, tangent in used if g.requires_grad]
        if not used:
            return zeros_like(output)
        found: Any = grad([g for g, _ in used], along, [t for _, t in used], create_graph=True, allow_unused=True)
    return zeros_like(output) if found[0] is None else found[0]


def _left(tensor: Tensor, level: _Level) -> Tensor:
    """The tensor as it leaves: without its graph, unless that leads to more than the level's duals."""
    if not tensor.requires_grad:
        return tensor
    if not level.outer_grad:
        return tensor.detach()
    leads_out = any(isinstance(source, Tensor) for source in reached([tensor]))
    return tensor if leads_out else tensor.detach()


def _told(tensor: Tensor) -> Generator[str]:
    """What is printed of a dual."""
    if _levels and _begins(tensor, _levels[-1]):
        found = unpack_dual(tensor).tangent
        if found is not None:
            yield f"tangent={found!r}"


printed.append(_told)

_lacking = absent(__name__)


def __getattr__(name: str) -> object:
    return len(_levels) - 1 if name == "_current_level" else _lacking(name)
