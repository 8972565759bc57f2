"""Modules as functions of their parameters: `functional_call`, and the stacked parameters of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core import FUNCTIONS, Tensor
from ..nn import Module

__all__ = ["functional_call", "functionalize", "stack_module_state"]


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


def stack_module_state(models: Sequence[Module]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of models of one architecture by name, each stacked along a new first dimension.

    Raises:
        RuntimeError: no models, models of different classes, or some in training and some not.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    stack = FUNCTIONS["stack"]
    first = models[0]
    params: dict[str, Any] = {}
    for name, like in first.named_parameters():
        stacked = stack([dict(model.named_parameters())[name].detach() for model in models])
        params[name] = stacked.requires_grad_(like.requires_grad)
    buffers = {
        name: stack([dict(model.named_buffers())[name] for model in models]) for name, _ in first.named_buffers()
    }
    return params, buffers


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """The function itself: what PyTorch removes for its compilers need not be removed here."""
    return func
