"""`torch.nn.grad`: the gradients of convolutions as functions of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.autograd import grad
from pellucid.core import Tensor, enable_grad
from pellucid.declare import FUNCTIONS
from pellucid.torch_names import absent

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _gradient(name: str, at: str, input: Any, weight: Any, grad_output: Tensor, options: dict[str, Any]) -> Tensor:
    """The gradient of a convolution by its input or its weight, of which only the size is known."""
    with enable_grad():
        like = {"dtype": grad_output.dtype, "requires_grad": True}
        leaf = FUNCTIONS["zeros"](tuple(input if at == "input" else weight), **like)
        given = (leaf, weight) if at == "input" else (input, leaf)
        out = FUNCTIONS[name](*given, None, **options)
    found = grad(out, leaf, grad_output)[0]
    return found if found is not None else leaf.detach()


def _by_input(rank: int) -> Any:
    def gradient(
        input_size: Sequence[int], weight: Tensor, grad_output: Tensor, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return _gradient(f"conv{rank}d", "input", input_size, weight, grad_output, options)

    gradient.__name__ = gradient.__qualname__ = f"conv{rank}d_input"
    gradient.__doc__ = f"The gradient of `conv{rank}d` by its input, which has `input_size`, for `grad_output`."
    return gradient


def _by_weight(rank: int) -> Any:
    def gradient(
        input: Tensor, weight_size: Sequence[int], grad_output: Tensor, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return _gradient(f"conv{rank}d", "weight", input, weight_size, grad_output, options)

    gradient.__name__ = gradient.__qualname__ = f"conv{rank}d_weight"
    gradient.__doc__ = f"The gradient of `conv{rank}d` by its weight, which has `weight_size`, for `grad_output`."
    return gradient


conv1d_input, conv2d_input, conv3d_input = _by_input(1), _by_input(2), _by_input(3)
conv1d_weight, conv2d_weight, conv3d_weight = _by_weight(1), _by_weight(2), _by_weight(3)

__getattr__ = absent(__name__)
