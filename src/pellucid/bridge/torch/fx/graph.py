"""The graph: its nodes in the order in which they run, and how nodes are added, moved and taken out."""

from __future__ import annotations

import builtins
import contextlib
import copy
import keyword
import re
from collections.abc import Callable, Iterator
from typing import Any

from .code import CodeGen, PythonCode
from .names import snake_case
from .node import Argument, Node, Target, map_arg

__all__ = ["Graph"]

_TAKEN = {"inf", "nan", "NoneType", "torch", "device", "fx_pytree", "pytree"}  # names that generated code uses itself


class _Names:
    """Names that are given once each: `relu`, `relu_1`, `relu_2`."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._next: dict[str, int] = {}

    def create(self, candidate: str) -> str:
        candidate = re.sub(r"[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        numbered = re.fullmatch(r"(.*)_(\d+)", candidate)
        base, number = (numbered[1], int(numbered[2])) if numbered else (candidate, None)
        if number is None or candidate in self._used:
            number = self._next.get(base, 0)
            candidate = f"{base}_{number}" if number else base
        while candidate in self._used or _is_taken(candidate):
            number += 1
            candidate = f"{base}_{number}"
        self._used.add(candidate)
        self._next[base] = number
        return candidate


def _is_taken(name: str) -> bool:
    return keyword.iskeyword(name) or hasattr(builtins, name) or name in _TAKEN


class _Nodes:
    """The nodes of a graph, in order; `reversed` and `len` work."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __len__(self) -> int:
        return len(self._graph._order)

    def __iter__(self) -> Iterator[Node]:
        # A node that is taken out, or put in before this place, while a program walks: the walk goes on beyond it.
        order, node = self._graph._order, next(iter(self._graph._order), None)
        while node is not None:
            at = order.index(node) if not node._erased else -1
            following = order[at + 1] if at + 1 < len(order) else None
            yield node
            if not node._erased:
                at = order.index(node)
                following = order[at + 1] if at + 1 < len(order) else None
            while following is not None and following._erased:
                following = None
            node = following

    def __reversed__(self) -> Iterator[Node]:
        return (node for node in reversed(list(self._graph._order)) if not node._erased)


