"""The interpreter that takes the time of each op, and `profile`, which runs a function under it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from statistics import median
from typing import Any

from pellucid.core import Interpreter, Tensor, interpreter
from pellucid.core.application import OpNode
from pellucid.core.context import state
from pellucid.core.declaration import Declaration
from pellucid.core.door import below
from pellucid.core.node import Arguments, Attributes, Node
from pellucid.errors import user_line
from pellucid.nn.modules.hooks import register_module_forward_hook, register_module_forward_pre_hook
from pellucid.ops.cost import multiply_adds

from .result import Event, Profile

_clock = time.perf_counter
_GRADIENTS = "adding gradients"  # what backward does between the rules of two ops


def profile(fn: Callable[..., Any], *args: Any, steps: int = 5, **kwargs: Any) -> Profile:
    """Run `fn(*args, **kwargs)` some times, and say what each op of it costs.

    The function is called `2 * steps + 1` times: once to warm up, then in turns as it is and watched, so that what
    watching costs can be said. A training step therefore trains: profile a copy, or a step that may be taken. Times are
    medians over the steps, in seconds of the clock, on a machine that should have nothing else to do.

    An op's bytes are those of its arguments and results, each once: what caches save or temporaries spend is not in
    them. Its operations are two for each multiply-add of a product, a convolution or a contraction, else one for each
    number of the largest tensor. Ops run within a backward belong to the op whose gradient they compute.

    Args:
        fn: a training step, a module, any function.
        *args, **kwargs: what it is called with.
        steps: how often it is watched.

    Returns:
        A `Profile`: printed, a table of the ops; in a notebook, and by `save("profile.html")`, a page with a chart of
        the time, by module and op.

    Raises:
        TypeError: `fn` is no function, or `steps` no whole number.
        ValueError: `steps` is less than 1.
        RuntimeError: `fn` calls no op of pellucid.

    >>> import pellucid as torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    >>> def step(x):
    ...     model(x).square().mean().backward()
    >>> measured = torch.profile(step, torch.randn(16, 4))
    >>> costs = {row.op: row for row in measured.rows}
    >>> costs["linear"].calls, costs["linear"].operations
    (2, 2960)
    >>> sorted(row.op for row in measured.rows)
    ['adding gradients', 'linear', 'mean', 'square', 'tanh']
    """
    if not callable(fn):
        raise TypeError(
            f"profile: fn must be a function, but got {type(fn).__name__}; write `lambda: …` around an expression"
        )
    if not isinstance(steps, int) or isinstance(steps, bool):
        raise TypeError(f"profile: steps must be a whole number, but got {steps!r}")
    if steps < 1:
        raise ValueError(f"profile: steps must be at least 1, but got {steps}")
    fn(*args, **kwargs)  # memory is allocated, kernels are compiled, an optimiser makes its state
    plain: list[float] = []
    watched: list[list[Event]] = []
    lengths: list[float] = []
    for _ in range(steps):
        start = _clock()
        fn(*args, **kwargs)
        plain.append(_clock() - start)
        timer = _Timer()
        with _by_module(timer), interpreter(timer):
            timer.start = _clock()
            fn(*args, **kwargs)
            lengths.append(timer.now() - timer.start)
        watched.append(timer.events)
    name = getattr(fn, "__name__", type(fn).__name__)
    if not any(watched):
        raise RuntimeError(
            f"profile: {name} called no op of pellucid; what NumPy, PyTorch or compiled steps do is not seen "
            "(a compiled step has `step.explain()`)"
        )
    return Profile(name, watched, lengths, median(plain))


class _Timer(Interpreter):
    """Takes the time of each op, and counts what it takes itself as no time at all."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.modules: tuple[str, ...] = ()  # that are being called, outermost first
        self.calls = 0
        self.start = self.lost = 0.0
        self._modules_of: dict[Node, tuple[str, ...]] = {}

    def now(self) -> float:
        """The clock, without the time that was lost by watching."""
        return _clock() - self.lost

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
        """Have the op applied, and note what it took."""
        began = _clock()
        shapes = [argument._array.shape if isinstance(argument, Tensor) else None for argument in args]
        read = sum(argument._array.nbytes for argument in args if isinstance(argument, Tensor))
        largest = max((argument._array.size for argument in args if isinstance(argument, Tensor)), default=0)
        phase, of, modules, line = self._place(op)
        lost = _clock() - began
        self.lost += lost
        start = self.now() - self.start
        result = below(self, op, args, kwargs)
        seconds = self.now() - self.start - start
        began = _clock()
        first = result[0] if isinstance(result, tuple) else result
        made = first._array if isinstance(first, Tensor) else None
        if phase == "forward" and isinstance(first, Tensor) and first.grad_fn is not None:
            self._modules_of[first.grad_fn] = modules
        if op.view or made is None:
            moved = operations = 0
        else:
            moved = read + (0 if op.mutates else made.nbytes)
            operations = 2 * multiply_adds(op.name, shapes, made.shape, kwargs) or max(largest, made.size)
        self.events.append(Event(op.name, of, phase, modules, start, seconds, moved, operations, line))
        self.lost += _clock() - began
        return result

    def _place(self, op: Declaration) -> tuple[str, str, tuple[str, ...], str]:
        """The phase, the op that the time belongs to, the modules, and the user's line."""
        if state.walk is None:
            phase = "update" if op.__module__.startswith("pellucid.optim") else "forward"
            return phase, op.name, self.modules, user_line() or ""
        node = state.node
        if node is None:
            return "backward", _GRADIENTS, (), ""
        name = node.op.name if isinstance(node, OpNode) else node.name()
        return "backward", name, self._modules_of.get(node, ()), ""


@contextmanager
def _by_module(timer: _Timer) -> Generator[None]:
    """Have the timer know which module is being called."""
    names: dict[int, str] = {}
    before: list[tuple[str, ...]] = []

    def enter(module: Any, args: Any) -> None:
        if timer not in state.interpreters:
            return
        began = _clock()
        if id(module) not in names:
            for path, inner in module.named_modules():
                names.setdefault(id(inner), f"{path.rpartition('.')[2]} {type(inner).__name__}".strip())
        timer.calls += 1
        before.append(timer.modules)
        timer.modules = (*timer.modules, f"{names[id(module)]}\0{timer.calls}")  # two calls are two frames
        timer.lost += _clock() - began

    def leave(module: Any, args: Any, result: Any) -> None:
        if before and timer in state.interpreters:
            timer.modules = before.pop()

    with register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True):
        yield
