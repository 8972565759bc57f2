"""`func`: derivatives of functions, nested and of modules, and `vmap`, held to PyTorch's numbers and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid import func
from tests.optiminfo.compare import Case, run

torch = pytest.importorskip("torch")


def vector(T: Any, *values: float) -> Any:
    return T.tensor(values or (0.5, -1.0, 2.0))


def model(T: Any) -> Any:
    made = T.nn.Sequential(T.nn.Linear(2, 3), T.nn.Tanh(), T.nn.Linear(3, 1))
    with T.no_grad():
        for place, param in enumerate(made.parameters()):
            param.copy_(T.arange(param.numel()).reshape(param.shape) * 0.1 - 0.2 + place * 0.05)
    return made


def state_of(T: Any) -> Any:
    return {name: param.detach() for name, param in model(T).named_parameters()}


def loss(T: Any) -> Callable[..., Any]:
    net = model(T)
    return lambda params, x: (T.func.functional_call(net, params, (x,)) ** 2).sum()


def inner_step(T: Any) -> Any:
    """Meta-learning: the gradient through a step of gradient descent."""
    f, x = loss(T), T.ones(4, 2)

    def outer(params: Any) -> Any:
        slopes = T.func.grad(f)(params, x)
        return f({name: param - 0.1 * slopes[name] for name, param in params.items()}, 2 * x)

    return T.func.grad(outer)(state_of(T))


def attached(T: Any) -> Any:
    weight = vector(T).requires_grad_()
    slope = T.func.grad(lambda x: (weight * x**2).sum())(vector(T, 1.0, 2.0, 3.0))
    slope.sum().backward()
    return [slope.requires_grad, weight.grad, T.func.grad(lambda x: (x**3).sum())(vector(T)).requires_grad]


def ensemble(T: Any) -> Any:
    params, buffers = T.func.stack_module_state([model(T), model(T)])
    net = model(T)
    run = T.func.vmap(lambda p, b, x: T.func.functional_call(net, (p, b), (x,)), in_dims=(0, 0, None))
    return [run(params, buffers, T.ones(4, 2)).detach(), {name: p.requires_grad for name, p in params.items()}]


def pulled(T: Any) -> Any:
    out, pull = T.func.vjp(lambda x, y: (x * y, x.sum()), vector(T), vector(T, 1.0, 2.0, 3.0))
    return [out, pull((T.ones(3), T.tensor(2.0)))]


def pulled_one(T: Any) -> Any:
    out, pull, aux = T.func.vjp(lambda x: (x**2, x + 1), vector(T), has_aux=True)
    return [out, pull(T.ones(3)), aux]


def line(T: Any) -> Any:
    out, push = T.func.linearize(lambda x: x.sin(), vector(T))
    return [out, push(T.ones(3)), push(2 * T.ones(3))]


ROWS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda T: T.func.grad(lambda x: (x**3).sum())(vector(T)),
    "grad of grad": lambda T: T.func.grad(T.func.grad(lambda x: x**3))(T.tensor(2.0)),
    "grad three times": lambda T: T.func.grad(T.func.grad(T.func.grad(lambda x: x**4)))(T.tensor(2.0)),
    "argnums": lambda T: T.func.grad(lambda x, y: (x * y**2).sum(), argnums=(0, 1))(vector(T), vector(T)),
    "argnums=1": lambda T: T.func.grad(lambda x, y: (x * y**2).sum(), argnums=1)(vector(T), vector(T)),
    "aux": lambda T: T.func.grad(lambda x: (x.sum() * 2, x + 1), has_aux=True)(vector(T)),
    "value": lambda T: T.func.grad_and_value(lambda x: (x**3).sum())(vector(T)),
    "value and aux": lambda T: T.func.grad_and_value(lambda x: (x.sum(), x + 1), has_aux=True)(vector(T)),
    "no dependence": lambda T: T.func.grad(lambda x: T.tensor(1.0) * 2)(vector(T)),
    "under no_grad": lambda T: T.no_grad()(lambda: T.func.grad(lambda x: (x**3).sum())(vector(T)))(),
    "a dict": lambda T: T.func.grad(lambda p: (p["a"] * p["b"]).sum())({"a": vector(T), "b": vector(T)}),
    "of a module": lambda T: T.func.grad(loss(T))(state_of(T), T.ones(4, 2)),
    "through a step": inner_step,
    "attached": attached,
    "vjp": pulled,
    "vjp of one": pulled_one,
    "jvp": lambda T: T.func.jvp(lambda x: x.sin() * 2, (vector(T),), (T.ones(3),)),
    "jvp of two": lambda T: T.func.jvp(lambda x, y: x * y, (vector(T), vector(T)), (T.ones(3), 2 * T.ones(3))),
    "jvp of grad": lambda T: T.func.jvp(T.func.grad(lambda x: (x**3).sum()), (vector(T),), (T.ones(3),)),
    "linearize": line,
    "jacrev": lambda T: T.func.jacrev(lambda x: T.stack([x.sum(), (x**2).sum()]))(vector(T)),
    "jacfwd": lambda T: T.func.jacfwd(lambda x: x.sin() * x.sum())(vector(T)),
    "jacrev of two": lambda T: T.func.jacrev(lambda x, y: x * y.sum(), argnums=(0, 1))(vector(T), vector(T)),
    "jacrev of a tuple": lambda T: T.func.jacrev(lambda x: (x**2, x.sum()))(vector(T)),
    "jacrev, aux": lambda T: T.func.jacrev(lambda x: (x**2, x + 1), has_aux=True)(vector(T)),
    "hessian": lambda T: T.func.hessian(lambda x: (x**3).sum() + x.prod())(vector(T)),
    "vmap": lambda T: T.func.vmap(lambda x: x * 2)(T.arange(6.0).reshape(2, 3)),
    "in_dims": lambda T: T.func.vmap(lambda x, y: x @ y, in_dims=(1, None))(T.arange(6.0).reshape(2, 3), T.ones(2)),
    "out_dims": lambda T: T.func.vmap(lambda x: (x, x.sum()), out_dims=(1, 0))(T.arange(6.0).reshape(2, 3)),
    "negative in_dim": lambda T: T.func.vmap(lambda x: x.sum(), in_dims=-1)(T.arange(6.0).reshape(2, 3)),
    "nested": lambda T: T.func.vmap(T.func.vmap(lambda x: x**2))(T.arange(6.0).reshape(2, 3)),
    "a nest": lambda T: T.func.vmap(lambda d: d["a"] + d["b"], in_dims=({"a": 0, "b": None},))(
        {"a": T.arange(3.0), "b": T.tensor(1.0)}
    ),
    "gradients of each sample": lambda T: T.func.vmap(T.func.grad(loss(T)), in_dims=(None, 0))(
        state_of(T), T.arange(6.0).reshape(3, 2)
    ),
    "jacobian by vmap": lambda T: T.func.vmap(T.func.jacrev(lambda x: x.sin()))(T.arange(6.0).reshape(2, 3)),
    "an ensemble": ensemble,
    "functionalize": lambda T: T.func.functionalize(lambda x: x + 1)(vector(T)),
    # refused
    "not a number": lambda T: T.func.grad(lambda x: x * 2)(vector(T)),
    "no tensor": lambda T: T.func.grad(lambda x: x * 2)(3.0),
    "out of range": lambda T: T.func.grad(lambda x: x.sum(), argnums=2)(vector(T)),
    "no aux": lambda T: T.func.grad(lambda x: x.sum(), has_aux=True)(vector(T)),
    "sizes": lambda T: T.func.vmap(lambda x, y: x + y)(T.ones(2), T.ones(3)),
    "nothing to map": lambda T: T.func.vmap(lambda x: x, in_dims=None)(T.ones(2)),
    "a number to map": lambda T: T.func.vmap(lambda x: x)(2.0),
    "too few in_dims": lambda T: T.func.vmap(lambda x, y: x, in_dims=(0,))(T.ones(2), T.ones(2)),
    "in_dim": lambda T: T.func.vmap(lambda x: x, in_dims=1)(T.ones(2)),
    "random": lambda T: T.func.vmap(lambda x: x + T.rand(1))(T.ones(2)),
    "randomness": lambda T: T.func.vmap(lambda x: x, randomness="no")(T.ones(2)),
    "returns no tensor": lambda T: T.func.vmap(lambda x: 1)(T.ones(2)),
    "strict": lambda T: T.func.functional_call(model(T), {"no": T.ones(1)}, (T.ones(4, 2),), strict=True),
    "twice": lambda T: T.func.functional_call(model(T), (state_of(T), state_of(T)), (T.ones(4, 2),)),
    "no models": lambda T: T.func.stack_module_state([]),
}


@pytest.mark.parametrize("name", ROWS)
def test_as_in_pytorch(name: str) -> None:
    assert run(Case("func", "row", name, ROWS[name], slack=4)) is None


def test_every_function_has_a_row() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in func.__all__ if f"T.func.{name}(" not in text]


def test_randomness_of_each_slice() -> None:
    pellucid.manual_seed(0)
    same = func.vmap(lambda x: x + pellucid.rand(2), randomness="same")(pellucid.zeros(3))
    assert (same == same[0]).all()
    different = func.vmap(lambda x: x + pellucid.rand(2), randomness="different")(pellucid.zeros(3))
    assert different.unique().numel() == 6


def test_a_module_has_its_own_parameters_back() -> None:
    net = model(pellucid)
    before = dict(net.named_parameters())
    with pytest.raises(RuntimeError):
        func.functional_call(net, {"0.weight": pellucid.ones(1, 9)}, (pellucid.ones(4, 2),))
    assert all(tensor is before[name] for name, tensor in net.named_parameters())
