"""The table of ops, each op tested by existing: forward and gradient against PyTorch, and numeric gradients.

An elementwise op with a domain is tried on numbers from it, on extreme numbers, in all dtypes, empty, without
dimensions, broadcast and strided. Every other op has sample rows (`tests.op_samples`).
"""

import itertools
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid.core import Domain
from pellucid.core.declaration import REQUIRED
from pellucid.declare import TABLE, Op
from tests import op_samples
from tests.numeric import check_gradients
from tests.op_samples import ELSEWHERE, SAMPLES, Row
from tests.rounding import Widened, rounding_alone
from tests.twins import both_raise, same

op_samples.load()

WITH_DOMAIN = [
    name
    for name, op in TABLE.items()
    if op.domain is not None and op.elementwise and REQUIRED not in op.attributes.values()
]
FLOATS = [name for name in WITH_DOMAIN if not TABLE[name].domain.integers]

SMOOTH = [name for name in FLOATS if TABLE[name].kind != "compare"]


def rows_of(name: str) -> list[Row]:
    """The rows of an op; an in-place op has those of the op that it is made from, where the result fits the input."""
    if name in SAMPLES:
        return SAMPLES[name]
    rows = SAMPLES.get(name.removesuffix("_"), [])
    return [row for row in rows if not TABLE[name].elementwise or fits_in_place(row)]


def fits_in_place(row: Row) -> bool:
    shapes = [np.shape(arg) for arg in row.args if arg is not None]
    return isinstance(row.args[0], np.ndarray) and np.broadcast_shapes(*shapes) == shapes[0]


ROWS = [(name, index) for name in TABLE for index in range(len(rows_of(name)))]


def test_every_op_is_tested() -> None:
    """An op with neither a domain nor a row would go untested."""
    without = [name for name in TABLE if name not in WITH_DOMAIN and name not in ELSEWHERE and not rows_of(name)]
    assert not without, f"no domain in the declaration and no rows in tests/samples for: {', '.join(without)}"
    root = Path(__file__).parent.parent
    # tests/test_optim.py takes steps with every optimiser, and so tests its formula without naming it.
    formulas = {kind.formula.name for kind in pellucid.optim.OPTIMIZERS.values() if kind.formula is not None}
    for name, file in ELSEWHERE.items():
        assert name in formulas or name in (root / file).read_text(encoding="utf-8"), f"{file} does not speak of {name}"


def test_no_rows_are_left_over() -> None:
    assert not [name for name in SAMPLES if name not in TABLE]


# --- the oracle ------------------------------------------------------------------------------------------------------


def reference(op: Op) -> Any:
    """PyTorch's function of the same name."""
    found: Any = torch
    for part in op.reference.split(".")[1:]:
        found = getattr(found, part, None)
    if found is None and "." in op.reference:
        for room in (torch.nn.functional, torch.special, torch.linalg, torch.Tensor, torch._C._nn):
            found = found or getattr(room, op.reference.split(".")[-1], None)
    assert found is not None, f"PyTorch has no {op.reference}: name the right one in the op's declaration"
    return found


