"""A module whose `forward` is what a graph says."""

from __future__ import annotations

import copy
import linecache
from typing import Any

from pellucid import nn
from pellucid.core import Tensor

from .graph import Graph

__all__ = ["GraphModule"]

_written = 0


class GraphModule(nn.Module):
    """A module made of a graph and of what the graph uses: submodules, parameters and buffers of `root`.

    Args:
        root: a module, or a dict of names and values, from which what the graph names is taken.
        graph: what `forward` does.
        class_name: what it is called where it is printed.

    Attributes:
        graph: the graph; after a change of its nodes call `recompile()`.
        code: the Python that it stands for.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        # A class for each: `forward` belongs to the class, where hooks and subclasses of a program look for it.
        base = next(kind for kind in cls.__mro__ if "<locals>.GraphModuleImpl" not in kind.__qualname__)
        made: Any = type("GraphModuleImpl", (base,), {"__module__": cls.__module__})
        made.__qualname__ = "GraphModule.__new__.<locals>.GraphModuleImpl"
        return super().__new__(made)

    def __init__(self, root: nn.Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = class_name
        if isinstance(root, nn.Module):
            self.training = root.training
        wanted = [str(node.target) for node in graph.nodes if node.op in ("call_module", "get_attr")]
        for target in sorted(set(wanted), key=lambda name: (name.count("."), wanted.index(name))):
            self._install(target, _got(root, target) if isinstance(root, nn.Module) else root[target])
        self.graph = graph

    def _install(self, target: str, value: Any) -> None:
        """Put a value at a path, with empty modules on the way."""
        *way, name = target.split(".")
        place: nn.Module = self
        for part in way:
            if not isinstance(getattr(place, part, None), nn.Module):
                place.add_module(part, nn.Module())
            place = getattr(place, part)
        if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
            place.register_buffer(name, value)
        else:
            setattr(place, name, value)

    @property
    def graph(self) -> Graph:
        """What `forward` does."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        object.__setattr__(self, "_graph", copy.deepcopy(g) if g.owning_module is not None else g)
        self._graph.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The Python that the graph stands for."""
        return self._code

    def recompile(self) -> Any:
        """Make `forward` what the graph says now. The Python, with what its names stand for."""
        global _written
        read, python = self._graph._codegen.generate(self._graph, "self")
        object.__setattr__(self, "_code", read)
        _written += 1
        file = f"<eval_with_key>.{_written}"
        linecache.cache[file] = (len(python.src), None, python.src.splitlines(True), file)
        names = dict(python.globals)
        exec(compile(python.src, file, "exec"), names)  # noqa: S102  the graph is the program's own
        type(self).forward = names["forward"]
        return python

    def add_submodule(self, target: str, m: nn.Module) -> bool:
        """Put a submodule at a path; False where something else is in the way."""
        *way, _ = target.split(".")
        place: Any = self
        for part in way:
            place = getattr(place, part, nn.Module())
            if not isinstance(place, nn.Module):
                return False
        self._install(target, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Take a submodule away; False where there is none."""
        *way, name = target.split(".")
        place: Any = self
        for part in way:
            place = getattr(place, part, None)
        if not isinstance(place, nn.Module) or name not in place._modules:
            return False
        del place._modules[name]
        return True

    def delete_all_unused_submodules(self) -> None:
        """Take all submodules away that the graph does not call."""
        used: set[str] = set()
        for node in self._graph.nodes:
            if node.op in ("call_module", "get_attr"):
                parts = str(node.target).split(".")
                used |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
                if node.op == "call_module":
                    called = self.get_submodule(str(node.target))
                    used |= {f"{node.target}.{name}" for name, _ in called.named_modules() if name}
        for name in [name for name, _ in self.named_modules() if name and name not in used]:
            self.delete_submodule(name)

    def print_readable(self, print_output: bool = True, **options: Any) -> str:
        """Print the Python as a class. The text."""
        comment = "# No stacktrace found for following nodes"
        body = self._graph._codegen.generate(self._graph, "self", comment)[0]
        lines = body.strip().split("\n")
        text = "\n".join([f"class {type(self).__name__}(torch.nn.Module):", *(f"    {line}" for line in lines), ""])
        text = "\n".join(line.rstrip() for line in text.split("\n"))
        for child in self.children():
            if isinstance(child, GraphModule):
                text += "\n".join(f"    {line}".rstrip() for line in child.print_readable(False).split("\n"))
        if print_output:
            print(text)  # noqa: T201
        return text

    def __str__(self) -> str:
        reminder = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, reminder])

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        root = nn.Module()
        kept = {key: value for key, value in self.__dict__.items() if key not in ("_graph", "_code")}
        root.__dict__.update(copy.deepcopy(kept, memo))
        made = GraphModule(root, copy.deepcopy(self._graph), type(self).__name__)
        made.training = self.training
        if hasattr(self, "meta"):
            made.meta = copy.copy(self.meta)
        return made

    def __copy__(self) -> GraphModule:
        return GraphModule(self, self.graph, type(self).__name__)

    def __reduce__(self) -> Any:
        raise TypeError("a GraphModule is not pickled: save its state_dict(), and trace the model again")


def _got(root: nn.Module, target: str) -> Any:
    value: Any = root
    for part in target.split("."):
        if not hasattr(value, part):
            raise RuntimeError(f"Node referenced nonexistent target {target}!")
        value = getattr(value, part)
    return value
