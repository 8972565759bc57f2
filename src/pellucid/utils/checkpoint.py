"""`torch.utils.checkpoint`: of a part of a model only the inputs are kept, and backward computes the rest again.

Chen et al., Training deep nets with sublinear memory cost, 2016, https://arxiv.org/abs/1604.06174
"""

from __future__ import annotations

import contextlib
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..autograd import Function, backward
from ..autograd.graph import saved_tensors_hooks
from ..core import Tensor, enable_grad, is_grad_enabled, no_grad, state
from ..ops import autocast
from ..random import fork_rng, get_rng_state, set_rng_state
from ._python_dispatch import is_behind
from .comparison import Comparison
from .selective import (
    CheckpointPolicy,
    SelectiveCheckpointContext,
    _CachedTorchDispatchMode,
    _CachingTorchDispatchMode,
    create_selective_checkpoint_contexts,
)

__all__ = [
    "CheckpointError", "CheckpointFunction", "CheckpointPolicy", "SelectiveCheckpointContext",
    "_CachedTorchDispatchMode", "_CachingTorchDispatchMode", "check_backward_validity", "checkpoint",
    "checkpoint_sequential", "create_selective_checkpoint_contexts",
    "detach_variable", "get_device_states", "noop_context_fn", "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop", "set_device_states",
]  # fmt: skip

Contexts = tuple[contextlib.AbstractContextManager[Any], contextlib.AbstractContextManager[Any]]


class CheckpointError(RuntimeError):
    """What was computed again is not what was computed at first."""


def noop_context_fn() -> Contexts:
    """The default `context_fn`: two contexts that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn, determinism_check: str = "default", debug: bool = False,
    early_stop: bool = True, preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """The function of its arguments, of which nothing is kept for backward but the arguments.

    Backward calls the function again, up to the last value that it needs (with `early_stop`), with the random numbers
    (`preserve_rng_state`) and the autocast of the first time. With `debug`, an error lists the ops of both times.
    `use_reentrant=True` is the older way: a `Function`, whose backward runs another one. It gives no gradient where no
    argument requires one, and is refused in `autograd.grad`. Where a tracer or another observer of ops is on,
    everything is computed once, and kept.

    Raises:
        CheckpointError: the second time, values of other shapes or dtypes were saved, or another number of them;
            ``determinism_check="none"`` does not compare shapes and dtypes.
        RuntimeError: an argument was changed in place meanwhile.
        ValueError: keyword arguments, or `context_fn`, together with ``use_reentrant=True``.

    >>> import pellucid
    >>> x = pellucid.ones(2, requires_grad=True)
    >>> y = checkpoint(lambda x: print("computed") or x.exp().sin(), x, use_reentrant=False)
    computed
    >>> y.sum().backward()
    computed
    """
    if use_reentrant is None:
        _warn("checkpoint")
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {determinism_check}")
    first, second = context_fn()
    told = None
    if debug if not _debug or _debug[-1] is None else _debug[-1]:
        told = Comparison()
        first, second = told.around(first, "original"), told.around(second, "recompute")
    watched = any(
        not isinstance(other, autocast.Autocast) and not is_behind(other) and other not in state.packers
        for other in state.interpreters
    )
    if watched or not is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    stop = _early_stop[-1] if _early_stop else early_stop
    again = _Again(lambda *given: function(*given, **kwargs), args, second, preserve_rng_state)
    frame = _Frame(again, stop, determinism_check == "default", told)
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        result = function(*args, **kwargs)
    frame.complete = True
    return result


def checkpoint_sequential(
    functions: Iterable[Callable[..., Any]], segments: int, input: Any, use_reentrant: bool | None = None,
    preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """One function after the other, in `segments` of which each but the last is a `checkpoint`."""
    if use_reentrant is None:
        _warn("checkpoint_sequential")
        use_reentrant = True
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    layers: list[Any] = list(functions.children() if hasattr(functions, "children") else functions)  # type: ignore[attr-defined]

    def of(part: list[Any]) -> Callable[[Any], Any]:
        def forward(value: Any) -> Any:
            for layer in part:
                value = layer(value)
            return value

        return forward

    size = len(layers) // segments
    end = 0
    for start in range(0, size * (segments - 1), size):
        end = start + size
        input = checkpoint(
            of(layers[start:end]), input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state
        )
    return of(layers[end:])(input)


def _warn(name: str) -> None:
    where = "" if name == "checkpoint" else f".{name}"
    warnings.warn(
        f"torch.utils.checkpoint{where}: the use_reentrant parameter should be passed explicitly. "
        "use_reentrant=False is recommended",
        UserWarning,
        stacklevel=3,
    )


_early_stop: list[bool] = []


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Within the block, whether checkpoints stop at the last value that backward needs, whatever they were told."""
    _early_stop.append(enable)
    try:
        yield
    finally:
        _early_stop.pop()


