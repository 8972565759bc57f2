"""What is computed with sparse tensors, beside PyTorch: by operators, by methods and by `torch.f(sparse)`."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import pellucid

torch = pytest.importorskip("torch")
Made = Callable[[Any], Any]


def s(T: Any) -> Any:
    return T.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).coalesce()


def twice(T: Any) -> Any:
    return T.sparse_coo_tensor([[0, 1, 0], [2, 0, 2]], [3.0, -4.0, 1.0], (2, 3))


def whole(T: Any) -> Any:
    return T.sparse_coo_tensor([[0, 1, 0], [2, 0, 1]], [3, -4, 1], (2, 3)).coalesce()


def bools(T: Any) -> Any:
    return T.sparse_coo_tensor([[0, 1], [2, 0]], [True, False], (2, 3))


def e(T: Any) -> Any:
    return T.arange(6.0).reshape(2, 3)


RESULTS: list[Made] = [
    # products of matrices
    lambda T: T.mm(s(T), e(T).t()), lambda T: s(T) @ e(T).t(), lambda T: e(T) @ s(T).t(), lambda T: T.ones(2) @ s(T),
    lambda T: T.addmm(T.ones(2, 2), s(T), e(T).t(), beta=2, alpha=3), lambda T: s(T) @ s(T).t(),
    lambda T: T.sparse.mm(s(T), twice(T).t()), lambda T: T.mv(s(T), T.ones(3)), lambda T: s(T).t() @ whole(T).float(),
    # sums
    lambda T: e(T) + twice(T), lambda T: e(T).add(s(T)), lambda T: T.add(e(T), s(T), alpha=2), lambda T: e(T) - s(T),
    lambda T: s(T).add(whole(T)), lambda T: s(T).add(whole(T), alpha=2), lambda T: s(T) - s(T),
    lambda T: whole(T) - s(T).to(T.uint8), lambda T: s(T).to(T.uint8).sub(whole(T), alpha=2),
    lambda T: e(T).add_(s(T)), lambda T: e(T).sub_(s(T)), lambda T: s(T).add_(whole(T)),
    # products of elements
    lambda T: s(T).mul(2), lambda T: 2 * s(T), lambda T: s(T) * T.tensor(2.0), lambda T: s(T) * s(T),
    lambda T: s(T) * whole(T), lambda T: twice(T) * e(T), lambda T: e(T) * twice(T), lambda T: s(T).mul_(2),
    lambda T: e(T).mul_(s(T)), lambda T: T.multiply(s(T), s(T)), lambda T: whole(T) / 2, lambda T: s(T).div(2),
    lambda T: bools(T) / 2, lambda T: T.true_divide(whole(T), 2), lambda T: whole(T) // 2, lambda T: s(T).div_(4),
    lambda T: twice(T) ** 2, lambda T: s(T).pow(3),
    # functions that leave a zero zero
    lambda T: T.abs(twice(T)), lambda T: T.neg(twice(T)), lambda T: twice(T).relu(), lambda T: s(T).sqrt_(),
    lambda T: s(T).tanh(), lambda T: T.isnan(s(T)), lambda T: T.square(s(T)),
    # parts and joins
    lambda T: T.cat([s(T), s(T)]), lambda T: T.cat([s(T), whole(T).float()], 1), lambda T: T.stack([s(T), s(T)], 1),
    lambda T: s(T)[0], lambda T: s(T)[-1], lambda T: s(T).select(1, 0), lambda T: s(T).unsqueeze(-1),
    lambda T: s(T).index_select(1, T.tensor([2, 2, 1])), lambda T: s(T).T, lambda T: T.arange(4).to_sparse().t(),
    # what it is
    lambda T: T.zeros_like(s(T)), lambda T: s(T).int(), lambda T: s(T).bool(), lambda T: s(T).half(),
    lambda T: s(T).data,
    lambda T: (s(T).numel(), len(s(T)), s(T).ndimension(), s(T).is_floating_point(), s(T).is_sparse_csr, s(T).any()),
    lambda T: T.sparse_coo_tensor((2, 3)), lambda T: T.sparse_coo_tensor(size=(2, 3), dtype=T.float64),
    lambda T: T.sparse_coo_tensor([[1]], [2.0], (3,)).is_coalesced(), lambda T: s(T).copy_(s(T) * 2),
    lambda T: (T.ones(2).sparse_dim(), T.ones(2, 3).dense_dim()),
]  # fmt: skip
REFUSED: list[Made] = [
    lambda T: s(T) + e(T), lambda T: s(T) - 2, lambda T: 2 + s(T), lambda T: s(T) / s(T), lambda T: s(T) / e(T),
    lambda T: e(T) / s(T), lambda T: e(T).div_(s(T)), lambda T: whole(T).mul_(2.5),
    lambda T: whole(T).add_(s(T)), lambda T: s(T).pow(0),
    lambda T: s(T)[5], lambda T: s(T).numpy(), lambda T: s(T) @ T.ones(2, 2), lambda T: bools(T) - bools(T),
    lambda T: s(T).requires_grad_().mul_(2),
]  # fmt: skip


@pytest.mark.parametrize("made", RESULTS)
def test_results_print_as_in_pytorch(made: Made) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse", UserWarning)  # PyTorch's own, of its checks
        assert repr(made(pellucid)) == repr(made(torch))


@pytest.mark.parametrize("made", REFUSED)
def test_what_pytorch_refuses_is_refused(made: Made) -> None:
    with pytest.raises(Exception) as theirs:
        made(torch)
    with pytest.raises(type(theirs.value)):
        made(pellucid)


GRADIENTS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "elements of a dense one": (lambda a, x: (a * x).to_dense(), lambda a, x: a * x),
    "elements of a sparse one": (lambda a, x: (a * a).to_dense(), lambda a, x: a * a),
    "dense times sparse": (lambda a, x: x @ a.t(), lambda a, x: x @ a.t()),
    "sparse times sparse": (lambda a, x: (a @ a.t()).to_dense(), lambda a, x: a @ a.t()),
    "sum": (lambda a, x: x + a, lambda a, x: x + a), "power": (lambda a, x: (a**2).to_dense(), lambda a, x: a**2),
    "tanh": (lambda a, x: pellucid.tanh(a).to_dense(), lambda a, x: a.tanh()),
    "a row": (lambda a, x: a[1].to_dense(), lambda a, x: a[1]),
    "columns": (
        lambda a, x: a.index_select(1, pellucid.tensor([2, 0, 2])).to_dense(), lambda a, x: a[:, [2, 0, 2]]
    ),
    "joined": (lambda a, x: pellucid.cat([a, a * 2], 1).to_dense(), lambda a, x: pellucid.cat([a, a * 2], 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_those_of_the_dense_tensor(name: str) -> None:
    found = []
    for place, compute in enumerate(GRADIENTS[name]):
        values = pellucid.tensor([3.0, 4.0, 2.0, 0.5], requires_grad=True)
        x = e(pellucid).requires_grad_()
        a = pellucid.sparse_coo_tensor([[0, 1, 0, 1], [2, 0, 1, 0]], values, (2, 3))
        (compute(a.to_dense() if place else a, x) ** 2).sum().backward()
        found.append([*values.grad.tolist(), *(x.grad.flatten().tolist() if x.grad is not None else [])])
    assert found[0] == pytest.approx(found[1])


def graph_layer(T: Any, adjacency: Any) -> Any:
    """A layer that keeps the adjacency of its graph as a buffer."""

    class Layer(T.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = T.nn.Linear(3, 2)
            self.register_buffer("adjacency", adjacency)

        def forward(self, x: Any) -> Any:
            return self.adjacency @ self.linear(x)

    return Layer()


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
@pytest.mark.parametrize("kind", ["to_sparse", "to_sparse_csr"])
def test_a_sparse_buffer(kind: str) -> None:
    found = []
    for T in (pellucid, torch):
        T.manual_seed(0)
        first, other = (T.tensor([[0.0, n], [2.0, 1.0]]) for n in (1.0, 3.0))
        layer = graph_layer(T, getattr(first, kind)()).to("cpu")
        layer(T.ones(2, 3)).sum().backward()
        assert T.is_tensor(layer.adjacency)
        names = [name for name, _ in layer.named_buffers()]
        file = io.BytesIO()
        T.save(graph_layer(T, getattr(other, kind)()).state_dict(), file)
        file.seek(0)
        loaded = layer.load_state_dict(T.load(file)) if kind == "to_sparse" else None
        kept = (copy.deepcopy(layer) if kind == "to_sparse" else layer).adjacency  # PyTorch copies no CSR
        grad = layer.linear.weight.grad.tolist()
        found.append([names, list(layer.state_dict()), str(loaded), kept.to_dense().tolist(), grad])
        assert layer.double().adjacency.dtype == T.float64
        with pytest.raises(TypeError, match="cannot assign"):
            layer.adjacency = 3
    assert found[0] == found[1]


def test_is_tensor_asks_no_class() -> None:
    """Once a program has derived a class, functions ask the classes of what they are given."""
    for T in (pellucid, torch):

        class Mine(T.Tensor):
            @classmethod
            def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                raise AssertionError("asked")

        assert T.is_tensor(T.ones(2).as_subclass(Mine)) is True
        assert T.is_tensor(T.eye(2).to_sparse()) is True
