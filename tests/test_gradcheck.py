"""What `gradcheck` says of wrong gradients, in PyTorch's words, and the Jacobians that a program compares by hand."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

import pellucid
from tests.twins import both_raise, same

Program = Callable[[Any], Any]


def numbers(lib: Any, *shape: int, kind: str = "float64") -> Any:
    lib.manual_seed(0)
    return lib.rand(*shape, dtype=getattr(lib, kind)).requires_grad_()


def hooked(lib: Any, make: Program, x: Any, **how: Any) -> Any:
    """gradcheck of a function to whose gradient a hundredth is added."""

    def function(given: Any) -> Any:
        out = make(given)
        out.register_hook(lambda g: g + 1e-2)
        return out

    return lib.autograd.gradcheck(function, (x,), fast_mode=False, **how)


def jittering(lib: Any, size: float) -> Any:
    class Jittering(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return Jittering.apply(g) * (1 + lib.rand_like(g) * size)

    return Jittering.apply


def wrong_tangent(lib: Any) -> Any:
    """The function makes another dual of one of its arguments."""
    ad = importlib.import_module(f"{lib.__name__}.autograd.forward_ad")

    def function(x: Any, y: Any) -> Any:
        if ad._current_level >= 0:
            value, tangent = ad.unpack_dual(y)
            y = ad.make_dual(value, tangent * 1.1)
        return x + y, y

    return lib.autograd.gradcheck(function, (numbers(lib, 2), numbers(lib, 2)), check_forward_ad=True)


WRONG: dict[str, tuple[Program, str]] = {
    "real": (lambda lib: hooked(lib, lambda x: x.clone(), numbers(lib, 2)),
             "Jacobian mismatch for output 0 with respect to input 0"),
    "complex": (lambda lib: hooked(lib, lambda x: x.clone(), numbers(lib, 2, kind="complex128")),
                "While considering the imaginary part of complex outputs only"),
    "to complex": (lambda lib: hooked(lib, lambda x: lib.complex(x, x), numbers(lib, 2)),
                   "While considering the imaginary part of complex outputs only"),
    "to real": (lambda lib: hooked(lib, lib.real, numbers(lib, 2, kind="complex128")),
                "Jacobian mismatch for output 0 with respect to input 0"),
    "not differentiable": (lambda lib: lib.autograd.gradcheck(lambda x: lib.tensor([x]), numbers(lib, 1)),
                           "Numerical gradient for function expected to be zero"),
    "not differentiable, fast": (
        lambda lib: lib.autograd.gradcheck(lambda x: lib.tensor([x]), numbers(lib, 1), fast_mode=True),
        "Numerical gradient for function expected to be zero"),
    "random": (lambda lib: lib.autograd.gradcheck(jittering(lib, 1e-6), numbers(lib, 3)), "Backward is not reentrant"),
    "random, second": (lambda lib: lib.autograd.gradgradcheck(jittering(lib, 1e-12), numbers(lib, 3)),
                       "Backward is not reentrant"),
    "tangent": (wrong_tangent, "Jacobian computed with forward mode mismatch for output 0 with respect to input 1"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True to a scalar")
@pytest.mark.parametrize("name", WRONG)
def test_what_is_said(name: str) -> None:
    both_raise(*WRONG[name], kind=RuntimeError)


def jacobians(lib: Any) -> Any:
    check = importlib.import_module(f"{lib.__name__}.autograd.gradcheck")
    a, b = numbers(lib, 2, 2), numbers(lib, 2, 2)
    with pytest.warns(FutureWarning, match="was part of PyTorch's private API"):  # noqa: PT031  each does
        numerical = check.get_numerical_jacobian(lambda given: (2 * given[0] + given[1], given[0]), (a, b), eps=1e-6)
        of_one = check.get_numerical_jacobian(lambda given: given[0] * given[1], (a, b), target=b, eps=1e-6)
        analytical, *facts = check.get_analytical_jacobian((a, b), 2 * a + b**2)
    return [numerical, of_one, analytical, facts]


def test_jacobians() -> None:
    same(jacobians, rtol=1e-6, atol=1e-8)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["numerical", "analytical"])
def test_jacobians_along_another_gradient(name: str) -> None:
    def run(lib: Any) -> Any:
        check = importlib.import_module(f"{lib.__name__}.autograd.gradcheck")
        x = numbers(lib, 2)
        given = (lambda given: given[0], (x,)) if name == "numerical" else ((x,), x * 1)
        return getattr(check, f"get_{name}_jacobian")(*given, grad_out=2.0)

    both_raise(run, "Expected grad_out to be 1.0")


@pytest.mark.filterwarnings("ignore:index_reduce")
@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("source", [[0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0], [0.0, 2.0], [1.5, 2.0]])
@pytest.mark.parametrize("into", [1.3, 0.0])
def test_second_derivatives_of_a_product_with_zeros(into: float, source: list[float], include: bool) -> None:
    """PyTorch refuses two zeros that are sent to one place."""
    index = pellucid.tensor([0] * len(source))
    given = [pellucid.tensor(x, dtype=pellucid.float64, requires_grad=True) for x in ([into], source)]
    for reduce in (pellucid.scatter_reduce, pellucid.index_reduce):
        assert pellucid.autograd.gradgradcheck(
            lambda x, y, reduce=reduce: reduce(x, 0, index, y, "prod", include_self=include), given
        )