def to_torch(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.tensor(value)
    if isinstance(value, list):
        return [to_torch(array) for array in value]
    if isinstance(value, pellucid.dtype):
        return getattr(torch, value.name)
    return value


def to_ours(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return pellucid.tensor(value)
    return [to_ours(array) for array in value] if isinstance(value, list) else value


def first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple | list) else result


# float16 and float32 functions are accurate to a few units in the last place, in both libraries.
TOLERANCE = {"float16": (2e-3, 1e-6), "float32": (4e-6, 1e-7), "float64": (1e-12, 1e-14)}


def assert_same(
    got: Any,
    expected: torch.Tensor,
    what: str = "",
    slack: float = 1.0,
    compute: Callable[[Widened], Any] | None = None,
) -> None:
    """Equal within the tolerance, or within what rounding does to PyTorch's `compute`."""
    array, wanted = got.detach().numpy(), expected.detach().numpy()
    assert got.dtype.name == str(expected.dtype).removeprefix("torch."), what
    assert tuple(got.shape) == tuple(expected.shape), what
    rtol, atol = TOLERANCE.get(got.dtype.name, (0.0, 0.0))
    close = np.allclose(array, wanted, rtol * slack, atol * slack, equal_nan=True)
    if not close and compute is not None and rounding_alone(compute, got.dtype.name, wanted, array):
        return
    np.testing.assert_allclose(array, wanted, rtol=rtol * slack, atol=atol * slack, err_msg=what)


NO_KERNEL = ("not implemented for", "not yet implemented for", "expected dtype", "Found dtype")


def in_place(op: Op) -> bool:
    return bool(op.mutates)


def both(op: Op, arrays: list[Any], theirs: Any = None) -> tuple[Any, torch.Tensor | None]:
    """Our answer and PyTorch's; None where PyTorch does not have the op for these dtypes."""
    theirs = theirs or reference(op)
    torch.manual_seed(0)
    pellucid.manual_seed(0)
    try:
        expected = first(theirs(*[to_torch(array) for array in arrays]))
    except TypeError:  # PyTorch has the op for tensors alone, not for numbers
        return None, None
    except RuntimeError as refused:
        # What PyTorch refuses for want of a kernel, pellucid may have; every other refusal is ours as well.
        if not any(reason in str(refused) for reason in NO_KERNEL):
            with pytest.raises((RuntimeError, TypeError)):
                op(*[to_ours(array) for array in arrays])
        return None, None
    return first(op(*[to_ours(array) for array in arrays])), expected


# --- elementwise -----------------------------------------------------------------------------------------------------


def draw(domain: Domain, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Numbers of the domain, away from its ends and kinks."""
    low, high = max(domain.low, -3.0), min(domain.high, 3.0)
    numbers = rng.uniform(low + domain.margin, high - domain.margin, shape)
    for kink in domain.kinks:
        close = np.abs(numbers - kink) < domain.margin
        numbers = np.where(close, kink + domain.margin * np.where(numbers < kink, -2, 2), numbers)
    return numbers


def inputs(name: str, *shapes: tuple[int, ...], dtype: Any = np.float64) -> list[np.ndarray]:
    """An array for each input that the op must have, of the shapes in turn."""
    op, rng = TABLE[name], np.random.default_rng(1)
    shapes = tuple(itertools.islice(itertools.cycle(shapes), op.required))
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return [draw(op.domain, shape, rng).astype(kind) for shape in shapes]
    low, high = (0, 6) if kind.kind in "bu" else (-5, 6)
    return [rng.integers(low, high, shape).astype(kind) for shape in shapes]


# PyTorch's float32 kernels at extremes: gelu is NaN at inf, and 1 + erf cancels below -2.
UNLIKE_AT_EXTREMES = {("gelu", "float32")}
# PyTorch's trigamma has nine digits, and none near its poles.
GRADIENT_SLACK = {"digamma": 1e3, "digamma_": 1e3}
# At infinity, where PyTorch's gradients of i1 and log_ndtr are inf - inf or the other way round.
# PyTorch's sinc cancels near 0 (its slope at 1e-12 is 0, and its second derivative at 0 is NaN): ours has −π²x/3.
GRADIENT_UNLIKE_AT_EXTREMES = {"digamma", "digamma_", "sinc", "sinc_", "special_i1", "special_i1e", "special_log_ndtr"}

SHAPES = {
    "plain": [(3, 4)], "empty": [(0, 3)], "0-d": [()], "broadcast": [(3, 1, 4), (2, 1), (1,)],
    "0-d and 2-d": [(2, 3), ()],
}  # fmt: skip
DTYPES = ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WITH_DOMAIN)
def test_forward(name: str, dtype: str) -> None:
    op = TABLE[name]
    for what, shapes in SHAPES.items():
        got, expected = both(op, inputs(name, *(shapes[:1] if in_place(op) else shapes), dtype=dtype))
        if expected is not None:
            assert_same(got, expected, what, slack=4)


@pytest.mark.parametrize("name", FLOATS)
def test_mixed_dtypes(name: str) -> None:
    op = TABLE[name]
    if op.required < 2:
        return
    of = {kind: inputs(name, (3,), dtype=kind) for kind in ("float32", "float64", "int64", "uint8", "bool")}
    zero_d = [np.array(1.5, np.float64), np.array(2, np.int64), 1.5, 2, True]
    for left, right in itertools.product(of, of):
        got, expected = both(op, [of[left][0], *of[right][1:]])
        if expected is not None:
            assert_same(got, expected, f"{left}, {right}", slack=4)
    for kind, number in itertools.product(of, zero_d):
        if op.required == 2:
            got, expected = both(op, [of[kind][0], number])
            if expected is not None:
                assert_same(got, expected, f"{kind}, {number!r}", slack=4)


EXTREME = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 1e-12, -1e-12, 88.0,
    -88.0, 20.0, -20.0, 1e4, -1e4, 1e25, -1e25,
]  # fmt: skip


def extremes(op: Op, kind: str) -> list[np.ndarray]:
    values = np.array(EXTREME, kind)
    if op.required > 2:
        values = values[:15]
    return [grid.ravel().copy() for grid in np.meshgrid(*[values] * op.required, indexing="ij")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in FLOATS for kind in ("float32", "float64") if (name, kind) not in UNLIKE_AT_EXTREMES],
)
def test_forward_at_extremes(name: str, kind: str) -> None:
    """Zero of both signs, infinity, NaN, the huge and the tiny, in every combination."""
    op = TABLE[name]
    got, expected = both(op, extremes(op, kind))
    if expected is not None:
        assert_same(got, expected, slack=20)


@pytest.mark.parametrize("name", [name for name in SMOOTH if name not in GRADIENT_UNLIKE_AT_EXTREMES])
def test_gradient_at_extremes(name: str) -> None:
    """The gradient at the edge of a domain and at kinks is the one that PyTorch gives."""
    op = TABLE[name]
    compare_gradients(op, extremes(op, "float64"), reference(op), ones=True)


@pytest.mark.parametrize("name", [name for name in WITH_DOMAIN if not in_place(TABLE[name])])
def test_strided(name: str) -> None:
    """Transposed, stepped and reversed inputs give what their copies give."""
    op = TABLE[name]
    dtype = np.int64 if op.domain.integers else np.float64
    plain = inputs(name, (4, 6), dtype=dtype)
    for view in (lambda a: a.T, lambda a: a[::2, 1::3], lambda a: np.broadcast_to(a[:1], (4, 6))):
        got = op(*[pellucid.from_numpy(view(array)) for array in plain])
        wanted = op(*[pellucid.tensor(view(array).copy()) for array in plain])
        np.testing.assert_array_equal(got.numpy(), wanted.numpy())


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient(name: str) -> None:
    op = TABLE[name]
    compare_gradients(op, inputs(name, (3, 4)), reference(op))
    if not in_place(op):
        compare_gradients(op, inputs(name, (3, 1, 4), (2, 1), (4,)), reference(op))


@pytest.mark.parametrize("name", SMOOTH)
def test_numeric_gradient(name: str) -> None:
    op = TABLE[name]
    if not op.rules:
        return
    check_gradients(lambda *xs: op(xs[0].clone(), *xs[1:]) if in_place(op) else op(*xs), inputs(name, (2, 3)))


# --- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "index"), ROWS, ids=[f"{name}-{index}" for name, index in ROWS])
def test_row(name: str, index: int) -> None:
    """Forward in float64 and float32, and the gradient: against PyTorch's and against finite differences."""
    op, sample = TABLE[name], rows_of(name)[index]

    def ours(*args: Any) -> Any:
        if in_place(op):
            args = (args[0].clone(), *args[1:])
        return op(*args, **sample.attributes)

    def theirs(*args: Any) -> Any:
        if in_place(op):
            args = (args[0].clone(), *args[1:])
        attributes = {key: to_torch(value) for key, value in sample.attributes.items() if key not in sample.drop}
        return (sample.reference or reference(op))(*args, **attributes)

    if sample.skip is None:
        for kind in ("float64", "float32"):
            args = [as_kind(arg, kind) for arg in sample.args]
            torch.manual_seed(0)
            expected = theirs(*[to_torch(arg) for arg in args])
            pellucid.manual_seed(0)
            got = ours(*[to_ours(arg) for arg in args])

            def compute(widened: Widened, args: list[Any] = args) -> Any:
                torch.manual_seed(0)
                return theirs(*widened([to_torch(arg) for arg in args]))

            compare_all(got, expected, slack=8, compute=compute)
    else:
        ours(*[to_ours(arg) for arg in sample.args])
    if sample.gradient and op.rules:
        if sample.skip is None:
            compare_gradients(op, list(sample.args), theirs, ours=ours)
        if sample.gradient == "torch":
            return
        floats = [i for i, arg in enumerate(sample.args) if is_float(arg)]

        def of_floats(*tensors: Any) -> Any:
            args = [to_ours(arg) for arg in sample.args]
            for i, tensor in zip(floats, tensors, strict=True):
                args[i] = tensor
            pellucid.manual_seed(0)
            return first(ours(*args))

        if floats:
            check_gradients(of_floats, [sample.args[i] for i in floats])


RANGES = [
    "t.linspace(0, 1, 1000)", "t.linspace(-3, 7.7, 301)", "t.linspace(1, 0, 2)", "t.linspace(2.7, 3, 1)",
    "t.linspace(0.3, 0.7, 0)", "t.linspace(-3, 7, 777, dtype=t.float64)", "t.linspace(0.1, 5.3, 100, dtype=t.float16)",
    "t.linspace(0.1, 5.3, 100, dtype=t.bfloat16)", "t.linspace(0.1, 99, 77, dtype=t.int64)",
    "t.linspace(float('inf'), 3, 5)", "t.linspace(0, 1 + 1j, 50)", "t.arange(0, 1, 0.001)", "t.arange(2.5, -1, -0.1)",
    "t.arange(3.0)", "t.arange(0, 1, 0.1)", "t.arange(-1, 3, 0.0123, dtype=t.float64)",
    "t.arange(0, 1, 0.1, dtype=t.bfloat16)",
]  # fmt: skip


@pytest.mark.skipif(
    not torch.backends.cpu.get_cpu_capability().startswith("AVX"),
    reason="PyTorch counts in vectors of 32 bytes, and rounds products and sums once, on processors that have AVX2",
)
@pytest.mark.parametrize("line", RANGES)
def test_ranges_have_pytorchs_last_digits(line: str) -> None:
    found, wanted = (eval(line, {"t": library}) for library in (pellucid, torch))  # noqa: S307
    assert str(found.dtype) == str(wanted.dtype)
    wide = (wanted.to(torch.complex128) if wanted.is_complex() else wanted.double()).numpy()
    np.testing.assert_array_equal(found.to(pellucid.complex128).numpy(), wide.astype(complex))


@pytest.mark.parametrize("reduce", [None, "add", "multiply"])
def test_scatter_of_a_number_by_its_name(reduce: str | None) -> None:
    how = {} if reduce is None else {"reduce": reduce}

    def program(t: Any) -> Any:
        index = t.tensor([[0, 2], [1, 1]])
        x = t.arange(6.0).reshape(2, 3)
        return t.scatter(x, 1, index, value=2.5, **how), x.scatter_(dim=1, index=index, value=2.5, **how)

    same(program)


@pytest.mark.parametrize("line", ["ldexp_(x)", "polygamma_(1)", "cumprod_(0, dtype=t.float32)"])
def test_whole_numbers_do_not_become_floats_in_place(line: str) -> None:
    both_raise(lambda t: eval(f"x.{line}", {"x": t.arange(1, 4), "t": t}))  # noqa: S307


def test_scatter_that_multiplies_has_no_gradient() -> None:
    x = pellucid.ones(3).requires_grad_()
    out = x.scatter(0, pellucid.tensor([0, 1]), pellucid.ones(2), reduce="multiply")
    with pytest.raises(NotImplementedError, match="scatter_reduce"):
        out.sum().backward()


@pytest.mark.parametrize("name", ["var", "std"])
def test_gradient_without_degrees_of_freedom(name: str) -> None:
    """Both libraries warn; without `dim` the gradient is infinite, or NaN where an element is the mean."""
    numbers = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 0.0]])
    cases: list[tuple[np.ndarray, dict[str, int]]] = [(numbers, {"correction": n}) for n in (5, 6, 8)]
    cases += [(numbers, {"dim": 0, "correction": 2}), (numbers, {"dim": 0, "correction": 3})]
    cases += [(numbers, {"dim": 1, "correction": 3}), (np.array(2.0), {"dim": 0, "correction": 2})]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for array, how in cases:
            ours, theirs = partial(TABLE[name], **how), partial(getattr(torch, name), **how)
            # Of the negative, since the gradient that comes from above may be positive, which infinity hides.
            compare_gradients(TABLE[name], [array], partial(negative, theirs), ours=partial(negative, ours))


