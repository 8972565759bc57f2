"""Mixing dtypes: every pair of types, as tensors, 0-d tensors and Python numbers, against PyTorch."""

import itertools
import operator
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from tests.twins import both_raise, plain, same

NAMES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
NUMBERS = [True, 2, 1.5]
KINDS = ["tensor", "0-d"]


def make(library: Any, kind: str, name: str) -> Any:
    tensor = library.tensor([1, 0, 3], dtype=getattr(library, name))
    return tensor if kind == "tensor" else tensor[2]


@pytest.mark.parametrize("left", NAMES)
def test_promote_types(left: str) -> None:
    for right in NAMES:
        same(lambda library, right=right: library.promote_types(getattr(library, left), getattr(library, right)))
        same(lambda library, right=right: library.can_cast(getattr(library, left), getattr(library, right)))


@pytest.mark.parametrize("left", NAMES)
def test_result_type(left: str) -> None:
    for kind, other, right in itertools.product(KINDS, KINDS, NAMES):
        same(lambda library, k=kind, o=other, r=right: library.result_type(make(library, k, left), make(library, o, r)))
    for kind, number in itertools.product(KINDS, NUMBERS):
        same(lambda library, k=kind, n=number: library.result_type(make(library, k, left), n))
        same(lambda library, k=kind, n=number: library.result_type(n, make(library, k, left)))


def test_result_type_of_three() -> None:
    def program(library: Any) -> Any:
        return [
            library.result_type(library.tensor([1], dtype=library.int8), 300),
            library.result_type(2, 1.5),
            library.result_type(True, 2),
        ]

    same(program)


ARITHMETIC = ["add", "sub", "mul", "true_divide", "floor_divide", "remainder", "pow", "maximum", "fmod", "atan2"]
COMPARISONS = ["eq", "lt", "ge"]
LOGIC = ["bitwise_and", "bitwise_xor", "logical_or"]


def outcome(library: Any, name: str, left: Any, right: Any) -> Any:
    """The result, or the class of error: a pair of types that PyTorch refuses must be refused."""
    try:
        return plain(getattr(library, name)(left, right))
    except (RuntimeError, TypeError, ZeroDivisionError, NotImplementedError) as refused:
        return "not implemented" if "not implemented for" in str(refused) else "refused"


def compare(name: str, *arguments: Any) -> None:
    theirs, ours = (
        outcome(library, name, *[make_argument(library) for make_argument in arguments])
        for library in (torch, pellucid)
    )
    if isinstance(theirs, str):
        assert isinstance(ours, str) or theirs == "not implemented", (name, ours)
        return
    assert not isinstance(ours, str), f"{name}: refused, where PyTorch gives {theirs}"
    assert ours[:2] == theirs[:2], name
    np.testing.assert_allclose(ours[3], theirs[3], rtol=2e-3 if theirs[0] == "float16" else 1e-6)


@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISONS, *LOGIC])
def test_op(name: str, left: str) -> None:
    """Dtype and value of each binary op for every pair; integers are not divided by zero."""
    shift = 0 if name not in ("floor_divide", "remainder", "fmod") else 1
    for kind, other, right in itertools.product(KINDS, KINDS, NAMES):
        if shift and right == "bool":
            continue

        def second(library: Any, other: str = other, right: str = right) -> Any:
            argument = make(library, other, right)
            return argument + shift if shift else argument

        compare(name, lambda library, kind=kind: make(library, kind, left), second)


@pytest.mark.parametrize("left", NAMES)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "true_divide", "pow", "eq", "maximum"])
def test_op_with_a_number(name: str, left: str) -> None:
    if name == "maximum":
        name = "remainder"
    for kind, number in itertools.product(KINDS, [True, 2, 1.5, -1]):
        if (left, name) == ("bool", "remainder"):
            continue
        compare(name, lambda library, kind=kind: make(library, kind, left), lambda library, number=number: number)


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.lt, operator.eq, operator.ge, operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("function", OPERATORS, ids=lambda function: function.__name__)
def test_reflected(function: Any) -> None:
    """A Python number on the left is as weak as on the right."""
    for name, number in itertools.product(["int32", "float16", "float32", "float64", "uint8"], [2, 2.5]):
        same(lambda library, name=name, number=number: function(
            number, library.tensor([1, 2, 3], dtype=getattr(library, name))), rtol=2e-3)  # fmt: skip


UNARY = ["sin", "exp", "sqrt", "sigmoid", "abs", "neg", "square", "floor", "sign", "reciprocal", "sum", "mean", "prod",
         "cumsum", "bitwise_not", "logical_not", "isnan", "erf", "relu", "max", "argmax", "any"]  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    for kind in NAMES:
        arguments = (0,) if name == "cumsum" else ()

        def run(library: Any, kind: str = kind, arguments: Any = arguments) -> Any:
            try:
                return plain(
                    getattr(library, name)(library.tensor([1, 0, 3], dtype=getattr(library, kind)), *arguments)
                )
            except (RuntimeError, TypeError) as refused:
                return "not implemented" if "not implemented for" in str(refused) else "refused"

        theirs, ours = run(torch), run(pellucid)
        if isinstance(theirs, str):
            assert isinstance(ours, str) or theirs == "not implemented", (name, kind)
            continue
        assert ours[:2] == theirs[:2], (name, kind, ours)
        np.testing.assert_allclose(ours[3], theirs[3], rtol=2e-3, err_msg=kind)


