"""Gradients by finite differences along random directions, to any order (after HIPS/autograd's `check_grads`).

A function's outputs are projected onto fixed random numbers, so that one scalar remains; its derivative along one
random direction of all inputs must be what the gradient says. The gradient is itself such a function: for the second
order, it is checked in the same way.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import pellucid

STEP = 1e-5


def check_gradients(
    function: Callable[..., Any],
    inputs: Sequence[np.ndarray],
    order: int = 2,
    rtol: float = 1e-5,
    seed: int = 0,
) -> None:
    """Raise AssertionError where the gradient of `function` (of float64 tensors) is not its derivative."""
    rng = np.random.default_rng(seed)
    inputs = [np.asarray(array, np.float64) for array in inputs]
    weights: list[Any] = []

    def project(*tensors: Any) -> Any:
        outs = function(*tensors)
        outs = outs if isinstance(outs, tuple | list) else [outs]
        total: Any = 0.0
        for index, out in enumerate(outs):
            if index == len(weights):
                weights.append(pellucid.from_numpy(np.asarray(rng.normal(size=tuple(out.shape)))))
            total = total + (out * weights[index]).sum()
        return total

    def value(arrays: Sequence[np.ndarray]) -> float:
        tensors = [pellucid.tensor(array).requires_grad_() for array in arrays]  # a gradient has a graph to be walked
        return float(project(*tensors).detach().numpy())

    direction = [rng.normal(size=array.shape) for array in inputs]
    there = value([array + STEP * way for array, way in zip(inputs, direction, strict=True)])
    here = value([array - STEP * way for array, way in zip(inputs, direction, strict=True)])
    numeric = (there - here) / (2 * STEP)

    tensors = [pellucid.tensor(array).requires_grad_() for array in inputs]
    gradients = gradients_of(project, tensors, create_graph=False)
    assert [array.shape for array in gradients] == [array.shape for array in tensors], "a gradient has another shape"
    exact = sum(float((array * way).sum()) for array, way in zip(map(_array, gradients), direction, strict=True))
    scale = max(1.0, abs(numeric), abs(exact))
    assert abs(numeric - exact) <= rtol * scale, f"order {order} from the top: numeric {numeric}, by backward {exact}"
    if order == 1:
        return
    # A backward that is to be differentiated runs on Tensors, and computes by-products anew: it must say the same.
    again = gradients_of(project, tensors, create_graph=True)
    for index, (once, other) in enumerate(zip(map(_array, gradients), map(_array, again), strict=True)):
        np.testing.assert_allclose(other, once, rtol, rtol, err_msg=f"gradient of input {index} with create_graph")
    count = len(inputs)

    def gradient(*given: Any) -> Any:
        """The gradient depends on what came from above, the weights, as well."""
        weights[:] = given[count:]
        return gradients_of(project, given[:count], create_graph=True)

    check_gradients(gradient, [*inputs, *map(_array, weights)], order - 1, rtol, seed + 1)


def gradients_of(function: Callable[..., Any], tensors: Sequence[Any], create_graph: bool) -> tuple[Any, ...]:
    """The gradients with respect to all tensors, zeros where the function does not depend on one."""
    out = function(*tensors)
    if not out.requires_grad:
        return tuple(pellucid.zeros_like(tensor) for tensor in tensors)
    from pellucid.reverse import grad

    found = grad(out, list(tensors), create_graph=create_graph, allow_unused=True)
    return tuple(
        pellucid.zeros_like(tensor) if got is None else got for tensor, got in zip(tensors, found, strict=True)
    )


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().numpy()
