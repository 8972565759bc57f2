"""Systems of equations with a triangular matrix, solved by substitution."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called
from pellucid.declare import function, op
from pellucid.errors import ShapeError, with_line
from pellucid.reverse.vocabulary import sum_to

from ..return_types import return_type
from .checks import floating, matrices, same_dtype, square


def substitute(xp: Any, a: Any, b: Any, upper: bool, unit: bool) -> Any:
    """X with A X = B, of a triangular A whose other half is not read; infinite or NaN where A is singular."""
    n = a.shape[-1]
    batch = xp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    x = xp.array(xp.broadcast_to(b, (*batch, *b.shape[-2:])), order="C")
    with xp.errstate(all="ignore"):
        for i in range(n - 1, -1, -1) if upper else range(n):
            solved = slice(i + 1, n) if upper else slice(0, i)
            if solved.start < solved.stop:
                x[..., i, :] -= xp.matmul(a[..., i : i + 1, solved], x[..., solved, :])[..., 0, :]
            if not unit:
                x[..., i, :] /= a[..., i, i, None]
    return x


@op(method=False, public=False, reference="torch.linalg.solve_triangular", node="LinalgSolveTriangularBackward0")
def triangular_solution(xp: Any, input: Any, other: Any, *, upper: bool, unitriangular: bool = False) -> Any:
    """X with A X = B, A triangular: (…, n, n), (…, n, k) -> (…, n, k)."""
    return substitute(xp, input, other, upper, unitriangular)


def _to_matrix(m: Any, g: Any, a: Any, x: Any, shape: Any, upper: bool, unit: bool) -> Any:
    """-A⁻ᵀ g Xᵀ in the triangle that is read."""
    back = m.triangular_solution(m.matrix_transpose(a), g, upper=not upper, unitriangular=unit)
    found = -m.matmul(back, m.matrix_transpose(x))
    offset = int(unit)
    found = m.triu(found, diagonal=offset) if upper else m.tril(found, diagonal=-offset)
    return sum_to(m, found, shape)


triangular_solution.vjp(
    input=lambda m, g, input, out, input_shape, upper, unitriangular: _to_matrix(
        m, g, input, out, input_shape, upper, unitriangular
    ),
    other=lambda m, g, input, other_shape, upper, unitriangular: sum_to(
        m,
        m.triangular_solution(m.matrix_transpose(input), g, upper=not upper, unitriangular=unitriangular),
        other_shape,
    ),
)


@function(method=False, public=False)
@called("LinalgSolveTriangularBackward0")
def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with A X = B (X A = B where `left` is False), for a triangular A: (…, n, n) and (…, n, k) -> (…, n, k).

    Only the upper (or lower) triangle of A is read; with `unitriangular` its diagonal counts as ones. A zero on the
    diagonal makes X infinite or NaN. Raises RuntimeError where shapes or dtypes do not fit.

    >>> import pellucid
    >>> solve_triangular(pellucid.tensor([[2.0, 0.0], [1.0, 1.0]]), pellucid.tensor([[2.0], [3.0]]), upper=False)
    tensor([[1.],
            [2.]])
    """
    name = "linalg.solve_triangular"
    square(name, A)
    matrices(name, B, "B")
    same_dtype(name, A, B)
    _fit(name, A, B, left)
    a, b = (A, B) if left else (A.mT, B.mT)
    x = triangular_solution(a, b, upper=upper == left, unitriangular=unitriangular)
    return x if left else x.mT


def _fit(name: str, A: Tensor, B: Tensor, left: bool) -> None:
    n, k = A.shape[-1], B.shape[-2 if left else -1]
    if n != k:
        equation = "AX = B" if left else "XA = B"
        raise ShapeError(
            with_line(
                f"{name}: Incompatible shapes of A and B for the equation {equation} "
                f"({A.shape[-2]}x{n} and {B.shape[-2]}x{B.shape[-1]})"
            )
        )


@function()
@called("TriangularSolveBackward0")
def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """X with A X = input, PyTorch's older name: (solution, a copy of A)."""
    square("triangular_solve", A)
    floating("triangular_solve", input, "b")
    matrices("triangular_solve", input, "b")
    same_dtype("triangular_solve", A, input)
    _fit("triangular_solve", A, input, True)
    a: Any = A.mT if transpose else A
    x = triangular_solution(a, input, upper=upper != transpose, unitriangular=unitriangular)
    copied: Any = A.expand(*x.shape[:-2], *A.shape[-2:])
    return return_type("triangular_solve")(x, copied.clone())
