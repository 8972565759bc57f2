"""Modules as functions of their parameters: `functional_call`, and the stacked parameters of an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..declare import FUNCTIONS
from ..nn import Module
from ..nn.utils.stateless import functional_call

__all__ = ["functional_call", "functionalize", "stack_module_state"]


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
