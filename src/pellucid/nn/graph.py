"""The graph of what modules compute: `Module.__graph__`, and `record_graph` around any code.

Both run the computation once under a `GraphRecorder`, which hears from two global hooks which module is being called.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from ..core import Interpreter, Tensor, enable_grad, interpreter
from ..core.context import state
from ..core.door import below
from ..core.tensor import ones_like
from ..errors import describe
from ..ops.cost import multiply_adds
from ..ops.normalize import SingleValueError
from ..random import undrawn
from ..record.graph import Graph, GraphEdge, GraphNode, GraphParameter
from ..record.recording import GraphRecorder
from ..reverse import grad as gradients_of
from .modules.hooks import register_module_forward_hook, register_module_forward_pre_hook

__all__ = ["module_graph", "record_graph"]

AnyModule = Any  # a Module, whose file imports this one for `__graph__`


class record_graph:
    """Record what is computed in a `with` block, forward and backward, with every value and the lines of your code.

    Watching takes several times as long as computing. `viz.graph(record)` draws it, when the block has ended.

    Args:
        title: what the picture is called.
        values: whether to measure each result and gradient.

    >>> import pellucid as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with torch.record_graph() as record:
    ...     loss = (w * w).sum()
    ...     loss.backward()
    >>> [node.name for node in record.graph.nodes if node.kind == "op" and node.phase == "forward"]
    ['mul', 'sum']
    >>> record.graph.nodes[0].gradient.numbers
    [2.0, 4.0]
    """

    def __init__(self, title: str = "computation graph", *, values: bool = True) -> None:
        self._recorder = GraphRecorder(title, values=values, cost=multiply_adds)
        self._modules = _Modules(self._recorder)
        self._graph: Graph | None = None

    def __enter__(self) -> record_graph:
        self._contexts = [interpreter(self._recorder), self._modules.listening()]
        for context in self._contexts:
            context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for context in reversed(self._contexts):
            context.__exit__(None, None, None)
        self._graph = self._modules.finish([])

    def name(self, tensor: Tensor, name: str) -> None:
        """Call an input by a name in the picture; without, it is called what the variable is called."""
        self._recorder.name(tensor, "input", name)

    @property
    def graph(self) -> Graph:
        """The record. Raises RuntimeError while the block is open."""
        if self._graph is None:
            raise RuntimeError("record_graph: the record is whole when its `with` block has ended; read it after that")
        return self._graph

    def __graph__(self) -> Graph:
        return self.graph


def module_graph(
    module: AnyModule, inputs: tuple[Any, ...], backward: bool = False, values: bool = True, **keywords: Any
) -> Graph:
    """The graph of `module(*inputs, **keywords)`, from one run that leaves no trace.

    Parameters, buffers, gradients, attributes of the modules, inputs and random generators are afterwards what they
    were, bit for bit. With `backward`, the gradient of the sum of all outputs is recorded too; without `values`, only
    shapes and costs.

    Where batch normalisation in training mode gets one value for each channel (one sample, say), which has no
    variance, the graph is that of the module with batch normalisation in evaluation mode; its title says so.
    """
    try:
        return _graph(type(module).__name__, module, inputs, backward, values, keywords)
    except SingleValueError:
        training = [each for each in module.modules() if each.training and getattr(each, "track_running_stats", False)]
        if not training:
            raise
    for norm in training:
        norm.training = False
    try:
        title = f"{type(module).__name__} (batch normalisation in evaluation mode, since one value has no variance)"
        return _graph(title, module, inputs, backward, values, keywords)
    finally:
        for norm in training:
            norm.training = True


def _graph(
    title: str, module: AnyModule, inputs: tuple[Any, ...], backward: bool, values: bool, keywords: dict[str, Any]
) -> Graph:
    recorder = GraphRecorder(title, values=values, cost=multiply_adds)
    modules = _Modules(recorder)
    modules.learn(module)
    named = list(_tensors(dict(_arguments(module, inputs, keywords))))
    for name, tensor in named:
        recorder.name(tensor, "input", name)
    found: dict[int, Any] = {}
    with _unchanged(module, recorder), interpreter(recorder), modules.listening():
        if backward:
            with enable_grad():
                result = module(*inputs, **keywords)
                leaves = [
                    tensor
                    for tensor in (*module.parameters(), *(tensor for _, tensor in named))
                    if tensor.requires_grad
                ]
                found = _backward(recorder, module, result, leaves)
        else:
            result = module(*inputs, **keywords)
        return modules.finish(list(_tensors(result, "output")), found)


def _backward(recorder: GraphRecorder, module: AnyModule, result: Any, leaves: list[Tensor]) -> dict[int, Any]:
    """The gradients of the sum of the outputs, by the array of the leaf; nothing is added to any `grad`."""
    outputs = [tensor for _, tensor in _tensors(result) if tensor.requires_grad]
    if not outputs:
        raise RuntimeError(
            f"{type(module).__name__}.__graph__(backward=True): no output depends on a tensor that requires a "
            "gradient, so there is no backward to show; leave backward out, or call requires_grad_() on what should "
            "have one"
        )
    seeds = [ones_like(tensor) for tensor in outputs]
    for seed in seeds:
        recorder.name(seed, "constant", "seed of the backward")
    got = gradients_of(outputs, leaves, seeds, allow_unused=True)
    return {
        id(leaf._array): gradient._array for leaf, gradient in zip(leaves, got, strict=True) if gradient is not None
    }


class _Modules:
    """Tells the recorder which module is being called, and what its parameters are called."""

    def __init__(self, recorder: GraphRecorder) -> None:
        self.recorder = recorder
        self.paths: dict[int, tuple[int, str]] = {}
        self.first: dict[int, str] = {}  # parameter -> its first name
        self.calls: dict[int, int] = {}
        self.known: list[AnyModule] = []  # roots; held, so that an id means one module

    def learn(self, root: AnyModule) -> None:
        """Read the names in a tree of modules."""
        number = len(self.known)
        self.known.append(root)
        for path, module in root.named_modules():
            self.paths.setdefault(id(module), (number, path))
        for kind, members in (
            ("parameter", root.named_parameters(remove_duplicate=False)),
            ("buffer", root.named_buffers(remove_duplicate=False)),
        ):
            for name, tensor in members:
                array = tensor._array
                shared = self.first.get(id(tensor), "")
                self.first.setdefault(id(tensor), name)
                self.recorder.known.setdefault(id(array), (kind, name, tensor))
                self.recorder.graph.parameters.append(
                    GraphParameter(
                        name,
                        tuple(array.shape),
                        str(array.dtype),
                        int(array.nbytes),
                        tensor.requires_grad,
                        shared,
                        kind == "buffer",
                        number,
                    )
                )

    @contextmanager
    def listening(self) -> Generator[None]:
        """Have every call of a module, of this thread, open and close a group."""

        def before(module: AnyModule, args: Any) -> None:
            if self.recorder in state.interpreters:
                if id(module) not in self.paths:
                    self.learn(module)
                for _, tensor in _tensors(args):
                    self.recorder.given(tensor)
                root, path = self.paths[id(module)]
                self.calls[id(module)] = self.calls.get(id(module), 0) + 1
                kind = type(module).__name__
                self.recorder.open(
                    "module",
                    path.rpartition(".")[2] or kind,
                    path=path,
                    type=kind,
                    detail=" ".join(module.extra_repr().split()),
                    call=self.calls[id(module)],
                    root=root,
                )

        def after(module: AnyModule, args: Any, result: Any) -> None:
            if self.recorder in state.interpreters:
                self.recorder.close([tensor for _, tensor in _tensors(result)])

        with (
            register_module_forward_pre_hook(before),
            register_module_forward_hook(after, always_call=True),
        ):
            yield

    def finish(self, outputs: list[tuple[str, Tensor]], gradients: dict[int, Any] | None = None) -> Graph:
        """The graph, with a node for each output."""
        graph = self.recorder.finish([tensor for _, tensor in outputs], gradients)
        for (name, _), source in zip(outputs, list(graph.outputs), strict=True):
            made = graph.nodes[source]
            node = GraphNode(len(graph.nodes), "output", name, made.shape, made.dtype)
            node.value, node.gradient = made.value, made.gradient
            graph.nodes.append(node)
            graph.edges.append(GraphEdge(source, node.id))
        if outputs:
            graph.outputs = [node.id for node in graph.nodes if node.kind == "output"]
        return graph


def _tensors(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors in a nest of tuples, lists and dicts, with names such as `output[0]`."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tensors(item, f"{name}[{key!r}]" if name else str(key))
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _tensors(item, f"{name}[{index}]")


def _arguments(module: AnyModule, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The arguments by the names that `forward` gives them."""
    try:
        bound = inspect.signature(module.forward).bind(*inputs, **keywords)
    except TypeError as wrong:
        given = ", ".join(describe(value) if isinstance(value, Tensor) else type(value).__name__ for value in inputs)
        raise TypeError(
            f"{type(module).__name__}.forward{inspect.signature(module.forward)} cannot be called with ({given}): "
            f"{wrong}. Give the graph, or the summary, the inputs that the model is called with"
        ) from None
    yield from bound.arguments.items()