class Graph:
    """Steps in the order in which they run, from the inputs to the output."""

    def __init__(self, owning_module: Any = None, tracer_cls: Any = None, tracer_extras: Any = None) -> None:
        self._order: list[Node] = []
        self._names = _Names()
        self._insert_at: Callable[[], int] = lambda: len(self._order)
        self.owning_module, self._tracer_cls = owning_module, tracer_cls
        self._codegen = CodeGen()

    @property
    def nodes(self) -> _Nodes:
        """The nodes, in order."""
        return _Nodes(self)

    def _beside(self, node: Node, step: int) -> Node:
        return self._order[(self._order.index(node) + step) % len(self._order)]

    def _move(self, moved: Node, to: Node, behind: int) -> None:
        if moved is to:
            return
        self._order.remove(moved)
        self._order.insert(self._order.index(to) + behind, moved)

    # -------------------------------------------------------------------------------------------------- adding

    def create_node(
        self, op: str, target: Target, args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None, name: str | None = None, type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """Add a node where nodes are being put: at the end, unless within `inserting_before` or `inserting_after`."""
        candidate = name if name is not None else _name_for(target)
        node = Node(self, self._names.create(candidate), op, target, args or (), kwargs or {}, type_expr)
        self._order.insert(self._insert_at(), node)
        return node

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = None) -> Node:
        """Add an input."""
        args = () if default_value is None else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """Add the getting of an attribute of the module: `layer.weight`."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: tuple[Argument, ...] | None = None, kwargs: dict[str, Argument] | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """Add the call of a submodule."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self, method_name: str, args: tuple[Argument, ...] | None = None, kwargs: dict[str, Argument] | None = None,
        type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """Add the call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self, the_function: Callable[..., Any], args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None, type_expr: Any = None, name: str | None = None,
    ) -> Node:  # fmt: skip
        """Add the call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Argument, type_expr: Any = None) -> Node:
        """Add the output."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Argument] = lambda node: node) -> Node:
        """Add a copy of a node of another graph; `arg_transform` says what its arguments are here."""
        args, kwargs = map_arg((node.args, node.kwargs), arg_transform)
        copied = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        copied.meta = copy.copy(node.meta)
        return copied

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False) -> Argument | None:
        """Add copies of all nodes of another graph but its output; returns what that output would be here."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda used: val_map[used])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda used: val_map[used])
        return None

    @contextlib.contextmanager
    def _inserting(self, place: Callable[[], int]) -> Iterator[None]:
        before, self._insert_at = self._insert_at, place
        try:
            yield
        finally:
            self._insert_at = before

    def inserting_before(self, n: Node | None = None) -> contextlib.AbstractContextManager[None]:
        """A block in which nodes are put before `n`; at the beginning, without one."""
        return self._inserting(lambda: 0 if n is None else self._order.index(n))

    def inserting_after(self, n: Node | None = None) -> contextlib.AbstractContextManager[None]:
        """A block in which nodes are put behind `n`, one after the other; at the beginning, without one."""
        place = 0 if n is None else self._order.index(n) + 1
        after = self._order[place] if place < len(self._order) else None
        return self._inserting(lambda: len(self._order) if after is None else self._order.index(after))

    # ----------------------------------------------------------------------------------------------- taking out

    def erase_node(self, to_erase: Node) -> None:
        """Take a node out.

        Raises:
            RuntimeError: another uses its result.
        """
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: "
                f"{to_erase.users}!"
            )
        self._order.remove(to_erase)
        to_erase._update((), {})
        to_erase._erased = True

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Take out all nodes whose results nobody uses. Whether there were any."""
        stays = is_impure_node or Node.is_impure
        before = len(self._order)
        for node in reversed(self.nodes):
            if not node.users and not stays(node):
                self.erase_node(node)
        return len(self._order) != before

    def find_nodes(self, *, op: str, target: Target | None = None, sort: bool = True) -> list[Node]:
        """The nodes of a kind, or those of it with a target."""
        return [node for node in self._order if node.op == op and (target is None or node.target == target)]

    def output_node(self) -> Node:
        """The output."""
        return next(node for node in reversed(self._order) if node.op == "output")

    def lint(self) -> None:
        """Raise RuntimeError where a node uses one that does not come before it, or is not of the graph."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self._order:
            if node.op not in ("placeholder", "call_method", "call_module", "call_function", "get_attr", "output"):
                raise RuntimeError(f"Node {node} had unknown opcode {node.op}!")
            for used in node.all_input_nodes:
                if used.graph is not self:
                    raise RuntimeError(f"Argument '{used}' of Node '{node}' does not belong to this Graph")
                if used not in seen:
                    raise RuntimeError(
                        f"Argument '{used}' of Node '{node}' was used before it has been defined! Please check that "
                        f"Nodes in the graph are topologically ordered\n{self}"
                    )
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            seen.add(node)
            names.add(node.name)

    # -------------------------------------------------------------------------------------------------- reading

    def python_code(self, root_module: str) -> PythonCode:
        """The Python that does what the graph does."""
        return self._codegen.generate(self, root_module)[1]

    def set_codegen(self, codegen: CodeGen) -> None:
        """Have another object write the Python."""
        self._codegen = codegen

    def print_tabular(self) -> None:
        """Print the nodes as a table, by the package tabulate."""
        try:
            from tabulate import tabulate  # pyright: ignore[reportMissingModuleSource, reportMissingImports]
        except ImportError:
            print(  # noqa: T201
                "`print_tabular` relies on the library `tabulate`, which could not be found on this machine. Run `pip "
                "install tabulate` to install the library."
            )
            raise
        rows = [[node.op, node.name, node.target, node.args, node.kwargs] for node in self._order]
        print(tabulate(rows, headers=["opcode", "name", "target", "args", "kwargs"]))  # noqa: T201

    def __str__(self) -> str:
        lines = [f"    {node.format_node()}" for node in self._order]
        return "\n".join(["graph():", *lines])

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        made = Graph(tracer_cls=self._tracer_cls)
        nodes: dict[Node, Node] = {}
        result = made.graph_copy(self, nodes, return_output_node=True)
        if result is not None:
            value, output = result
            made.output(value, output.type).meta = copy.copy(output.meta)
        return made


def _name_for(target: Target) -> str:
    """What a node is called by what it calls: `relu`, `seq_0`, `batch_norm` of `BatchNorm`."""
    if callable(target):
        name = getattr(target, "__name__", type(target).__name__)
        return snake_case(name[2:-2] if re.fullmatch(r"__.+__", name) else name.rstrip("_") or name)
    name = target[2:-2] if re.fullmatch(r"__.+__", target) else target
    return snake_case(name.replace(".", "_"))
