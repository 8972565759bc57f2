"""What an error says: the op, what it was given, the axis, the user's line, and what to write instead."""

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.declare import op
from pellucid.errors import DimensionError, ShapeError, user_line
from tests.twins import both_raise

ROWS: dict[str, tuple[Any, list[str]]] = {
    # broadcasting
    "two vectors": (lambda L: L.ones(3) + L.ones(4), [
        "add(input: float32 (3,), other: float32 (4,))", "(3,) and (4,) do not broadcast", "3 and 4", "dimension 0"]),
    "an axis in the middle": (lambda L: L.ones(2, 3, 4) * L.ones(5, 4), [
        "mul(", "float32 (2, 3, 4)", "float32 (5, 4)", "3 and 5 must match at dimension 1"]),
    "a vector along rows": (lambda L: L.ones(3, 4) - L.ones(3), [
        "sub(", "dimension 1", "x[:, None]", "To pair (3,) with the first dimension of (3, 4)"]),
    "a vector along rows, reflected": (lambda L: L.ones(3) / L.ones(3, 4), ["true_divide(", "x[:, None]"]),
    "a transpose": (lambda L: L.ones(3, 4) + L.ones(4, 3), ["One is the transpose of the other", ".T"]),
    "three at once": (lambda L: L.where(L.ones(2) > 0, L.ones(3), L.ones(2)), ["where(", "(2,) and (3,) and (2,)"]),
    "a comparison": (lambda L: L.ones(3) < L.ones(4), ["lt(", "do not broadcast"]),
    "in place": (lambda L: L.ones(3).add_(L.ones(4)), ["add_(", "(3,)", "(4,)"]),
    "in place, too large": (lambda L: L.ones(3).mul_(L.ones(2, 3)), [
        "mul_(", "output with shape [3] doesn't match the broadcast shape [2, 3]", "write mul (not in place)"]),
    "copy": (lambda L: L.ones(3).copy_(L.ones(4)), ["copy_(", "(3,)", "(4,)"]),
    "expand": (lambda L: L.ones(3).expand(4), ["expand", "3", "4"]),
    # products
    "matmul": (lambda L: L.ones(2, 3) @ L.ones(4, 5), ["matmul(", "(2, 3)", "(4, 5)", "3", "4"]),
    "matmul with a vector": (lambda L: L.ones(2, 3) @ L.ones(2), ["matmul(", "(2, 3)", "(2,)"]),
    "matmul of batches": (lambda L: L.ones(2, 3, 4) @ L.ones(5, 4, 2), ["matmul(", "(2, 3, 4)", "(5, 4, 2)"]),
    "matmul of 0-d": (lambda L: L.tensor(1.0) @ L.ones(2), ["matmul(", "()"]),
    "mm of vectors": (lambda L: L.mm(L.ones(2), L.ones(2)), ["mm", "2-D", "(2,)"]),
    "bmm": (lambda L: L.bmm(L.ones(2, 3, 4), L.ones(3, 4, 5)), ["bmm", "2 and 3"]),
    "dot": (lambda L: L.dot(L.ones(2), L.ones(3)), ["dot(", "(2,)", "(3,)"]),
    "matmul of two dtypes": (lambda L: L.ones(2, 2) @ L.ones(2, 2, dtype=L.float64), ["matmul(", "float32", "float64"]),
    "linear": (lambda L: L.nn.functional.linear(L.ones(2, 3), L.ones(4, 5)), ["linear(", "(2, 3)", "(4, 5)"]),
    "einsum": (lambda L: L.einsum("ij,jk->ik", L.ones(2, 3), L.ones(4, 5)), ["einsum(", "(2, 3)", "(4, 5)"]),
    "conv2d channels": (lambda L: L.nn.functional.conv2d(L.ones(1, 2, 4, 4), L.ones(3, 1, 2, 2)), [
        "weight of size [3, 1, 2, 2]", "input[1, 2, 4, 4]", "to have 1 channels, but got 2 channels"]),
    # dimensions
    "sum over a dim": (lambda L: L.ones(2, 3).sum(dim=2), ["sum(", "float32 (2, 3)", "dim=2", "[-2, 1]", "but got 2"]),
    "softmax": (lambda L: L.ones(2, 3).softmax(5), ["softmax(", "[-2, 1]", "but got 5"]),
    "of 0-d": (lambda L: L.tensor(1.0).sum(dim=1), ["sum(", "[-1, 0]", "but got 1"]),
    "unsqueeze": (lambda L: L.ones(2).unsqueeze(5), ["unsqueeze(", "[-2, 1]", "but got 5"]),
    "cat of other shapes": (lambda L: L.cat([L.ones(2, 3), L.ones(3, 4)]), ["cat(", "(2, 3)", "(3, 4)"]),
    "stack of other shapes": (lambda L: L.stack([L.ones(2), L.ones(3)]), ["stack", "[2]", "[3]"]),
    "reshape": (lambda L: L.ones(6).reshape(4, 2), ["reshape", "(6,)", "4, 2"]),
    "view of a transpose": (lambda L: L.ones(2, 3).permute(1, 0).view(6), ["view", "reshape"]),
    "permute": (lambda L: L.ones(2, 3).permute(0, 0), ["permute"]),
    "squeeze out of range": (lambda L: L.ones(2).squeeze(3), ["squeeze", "but got 3"]),
    "argmax": (lambda L: L.ones(2).argmax(dim=1), ["argmax(", "but got 1"]),
    "max of nothing": (lambda L: L.ones(0).max(), ["max"]),
    "split": (lambda L: L.ones(4).split([1, 2]), ["split", "4"]),
    # indices
    "index too large": (lambda L: L.ones(3)[5], ["5", "size 3"]),
    "too many indices": (lambda L: L.ones(3)[0, 0], ["too many indices"]),
    "gather": (lambda L: L.ones(3).gather(0, L.tensor([5])), ["gather(", "5", "size 3"]),
    "index_select": (lambda L: L.ones(3).index_select(0, L.tensor([5])), ["index_select("]),
    "embedding": (lambda L: L.nn.functional.embedding(L.tensor([7]), L.ones(3, 2)), ["embedding(", "7"]),
    "mask of another shape": (lambda L: L.ones(3)[L.tensor([True, False])], ["mask", "[2]", "[3]"]),
    "cross entropy target": (lambda L: L.nn.functional.cross_entropy(L.ones(2, 3), L.tensor([0, 5])), ["5"]),
    "assignment of another shape": (lambda L: L.ones(3).__setitem__(slice(0, 2), L.ones(3)), ["(3,)"]),
    # types
    "a list as argument": (lambda L: L.sin([1.0]), ["sin()", "'input'", "must be", "list", "pellucid.tensor(...)"]),
    "a text as argument": (lambda L: L.add(L.ones(2), "a"), ["add()", "'other'", "str"]),
    "no argument": (lambda L: L.sin(), ["sin()", "is missing input", "sin(input)"]),
    "one missing": (lambda L: L.maximum(L.ones(2)), ["maximum()", "is missing other"]),
    "an unknown keyword": (lambda L: L.sum(L.ones(2), axes=0), [
        "sum()", "'axes'", "it is called as sum(input, *, dim="]),
    "too many arguments": (lambda L: L.exp(L.ones(2), 1, 2, 3), ["exp()", "at most", "exp(input"]),
    "cat of no tensor": (lambda L: L.cat([L.ones(2), 3]), ["cat", "int"]),
    "ints where floats are needed": (lambda L: L.tensor([1, 2]).mean(), ["mean(", "int64"]),
    "bool minus bool": (lambda L: L.tensor([True]) - L.tensor([True]), ["bool", "logical_not"]),
    "float bits": (lambda L: L.ones(2) & L.ones(2), ["bitwise_and(", "float32"]),
    "in place into integers": (lambda L: L.tensor([1]).div_(2), ["div_(", "float32", "int64"]),
    "a power": (lambda L: L.tensor([1, 2]) ** -1, ["pow(", "negative integer powers"]),
    "index of floats": (lambda L: L.ones(3)[L.ones(2)], ["long", "float32"]),
    "integer division by zero": (lambda L: L.tensor([1]) // 0, ["ZeroDivisionError"]),
    "unknown dtype": (lambda L: L.ones(2, dtype="float33"), ["float33"]),
    "requires_grad of ints": (lambda L: L.ones(2, dtype=L.int64, requires_grad=True), ["floating point"]),
    "negative size": (lambda L: L.zeros(-2), ["-2"]),
    "arange without an end": (lambda L: L.arange(0, 5, 0), ["step"]),
    "repeat too few": (lambda L: L.ones(2, 3).repeat(2), ["repeat"]),
    "unknown device": (lambda L: L.ones(2, device="warp"), ["warp"]),
    "chunk zero": (lambda L: L.ones(4).chunk(0), ["chunk"]),
    "topk too many": (lambda L: L.ones(3).topk(5), ["topk(", "k=5"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_error(name: str) -> None:
    """The class of error is PyTorch's (or a subclass of it), the words are ours."""
    program, words = ROWS[name]
    both_raise(program, *words)


LINES = ["two vectors", "matmul", "sum over a dim", "gather", "in place, too large", "index too large", "reshape",
         "a power", "embedding", "cat of other shapes"]  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_the_user_s_line(name: str) -> None:
    message = both_raise(ROWS[name][0])
    line = message.splitlines()[-1]
    assert line.startswith("  at "), message
    assert "test_errors.py:" in line
    assert "in <lambda>: " in line
    assert f'"{name}"' in line or "L." in line


def test_the_line_is_found_through_modules() -> None:
    """A layer of the package calls the op; the line is that of the user's call."""
    layer = pellucid.nn.Sequential(pellucid.nn.Linear(3, 2), pellucid.nn.Linear(4, 2))
    with pytest.raises(RuntimeError) as failed:
        layer(pellucid.ones(1, 3))
    assert "in test_the_line_is_found_through_modules: layer(pellucid.ones(1, 3))" in str(failed.value)
    assert "(1, 2)" in str(failed.value)
    assert "(2, 4)" in str(failed.value)


def test_classes() -> None:
    """A shape that does not fit is PyTorch's RuntimeError and NumPy's ValueError; a dimension is an IndexError."""
    assert issubclass(ShapeError, RuntimeError)
    assert issubclass(ShapeError, ValueError)
    assert issubclass(DimensionError, IndexError)
    with pytest.raises(ShapeError):
        pellucid.ones(2) + pellucid.ones(3)
    with pytest.raises(DimensionError):
        pellucid.ones(2).sum(dim=4)


def test_no_chain_of_errors() -> None:
    """NumPy's own error is told, not shown a second time."""
    with pytest.raises(ShapeError) as failed:
        pellucid.ones(2) + pellucid.ones(3)
    assert failed.value.__suppress_context__


def test_an_exception_of_an_odd_class() -> None:
    """One that cannot be made from a message alone becomes a RuntimeError that says the same."""

    class Odd(Exception):
        def __init__(self, first: int, second: int) -> None:
            super().__init__(f"odd {first} {second}")

    def forward(xp: Any, input: Any) -> Any:
        raise Odd(1, 2)

    made = op(name="odd_for_a_test", public=False, method=False)(forward)
    try:
        with pytest.raises(RuntimeError, match=r"odd_for_a_test\(input: float32 \(2,\)\): odd 1 2"):
            made(pellucid.ones(2))
    finally:
        del pellucid.declare.TABLE["odd_for_a_test"]


def test_out_of_memory_is_a_runtime_error() -> None:
    with pytest.raises(RuntimeError, match="(?i)allocate|memory"):
        pellucid.zeros(1 << 60)


def test_declaring_twice() -> None:
    with pytest.raises(ValueError, match="'sin' is declared twice"):
        op(name="sin")(lambda xp, input: input)


def test_a_rule_that_asks_for_what_is_not_there() -> None:
    made = op(name="wrong_rule_for_a_test", public=False, method=False)(lambda xp, input: input * 2)
    made.vjp(input=lambda m, g, nonsense: g)
    try:
        with pytest.raises(TypeError, match=r"the backward rule of wrong_rule_for_a_test asks for 'nonsense'"):
            made(pellucid.ones(2, requires_grad=True))
    finally:
        del pellucid.declare.TABLE["wrong_rule_for_a_test"]


def test_a_rule_that_names_an_unknown_op() -> None:
    made = op(name="unknown_op_for_a_test", public=False, method=False)(lambda xp, input: input * 2)
    made.vjp(input=lambda m, g: m.no_such_op(g))
    try:
        with pytest.raises(AttributeError, match="asks for the op 'no_such_op', which is not in the table"):
            made(pellucid.ones(2, requires_grad=True)).sum().backward()
    finally:
        del pellucid.declare.TABLE["unknown_op_for_a_test"]


def test_how_an_op_is_called() -> None:
    assert pellucid.declare.TABLE["exp"].usage() == "exp(input)"
    assert repr(pellucid.declare.TABLE["exp"]) == "<op exp(input)>"
    assert pellucid.Tensor.exp is pellucid.declare.TABLE["exp"]


def test_user_line() -> None:
    """The innermost frame outside of the package; none if there is none."""
    assert "in test_user_line: " in str(user_line())
    found: list[Any] = []
    import threading

    thread = threading.Thread(target=lambda: found.append(user_line()))
    thread.start()
    thread.join(10)
    assert "test_errors.py" in found[0]


def test_numpy_is_quiet() -> None:
    """No warning of overflow or of division by zero, in any thread: PyTorch gives none."""
    import threading

    failures: list[BaseException] = []

    def work() -> None:
        try:
            x = pellucid.tensor([0.0, 1000.0], requires_grad=True)
            (1 / x).exp().sum().backward()
        except BaseException as failure:
            failures.append(failure)

    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert failures == []
    with pytest.warns(RuntimeWarning, match="divide"):
        np.ones(1) / np.zeros(1)
