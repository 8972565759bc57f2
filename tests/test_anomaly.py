"""detect_anomaly: the first op that made a NaN or an infinity, forward or backward, and where it stands."""

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.autograd import AnomalyError, detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from pellucid.core import state
from tests.twins import same

INF, NAN = float("inf"), float("nan")


def caught(program: Any) -> AnomalyError:
    with pytest.raises(AnomalyError) as found, detect_anomaly():
        program()
    assert not is_anomaly_enabled()
    return found.value


def leaf(*numbers: float) -> Any:
    return pellucid.tensor(numbers, requires_grad=True)


# --- forward ---------------------------------------------------------------------------------------------------------


def logarithm() -> None:
    x = pellucid.tensor([1.0, -2.0, 3.0])
    (x * 1).log()


def zero_over_zero() -> None:
    pellucid.zeros(2) / pellucid.tensor([0.0, 1.0])


def overflow() -> None:
    pellucid.tensor([1.0, 1000.0]).exp()


def one_over_zero() -> None:
    1 / pellucid.tensor([1.0, 0.0])


def difference_of_infinities() -> None:
    x = pellucid.tensor([INF, 1.0])
    x - x


def given_a_nan() -> None:
    pellucid.tensor([NAN, 1.0]) * 2


def overflow_of_half() -> None:
    pellucid.tensor([60000.0]).half() * 2


def in_place() -> None:
    pellucid.tensor([-1.0, 4.0]).sqrt_()


def of_a_matrix() -> None:
    pellucid.full((2, 2), 1e30) @ pellucid.full((2, 2), 1e30)


def of_integers() -> None:
    pellucid.tensor([1, 0]) / pellucid.tensor([1, 0])


FORWARD = [
    (logarithm, "log", "NaN", ["input: float32 (3,), from -2 to 3", "output: float32 (3,), 1 of 3 not finite"]),
    (zero_over_zero, "true_divide", "NaN", ["input: float32 (2,), from 0 to 0", "other: float32 (2,), from 0 to 1"]),
    (overflow, "exp", "infinity", ["from 1 to 1000"]),
    (one_over_zero, "true_divide", "infinity", ["input: 1", "other: float32 (2,), from 0 to 1"]),
    (difference_of_infinities, "sub", "NaN", ["from 1 to 1, 1 of 2 not finite"]),
    (given_a_nan, "mul", "NaN in what it was given", ["input: float32 (2,), from 1 to 1, 1 of 2 not finite"]),
    (overflow_of_half, "mul", "infinity", ["float16 (1,)"]),
    (in_place, "sqrt_", "NaN", ["from -1 to 4"]),
    (of_a_matrix, "matmul", "infinity", ["float32 (2, 2)", "4 of 4 not finite"]),
    (of_integers, "true_divide", "NaN", ["from 0 to 1"]),
]


@pytest.mark.parametrize(
    ("program", "op", "what", "ranges"), FORWARD, ids=lambda program: getattr(program, "__name__", "")
)
def test_forward(program: Any, op: str, what: str, ranges: list[str]) -> None:
    error = caught(program)
    message = str(error)
    assert (error.op, error.phase) == (op, "forward")
    assert f"{op} is the first op whose output holds {what}\n" in message
    assert error.where is not None
    assert (
        f"test_anomaly.py:{program.__code__.co_firstlineno + program.__code__.co_code.count(b'') * 0}" in message
        or (f"in {program.__name__}: " in error.where)
    )
    assert error.where in message
    for interval in ranges:
        assert interval in message, message


def test_the_line_is_the_user_s() -> None:
    error = caught(logarithm)
    line = logarithm.__code__.co_firstlineno + 2
    assert error.where.endswith(f"test_anomaly.py:{line}, in logarithm: (x * 1).log()")


def test_within_a_module() -> None:
    """The line is that of the caller outside of the package, the op that of the package."""
    layer = pellucid.nn.Linear(2, 2)
    with pellucid.no_grad():
        layer.weight.mul_(3e38)

    def run() -> None:
        layer(pellucid.ones(1, 2) * 100)

    error = caught(run)
    assert "in run: layer(" in error.where


# --- backward --------------------------------------------------------------------------------------------------------


def sqrt_at_zero() -> None:
    x = leaf(0.0, 4.0)
    y = x.sqrt()
    (y * 0).sum().backward()


def steep() -> None:
    x = leaf(0.0, 4.0)
    y = x.sqrt()
    y.sum().backward()


def norm_of_nothing() -> None:
    x = leaf(0.0, 0.0)
    y = (x * x).sum().sqrt()
    y.backward()


def log_in_the_branch_not_taken() -> None:
    x = leaf(1.0, 0.0)
    y = pellucid.where(x > 0, (x * 1).clamp(min=0) ** 0.5, x)
    y.sum().backward()


def through_grad() -> None:
    x = leaf(0.0, 4.0)
    y = x.sqrt()
    pellucid.autograd.grad((y * 0).sum(), x)


def through_create_graph() -> None:
    x = leaf(0.0, 4.0)
    y = x.sqrt()
    pellucid.autograd.grad((y * 0).sum(), x, create_graph=True)


