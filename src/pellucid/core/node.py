"""What backward walks: nodes, and what a node of an op is planned to keep.

A node is one application of an op or of a Function. Its `edges` point to where its inputs came from: another
node, a leaf tensor, or None where no gradient is wanted. Numbers rise with time, so a node's inputs always have a
smaller `number` than the node itself: to visit nodes from the highest number down is a reverse topological order, with
no search.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar, cast
from weakref import ReferenceType, WeakValueDictionary

from pellucid.backend import Array

from .hooks import Hooks, NodeHooks, RemovableHandle, hang

F = TypeVar("F", bound=Callable[..., Any])

next_number = itertools.count().__next__

# A rule of the backward pass: a function of the vocabulary, the gradient, and by name of what else it asks for. The
# lengths are spelled out, since a type checker knows the arguments of a lambda only where it knows how many there are.
Rule = (
    Callable[..., Any]
    | Callable[[Any, Any], Any]
    | Callable[[Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any, Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any], Any]
    | Callable[[Any, Any, Any, Any, Any, Any, Any, Any, Any, Any], Any]
)
Arguments = tuple[Any, ...]  # of an application of an op: tensors, numbers, None
Attributes = dict[str, Any]  # of an application, by name: `dim`, `keepdim`, …
Counter = list[int]  # [number of in-place changes], one list for all tensors that share the memory
Guard = tuple[Counter, int, Any]  # (counter, its value when saved, what was saved): unchanged since, or an error

OUT, VALUE, SHAPE, AUX, ATTRIBUTE, SHARED = range(6)  # what a slot of a node holds; the last is made in backward


class Plan:
    """What backward needs when a given set of inputs wants gradients: which values to keep, which rules to call."""

    __slots__ = ("record", "rules", "saves", "shared", "tracked", "wanted")

    def __init__(
        self,
        tracked: tuple[int, ...],
        saves: tuple[tuple[int, Any], ...],
        rules: tuple[tuple[int, Rule, tuple[int, ...]], ...],
        shared: tuple[tuple[Rule, tuple[int, ...]], ...] = (),
    ) -> None:
        self.tracked = tracked  # inputs that require a gradient
        self.saves = saves  # (what, which) for each slot
        self.rules = rules  # (input, rule, slots that are its arguments)
        self.shared = shared  # (rule, slots that are its arguments) of each slot after those of `saves`
        self.wanted = tuple(position for position, _, _ in rules)
        self.record: Callable[..., Any] | None = None  # the function that records it: see `recorder`


class Vocabulary(Protocol):
    """The ops by name, as a rule speaks them: on raw arrays, or on Tensors."""

    def __getattr__(self, name: str) -> Callable[..., Any]: ...


class Source:
    """What a gradient flows to: a node, or a leaf tensor."""

    _arrival: NodeHooks | None = None

    def _arrival_hooks(self) -> NodeHooks:
        """The hooks of the node where a leaf's gradient arrives, made when first needed."""
        if self._arrival is None:
            self._arrival = NodeHooks()
            awaiting[id(self)] = self
        return self._arrival


awaiting: WeakValueDictionary[int, Source] = WeakValueDictionary()
"""Leaves with hooks, which are called as soon as their gradient is whole, and not at the end of the backward.

By their ids, since tensors compare by their numbers.
"""


