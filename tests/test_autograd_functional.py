"""`autograd.functional`: jacobian, hessian and the products, against PyTorch."""

from typing import Any

import pytest

import pellucid
from tests.twins import both_raise, same

X = [0.5, -1.0, 2.0]
W = [[0.3, 0.7, -1.1], [0.1, -0.4, 0.9]]


def numbers(library: Any, data: Any, **how: Any) -> Any:
    return library.tensor(data, dtype=library.float64, **how)


def vector(x: Any) -> Any:
    return x.exp() * x.sum()


def scalar(x: Any) -> Any:
    return (x.exp() * x).sum() ** 2


def of_two(x: Any, w: Any) -> Any:
    return (w * x).tanh()


def scalar_of_two(x: Any, w: Any) -> Any:
    return ((w * x).tanh() ** 2).sum()


def pair(x: Any, w: Any) -> Any:
    return (w * x).sum(dim=1), x.exp()


def constant(x: Any) -> Any:
    return x.detach() * 2


def half(x: Any, w: Any) -> Any:
    return (x * x).sum()


def linear(x: Any) -> Any:
    return (x * 3).sum()


CALLS: dict[str, Any] = {
    "jacobian": lambda f, x, w: f.jacobian(vector, x),
    "jacobian of a scalar": lambda f, x, w: f.jacobian(scalar, x),
    "jacobian of two": lambda f, x, w: f.jacobian(of_two, (x, w)),
    "jacobian of a tuple of one": lambda f, x, w: f.jacobian(vector, (x,)),
    "jacobian to a pair": lambda f, x, w: f.jacobian(pair, (x, w)),
    "jacobian of a constant": lambda f, x, w: f.jacobian(constant, x),
    "jacobian vectorized": lambda f, x, w: f.jacobian(of_two, (x, w), vectorize=True),
    "hessian": lambda f, x, w: f.hessian(scalar, x),
    "hessian of two": lambda f, x, w: f.hessian(scalar_of_two, (x, w)),
    "hessian where one is not used": lambda f, x, w: f.hessian(half, (x, w)),
    "hessian of a linear function": lambda f, x, w: f.hessian(linear, x),
    "vjp": lambda f, x, w: f.vjp(vector, x, x * 2),
    "vjp without a vector": lambda f, x, w: f.vjp(scalar, x),
    "vjp of two": lambda f, x, w: f.vjp(of_two, (x, w), w + 1),
    "vjp to a pair": lambda f, x, w: f.vjp(pair, (x, w), (x[:2], x)),
    "vjp of a constant": lambda f, x, w: f.vjp(constant, x, x),
    "jvp": lambda f, x, w: f.jvp(vector, x, x * 2),
    "jvp of two": lambda f, x, w: f.jvp(of_two, (x, w), (x, w)),
    "jvp to a pair": lambda f, x, w: f.jvp(pair, (x, w), (x, w)),
    "jacobian at one number": lambda f, x, w: f.jacobian(lambda t: t * t, x[0]),
    "hessian at one number": lambda f, x, w: f.hessian(lambda t: t**3, x[0]),
    "jvp of one number": lambda f, x, w: f.jvp(vector, x[0]),
    "jvp of a linear function": lambda f, x, w: f.jvp(linear, x, x),
    "hvp": lambda f, x, w: f.hvp(scalar, x, x * 2),
    "hvp of two": lambda f, x, w: f.hvp(scalar_of_two, (x, w), (x, w)),
    "hvp of one number": lambda f, x, w: f.hvp(scalar, x[0]),
    "hvp of a linear function": lambda f, x, w: f.hvp(linear, x, x),
    "vhp": lambda f, x, w: f.vhp(scalar, x, x * 2),
    "vhp of two": lambda f, x, w: f.vhp(scalar_of_two, (x, w), (x, w)),
    "vhp where one is not used": lambda f, x, w: f.vhp(half, (x, w), (x, w)),
    "strict and dependent": lambda f, x, w: f.jacobian(vector, x, strict=True),
}


@pytest.mark.parametrize("name", CALLS)
def test_call(name: str) -> None:
    same(lambda library: CALLS[name](library.autograd.functional, numbers(library, X), numbers(library, W)), rtol=1e-9)


@pytest.mark.parametrize("name", ["jacobian of two", "hessian", "vjp of two", "jvp of two", "hvp of two", "vhp of two"])
def test_inputs_keep_their_flags_and_gradients(name: str) -> None:
    def program(library: Any) -> Any:
        x, w = numbers(library, X, requires_grad=True), numbers(library, W)
        found = CALLS[name](library.autograd.functional, x, w)
        return found, x, x.grad, w

    same(program, rtol=1e-9)


