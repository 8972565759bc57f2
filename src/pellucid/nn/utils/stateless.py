"""A module called with other tensors than its own."""

from __future__ import annotations

from typing import Any

from ...core import Tensor
from ..modules.module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with other tensors for its parameters and buffers, given by name.

    The module has its own back afterwards, also if the call fails. A parameter that several names share is replaced at
    all of them, unless ``tie_weights=False``.

    Raises:
        RuntimeError: with ``strict``, a name is missing or is none of the module's.
        ValueError: two dicts have the same name.
    """
    given: dict[str, Tensor] = {}
    dicts = parameter_and_buffer_dicts
    for named in [dicts] if isinstance(dicts, dict) else dicts:
        for name, tensor in named.items():
            if name in given:
                raise ValueError(f"{name} appeared in multiple dictionaries; behavior of functional call is ambiguous")
            given[name] = tensor
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    if strict and given.keys() != own.keys():
        missing, unexpected = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
        raise RuntimeError(f"Missing key(s): {missing}. Unexpected key(s): {unexpected}.")
    if tie_weights:
        by_tensor = {id(own[name]): tensor for name, tensor in given.items() if name in own}
        for name, tensor in own.items():
            if name not in given and id(tensor) in by_tensor:
                given[name] = by_tensor[id(tensor)]
    replaced: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for name, tensor in given.items():
            path, _, last = name.rpartition(".")
            owner = module.get_submodule(path)
            table: Any = next((t for t in (owner._parameters, owner._buffers) if last in t), None)
            if table is not None:
                replaced.append((table, last, table[last]))
                table[last] = tensor
        called = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*called, **(kwargs or {}))
    finally:
        for table, last, tensor in reversed(replaced):
            table[last] = tensor
