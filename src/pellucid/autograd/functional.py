"""Derivatives of functions: `jacobian`, `hessian`, and their products with vectors, by PyTorch's names.

Each takes a function of tensors that returns a tensor (or a tuple), and a tensor or a tuple of tensors to evaluate it
at. Results follow the structure of the arguments: a tensor for a tensor, a tuple for a tuple. With
`create_graph=True` they can be differentiated further. An input that the function does not depend on counts as
derivative zero, or is an error with `strict=True`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.core import Tensor, enable_grad, wrap
from pellucid.core.node import Arguments
from pellucid.core.tensor import ones_like, zeros_like
from pellucid.declare import FUNCTIONS
from pellucid.reverse import grad
from pellucid.torch_names import absent

Function = Callable[..., Any]


def _tuple(value: Any) -> Arguments:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _leaves(inputs: Any, create_graph: bool) -> tuple[Tensor, ...]:
    """The inputs as tensors that require a gradient; connected to their history if the result should be."""
    found: list[Tensor] = []
    for tensor in _tuple(inputs):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"the inputs must be a Tensor or a tuple of Tensors, got {type(tensor).__name__}")
        connected = create_graph and tensor.requires_grad
        found.append(tensor.view_as(tensor) if connected else tensor.detach().requires_grad_())
    return tuple(found)


def _outputs(function: Function, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return _checked(_tuple(function(*inputs)))


def _checked(outputs: Arguments) -> tuple[Tensor, ...]:
    for tensor in outputs:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"the function must return a Tensor or a tuple of Tensors, got {type(tensor).__name__}")
    return outputs


def _grad(outputs: Any, inputs: Any, seeds: Any, create_graph: bool, strict: bool) -> list[Tensor]:
    """Gradients with zeros where there is no dependence."""
    live = [(out, seed) for out, seed in zip(outputs, seeds, strict=True) if out.requires_grad]
    if not live:
        found: Any = [None] * len(inputs)
    else:
        found = grad(
            [out for out, _ in live], inputs, [seed for _, seed in live], retain_graph=True,
            create_graph=create_graph, allow_unused=True,
        )  # fmt: skip
    if strict and any(gradient is None for gradient in found):
        index = [gradient is None for gradient in found].index(True)
        raise RuntimeError(f"the output of the function is independent of input {index}; strict=True does not allow it")
    return [zeros_like(tensor) if got is None else got for tensor, got in zip(inputs, found, strict=True)]


def _like(given: Any, values: Any) -> Any:
    return tuple(values) if isinstance(given, tuple | list) else values[0]


def _scalar(name: str, outputs: tuple[Tensor, ...]) -> Tensor:
    if len(outputs) != 1 or outputs[0].numel() != 1:
        shapes = [tuple(output.shape) for output in outputs]
        raise RuntimeError(f"{name} takes a function that returns one number, this one returned shape(s) {shapes}")
    return outputs[0]


def _vectors(v: Any, like: tuple[Tensor, ...], what: str) -> tuple[Tensor, ...]:
    if v is None:
        if len(like) == 1 and like[0].numel() == 1:
            return (ones_like(like[0]),)
        raise RuntimeError(f"the vector v can only be None if the {what} is a single number; pass one of its shape")
    given = _tuple(v)
    if [tuple(tensor.shape) for tensor in given] != [tuple(tensor.shape) for tensor in like]:
        raise RuntimeError(
            f"v must have the shape(s) of the {what}, {[tuple(tensor.shape) for tensor in like]}, got "
            f"{[tuple(tensor.shape) for tensor in given]}"
        )
    return given


def vjp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(outputs, vᵀ · J): the product of a vector with the Jacobian. `v` has the shape of the outputs."""
    with enable_grad():
        at = _leaves(inputs, create_graph)
        outputs = _outputs(func, at)
        seeds = _vectors(v, outputs, "output")
        found = _grad(outputs, at, seeds, create_graph, strict)
    return _like_result(outputs, func, create_graph), _like(inputs, found)


def _like_result(outputs: tuple[Tensor, ...], func: Function, create_graph: bool) -> Any:
    done = outputs if create_graph else tuple(output.detach() for output in outputs)
    return done[0] if len(done) == 1 else done


def jvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(outputs, J · v), by differentiating u ↦ uᵀ · J twice. `v` has the shape of the inputs."""
    with enable_grad():
        at = _leaves(inputs, create_graph)
        vectors = _vectors(v, at, "input")
        outputs = _outputs(func, at)
        dummies = tuple(zeros_like(output).requires_grad_() for output in outputs)
        pulled = _grad(outputs, at, dummies, True, strict)
        found = _grad(pulled, dummies, vectors, create_graph, False)
    return _like_result(outputs, func, create_graph), (tuple(found) if len(found) > 1 else found[0])


def hvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(value, H · v): the product of the Hessian of a scalar function with a vector of the inputs' shape."""
    with enable_grad():
        at = _leaves(inputs, create_graph)
        vectors = _vectors(v, at, "input")
        output = _scalar("hvp", _outputs(func, at))
        slopes = _grad((output,), at, (ones_like(output),), True, strict)
        found = _grad(slopes, at, vectors, create_graph, strict)
    return (output if create_graph else output.detach()), _like(inputs, found)


def vhp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(value, vᵀ · H), equal to `hvp` since the Hessian is symmetric."""
    return hvp(func, inputs, v, create_graph, strict)


def jacobian(
    func: Function, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """J[i, j] = ∂ output[i] / ∂ input[j], with shape (*output.shape, *input.shape).

    A tuple of outputs and inputs gives a tuple of tuples. `vectorize` and `strategy` are accepted and change nothing.

    >>> import pellucid
    >>> jacobian(lambda x: x * x, pellucid.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    with enable_grad():
        at = _leaves(inputs, create_graph)
        result = func(*at)
        outputs = _checked(_tuple(result))
        blocks = [_rows(output, at, create_graph, strict) for output in outputs]
    nested = tuple(_like(inputs, block) for block in blocks)
    return nested if isinstance(result, tuple | list) else nested[0]


def _rows(output: Tensor, inputs: tuple[Tensor, ...], create_graph: bool, strict: bool) -> list[Tensor]:
    stack = FUNCTIONS["stack"]
    flat = output.reshape(-1)
    found = [_grad((flat[i],), inputs, (ones_like(flat[i]),), create_graph, strict) for i in range(flat.numel())]
    if not found:
        return [wrap(input._array[:0].reshape(*output.shape, *input.shape)) for input in inputs]  # pyright: ignore[reportPrivateUsage]
    return [stack([row[j] for row in found]).reshape(*output.shape, *input.shape) for j, input in enumerate(inputs)]


def hessian(
    func: Function, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """H[i, j] = ∂² func / ∂ input[i] ∂ input[j] of a scalar function, with shape (*input.shape, *input.shape).

    >>> import pellucid
    >>> hessian(lambda x: (x**3).sum(), pellucid.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """

    def slope(*at: Tensor) -> Any:
        output = _scalar("hessian", _outputs(func, at))
        found = _grad((output,), at, (ones_like(output),), True, strict)
        if strict and not all(gradient.requires_grad for gradient in found):
            raise RuntimeError(
                "the gradient of the function is independent of its inputs (the function is linear in one); "
                "strict=True does not allow it"
            )
        return tuple(found) if isinstance(inputs, tuple | list) else found[0]

    return jacobian(slope, inputs, create_graph, strict)


__getattr__ = absent(__name__)
