"""What users hang on the way back: hooks of tensors, which see one gradient, and hooks of nodes, which see all."""

from __future__ import annotations

from typing import Any, cast

from pellucid.core.context import state
from pellucid.core.hooks import Hooks, NodeHooks
from pellucid.core.modes import set_grad_enabled
from pellucid.core.node import Node
from pellucid.core.tensor import Tensor, wrap


def call_hooks(hooks: Hooks, g: Any, lifted: bool) -> Any:
    """The gradient `g` as the hooks of its tensor leave it."""
    tensor = g if lifted else wrap(g)
    with set_grad_enabled(lifted and state.grad):
        for hook in list(hooks.values()):
            changed = hook(tensor)
            if changed is not None:
                _check_hooked(hook, tensor, changed)
                tensor = changed
    return tensor if lifted else tensor._array


class Collected:
    """Takes the gradients that the rules of a node hand on, so that hooks see them together."""

    def __init__(self) -> None:
        self.gradients: list[tuple[Any, Any]] = []

    def __call__(self, edge: Any, gradient: Any, fresh: bool) -> None:
        self.gradients.append((edge, gradient))


def call_before(node: Node, hooks: NodeHooks, g: Any, lifted: bool) -> Any:
    """What arrived at `node`, as the hooks before its rules leave it."""
    if not hooks.before:
        return g
    grads = tuple(_tensor(part, lifted) for part in node.unbundle(g))
    with set_grad_enabled(lifted and state.grad):
        for hook in list(hooks.before.values()):
            grads = _replaced(hook, grads, hook(grads))
    return node.bundle(tuple(_plain(part, lifted) for part in grads))


def call_after(
    node: Node, hooks: NodeHooks, made: list[tuple[Any, Any]], g: Any, lifted: bool
) -> list[tuple[Any, Any]]:
    """The gradients of the node's inputs, `made` by its rules, as the hooks after them leave them."""
    if not hooks.after:
        return made
    outputs = tuple(_tensor(part, lifted) for part in node.unbundle(g))
    left, inputs = list(made), list[Any]()
    for edge in node.edges:  # by position: an edge that stands twice has two gradients, in this order
        at = next((place for place, (other, _) in enumerate(left) if other is edge), None)
        inputs.append(None if edge is None or at is None else _tensor(left.pop(at)[1], lifted))
    grads = tuple(inputs)
    with set_grad_enabled(lifted and state.grad):
        for hook in list(hooks.after.values()):
            grads = _replaced(hook, grads, hook(grads, outputs))
    found = [
        (edge, _plain(gradient, lifted)) for edge, gradient in zip(node.edges, grads, strict=True) if edge is not None
    ]
    return [(edge, gradient) for edge, gradient in found if gradient is not None]


def _tensor(g: Any, lifted: bool) -> Any:
    return g if lifted or g is None else wrap(g)


def _plain(tensor: Any, lifted: bool) -> Any:
    return tensor if lifted or tensor is None else tensor._array


def _replaced(hook: Any, before: tuple[Any, ...], changed: Any) -> tuple[Any, ...]:
    """The gradients after a hook: what it returned, checked, or those before."""
    if changed is None:
        return before
    after = cast("tuple[Any, ...]", changed if isinstance(changed, tuple) else (changed,))
    if len(after) != len(before):
        raise RuntimeError(
            f"hook {_name(hook)!r} has returned an incorrect number of values (got {len(after)}, but expected "
            f"{len(before)})"
        )
    for old, new in zip(before, after, strict=True):
        if old is None or new is None:
            if new is not None:
                raise RuntimeError(f"hook {_name(hook)!r} has replaced a gradient that is None with a Tensor")
            continue
        _check_hooked(hook, old, new)
    return after


def _check_hooked(hook: Any, before: Any, after: Any) -> None:
    if not isinstance(after, Tensor):
        raise TypeError(f"expected a Tensor (or None), but hook {_name(hook)!r} returned {type(after).__name__!r}")
    if (after.shape, after.dtype) != (before.shape, before.dtype):
        what = "size" if after.shape != before.shape else "type"
        raise RuntimeError(
            f"hook {_name(hook)!r} has changed the {what} of value: the gradient was {before.dtype!r} "
            f"{tuple(before.shape)} and became {after.dtype!r} {tuple(after.shape)}"
        )


def _name(hook: Any) -> str:
    return getattr(hook, "__name__", repr(hook))
