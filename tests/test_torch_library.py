"""`torch.library`: a program's own operators, held to PyTorch's."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from tests.test_torch_own import text

Made = Callable[[Any], Any]


def rooms(lib: Any) -> tuple[Any, Any]:
    """`torch.library` and `torch.ops` of a library."""
    if lib is torch:
        return torch.library, torch.ops
    return tuple(importlib.import_module(f"pellucid.bridge.torch.{name}") for name in ("library", "ops"))


def sine(lib: Any, name: str, **how: Any) -> Any:
    library, _ = rooms(lib)

    def forward(x, k=1.0):
        return lib.from_numpy(np.sin(x.detach().numpy() * k))

    forward.__annotations__ = {"x": lib.Tensor, "k": float, "return": lib.Tensor}
    return library.custom_op(f"pellucid_tests::{name}", forward, mutates_args=(), **how)


def differentiated(lib: Any) -> Any:
    op = sine(lib, "sine")

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.k = inputs[1]

    def backward(ctx: Any, grad: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad * ctx.k * (x * ctx.k).cos(), None

    op.register_autograd(backward, setup_context=setup)
    x = lib.tensor([0.5, 2.0], requires_grad=True)
    rooms(lib)[1].pellucid_tests.sine(x, k=2.0).sum().backward()
    return op(x).detach(), x.grad, op(x).requires_grad, op(x.detach()).requires_grad


def without_a_derivative(lib: Any) -> Any:
    out = sine(lib, "sine_alone")(lib.ones(2, requires_grad=True))
    assert out.requires_grad
    out.sum().backward()


def handed_back(lib: Any) -> Any:
    def same(x):
        return x

    same.__annotations__ = {"x": lib.Tensor, "return": lib.Tensor}
    return rooms(lib)[0].custom_op("pellucid_tests::same", same, mutates_args=())(lib.ones(1))


def of_lists(lib: Any) -> Any:
    library, ops = rooms(lib)
    library.define("pellucid_tests::joined", "(Tensor[] xs, *, float scale=1.) -> Tensor[]")

    @library.impl("pellucid_tests::joined", "cpu")
    def joined(xs: Any, *, scale: float = 1.0) -> Any:
        return [lib.cat(list(xs)) * scale, xs[0] * 2]

    library.register_autograd(
        "pellucid_tests::joined", lambda ctx, grads: ([grads[0][:2] + 2 * grads[1], grads[0][2:]],)
    )
    a, b = lib.ones(2, requires_grad=True), lib.ones(3, requires_grad=True)
    first, second = ops.pellucid_tests.joined([a, b])
    (first.sum() + second.sum()).backward()
    return first.detach(), second.detach(), a.grad, b.grad


def by_a_library(lib: Any) -> Any:
    """Kernels by key: one that is made of ops, one for the CPU, one that says how it is differentiated."""
    library, ops = rooms(lib)
    with library._scoped_library("pellucid_scoped", "FRAGMENT") as own:
        own.define("square(Tensor x) -> Tensor")
        own.define("cube(Tensor x) -> Tensor")
        own.impl("square", lambda x: x * x, "CompositeImplicitAutograd")
        own.impl("cube", lambda x: x**3, "CPU")
        x = lib.tensor([3.0], requires_grad=True)
        ops.pellucid_scoped.square(x).backward()
        return x.grad, ops.pellucid_scoped.cube(x.detach()), str(ops.pellucid_scoped.cube.default)


def inferred(lib: Any) -> Any:
    def function(x, y, many, how="sum", *, k=2, z=True):
        return x

    tensor = lib.Tensor
    function.__annotations__ = {
        "x": tensor, "y": tensor | None, "many": list[tensor], "how": str, "k": int, "z": bool,
        "return": tuple[tensor, int],
    }  # fmt: skip
    return rooms(lib)[0].infer_schema(function, mutates_args=("x",))


def unannotated(lib: Any) -> Any:
    return rooms(lib)[0].infer_schema(lambda x: x, mutates_args=())


def changed_in_place(lib: Any) -> Any:
    def double(x):
        x.numpy()[...] *= 2

    double.__annotations__ = {"x": lib.Tensor, "return": None}
    x = lib.ones(2)
    made = rooms(lib)[0].custom_op("pellucid_tests::double", double, mutates_args={"x"})(x)
    return made, x, x._version


PROGRAMS: dict[str, Made] = {
    program.__name__.replace("_", " "): program
    for program in (
        differentiated, without_a_derivative, handed_back, of_lists, by_a_library, inferred, unannotated,
        changed_in_place,
    )
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_operator_of_ones_own(name: str) -> None:
    assert text(pellucid, PROGRAMS[name]) == text(torch, PROGRAMS[name])


def test_a_kernel_for_autograd_and_one_without_memory() -> None:
    """The first is called before the one for the CPU, which it calls by the same name."""
    library, ops = rooms(pellucid)

    class Tripled(pellucid.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return ops.pellucid_own.tripled(x)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad * 3

    own = library.Library("pellucid_own", "DEF")
    own.define("tripled(Tensor x) -> Tensor")
    own.impl("tripled", lambda x: x * 3, "CPU")
    own.impl("tripled", Tripled.apply, "Autograd")
    own.impl("tripled", lambda x: pellucid.empty_like(x), "Meta")
    x = pellucid.ones(2, requires_grad=True)
    ops.pellucid_own.tripled(x).sum().backward()
    assert x.grad.tolist() == [3, 3]
    own._destroy()
    with pytest.raises(AttributeError):
        ops.pellucid_own.tripled(x)


def test_an_operator_of_tritons_kernels_is_one_like_others() -> None:
    library, ops = rooms(pellucid)

    def twice(x):
        return library.wrap_triton(pellucid.add)(x, x)

    twice.__annotations__ = {"x": pellucid.Tensor, "return": pellucid.Tensor}
    made = library.triton_op("pellucid_kernels::twice", mutates_args=())(twice)
    assert made(pellucid.ones(2)).tolist() == ops.pellucid_kernels.twice(pellucid.ones(2)).tolist() == [2, 2]
