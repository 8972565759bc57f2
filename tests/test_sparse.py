"""Sparse tensors by coordinates, held to PyTorch's."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import pellucid
from tests.optiminfo.compare import Case, run

pytest.importorskip("torch")


def coo(T: Any, *args: Any, **options: Any) -> Any:
    return T.sparse_coo_tensor(*args, check_invariants=True, **options)


def made(T: Any, **options: Any) -> Any:
    return coo(T, [[0, 1, 1, 0], [2, 0, 2, 2]], [3.0, 4.0, 5.0, 1.0], (2, 3), **options)


def parts(sparse: Any) -> Any:
    return [sparse.indices(), sparse.values(), tuple(sparse.shape), sparse.is_coalesced(), sparse._nnz()]


def gradients(T: Any) -> Any:
    values = T.tensor([3.0, 4.0, 5.0, 1.0]).requires_grad_()
    dense = T.arange(6.0).reshape(3, 2).requires_grad_()
    sparse = coo(T, T.tensor([[0, 1, 1, 0], [2, 0, 2, 2]]), values, (2, 3))
    (T.sparse.mm(sparse, dense) ** 2).sum().backward()
    return [values.grad, dense.grad]


def through_dense(T: Any) -> Any:
    values = T.tensor([3.0, 4.0, 5.0, 1.0]).requires_grad_()
    sparse = coo(T, T.tensor([[0, 1, 1, 0], [2, 0, 2, 2]]), values, (2, 3))
    (sparse.to_dense() ** 2).sum().backward()
    return values.grad


def saved_by_a_function(T: Any) -> Any:
    class Product(T.autograd.Function):
        @staticmethod
        def forward(ctx: Any, values: Any, dense: Any) -> Any:
            sparse = coo(T, [[0, 1, 1, 0], [2, 0, 2, 1]], values, (2, 3))
            ctx.save_for_backward(sparse, dense)
            return T.matmul(sparse, dense)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            sparse, dense = ctx.saved_tensors
            rows, columns = sparse._indices()
            return (g @ dense.t())[rows, columns], sparse.t().matmul(g)

    values = T.tensor([3.0, 4.0, 5.0, 1.0]).requires_grad_()
    dense = T.arange(6.0).reshape(3, 2).requires_grad_()
    (Product.apply(values, dense) ** 2).sum().backward()
    return [values.grad, dense.grad]


def gradient_of_a_sparse_leaf(T: Any) -> Any:
    """The coordinate (0, 2) comes twice, and its gradient once."""
    x = made(T)
    asked = x.requires_grad_() is x
    (x.to_dense() ** 2).sum().backward()
    (T.sparse.mm(x, T.arange(6.0).reshape(3, 2)) ** 2).sum().backward()
    return [asked, x.requires_grad, x.is_leaf, x.grad_fn, repr(x), *parts(x.grad.coalesce())]


def masked(T: Any) -> Any:
    x = T.arange(6.0).reshape(2, 3).requires_grad_()
    part = x.sparse_mask(made(T))
    (part.to_dense() ** 2).sum().backward()
    return [*parts(part.coalesce()), x.grad]


def returned(T: Any) -> Any:
    """A sparse gradient that a Function returns arrives at a leaf as it is, and adds to others."""

    class Fixed(T.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, g: Any) -> Any:
            ctx.g = g
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return ctx.g, None

    found, other = [], coo(T, [[1, 0, 1], [0, 1, 2]], [2.0, 5.0, -1.0], (2, 3))
    for grads in ([made(T)], [made(T), T.ones(2, 3)], [T.ones(2, 3), made(T), other], [made(T), other]):
        x = T.ones(2, 3, requires_grad=True)
        sum(Fixed.apply(x, g).sum() for g in grads).backward()
        found += [x.grad.is_sparse, x.grad.to_dense()]
    return found


def asked_for(T: Any) -> Any:
    """`autograd.grad` by a sparse leaf, by what its values come from, and of a sparse result along a sparse seed."""
    leaf, twice = made(T, requires_grad=True), coo(T, [[0, 0], [1, 1]], [1.0, 2.0], (2, 2), requires_grad=True)
    values = T.tensor([1.0, 2.0], requires_grad=True)
    of_values = coo(T, [[0, 1], [1, 0]], values, (2, 2))
    (first,) = T.autograd.grad((leaf.to_dense() ** 2).sum(), leaf)
    (second,) = T.autograd.grad(twice.to_dense().sum(), twice)
    found = T.autograd.grad(of_values * 2, values, T.eye(2).flip(0).to_sparse())
    return [first.is_sparse, first.to_dense(), second.to_dense(), *found]


def flags(T: Any) -> Any:
    values = T.tensor([3.0, 4.0, 5.0, 1.0]).requires_grad_()
    of_values = coo(T, [[0, 1, 1, 0], [2, 0, 2, 2]], values, (2, 3))
    asked = made(T, requires_grad=True)
    no_longer = made(T, requires_grad=True)
    no_longer.requires_grad = False
    return [
        [x.requires_grad, x.is_leaf]
        for x in (of_values, asked, no_longer, made(T), asked.detach(), asked.clone(), asked * 2)
    ]


def assigned(T: Any, grad: Any, step: Any = None) -> Any:
    """A gradient that a program assigns, a step with it, a gradient that is added, and what zero_grad leaves."""
    param = T.nn.Parameter(T.ones(2, 3))
    param.grad = grad
    (step or T.optim.SGD)([param], lr=0.1).step()
    after = param.detach().clone()
    (param * 2).sum().backward()
    added = param.grad.clone()
    param.grad = grad
    T.optim.SGD([param]).zero_grad(set_to_none=False)
    return [after, added, param.grad.is_sparse, param.grad._nnz(), param.grad.is_coalesced(), param.grad.to_dense()]


def a_tensor(T: Any) -> Any:
    """A sparse tensor is one, though it has no array of all its numbers: as a buffer, copied, pickled, changed."""
    x = made(T)
    copied, again = copy.deepcopy(x), pickle.loads(pickle.dumps(x))
    same = x
    x += copied
    x.mul_(2)
    kept = [x, copied, again]
    assert all(isinstance(value, T.Tensor) for value in kept)
    return [same is x, [value.to_dense() for value in kept], [hasattr(x, name) for name in ("exp", "nothing")]]


def hooked(T: Any) -> Any:
    """A hook gets the gradient as a sparse tensor; what it returns replaces that."""
    found = []
    x = coo(T, [[0, 1], [1, 0]], [1.0, 2.0], (2, 2), requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: [found.append(g.to_dense()), g.coalesce() * 3][1])
    y.to_dense().sum().backward()
    return [*found, x.grad.to_dense()]


def added_up(T: Any) -> Any:
    """A sparse gradient is added to a sparse one in place, a seed may be sparse."""
    found = []
    for first, seed in ((made(T), made(T)), (made(T), T.ones(2, 3)), (T.ones(2, 3), made(T))):
        x = T.ones(2, 3, requires_grad=True)
        x.grad = first
        x.backward(seed)
        found += [x.grad is first, x.grad.is_sparse, x.grad.to_dense()]
    return found


def without_coordinates(T: Any) -> Any:
    number, vectors = T.tensor(3.0).to_sparse(), coo(T, T.zeros(0, 2).long(), T.ones(2, 3), (3,))
    return [number.to_dense(), number.t().to_dense(), vectors.to_dense(), vectors.coalesce()._nnz()]


def bags(T: Any) -> Any:
    """Bags of rows leave sparse gradients, with which SparseAdam steps; one that two leaves get is each one's own."""
    found = []
    for mode, offsets in (("sum", [0, 3]), ("mean", [0, 2]), ("sum", None)):
        layer = T.nn.EmbeddingBag(5, 2, mode=mode, sparse=True, _weight=T.arange(10.0).reshape(5, 2))
        rows = T.tensor([1, 3, 3, 0]) if offsets else T.tensor([[1, 3], [3, 0]])
        optimizer = T.optim.SparseAdam(list(layer.parameters()), lr=0.1)
        for _ in range(2):
            (layer(rows, T.tensor(offsets)) if offsets else layer(rows)).square().sum().backward()
        found += [layer.weight.grad.is_sparse, layer.weight.grad.to_dense()]
        optimizer.step()
        found.append(layer.weight.detach().clone())
    return found


