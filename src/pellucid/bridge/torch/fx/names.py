"""What functions are called in the text of a graph: PyTorch's paths, `torch.relu` and `torch.nn.functional.relu`."""

from __future__ import annotations

import builtins
import functools
import importlib
import operator
import re
import typing
from collections.abc import Callable
from typing import Any

import pellucid
import pellucid.nn.functional as F
from pellucid.declare import Op

# What `wrap` was told of: by the names of the program's file, and the name in it.
WRAPPED: dict[tuple[int, str], Callable[..., Any]] = {}
# The functions of torch.nn.functional that PyTorch has in C, by their paths; the others are Python, and are noted with
# all of their arguments.
_IN_C = {
    **{name: f"torch._C._nn.{name}" for name in (
        "avg_pool2d", "avg_pool3d", "gelu", "linear", "one_hot", "scaled_dot_product_attention", "softplus",
        "softshrink",
    )},
    **{name: f"torch.{name}" for name in (
        "adaptive_avg_pool1d", "avg_pool1d", "bilinear", "channel_shuffle", "conv1d", "conv2d", "conv3d", "conv_tbc",
        "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_similarity", "hardshrink",
        "pairwise_distance", "pdist", "pixel_shuffle", "pixel_unshuffle", "prelu",
    )},
    "logsigmoid": "torch._C._nn.log_sigmoid",
}  # fmt: skip
_IN_FUNCTIONAL = frozenset(
    "align_tensors atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors cartesian_prod cdist "
    "chain_matmul einsum lu meshgrid norm split stft tensordot unique unique_consecutive unravel_index".split()
)


@functools.cache
def _outer() -> dict[int, Callable[..., Any]]:
    """The function that a program calls, by the identity of what it is made of: what checks types, what casts."""
    found: dict[int, Callable[..., Any]] = {}
    for room in (F, pellucid):
        for name in F.__all__ if room is F else dir(pellucid):
            function = inner = getattr(room, name)
            while not isinstance(inner, type) and hasattr(inner, "__wrapped__"):
                inner = inner.__wrapped__
                found.setdefault(id(inner), function)
    return found


def called_as(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a program calls it, of one inside of it."""
    return _outer().get(id(function), function)


@functools.cache
def _functions() -> dict[int, str]:
    """The path of each function, by its identity."""
    found: dict[int, str] = {}
    for name in F.__all__:
        found.setdefault(id(getattr(F, name)), _IN_C.get(name, f"torch.nn.functional.{name}"))
    for name in dir(pellucid):
        function = getattr(pellucid, name)
        if callable(function) and not isinstance(function, type) and not name.startswith("__"):
            where = "torch.functional" if name in _IN_FUNCTIONAL else "torch"
            found.setdefault(id(function), f"{where}.{name}")
    rest: Any = importlib.import_module("pellucid.bridge.torch")
    found.update({id(getattr(rest, name)): f"torch.{name}" for name in rest.__all__})
    for room in ("linalg", "fft", "special"):
        for name in dir(getattr(pellucid, room)):
            function = getattr(getattr(pellucid, room), name)
            if callable(function) and not name.startswith("_"):
                found.setdefault(id(function), f"torch._C._{room}.{room}_{name}")
    return found


def path_of(function: Callable[..., Any]) -> str:
    """PyTorch's path of a function, or that of its module: `operator.add`, `__main__.mine`."""
    known = _functions().get(id(function))
    if known is not None:
        return known
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, Op):  # that a function of the same name hands its arguments on to
        own = getattr(F, name, None)
        return _IN_C.get(name, f"torch.{name}" if own is None else _functions().get(id(own), f"torch.{name}"))
    if getattr(builtins, name, None) is function:
        return f"builtins.{name}"
    if getattr(operator, name, None) is function:
        return f"operator.{name.strip('_') if name.startswith('__') else name}"
    module = getattr(function, "__module__", None) or "builtins"
    return f"{module.replace('_operator', 'operator')}.{name}"


def is_python_there(function: Callable[..., Any]) -> bool:
    """Whether PyTorch has this function in Python: then all its arguments are noted, those with defaults by name."""
    return path_of(function).startswith("torch.nn.functional.")


def text_of_type(kind: Any) -> str:
    """An annotation as text: `torch.Tensor`, `int`, `typing.List[int]`."""
    if kind is None or kind is type(None):
        return "None"
    if kind is ...:
        return "..."
    if isinstance(kind, type) and not typing.get_args(kind):
        if kind is pellucid.Tensor:
            return "torch.Tensor"
        return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return re.sub(r"pellucid\.core\.tensor\.Tensor", "torch.Tensor", str(kind))


def snake_case(name: str) -> str:
    """`max_pool` of `MaxPool`: a capital after a small letter begins a word."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