class Node(Source):
    """One recorded application."""

    edges: Sequence[Source | None]  # per input: a node, a leaf tensor, or None
    kwargs: Attributes = {}  # noqa: RUF012  none: one for all, which nobody changes
    number: int
    hooks: Hooks | None = None  # of the tensor, called with the gradient of its result
    calls: NodeHooks | None = None  # of the node itself
    retain: ReferenceType[Any] | None = None  # the tensor whose grad is to be kept
    where: str | None = None  # the user's line, under detect_anomaly
    called: str | None = None  # PyTorch's name for it, where that depends on the call
    module = "builtins"  # that its class is said to come from
    output_nr = 0  # which of a Function's results it stands for
    bundled = False  # whether the gradients of several results arrive here together

    def propagate(
        self, g: Any, vocabulary: Vocabulary, lifted: bool, create: bool
    ) -> Iterable[tuple[Source | None, Any]]:
        """(edge, gradient) for each input that wants one; the engine does so itself for the nodes of ops."""
        raise NotImplementedError

    def free(self) -> None:
        """Drop what was saved for backward; a later backward through here is then an error."""

    def name(self) -> str:
        """PyTorch's name for it: `MulBackward0`."""
        return self.called or type(self).__name__

    def application(self) -> Node:
        """The node of the whole application, where this is the node of one of its results."""
        return self

    def describe(self) -> tuple[str, str]:
        """A title and a formula, for records of a computation."""
        return self.name(), ""

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Where the inputs came from, as PyTorch lists it: nodes, and an `AccumulateGrad` for each leaf tensor."""
        edges = (edge if edge is None or isinstance(edge, Node) else AccumulateGrad(edge) for edge in self.edges)
        return tuple((None if node is None else with_named_class(node), 0) for node in edges)

    def _sequence_nr(self) -> int:
        """How many were recorded before it (under PyTorch's name): backward takes the highest first."""
        return self.number

    @property
    def metadata(self) -> Attributes:
        """The attributes that the op was called with, to which a program may add."""
        if not self.kwargs:
            self.kwargs = vars(self).get("kwargs", {})
        return self.kwargs

    def register_hook(self, hook: Callable[..., object]) -> RemovableHandle:
        """Call `hook(grad_inputs, grad_outputs)`, two tuples, when the gradients of the inputs have been computed.

        What it returns, if not None, replaces `grad_inputs`.
        """
        return hang(self.hooks_of_node().after, hook)

    def register_prehook(self, hook: Callable[..., object]) -> RemovableHandle:
        """Call `hook(grad_outputs)`, a tuple, before the gradients of the inputs are computed.

        What it returns, if not None, replaces `grad_outputs`.
        """
        return hang(self.hooks_of_node().before, hook)

    def __call__(self, *grads: object) -> object:
        """The gradients of its inputs, of the gradient of its result: one step of backward, by hand.

        >>> import pellucid
        >>> y = pellucid.tensor([3.0], requires_grad=True).exp()
        >>> y.grad_fn(pellucid.ones(1))
        tensor([20.0855], grad_fn=<MulBackward0>)
        """
        return steps[0](self, grads)

    def hooks_of_node(self) -> NodeHooks:
        """The tables of the two, made when first needed."""
        if self.calls is None:
            self.calls = NodeHooks()
        return self.calls

    def unbundle(self, g: Array) -> tuple[Array, ...]:
        """The gradients of its results, one by one, of what arrived here."""
        return (g,)

    def bundle(self, grads: tuple[Array, ...]) -> Array:
        """The reverse of `unbundle`."""
        return grads[0]

    def __repr__(self) -> str:
        where = "" if self.module == "builtins" else f"{self.module}."
        return f"<{where}{self.name().rsplit('::')[-1]} object at {id(self):#x}>"


steps: list[Callable[[Node, tuple[object, ...]], object]] = []
"""How a program that calls a node takes one step of backward: `reverse.rules`."""


class NotImplementedNode(Node):
    """The history of a result that PyTorch has no derivative of: it requires a gradient, and backward is refused."""

    def __init__(self, op: str, edge: Source | None) -> None:
        self.op, self.edges, self.kwargs = op, (edge,), {}
        self.number = next_number()

    def propagate(
        self, g: object, vocabulary: Vocabulary, lifted: bool, create: bool
    ) -> Iterable[tuple[Source | None, object]]:
        raise NotImplementedError(f"the derivative for {self.op!r} is not implemented, as in PyTorch")

    def name(self) -> str:
        return "NotImplemented"


class AccumulateGrad(Node):
    """Where a gradient arrives at a leaf tensor, its `variable`.

    Made where somebody looks at the graph: the engine goes to the leaf itself, which holds the hooks. Two of the same
    leaf are equal.
    """

    __module__ = "builtins"  # as the classes of all nodes

    def __init__(self, variable: Source) -> None:
        self.variable, self.edges, self.kwargs = variable, [], {}

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def hooks_of_node(self) -> NodeHooks:
        return self.variable._arrival_hooks()  # pyright: ignore[reportPrivateUsage]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self) -> int:
        return hash((AccumulateGrad, id(self.variable)))


def with_named_class(node: Node) -> Node:
    """The node, in a class of its name as PyTorch has it: `type(y.grad_fn).__name__` is "MulBackward0".

    Done where somebody looks at the node, since recording makes thousands that nobody looks at.
    """
    kind, name = type(node), node.name().rsplit("::")[-1]
    if kind.__name__ != name:
        node.__class__ = named_class(kind.__mro__[1] if kind in _NAMED else kind, name, node.module)
    return node


_NAMED: set[type[Node]] = set()


@functools.cache
def named_class(kind: type[Node], name: str, module: str) -> type[Node]:
    """The class of nodes of a kind that is called `name`, and said to come from `module`."""
    made = type(name, (kind,), {"__module__": module, "__doc__": kind.__doc__})
    _NAMED.add(made)
    return made


@functools.cache
def node_name(op: str) -> str:
    """PyTorch's name for the node of an op: `log_softmax` is LogSoftmaxBackward0."""
    return "".join(part.title() for part in op.split("_")) + "Backward0"


def called(name: str | Callable[..., str | None]) -> Callable[[F], F]:
    """For a function composed of ops: its result's node is called `name`, as in PyTorch, where it is one op.

    Where PyTorch's name depends on the call, `name` is a function of the same arguments; None leaves the name as it is.
    """

    def declare(function: F) -> F:
        @functools.wraps(function)
        def named(*args: Any, **kwargs: Any) -> Any:
            result: Any = function(*args, **kwargs)
            several = cast("Iterable[Any]", result if isinstance(result, tuple | list) else (result,))
            for tensor in several:
                node = getattr(tensor, "grad_fn", None)
                if node is not None and all(tensor is not given for given in args):
                    node.called = (name if isinstance(name, str) else name(*args, **kwargs)) or node.called
            return cast("Any", result)

        return cast("F", named)

    return declare


def shape_and_dtype(array: Array) -> tuple[tuple[int, ...], Any]:
    """What a gradient for a tensor with this array must look like."""
    return array.shape, array.dtype