@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_", "pow_"])
def test_in_place(name: str) -> None:
    """The target keeps its type; a result of a higher category is refused."""
    for left, right in itertools.product(NAMES, NAMES):
        for kind in KINDS:

            def run(library: Any, left: str = left, right: str = right, kind: str = kind) -> Any:
                target = make(library, "tensor", left)
                try:
                    getattr(target, name)(make(library, kind, right))
                except (RuntimeError, TypeError) as refused:
                    return "not implemented" if "not implemented for" in str(refused) else "refused"
                return plain(target)

            theirs, ours = run(torch), run(pellucid)
            if isinstance(theirs, str):
                assert ours == theirs or theirs == "not implemented", (left, right, kind, ours)
            else:
                assert ours[:2] == theirs[:2], (left, right, kind, ours)
                np.testing.assert_allclose(ours[3], theirs[3], rtol=2e-3)


def test_in_place_says_what_to_write() -> None:
    both_raise(lambda library: library.tensor([1, 2]).add_(1.5), "float32 can't be cast", "int64", "(add)")
    both_raise(lambda library: library.tensor([True]).mul_(2), "int64", "bool", "(mul)")


def test_numbers_out_of_range() -> None:
    same(lambda library: library.tensor([100], dtype=library.uint8) + 200)
    same(lambda library: library.tensor([100], dtype=library.int8) * 3)
    same(lambda library: library.tensor([1.0], dtype=library.float32) * 1e300)
    same(lambda library: library.tensor([1.0], dtype=library.float16) + 1e5)


def test_default_dtype() -> None:
    def program(library: Any) -> Any:
        before = library.get_default_dtype()
        library.set_default_dtype(library.float64)
        try:
            return [library.tensor(1.5), library.ones(2), library.tensor([1]) * 1.5, library.arange(3.0),
                    library.tensor([1]) / 2, library.get_default_dtype(), library.tensor([])]  # fmt: skip
        finally:
            library.set_default_dtype(before)

    same(program)
    both_raise(lambda library: library.set_default_dtype(library.int64), "floating-point", "int64")
    assert pellucid.get_default_dtype() is pellucid.float32


def test_limits() -> None:
    def program(library: Any) -> Any:
        found = []
        for name in ("bfloat16", "float16", "float32", "float64"):
            info = library.finfo(getattr(library, name))
            found.append([info.bits, info.min, info.max, info.eps, info.tiny, info.smallest_normal, info.resolution,
                          info.dtype])  # fmt: skip
        for name in ("uint8", "int8", "int16", "int32", "int64"):
            info = library.iinfo(getattr(library, name))
            found.append([info.bits, info.min, info.max, info.dtype])
        return [*found, library.finfo().dtype]

    same(program)


def test_limits_as_text() -> None:
    assert str(pellucid.iinfo(pellucid.int8)) == str(torch.iinfo(torch.int8))
    for name in ("bfloat16", "float16", "float32", "float64"):
        assert str(pellucid.finfo(getattr(pellucid, name))) == str(torch.finfo(getattr(torch, name)))


def test_numbers_of_other_classes() -> None:
    """A subclass of int or float counts as a Python number."""
    import enum

    class Level(enum.IntEnum):
        LOW = 2

    assert plain(pellucid.ones(1) * Level.LOW)[:2] == ("float32", (1,))
    assert plain(pellucid.tensor([3]) * Level.LOW)[3].tolist() == [6]


def test_dtype_objects() -> None:
    import copy
    import pickle

    for name in NAMES:
        ours = getattr(pellucid, name)
        theirs = getattr(torch, name)
        assert repr(ours) == repr(theirs)
        assert (ours.is_floating_point, ours.is_complex, ours.itemsize, ours.is_signed) == (
            theirs.is_floating_point, theirs.is_complex, theirs.itemsize, theirs.is_signed)  # fmt: skip
        assert copy.deepcopy(ours) is ours
        assert pickle.loads(pickle.dumps(ours)) is ours
        assert pellucid.core.as_dtype(ours.numpy) is ours
        assert pellucid.core.as_dtype(name) is ours
    assert pellucid.half is pellucid.float16
    assert pellucid.double is pellucid.float64
    assert pellucid.long is pellucid.int64
    assert pellucid.core.as_dtype(float) is pellucid.float64
    assert pellucid.core.as_dtype(bool) is pellucid.bool
    for wrong in ("complex256", "nothing", 3, object()):
        with pytest.raises(TypeError, match="is not an element type that pellucid has; it has float16"):
            pellucid.core.as_dtype(wrong)


def test_result_type_needs_something() -> None:
    with pytest.raises(TypeError, match="at least one"):
        pellucid.result_type()
