"""Derivatives of functions: `jacobian`, `hessian`, and their products with vectors, by PyTorch's names.

Each takes a function of tensors that returns a tensor (or a tuple), and a tensor or a tuple of tensors to evaluate it
at. Results follow the structure of the arguments: a tensor for a tensor, a tuple for a tuple. With
`create_graph=True` they can be differentiated further. An input that the function does not depend on counts as
derivative zero, or is an error with `strict=True`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


def _checked(value: object, what: str, name: str) -> tuple[Tensor, ...]:
    """One tensor or several, as a tuple."""
    found = _tuple(value)
    for index, tensor in enumerate(found):
        if not isinstance(tensor, Tensor):
            one = f"given {what}" if found != value else f"value at index {index}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the {one} has type "
                f"{type(tensor)}."
            )
    return found


def _leaves(inputs: object, create_graph: bool, name: str) -> tuple[Tensor, ...]:
    """The inputs as tensors that require a gradient; connected to their history if the result should be."""
    return tuple(
        tensor.view_as(tensor) if create_graph and tensor.requires_grad else tensor.detach().requires_grad_()
        for tensor in _checked(inputs, "inputs", name)
    )


def _outputs(
    function: Function, inputs: tuple[Tensor, ...], name: str, strict: bool
) -> tuple[object, tuple[Tensor, ...]]:
    """What the function returned, as it is and as a tuple."""
    result = function(*inputs)
    outputs = _checked(result, "outputs of the user-provided function", name)
    if strict:
        _depend(
            outputs,
            "Output {} of the user-provided function does not require gradients. The outputs must be computed in a "
            "differentiable manner from the input when running in strict mode.",
        )
    return result, outputs


def _depend(tensors: Iterable[Tensor | None], refusal: str) -> None:
    for index, tensor in enumerate(tensors):
        if tensor is None or not tensor.requires_grad:
            raise RuntimeError(refusal.format(index))


_LINEAR = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is "
    "independent of the input. This is not allowed in strict mode. You should ensure that your function is twice "
    "differentiable and that the jacobian depends on the inputs (this would be violated by a linear function for "
    "example)."
)


_FIXED = (
    "The jacobian of the user-provided function is independent of input {}. This is not allowed in strict mode when "
    "create_graph=True."
)


def _grad(
    outputs: Any, inputs: Any, seeds: Any, create_graph: bool, refusal: str | None = None, fixed: str = _FIXED
) -> list[Tensor]:  # fmt: skip
    """Gradients, with zeros where there is no dependence; or an error, if there is a `refusal`.

    `fixed` is the error for a gradient that does not change, where it is to be differentiated further.
    """
    live = [(out, seed) for out, seed in zip(outputs, seeds, strict=True) if out.requires_grad]
    if not live:
        found: Any = [None] * len(inputs)
    else:
        found = grad(
            [out for out, _ in live], inputs, [seed for _, seed in live], retain_graph=True,
            create_graph=create_graph, allow_unused=True,
        )  # fmt: skip
    if refusal is not None:
        for index, gradient in enumerate(found):
            if gradient is None:
                raise RuntimeError(f"{refusal.format(index)} This is not allowed in strict mode.")
        if create_graph:
            _depend(found, fixed)
    return [zeros_like(tensor) if got is None else got for tensor, got in zip(inputs, found, strict=True)]


_CONSTANT = "The output of the user-provided function is independent of input {}."


def _like(given: Any, values: Any) -> Any:
    return tuple(values) if isinstance(given, tuple | list) else values[0]


def _scalar(name: str, outputs: tuple[Tensor, ...]) -> Tensor:
    if len(outputs) != 1:
        raise RuntimeError(
            f"The function given to {name} should return a single Tensor, this one returned {len(outputs)}"
        )
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element, this one has shape "
            f"{tuple(outputs[0].shape)}"
        )
    return outputs[0]


def _vectors(v: object, like: tuple[Tensor, ...], given: object, where: str, name: str) -> tuple[Tensor, ...]:
    """The vector of a product: of the shapes of `like`, which is the tuple of what was `given`."""
    if v is None:
        if len(like) == 1 and like[0].numel() == 1:
            return (ones_like(like[0]),)
        raise RuntimeError(f"The vector v can only be None if {where} a single Tensor with a single element.")
    found = _checked(v, "v", name)
    several = isinstance(given, tuple | list)
    if len(found) != len(like):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(found)}."
            if several
            else "The given v should contain a single Tensor."
        )
    for index, (vector, other) in enumerate(zip(found, like, strict=True)):
        if vector.shape != other.shape:
            entry = f"Entry {index} in " if several else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {other.shape!r} but got {vector.shape!r}.")
    return found


_TO_ONE = "the user-provided function returns"
_OF_ONE = "the input to the user-provided function is"


def vjp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(outputs, vᵀ · J): the product of a vector with the Jacobian. `v` has the shape of the outputs."""
    with enable_grad():
        at = _leaves(inputs, create_graph, "vjp")
        result, outputs = _outputs(func, at, "vjp", strict)
        seeds = _vectors(v, outputs, result, _TO_ONE, "vjp")
        found = _grad(outputs, at, seeds, create_graph, _CONSTANT if strict else None)
    return _left(result, outputs, create_graph), _like(inputs, found)


