"""A training step, or any function, recorded once and then run by a plan of its own: `pellucid.compile(step)`.

| file | what it is about |
|---|---|
| `tracer` | an interpreter behind the door that records what it sees; `trace` replays it as it was |
| `graph` | the record as a graph of typed values, and what a right graph is |
| `passes` | what is done to the graph, each in a file |
| `scalars`, `loops` | one element of each elementwise op; a fused loop as machine code |
| `classes` | cross-entropy as machine code |
| `updates` | the optimisers' steps, with hyperparameters read anew |
| `plan`, `lines` | from the graph to one Python function that runs it |
| `segment` | kernels that follow one another, run by one call |
| `products` | which code computes a product |
| `lifetimes` | how long each value is needed, and memory that those share which are not needed at once |
| `memory` | memory of what is handed out |
| `beside` | what Python does beside the ops while a function is recorded |
| `watching` | what a function depends on beside its arguments, and does beside its results |
| `guards` | whether all that is as it was, in one function |
| `apart` | forward and backward as two plans |
| `listing` | the kernels as text, and as instructions |
| `cost` | bytes and operations of each kernel, against the machine's peaks |
| `recording`, `compiled` | one recorded call; the function that has several |
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .tracer import Program, TraceError, trace

__all__ = ["Program", "TraceError", "compile", "trace"]


def compile(model: Any = None, *, fullgraph: bool = False, quiet: bool = False, **options: Any) -> Any:
    """The function, made faster: a whole training step (forward, backward, the optimiser's update), or any other.

    The first call is recorded while it runs (the second, where an optimiser makes its state in the first), and then a
    plan runs: kernels that follow one another as one call, chains of elementwise ops as one loop each, memory made
    before. Numbers are those of eager mode but for the order of roundings, random streams the same. Other shapes,
    dtypes and Python values are recorded anew, as is what changes in the function's surroundings; a learning rate is
    read at each run.

    What a record cannot hold (a value that Python reads, a list that grows, `print`) makes the function run as it is,
    and a warning says why, once; with `fullgraph=True` it is an error, with `quiet=True` nothing is said. A
    result may have a history: then backward is a plan, too, and runs when `backward()` is called. Faster is a function
    with the whole step in it. `.explain()` shows what was made of it.

    `mode`, `dynamic`, `backend` and other options of PyTorch are accepted, and change nothing.

    >>> import pellucid
    >>> @pellucid.compile
    ... def bend(x):
    ...     return (x * 2 + 1).relu()
    >>> [bend(pellucid.tensor([-2.0, float(i)])).tolist() for i in range(3)]
    [[0.0, 1.0], [0.0, 3.0], [0.0, 5.0]]
    """
    from .compiled import Compiled  # here: the passes and the kernels are loaded when something is compiled

    if model is None:
        return lambda function: compile(function, fullgraph=fullgraph, quiet=quiet)
    if not callable(model):
        raise TypeError(f"compile expects a function or a module, but got {type(model).__name__}")
    if options.pop("disable", False):
        return model
    return Compiled(model, fullgraph=fullgraph, quiet=quiet)


class _Room(ModuleType):
    """This room, which can be called: `pellucid.compile(step)`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return compile(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