def negative(function: Any, *args: Any) -> Any:
    return -function(*args)


def is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def as_kind(value: Any, kind: str) -> Any:
    if isinstance(value, list):
        return [as_kind(array, kind) for array in value]
    return value.astype(kind) if is_float(value) else value


def compare_all(got: Any, expected: Any, slack: float, compute: Callable[[Widened], Any]) -> None:
    if isinstance(expected, tuple | list):
        for index, (a, b) in enumerate(zip(got if isinstance(got, tuple | list) else [got], expected, strict=False)):
            assert_same(a, b, slack=slack, compute=lambda widened, index=index: compute(widened)[index].numpy())
    else:
        assert_same(first(got), expected, slack=slack, compute=lambda widened: compute(widened).numpy())


def compare_gradients(op: Op, arrays: list[Any], theirs: Any, ours: Any = None, ones: bool = False) -> None:
    """Backward through both from the same seed (ones, or random numbers)."""
    if ours is None:

        def ours(*args: Any) -> Any:
            return op(args[0].clone(), *args[1:]) if in_place(op) else op(*args)

        plain = theirs

        def theirs(*args: Any) -> Any:
            return plain(args[0].clone(), *args[1:]) if in_place(op) else plain(*args)

    wanted = [to_torch(array) for array in arrays]
    given = [to_ours(array) for array in arrays]
    for tensor in (*leaves(wanted), *leaves(given)):
        if tensor.is_floating_point():
            tensor.requires_grad_(True)
    torch.manual_seed(0)
    expected = first(theirs(*wanted))
    if not expected.requires_grad:
        return
    pellucid.manual_seed(0)
    got = first(ours(*given))
    seed = np.ones(tuple(expected.shape)) if ones else np.random.default_rng(2).normal(size=tuple(expected.shape))
    try:
        expected.backward(torch.from_numpy(seed))
    except (RuntimeError, NotImplementedError) as refused:
        if "not implemented" not in str(refused):
            raise
        return
    assert got.requires_grad
    got.backward(pellucid.from_numpy(seed))
    for position, (leaf, other) in enumerate(zip(leaves(given), leaves(wanted), strict=True)):
        if other.grad is None or leaf.grad is None:
            assert other.grad is None or not other.grad.any(), f"no gradient for input {position}"
        else:
            assert_same(
                leaf.grad, other.grad, f"gradient of input {position}", slack=GRADIENT_SLACK.get(op.name, 1) * 100
            )


def leaves(args: list[Any]) -> list[Any]:
    found = []
    for leaf in args:
        if isinstance(leaf, list):
            found += leaves(leaf)
        elif hasattr(leaf, "requires_grad"):
            found.append(leaf)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex64"])
@pytest.mark.parametrize("shapes", [((3, 1), (1, 4)), ((0, 1), (1, 4)), ((3, 1), (1, 0)), ((2, 3, 1), (1, 4))], ids=str)
def test_a_column_times_a_row_is_pytorchs_product(shapes: Any, dtype: str) -> None:
    """It takes a way of its own; signs of zero, infinities and layouts are as in a product."""
    left, right = (np.arange(-3, np.prod(shape) - 3).reshape(shape).astype(dtype) for shape in shapes)
    if dtype.startswith("float") and left.size:
        left.reshape(-1)[:3] = -0.0, np.inf, np.nan
    for a in (left, np.asfortranarray(left)):
        found = pellucid.from_numpy(a) @ pellucid.from_numpy(right)
        wanted = torch.from_numpy(a) @ torch.from_numpy(right)
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())
        assert found.numpy().dtype == wanted.numpy().dtype and found.is_contiguous()
