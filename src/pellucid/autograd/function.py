"""`pellucid.autograd.function`: where PyTorch keeps `Function` and what belongs to it."""

from pellucid.core.custom_function import Function, FunctionCtx, once_differentiable

__all__ = ["Function", "FunctionCtx", "once_differentiable"]
