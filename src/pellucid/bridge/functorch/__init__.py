"""`functorch`, from the time before `torch.func`: its transforms, and modules as functions of their parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pellucid
from pellucid.core import Tensor
from pellucid.func import functionalize, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap
from pellucid.torch_names import absent

__all__ = [
    "combine_state_for_ensemble", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "linearize", "make_functional", "make_functional_with_buffers", "vjp", "vmap",
]  # fmt: skip

Values = tuple[Tensor, ...]


class FunctionalModuleWithBuffers:
    """A module without numbers of its own: called with parameters, buffers and the inputs."""

    def __init__(self, model: Any) -> None:
        self.stateless_model = model
        self.param_names = tuple(name for name, _ in model.named_parameters())
        self.buffer_names = tuple(name for name, _ in model.named_buffers())

    def __call__(self, params: Sequence[Tensor], buffers: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
        state = dict(zip(self.param_names + self.buffer_names, (*params, *buffers), strict=True))
        return pellucid.func.functional_call(self.stateless_model, state, args, kwargs)


class FunctionalModule(FunctionalModuleWithBuffers):
    """The same of a module that has no buffers: called with parameters and the inputs."""

    def __call__(self, params: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
        return super().__call__(params, (), *args, **kwargs)


def make_functional(model: Any, disable_autograd_tracking: bool = False) -> tuple[Callable[..., Any], Values]:
    """(function, parameters) of a module: `function(parameters, x)` is what the module gives.

    Raises:
        RuntimeError: the module has buffers, which `make_functional_with_buffers` takes.
    """
    buffers = [name for name, _ in model.named_buffers()]
    if buffers:
        raise RuntimeError(
            f"make_functional(model): `model` has buffers ({', '.join(buffers[:3])}). Please use "
            "make_functional_with_buffers(model) instead."
        )
    return FunctionalModule(copy.deepcopy(model)), _parameters(model, disable_autograd_tracking)


def make_functional_with_buffers(
    model: Any, disable_autograd_tracking: bool = False
) -> tuple[Callable[..., Any], Values, Values]:
    """(function, parameters, buffers) of a module: `function(parameters, buffers, x)` is what the module gives."""
    held = FunctionalModuleWithBuffers(copy.deepcopy(model))
    return held, _parameters(model, disable_autograd_tracking), tuple(model.buffers())


def _parameters(model: Any, detached: bool) -> Values:
    return tuple(param.detach() if detached else param for param in model.parameters())


def combine_state_for_ensemble(models: Sequence[Any]) -> tuple[Callable[..., Any], Values, Values]:
    """(function, parameters, buffers) of modules of one structure, their numbers stacked for `vmap`.

    Raises:
        RuntimeError: there are none, or they are not of one class or not in one mode.
    """
    if not models:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    if len({type(model) for model in models}) > 1:
        raise RuntimeError("combine_state_for_ensemble: Expected all models to be of the same class.")
    if len({model.training for model in models}) > 1:
        raise RuntimeError("combine_state_for_ensemble: Expected all models to have the same training/eval mode.")
    function = make_functional_with_buffers(models[0])[0]
    params, buffers = (
        tuple(pellucid.stack([tensor.detach() for tensor in same]) for same in zip(*kind, strict=True))
        for kind in ([list(m.parameters()) for m in models], [list(m.buffers()) for m in models])
    )
    return function, tuple(param.requires_grad_() for param in params), buffers


__getattr__ = absent("functorch")
