"""`pellucid.compile`: a function that is recorded when it is called with arguments of some kind, and then runs as a
plan; whatever cannot be held in a record runs as it is, and a message says why, once.

The first call with given shapes, dtypes and Python values is recorded while it runs, but where an optimiser makes its
state in it, or something else that is made once: then the second is. From then on the plan runs, as long as everything
that the function reaches is as it was (see `watching`); else it is recorded anew.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable
from typing import Any

from pellucid.backend.memory import give_back
from pellucid.core import Tensor, get_default_dtype, state

from .cost import measured
from .listing import listing
from .recording import Recording, record
from .watching import Refused

_TRIES = 8  # kinds of arguments, and states of what is around, for which a function is recorded


class Compiled:
    """A compiled function. `explain()` says what was made of it; `fallback` why it runs as it is, if it does."""

    def __init__(self, function: Callable[..., Any], *, fullgraph: bool = False, quiet: bool = False) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.fullgraph, self.quiet = fullgraph, quiet
        self.fallback: str | None = None
        self.runs = 0  # how often a plan ran
        self._recordings: dict[Any, list[Recording]] = {}
        self._met: set[Any] = set()
        self._made = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.fallback is not None or state.interpreters or state.packers or sys.getprofile() is not None:
            return self.function(*args, **kwargs)
        inputs: list[Tensor] = []
        try:
            given = _kind(args, inputs) if args else None, _kind(kwargs, inputs) if kwargs else None
            key = (given, state.grad, get_default_dtype())
            known = self._recordings.get(key)
        except Refused as refusal:
            return self._give_up(str(refusal), args, kwargs)
        if known is not None:
            for recording in known:
                if recording.holds():
                    self.runs += 1
                    return recording.run(inputs)
        return self._record(key, args, kwargs, inputs)

    def _record(self, key: Any, args: Any, kwargs: Any, inputs: list[Tensor]) -> Any:
        """Run the function and record it. What hinders that in the first call may be gone in the second."""
        if self._made >= _TRIES:
            reason = f"it was recorded {_TRIES} times, and what it depends on has changed again"
            return self._give_up(reason, args, kwargs)
        first = key not in self._met
        if first:
            if len(self._met) > _MOST_KINDS:
                self._met.clear()
            self._met.add(key)
        strict = self.fullgraph and not first
        result, made = record(self.function, args, kwargs, inputs, strict=strict, first=first)
        if isinstance(made, Recording):
            self._made += 1
            give_back()  # what the eager run that was recorded held at once
            self._recordings.setdefault(key, []).insert(0, made)
        elif not first:
            self._refuse(made)
        return result

    def _give_up(self, reason: str, args: Any, kwargs: Any) -> Any:
        self._refuse(reason)
        return self.function(*args, **kwargs)

    def _refuse(self, reason: str) -> None:
        self.fallback = reason
        if self.fullgraph:
            raise Refused(f"{self._called()} cannot be compiled: {reason}")
        if not self.quiet:
            warnings.warn(f"{self._called()} is not compiled and runs as it is: {reason}", UserWarning, stacklevel=4)

    def _called(self) -> str:
        return getattr(self.function, "__qualname__", None) or type(self.function).__name__

    def explain(self, *, roofline: bool = False, ir: bool = False, assembly: bool = False) -> str:
        """What was recorded, what the passes made of it, and what runs, as text.

        With `roofline`, also the bytes and operations of each kernel beside what the machine can do, which is measured;
        with `ir`, each kernel as LLVM's intermediate representation, as pellucid writes it; with `assembly`, as the
        instructions that LLVM makes of it for this processor.
        """
        if self.fallback is not None:
            return f"{self._called()} runs as it is: {self.fallback}"
        recordings = [recording for known in self._recordings.values() for recording in known]
        if not recordings:
            return f"{self._called()} has not been recorded yet: it is when it is called"
        peak = measured() if roofline else None
        shown = [recording.explain(peak) for recording in recordings]
        if ir or assembly:
            shown += listing([segment for recording in recordings for segment in recording.segments()], ir, assembly)
        return "\n\n".join(shown)

    def __roofline__(self) -> dict[str, Any]:
        """What `viz.roofline` draws: the machine's peaks, measured now, and the kernels of the latest recording."""
        recordings = [recording for known in self._recordings.values() for recording in known]
        if not recordings:
            raise ValueError(f"viz.roofline: {self.explain()}")
        peak = measured()
        rows = [(cost.name, cost.operations, cost.bytes, None) for cost in recordings[-1].costs()]
        return {"operations": peak.operations, "bytes": peak.bytes, "rows": rows}

    def __getattr__(self, name: str) -> Any:
        """What the function has, or the module: `compiled.parameters()`, `compiled.train()`."""
        if name == "function" or name.startswith("__"):  # what Python itself asks for is this object's own
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.function, name)

    def __reduce__(self) -> Any:
        """A copy has the function, and is recorded anew."""
        return functools.partial(Compiled, fullgraph=self.fullgraph, quiet=self.quiet), (self.function,)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<compiled {self._called()}>"


_MOST_KINDS = 1000


def _kind(value: Any, inputs: list[Tensor]) -> Any:
    """What must be the same of an argument for the same plan; its tensors are put into `inputs`."""
    if isinstance(value, Tensor):
        inputs.append(value)
        array = value._array
        return type(value), array.shape, array.strides, array.dtype, value.requires_grad
    if isinstance(value, tuple | list):
        return type(value), tuple(_kind(entry, inputs) for entry in value)
    if isinstance(value, dict):
        return tuple((name, _kind(entry, inputs)) for name, entry in value.items())
    if isinstance(value, int | float | bool | str | None):
        return type(value), value
    try:
        hash(value)
    except TypeError:
        raise Refused(f"an argument is a {type(value).__name__}, which may be another each time") from None
    return type(value), id(value), value
