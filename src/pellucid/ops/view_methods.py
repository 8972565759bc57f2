"""Methods that change a tensor's own shape in place: `squeeze_`, `unsqueeze_`, `transpose_`, `t_`."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, method
from pellucid.core.context import state
from pellucid.core.views import changeable
from pellucid.errors import with_line

from .axes import swapdims, t
from .shape import squeeze, unsqueeze


def become(self: Tensor, view: Any) -> Tensor:
    """Make `self` what the view of it is. Memory and its count stay; views made before keep the shape they have."""
    if state.grad:
        own = self._view
        if own is None and self.requires_grad and self.is_leaf:
            raise RuntimeError(
                with_line(
                    "a leaf Variable that requires grad is being used in an in-place operation; write the method "
                    "without the underscore"
                )
            )
        if own is not None and own.untracked and own.base.requires_grad:
            raise RuntimeError(with_line(own.refusal()))
    changeable(self)[0] += 1
    if state.grad:
        self._array, self._node, self._requires = view._array, view.grad_fn, view.requires_grad
    else:
        self._array = view._array
    if self._view is not None:
        own, self._view = self._view, view._view
        if not state.grad and self._view is not None:  # what is a view keeps what it was made under
            self._view.untracked, self._view.inherited = own.untracked, own.inherited
    return self


@method
def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """In place: without the dimensions of length 1, all of them or those of `dim`."""
    return become(self, squeeze(self, dim))


@method
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """In place: with a dimension of length 1 inserted."""
    return become(self, unsqueeze(self, dim=dim))


@method
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """In place: with two dimensions exchanged."""
    return become(self, swapdims(self, dim0, dim1))


@method
def swapdims_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """In place: with two dimensions exchanged."""
    return become(self, swapdims(self, dim0, dim1))


@method
def swapaxes_(self: Tensor, axis0: int, axis1: int) -> Tensor:
    """In place: with two dimensions exchanged."""
    return become(self, swapdims(self, axis0, axis1))


@method
def t_(self: Tensor) -> Tensor:
    """In place: the transpose of a matrix."""
    return become(self, t(self))