CREATING: dict[str, Any] = {
    "jacobian": lambda f, x: f.jacobian(vector, x, create_graph=True),
    "hessian": lambda f, x: f.hessian(scalar, x, create_graph=True),
    "vjp": lambda f, x: f.vjp(vector, x, x.detach(), create_graph=True)[1],
    "jvp": lambda f, x: f.jvp(vector, x, x.detach(), create_graph=True)[1],
    "hvp": lambda f, x: f.hvp(scalar, x, x.detach(), create_graph=True)[1],
    "vhp": lambda f, x: f.vhp(scalar, x, x.detach(), create_graph=True)[1],
    "vjp's output": lambda f, x: f.vjp(vector, x, x.detach(), create_graph=True)[0],
}


@pytest.mark.parametrize("name", CREATING)
def test_create_graph(name: str) -> None:
    """What comes out can be differentiated with respect to what went in."""

    def program(library: Any) -> Any:
        x = numbers(library, X, requires_grad=True)
        found = CREATING[name](library.autograd.functional, x)
        return found, library.autograd.grad((found * found).sum(), x)

    same(program, rtol=1e-9)


@pytest.mark.parametrize("data", [[float("inf"), 1.0], [float("nan"), 1.0]])
def test_zeros_are_zeros_at_infinity(data: list[float]) -> None:
    same(lambda library: library.autograd.functional.jacobian(lambda x: x * 0 + 1.0, numbers(library, data)))
    same(lambda library: library.autograd.functional.jacobian(constant, numbers(library, data)))
    same(
        lambda library: library.autograd.functional.jvp(
            lambda x: x + 1, numbers(library, data), numbers(library, X[:2])
        )
    )


REFUSED: dict[str, tuple[Any, list[str]]] = {
    "no tensor in": (lambda f, x, w: f.jacobian(vector, 3.0), ["inputs", "float"]),
    "no tensor in the tuple": (lambda f, x, w: f.vjp(of_two, (x, 3.0)), ["inputs", "float"]),
    "no tensor out": (lambda f, x, w: f.jacobian(lambda t: 3.0, x), ["must be either a Tensor", "float"]),
    "vjp needs v": (lambda f, x, w: f.vjp(vector, x), ["v can only be None", "returns a single Tensor"]),
    "jvp needs v": (lambda f, x, w: f.jvp(vector, x), ["v can only be None", "input"]),
    "v of another shape": (
        lambda f, x, w: f.vjp(vector, x, x[:2]),
        ["v has invalid size", "torch.Size([3])", "torch.Size([2])"],
    ),
    "too many v": (lambda f, x, w: f.vjp(vector, x, (x, x)), ["v"]),
    "hessian of a vector": (lambda f, x, w: f.hessian(vector, x), ["single element", "(3,)"]),
    "hvp of a vector": (lambda f, x, w: f.hvp(vector, x, x), ["single element", "(3,)"]),
    "strict jacobian": (
        lambda f, x, w: f.jacobian(constant, x, strict=True),
        ["does not require gradients", "strict mode"],
    ),
    "strict jacobian of two": (lambda f, x, w: f.jacobian(half, (x, w), strict=True), ["independent", "input 1"]),
    "strict vjp": (lambda f, x, w: f.vjp(half, (x, w), strict=True), ["independent", "input 1"]),
    "strict hessian": (lambda f, x, w: f.hessian(linear, x, strict=True), ["independent", "strict mode"]),
    "strict hvp": (lambda f, x, w: f.hvp(linear, x, x, strict=True), ["independent", "strict mode"]),
    "strict vhp": (lambda f, x, w: f.vhp(half, (x, w), (x, w), strict=True), ["independent", "input 1"]),
    "strict jvp": (lambda f, x, w: f.jvp(half, (x, w), (x, w), strict=True), ["independent", "input 1"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, words = REFUSED[name]
    both_raise(lambda library: call(library.autograd.functional, numbers(library, X), numbers(library, W)), *words)


def test_jacobian_of_nothing() -> None:
    """Of an output without elements; PyTorch refuses to stack no rows."""
    found = pellucid.autograd.functional.jacobian(lambda t: t[:0] * 2, numbers(pellucid, X))
    assert tuple(found.shape) == (0, 3)


def test_the_package_has_its_parts() -> None:
    assert pellucid.autograd.function.Function is pellucid.autograd.Function
