"""Forward mode: the tangent that each op computes at once, against the derivative found by two backwards."""

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.autograd import forward_ad
from pellucid.declare import TABLE
from tests.test_ops import ROWS, SMOOTH, in_place, inputs, rows_of, to_ours

CASES = [(name, index) for name, index in ROWS if TABLE[name].rules and rows_of(name)[index].gradient]


def floats(value: Any) -> list[Any]:
    """The floating tensors among the arguments, lists entered."""
    if isinstance(value, list):
        return [leaf for part in value for leaf in floats(part)]
    return [value] if isinstance(value, pellucid.Tensor) and value.is_floating_point() else []


def replaced(value: Any, by: dict[int, Any]) -> Any:
    if isinstance(value, list):
        return [replaced(part, by) for part in value]
    return by.get(id(value), value)


def compare(name: str, given: list[Any], attributes: dict[str, Any]) -> None:
    op = TABLE[name]
    points = floats(given)
    rng = np.random.default_rng(0)
    ways = [pellucid.tensor(rng.normal(size=tuple(point.shape)), dtype=point.dtype) for point in points]

    def called(*values: Any) -> Any:
        pellucid.manual_seed(0)
        args = replaced(given, {id(point): value for point, value in zip(points, values, strict=True)})
        if in_place(op):
            args[0] = args[0].clone()
        result = op(*args, **attributes)
        return result[0] if isinstance(result, tuple) else result

    try:
        expected = pellucid.func.jvp(called, tuple(points), tuple(ways))[1] if points else None
    except NotImplementedError:
        return
    with forward_ad.dual_level():
        out = called(*[forward_ad.make_dual(point, way) for point, way in zip(points, ways, strict=True)])
        tangent = forward_ad.unpack_dual(out).tangent
    if expected is None or not (out.is_floating_point() or out.is_complex()):
        assert tangent is None
        return
    assert tangent.dtype is out.dtype
    np.testing.assert_allclose(tangent.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("name", "index"), CASES, ids=[f"{name}-{index}" for name, index in CASES])
def test_the_tangent_of_a_row(name: str, index: int) -> None:
    row = rows_of(name)[index]
    compare(name, to_ours(list(row.args)), row.attributes)


@pytest.mark.parametrize("name", [name for name in SMOOTH if TABLE[name].rules])
def test_the_tangent_of_an_elementwise_op(name: str) -> None:
    compare(name, [pellucid.tensor(array) for array in inputs(name, (3, 4))], {})