_debug: list[bool | None] = []


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Within the block, whether checkpoints tell of each op where they fail, whatever they were told; None: as told."""
    _debug.append(enabled)
    try:
        yield
    finally:
        _debug.pop()


class _Again:
    """A function of its arguments, to be called a second time as it was the first time."""

    def __init__(self, function: Callable[..., Any], args: Any, context: Any, preserve_rng_state: bool) -> None:
        self.function, self.args, self.context = function, args, context
        self.versions = [arg._version if isinstance(arg, Tensor) else None for arg in args]
        self.random = get_rng_state() if preserve_rng_state else None
        found = autocast.active()
        self.fast = None if found is None else found.fast

    def __call__(self) -> Any:
        detached = detach_variable(self.args)
        given = zip(self.args, detached, strict=True)
        args = tuple(other if isinstance(one, Tensor) and one.requires_grad else one for one, other in given)
        if [arg._version if isinstance(arg, Tensor) else None for arg in self.args] != self.versions:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: an "
                "argument of a checkpoint, which backward computes from again; give it a clone"
            )
        with fork_rng(enabled=self.random is not None), autocast.autocasting(self.fast), self.context, enable_grad():
            if self.random is not None:
                set_rng_state(self.random)
            return args, self.function(*args)


class _Holder:
    """What is kept in place of a saved tensor."""


class _Stop(Exception):
    """All that backward needs has been computed again."""


class _Frame:
    """One checkpoint: what stands for the tensors that its ops saved, in their order, and how they are found again."""

    def __init__(self, again: _Again, early_stop: bool, compares: bool, told: Comparison | None = None) -> None:
        self.again, self.early_stop, self.compares, self.told = again, early_stop, compares, told
        self.holders: list[weakref.ref[_Holder]] = []
        self.facts: list[dict[str, Any]] = []
        self.complete = False  # whether the first call has ended: a backward within it finds fewer holders
        # For each pass of backward what it computed again, each tensor as long as a node waits for it.
        self.found: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def pack(self, tensor: Tensor) -> _Holder:
        """Keep nothing of a tensor but its place in the order."""
        holder = _Holder()
        self.holders.append(weakref.ref(holder))
        self.facts.append(_facts(tensor))
        return holder

    def unpack(self, holder: _Holder) -> Tensor:
        """The tensor, computed again at the first question of each pass of backward."""
        tensors = self.found.get(state.walk) if state.walk is not None else None
        if tensors is None:
            tensors = self._compute()
            if state.walk is not None:
                self.found[state.walk] = tensors
        if holder not in tensors:
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. If you "
                "are calling ctx.saved_tensors in backward, make sure to do so only once. Otherwise please open an "
                "issue with details on your use case."
            )
        return tensors.pop(holder)

    def _compute(self) -> weakref.WeakKeyDictionary[_Holder, Tensor]:
        tensors: weakref.WeakKeyDictionary[_Holder, Tensor] = weakref.WeakKeyDictionary()
        differing: list[str] = []
        count = 0

        def pack(tensor: Tensor) -> Tensor:
            nonlocal count
            place, count = count, count + 1
            if place >= len(self.holders):
                if self.complete:
                    raise self._failed(
                        "torch.utils.checkpoint: trying to save more tensors during recomputation than during the "
                        "original forward pass."
                    )
                return tensor
            if self.compares and _facts(tensor) != self.facts[place]:
                differing.append(
                    f"tensor at position {place}:\nsaved metadata: {self.facts[place]}\n"
                    f"recomputed metadata: {_facts(tensor)}\n"
                )
            holder = self.holders[place]()
            if holder is not None:
                tensors[holder] = tensor.detach() if tensor.requires_grad else tensor
            if self.early_stop and count == len(self.holders):
                raise _Stop
            return tensor

        # Who listens to this backward does not listen to a forward, but for modes, which see all ops.
        outer = state.interpreters, state.packers
        state.interpreters = tuple(filter(is_behind, state.interpreters))
        try:
            with saved_tensors_hooks(pack, lambda tensor: tensor):
                self.again()
        except _Stop:
            pass
        finally:
            state.interpreters, state.packers = outer
        if count < len(self.holders):
            raise self._failed(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.holders)}\n"
                f"Number of tensors saved during recomputation: {count}."
            )
        if differing:
            raise self._failed(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                "during the forward pass.\n" + "".join(differing)
            )
        return tensors

    def _failed(self, message: str) -> CheckpointError:
        return CheckpointError(message if self.told is None else self.told.text(message))


def _facts(tensor: Tensor) -> dict[str, Any]:
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


class CheckpointFunction(Function):
    """A checkpoint as one op: forward records nothing, and backward records, and runs a backward of its own."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.again = _Again(run_function, args, contextlib.nullcontext(), preserve_rng_state)
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        walk: Any = state.walk
        if walk is not None and walk.targets is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` "
                "parameter to .backward(). To resolve this error, you can either set use_reentrant=False, or call "
                ".backward() without passing the `inputs` argument."
            )
        inputs, outputs = ctx.again()
        pairs = [
            (output, grad)
            for output, grad in zip(outputs if isinstance(outputs, tuple) else (outputs,), grads, strict=True)
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([output for output, _ in pairs], [grad for _, grad in pairs])
        return None, None, *(arg.grad if isinstance(arg, Tensor) else None for arg in inputs)


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn where no argument requires a gradient, so that none will arrive anywhere."""
    if not any(isinstance(value, Tensor) and value.requires_grad for value in inputs):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=1)


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments, each tensor as a leaf that requires a gradient if the tensor does."""
    return tuple(
        value.detach().requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value for value in inputs
    )


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The devices of the arguments that have generators of their own, and the states of these: there are none."""
    return [], []


def set_device_states(devices: list[int], states: list[Tensor], *, device_type: str | None = None) -> None:
    """Put back what `get_device_states` gave: nothing."""
