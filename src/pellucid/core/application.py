"""One application of an op: its forward computed on arrays, and its node (`recorder` makes it)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pellucid.errors import explain, with_line

from .context import is_reentry, run_within, state
from .declaration import Declaration, Forward
from .node import OUT, VALUE, Arguments, Attributes, Guard, Node, Plan, node_name
from .tensor import Tensor, wrap

_new: Any = object.__new__


def compute(op: Declaration, args: Arguments, arrays: list[Any], kwargs: Attributes, xp: Any, forward: Forward) -> Any:
    """What the op's `forward` makes of the arrays; an error in it is raised with the call and the user's line."""
    try:
        return state.run(forward, xp, *arrays, **kwargs)
    except Exception as failure:  # noqa: BLE001
        return recompute(op, args, arrays, kwargs, xp, forward, failure)


def recompute(
    op: Declaration,
    args: Arguments,
    arrays: list[Any],
    kwargs: Attributes,
    xp: Any,
    forward: Forward,
    failure: Exception,
) -> Any:
    """Compute again where another op was interrupted (see `is_reentry`); else raise the failure, explained."""
    if is_reentry(failure):
        try:
            return run_within(forward, xp, *arrays, **kwargs)
        except Exception as second:  # noqa: BLE001
            failure = second
    raise explain(op, args, kwargs, failure) from None


SECOND_TIME = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)

_SAVED, _RAW = "_saved_", "_raw_saved_"

handles: list[Callable[[OpNode, int], object]] = []
"""What stands for a saved value itself, of a slot of a node, to whom asks for it by name: `autograd.saved`."""


class OpNode(Node):
    """One recorded application of an op."""

    op: Declaration
    plan: Plan
    # Tuples: the garbage collector soon forgets those without lists or nodes in them, so that a large graph costs less.
    saved: tuple[Any, ...]  # per slot of the plan
    guards: tuple[Guard, ...] = ()  # the memory of what was saved must not have changed since
    metas: tuple[Any, ...]  # for each rule, one after the other: shape and dtype of the input
    freed: bool = False
    by_products: bool = False  # whether some of what was saved is a by-product of forward

    def free(self) -> None:
        if self.guards or self.by_products:
            self.saved, self.guards, self.freed = (), (), True

    def __getattr__(self, name: str) -> Any:
        """What is kept for backward, under PyTorch's names: `_saved_self`, `_saved_result`, `_saved_dim`."""
        if name.startswith(_SAVED):
            found = self._kept_by_name()
            if name in found:
                return found[name]()
        if name.startswith(_RAW):
            slot = self._slots_by_name().get(name.removeprefix("_raw"))
            if slot is not None:
                return handles[0](self, slot)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._kept_by_name()]

    def _kept_by_name(self) -> dict[str, Callable[[], Any]]:
        found: dict[str, Callable[[], Any]] = {
            _SAVED + name: (lambda value=value: value) for name, value in self.kwargs.items()
        }
        for name, slot in self._slots_by_name().items():
            what, which = self.plan.saves[slot]
            found[name] = lambda slot=slot, which=which, out=what == OUT: self._kept(slot, None if out else which)
        return found

    def _slots_by_name(self) -> dict[str, int]:
        """Where the values are that are kept, of the results and of the arguments."""
        found: dict[str, int] = {}
        for slot, (what, which) in enumerate(self.plan.saves):
            if what == OUT:
                found[f"{_SAVED}result"] = slot
            elif what == VALUE and which is not None:
                own: str = self.op.inputs[cast("int", which)]
                found[_SAVED + ("self" if own == "input" else own)] = slot
        return found

    def _kept(self, slot: int, which: int | None) -> Any:
        if self.freed:
            raise RuntimeError(with_line(f"{SECOND_TIME} Here: what {self.op.name} had saved"))
        value = self.saved[slot]
        if which is not None and not hasattr(value, "dtype"):
            return value
        edge = self if which is None else self.edges[which]
        if isinstance(edge, Tensor) and edge._array is value:
            return edge
        tensor = wrap(value)
        for counter, version, guarded in self.guards:
            if guarded == slot:
                if counter[0] != version:
                    raise RuntimeError(
                        with_line(
                            "one of the variables needed for gradient computation has been modified by an inplace "
                            f"operation: what {self.op.name} had saved is at version {counter[0]}; expected version "
                            f"{version} instead"
                        )
                    )
                tensor._counter = counter
        if edge is not None:
            tensor._node, tensor._requires = (edge if isinstance(edge, Node) else None), True
        return tensor

    def name(self) -> str:
        return self.called or (self.op.node if isinstance(self.op.node, str) else node_name(self.op.name))