def of_two(T: Any) -> Any:
    class Both(T.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            grad = made(T)
            return grad, grad

    a, b = T.ones(2, 3, requires_grad=True), T.ones(2, 3, requires_grad=True)
    Both.apply(a, b).sum().backward()
    a.grad._values().zero_()
    a.grad.add_(made(T))
    return [a.grad.to_dense(), b.grad.to_dense()]


ROWS: dict[str, Callable[[Any], Any]] = {
    "bags": bags,
    "of two": of_two,
    "a tensor": a_tensor,
    "hooked": hooked,
    "added up": added_up,
    "without coordinates": without_coordinates,
    "values alone": lambda T: made(T, requires_grad=True)._values().requires_grad,
    "turned": lambda T: T.ones(2, 2, 2).to_sparse().t(),
    "dense": lambda T: made(T).to_dense(),
    "coalesced": lambda T: parts(made(T).coalesce()),
    "no size": lambda T: tuple(coo(T, [[0, 3], [2, 0]], [3.0, 4.0]).shape),
    "dtype": lambda T: made(T, dtype=T.float64).to_dense(),
    "vectors": lambda T: coo(T, [[0, 2]], T.ones(2, 3), (4, 3)).to_dense(),
    "empty": lambda T: coo(T, T.zeros(2, 0).long(), T.zeros(0), (2, 3)).to_dense(),
    "mm": lambda T: T.sparse.mm(made(T), T.arange(6.0).reshape(3, 2)),
    "spmm": lambda T: T.spmm(made(T), T.arange(6.0).reshape(3, 2)),
    "torch.mm": lambda T: T.mm(made(T), T.arange(6.0).reshape(3, 2)),
    "torch.matmul": lambda T: T.matmul(made(T), T.arange(3.0)),
    "torch.sum": lambda T: T.sum(made(T)),
    "saved by a Function": saved_by_a_function,
    "@": lambda T: made(T) @ T.arange(6.0).reshape(3, 2),
    "a vector": lambda T: made(T) @ T.arange(3.0),
    "masked": masked,
    "returned by a Function": returned,
    "transposed": lambda T: made(T).t().to_dense(),
    "times": lambda T: (made(T) * 2).to_dense(),
    "plus": lambda T: parts((made(T) + made(T)).coalesce()),
    "sum": lambda T: T.sparse.sum(made(T)),
    "facts": lambda T: [made(T).is_sparse, made(T).dim(), made(T).sparse_dim(), made(T).dense_dim(), made(T).size(1)],
    "text": lambda T: repr(made(T)),
    "gradients": gradients,
    "through to_dense": through_dense,
    "a leaf": gradient_of_a_sparse_leaf,
    "asked for": asked_for,
    "flags": flags,
    "an assigned gradient": lambda T: assigned(T, made(T)),
    "an assigned gradient, SparseAdam": lambda T: assigned(T, made(T), T.optim.SparseAdam),
    "an assigned gradient, Adam": lambda T: assigned(T, made(T), T.optim.Adam),
    "an assigned gradient of another shape": lambda T: assigned(T, coo(T, [[0], [0]], [1.0], (2, 4))),
    "an assigned gradient of another dtype": lambda T: assigned(T, made(T, dtype=T.float64)),
    "integers": lambda T: coo(T, [[0]], [1], (2,)).requires_grad_(),
    "no longer": lambda T: (made(T, requires_grad=True) * 2).requires_grad_(False),
    "emptied": lambda T: [made(T).zero_()._nnz(), made(T).zero_().to_dense()],
    "not coalesced": lambda T: made(T).indices(),
    "outside": lambda T: coo(T, [[0, 5], [2, 0]], [3.0, 4.0], (2, 3)),
    "negative": lambda T: coo(T, [[0, -1], [2, 0]], [3.0, 4.0], (2, 3)),
    "counts": lambda T: coo(T, [[0, 1], [2, 0]], [3.0], (2, 3)),
    "dimensions": lambda T: coo(T, [[0, 1], [2, 0]], [3.0, 4.0], (2, 3, 4)),
    "shapes": lambda T: T.sparse.mm(made(T), T.ones(2, 2)),
}


@pytest.mark.parametrize("name", ROWS)
def test_as_in_pytorch(name: str) -> None:
    assert run(Case("sparse", "row", name, ROWS[name])) is None


def test_an_older_name_makes_one_and_says_so() -> None:
    import pellucid

    values = pellucid.tensor([3.0, 4.0])
    for made, dtype in ((pellucid.sparse.FloatTensor, "float32"), (pellucid.sparse.DoubleTensor, "float64")):
        with pytest.warns(UserWarning, match=r"is deprecated.  Please use torch.sparse_coo_tensor\(indices, values"):
            found = made(pellucid.tensor([[0, 1], [2, 0]]), values, pellucid.Size([2, 3]))
        assert (found.dtype.name, found.to_dense().tolist()) == (dtype, [[0, 0, 3], [4, 0, 0]])


def test_gradients_are_given_while_a_program_has_a_class_of_its_own() -> None:
    """Then functions ask the classes of what they are given; PyTorch's own mean PyTorch's function."""

    class Own(pellucid.Tensor):
        pass

    assert type(Own([1.0]) + 1) is Own
    assert run(Case("sparse", "row", "asked for", ROWS["asked for"])) is None