class _Keeper(Interpreter):
    """An interpreter that remembers what ops are about to overwrite, and the state of generators they draw from."""

    def __init__(self) -> None:
        self.arrays: dict[int, tuple[Any, Any]] = {}  # id -> (memory, copy)
        self.tensors: dict[int, tuple[Tensor, dict[str, Any], int]] = {}
        self.generators: dict[int, tuple[Any, Any]] = {}

    def apply(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for position in op.mutates:
            if isinstance(args[position], Tensor):
                self.keep(args[position])
                memory = _memory(args[position]._array)
                if id(memory) not in self.arrays:
                    self.arrays[id(memory)] = (memory, memory.copy())
        for value in kwargs.values():
            if hasattr(value, "get_state"):
                self.generators.setdefault(id(value), (value, value.get_state()))
        return below(self, op, args, kwargs)

    def keep(self, tensor: Tensor) -> None:
        """Remember what autograd knows of a tensor."""
        if id(tensor) not in self.tensors:
            self.tensors[id(tensor)] = (tensor, dict(tensor.__dict__), tensor._version)
            if tensor._view is not None:
                self.keep(tensor._view.base)

    def put_back(self) -> None:
        for memory, copy in self.arrays.values():
            memory[...] = copy
        for tensor, attributes, version in self.tensors.values():
            tensor.__dict__.clear()
            tensor.__dict__.update(attributes)
            if tensor._counter is not None:
                tensor._counter[0] = version
        for generator, before in self.generators.values():
            generator.set_state(before)


def _memory(array: Any) -> Any:
    """The array that owns the memory, where it may be written to."""
    while getattr(array, "base", None) is not None and isinstance(array.base, type(array)):
        if not array.base.flags.writeable:
            break
        array = array.base
    return array


@contextmanager
def _unchanged(root: AnyModule, recorder: GraphRecorder) -> Generator[None]:
    """Whatever happens inside to the modules, their tensors and the random streams is undone."""
    keeper = _Keeper()
    for tensor in (*root.parameters(), *root.buffers()):
        keeper.keep(tensor)
    attributes = [(module, dict(module.__dict__)) for module in root.modules()]
    registries = [
        (registry, dict(registry))
        for _, own in attributes
        for name, registry in own.items()
        if name.startswith("_") and isinstance(registry, dict)  # parameters, buffers, children, hooks
    ]
    try:
        with interpreter(keeper), undrawn():
            yield
    finally:
        keeper.put_back()
        for registry, entries in registries:
            dict.clear(registry)
            dict.update(registry, entries)
        for module, own in attributes:
            module.__dict__.clear()
            module.__dict__.update(own)