@pytest.mark.parametrize(("program", "node", "op", "line"), [
    (sqrt_at_zero, "SqrtBackward0", "sqrt", "y = x.sqrt()"),
    (steep, "SqrtBackward0", "sqrt", "y = x.sqrt()"),
    (norm_of_nothing, "SqrtBackward0", "sqrt", "y = (x * x).sum().sqrt()"),
    (log_in_the_branch_not_taken, "PowBackward0", "pow", "y = pellucid.where(x > 0, (x * 1).clamp(min=0) ** 0.5, x)"),
    (through_grad, "SqrtBackward0", "sqrt", "y = x.sqrt()"),
    (through_create_graph, "SqrtBackward0", "sqrt", "y = x.sqrt()"),
])  # fmt: skip
def test_backward(program: Any, node: str, op: str, line: str) -> None:
    """The line is the one that recorded the op, not the one that called backward."""
    error = caught(program)
    assert (error.op, error.phase) == (node, "backward")
    assert f"the backward pass of {op} is the first to make " in str(error)
    assert error.where.endswith(f"in {program.__name__}: {line}")
    assert f"at {error.where}" in str(error)
    assert state.node is None


def test_a_node_recorded_outside() -> None:
    """What was recorded before detection was switched on is named without its line."""
    x = leaf(0.0, 4.0)
    y = (x.sqrt() * 0).sum()
    error = caught(lambda: y.backward())
    assert error.where is None
    assert "at a line that is not known" in str(error)


def test_in_a_function_of_the_user_s() -> None:
    class Bad(pellucid.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return (g - 1) / (g - 1)

    def run() -> None:
        x = leaf(1.0)
        Bad.apply(x).backward()

    error = caught(run)
    assert "true_divide" in str(error)
    assert error.phase == "backward"
    assert "Bad" in str(error)


# --- what is no anomaly ----------------------------------------------------------------------------------------------


def test_a_mask_of_minus_infinity_is_fine() -> None:
    """Attention masks are made of -inf, by number, in many ways; softmax takes them, and its gradient is finite."""
    scores = leaf(1.0, 2.0, 3.0)
    mask = pellucid.tensor([True, False, False])
    with detect_anomaly():
        for masked in (
            scores.masked_fill(mask, -INF),
            scores + pellucid.tensor([-INF, 0.0, 0.0]),
            pellucid.where(mask, -INF, scores),
            scores + pellucid.full((3, 3), -INF).triu(1)[2],
            scores + pellucid.zeros(3).masked_fill(mask, -INF),
        ):
            masked.softmax(0)[1].backward(retain_graph=True)
    assert bool(scores.grad.isfinite().all())


def test_infinity_that_is_asked_for() -> None:
    with detect_anomaly():
        best = pellucid.full((2,), -INF)
        best = pellucid.maximum(best, pellucid.ones(2))
        x = pellucid.empty(2).fill_(INF)
        assert bool(x.isinf().all())
        assert not bool((x > 1).logical_not().any())
        assert (x * 2).isinf().all()


def test_nothing_changes_otherwise() -> None:
    """The same numbers, gradients and flags with detection on, to second order."""

    def program(library: Any) -> Any:
        x = library.tensor([0.5, 1.5], dtype=library.float64, requires_grad=True)
        with library.autograd.set_detect_anomaly(True):
            y = (x.exp() * x.sin()).sum()
            (slope,) = library.autograd.grad(y, x, create_graph=True)
            (slope * slope).sum().backward()
        return y, slope, x.grad

    same(program, rtol=1e-9)


def test_empty_tensors_and_integers_pass() -> None:
    with detect_anomaly():
        x = leaf()
        (x.log() * 2).sum().backward()
        assert x.grad.shape == (0,)
        assert int((pellucid.tensor([1, 2]) // 2).sum()) == 1


# --- switching -------------------------------------------------------------------------------------------------------


def test_switch() -> None:
    assert not is_anomaly_enabled()
    set_detect_anomaly(True)
    try:
        assert is_anomaly_enabled()
        with pytest.raises(AnomalyError):
            pellucid.tensor([-1.0]).log()
        with set_detect_anomaly(False):
            assert not is_anomaly_enabled()
            assert bool(pellucid.tensor([-1.0]).log().isnan().all())
        assert is_anomaly_enabled()
    finally:
        set_detect_anomaly(False)
    assert not is_anomaly_enabled()


def test_nested() -> None:
    with detect_anomaly():
        with detect_anomaly():
            assert is_anomaly_enabled()
        assert is_anomaly_enabled()
        with pytest.raises(AnomalyError):
            pellucid.tensor([-1.0]).log()
    assert state.interpreters == ()


def test_one_object_used_twice() -> None:
    watch = detect_anomaly()
    for _ in range(2):
        with watch:
            assert is_anomaly_enabled()
        assert not is_anomaly_enabled()
    with watch, watch:
        pass
    assert not is_anomaly_enabled()


def test_an_exception_within() -> None:
    with pytest.raises(KeyError), detect_anomaly():
        raise KeyError
    assert not is_anomaly_enabled()


def test_check_nan_off() -> None:
    with detect_anomaly(check_nan=False):
        assert bool(pellucid.tensor([-1.0]).log().isnan().all())


def test_a_run_goes_on_after_an_anomaly() -> None:
    x = leaf(0.0, 4.0)
    for _ in range(2):
        with pytest.raises(AnomalyError), detect_anomaly():
            (x.sqrt() * 0).sum().backward()
        assert x.grad is None
        assert pellucid.is_grad_enabled()
    (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 2])
