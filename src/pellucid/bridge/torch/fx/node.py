"""Nodes of a graph: one call, one attribute, one input or the output each; and what their arguments may be made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .names import path_of, text_of_type

__all__ = ["Argument", "Node", "Target", "has_side_effect", "map_aggregate", "map_arg"]

Target = Callable[..., Any] | str
Argument = Any
C = TypeVar("C", bound=Callable[..., Any])

_get_qualified_name = path_of  # so programs call it
_IMPURE: set[Any] = set()


def has_side_effect(fn: C) -> C:
    """Say that calls of a function do more than give a result, so that `eliminate_dead_code` leaves them."""
    _IMPURE.add(fn)
    return fn


def map_aggregate(a: Argument, fn: Callable[[Any], Any]) -> Argument:
    """`fn` of each value within tuples, lists, dicts and slices."""
    if isinstance(a, tuple):
        parts = [map_aggregate(one, fn) for one in a]
        return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
    if isinstance(a, list):
        return [map_aggregate(one, fn) for one in a]
    if isinstance(a, dict):
        return {key: map_aggregate(value, fn) for key, value in a.items()}
    if isinstance(a, slice):
        return slice(*(map_aggregate(part, fn) for part in (a.start, a.stop, a.step)))
    return fn(a)


def map_arg(a: Argument, fn: Callable[[Node], Any]) -> Argument:
    """`fn` of each node within an argument."""
    return map_aggregate(a, lambda value: fn(value) if isinstance(value, Node) else value)


class Node:
    """One step of a graph.

    Attributes:
        op: `placeholder` (an input), `get_attr`, `call_function`, `call_method`, `call_module` or `output`.
        name: what the result is called.
        target: what is called or got: a function, or the name of a method, of an attribute or of a submodule.
        args, kwargs: its arguments, in which nodes stand for their results.
        users: the nodes that use the result, as the keys of a dict, in order.
        meta: whatever a program notes of it.
    """

    def __init__(
        self, graph: Any, name: str, op: str, target: Target, args: tuple[Argument, ...],
        kwargs: dict[str, Argument], return_type: Any = None,
    ) -> None:  # fmt: skip
        self.graph, self.name, self.op, self.target, self.type = graph, name, op, target, return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._input_nodes: dict[Node, None] = {}
        self._args: tuple[Argument, ...] = ()
        self._kwargs: dict[str, Argument] = {}
        self._update(args, kwargs)
        self._erased = False

    def _update(self, args: tuple[Argument, ...], kwargs: dict[str, Argument]) -> None:
        for used in self._input_nodes:
            used.users.pop(self, None)
        self._input_nodes = {}

        def note(node: Node) -> Node:
            self._input_nodes[node] = None
            node.users[self] = None
            return node

        self._args, self._kwargs = map_arg(tuple(args), note), map_arg(dict(kwargs), note)

    @property
    def args(self) -> tuple[Argument, ...]:
        """The positional arguments."""
        return self._args

    @args.setter
    def args(self, args: tuple[Argument, ...]) -> None:
        self._update(args, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Argument]:
        """The arguments by keyword."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, kwargs: dict[str, Argument]) -> None:
        self._update(self._args, kwargs)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once."""
        return list(self._input_nodes)

    @property
    def next(self) -> Node:
        """The node after it; the first after the last."""
        return self.graph._beside(self, 1)

    @property
    def prev(self) -> Node:
        """The node before it."""
        return self.graph._beside(self, -1)

    def prepend(self, x: Node) -> None:
        """Move another node of the graph before this one."""
        self.graph._move(x, self, 0)

    def append(self, x: Node) -> None:
        """Move another node of the graph behind this one."""
        self.graph._move(x, self, 1)

    def update_arg(self, idx: int, arg: Argument) -> None:
        """Put another argument in a position."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Argument) -> None:
        """Put one more argument before that of a position."""
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Argument) -> None:
        """Put another argument under a keyword."""
        self.kwargs = {**self.kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Put one node for another wherever it is among the arguments."""
        self._update(*map_arg((self.args, self.kwargs), lambda node: new_input if node is old_input else node))

    def replace_all_uses_with(
        self, replace_with: Node, delete_user_cb: Callable[[Node], bool] = lambda user: True,
        *, propagate_meta: bool = False,
    ) -> list[Node]:  # fmt: skip
        """Have another node's result used in place of this one's. The nodes that were changed."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        users = [user for user in self.users if delete_user_cb(user)]
        for user in users:
            user.replace_input_with(self, replace_with)
        return users

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the node must stay though nobody uses its result."""
        if self.op == "call_module":
            owner = self.graph.owning_module
            called = None if owner is None else owner.get_submodule(str(self.target))
            return getattr(called, "_is_impure", False)
        return self.op in {"placeholder", "output"} or (self.op == "call_function" and self.target in _IMPURE)

    def __repr__(self) -> str:
        return self.name

    def _pretty_print_target(self, target: Target) -> str:
        return target if isinstance(target, str) else path_of(target)

    def format_node(self, *args: Any, include_tensor_metadata: bool = False) -> str | None:
        """The node as a line of the graph's text."""
        kind = f"{text_of_type(self.type)} " if self.type else ""
        begin = f"%{self.name} : {kind}[num_users={len(self.users)}] = {self.op}[target="
        if self.op == "placeholder":
            default = f"(default={self.args[0]})" if self.args else ""
            return f"{begin}{self.target}]{default}"
        if self.op == "get_attr":
            return f"{begin}{self.target}]"
        if self.op == "output":
            return f"return {self.args[0]}"
        args_text, kwargs_text = _text(self.args), _text(self.kwargs)
        return f"{begin}{self._pretty_print_target(self.target)}](args = {args_text}, kwargs = {kwargs_text})"


def _text(arg: Argument) -> str:
    """An argument in the text of a node, where a node is `%name`."""
    if isinstance(arg, list):
        return f"[{', '.join(map(_text, arg))}]"
    if isinstance(arg, tuple):
        return f"({', '.join(map(_text, arg))}{',' if len(arg) == 1 else ''})"
    if isinstance(arg, dict):
        return f"{{{', '.join(f'{key}: {_text(value)}' for key, value in arg.items())}}}"
    return f"%{arg}" if isinstance(arg, Node) else str(arg)
