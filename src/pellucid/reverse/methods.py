"""Methods of Tensor that need the engine: `backward`, hooks, `detach`."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from pellucid.core.context import state
from pellucid.core.hooks import Hooks, RemovableHandle, hang, hang_on_node
from pellucid.core.node import awaiting
from pellucid.core.tensor import Tensor, like, method
from pellucid.declare import function
from pellucid.declare.overrides import ask, derived, overriding
from pellucid.errors import with_line

from . import gradients


@method
def backward(
    self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Add the gradients of this tensor to the `grad` of its leaves; see `pellucid.autograd.backward`."""
    gradients.backward(self, gradient, retain_graph, create_graph, inputs)


@method
def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook(grad)` when this tensor's gradient has been computed; what it returns, if not None, replaces it."""
    if not self.requires_grad:
        raise RuntimeError(with_line("cannot register a hook on a tensor that doesn't require gradient"))
    if (node := self.grad_fn) is not None:
        return hang_on_node(node, hook)
    self._hooks = self._hooks or Hooks()
    awaiting[id(self)] = self
    return hang(self._hooks, hook)


@method
def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook(tensor)` when `backward` has added to this leaf's `grad`: at once, while it goes on."""
    if not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    self._after_hooks = self._after_hooks or Hooks()
    awaiting[id(self)] = self
    return hang(self._after_hooks, hook)


@method
def retain_grad(self: Tensor) -> None:
    """Have `backward` fill the `grad` of this non-leaf, too."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self.grad_fn is not None:
        self.grad_fn.retain = weakref.ref(self)
        self._retained = True


@method
def detach(self: Tensor) -> Tensor:
    """The same memory without history; in-place changes are still counted for both."""
    if derived and (asked := overriding((self,), {})):
        return ask(asked, Tensor.detach, (self,), {})
    return like(self, self._array if state.tangents is None else self._array[...])  # a tangent is an array's


@function(method=False, name="detach")
def detached(input: Tensor) -> Tensor:
    """The same memory without history; in-place changes are still counted for both."""
    return like(input, input._array if state.tangents is None else input._array[...])


@method
def detach_(self: Tensor) -> Tensor:
    """Cut this tensor from its history, in place."""
    if self._view is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._node, self._requires = None, False
    if state.tangents is not None:
        self._array = self._array[...]
    return self