def _left(result: object, outputs: tuple[Tensor, ...], create_graph: bool) -> object:
    return _like(result, outputs if create_graph else tuple(output.detach() for output in outputs))


def jvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(outputs, J · v), by differentiating u ↦ uᵀ · J twice. `v` has the shape of the inputs."""
    with enable_grad():
        at = _leaves(inputs, create_graph, "jvp")
        vectors = _vectors(v, at, inputs, _OF_ONE, "jvp")
        result, outputs = _outputs(func, at, "jvp", strict)
        dummies = tuple(zeros_like(output).requires_grad_() for output in outputs)
        pulled = _grad(outputs, at, dummies, True, _CONSTANT if strict else None)
        found = _grad(pulled, dummies, vectors, create_graph)
    return _left(result, outputs, create_graph), _like(result, found)


def hvp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(value, H · v): the product of the Hessian of a scalar function with a vector of the inputs' shape."""
    return _product("hvp", func, inputs, v, create_graph, strict)


def vhp(func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> Any:
    """(value, vᵀ · H), equal to `hvp` since the Hessian is symmetric."""
    return _product("vhp", func, inputs, v, create_graph, strict)


def _product(name: str, func: Function, inputs: Any, v: Any, create_graph: bool, strict: bool) -> Any:
    with enable_grad():
        at = _leaves(inputs, create_graph, name)
        vectors = _vectors(v, at, inputs, _OF_ONE, name)
        output = _scalar(name, _outputs(func, at, name, strict)[1])
        slopes = _grad((output,), at, (ones_like(output),), True, _CONSTANT if strict else None, _LINEAR)
        linear = "The jacobian of the user-provided function is independent of input {}."
        found = _grad(slopes, at, vectors, create_graph, linear if strict else None)
    return (output if create_graph else output.detach()), _like(inputs, found)


def jacobian(
    func: Function, inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """J[i, j] = ∂ output[i] / ∂ input[j], with shape (*output.shape, *input.shape).

    A tuple of outputs and inputs gives a tuple of tuples. `vectorize` and `strategy` change no number; beside `strict`
    they are refused, as in PyTorch.

    >>> import pellucid
    >>> jacobian(lambda x: x * x, pellucid.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strict and strategy == "forward-mode":
        raise RuntimeError(_together('`strategy="forward-mode"`', '`strategy="reverse-mode"`'))
    if strict and vectorize:
        raise RuntimeError(_together("`vectorized=True`", "`vectorize=False`"))
    with enable_grad():
        at = _leaves(inputs, create_graph, "jacobian")
        result, outputs = _outputs(func, at, "jacobian", strict)
        blocks = [_rows(i, output, at, create_graph, strict) for i, output in enumerate(outputs)]
    nested = tuple(_like(inputs, block) for block in blocks)
    return _like(result, nested)


def _together(asked: str, instead: str) -> str:
    return (
        f"torch.autograd.functional.jacobian: `strict=True` and {asked} are not supported together. Please either set "
        f"`strict=False` or {instead}."
    )


def _rows(
    index: int, output: Tensor, inputs: tuple[Tensor, ...], create_graph: bool, strict: bool
) -> list[Tensor]:  # fmt: skip
    stack = FUNCTIONS["stack"]
    flat = output.reshape(-1)
    constant = f"Output {index} of the user-provided function is independent of input {{}}." if strict else None
    found = [_grad((flat[i],), inputs, (ones_like(flat[i]),), create_graph, constant) for i in range(flat.numel())]
    if not found:
        return [wrap(input._array[:0].reshape((*output.shape, *input.shape))) for input in inputs]  # pyright: ignore[reportPrivateUsage]
    return [stack([row[j] for row in found]).reshape((*output.shape, *input.shape)) for j, input in enumerate(inputs)]


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

    _checked(inputs, "inputs", "hessian")

    def slope(*at: Tensor) -> Any:
        output = _scalar("hessian", _outputs(func, at, "hessian", strict)[1])
        found = _grad((output,), at, (ones_like(output),), True)
        if strict:
            _depend(found, _LINEAR)
        return tuple(found) if isinstance(inputs, tuple | list) else found[0]

    return jacobian(slope, inputs, create_graph, strict)


__getattr__ = absent(__name__)
