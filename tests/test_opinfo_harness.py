"""The comparison of tests/opinfo, tested on PyTorch itself: whole, it agrees; damaged in one place, it is caught."""

import types
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.opinfo.compare import cases, run
from tests.opinfo.ops import op_db
from tests.opinfo.skips import SKIPS, Skip

OPS = {op.full_name: op for op in op_db()}


class Damaged(types.ModuleType):
    """PyTorch with some functions replaced."""

    def __init__(self, **changes: Any) -> None:
        super().__init__("damaged")
        self.__dict__.update(changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


class CubeGradient(torch.autograd.Function):
    """x³, with a first gradient that is right and a second that is not."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 3 * g * x * x.detach()


@pytest.mark.parametrize(
    "name",
    ["tanh", "add", "cat", "sum", "max.reduction_with_dim", "expand", "T", "bernoulli", "nn.functional.conv1d"],
)
def test_pytorch_agrees_with_itself(name: str) -> None:
    for dtype, kind in cases(OPS[name]):
        outcome = run(OPS[name], dtype, kind, torch)
        assert not outcome.failures, outcome.failures[0]


@pytest.mark.parametrize(
    ("name", "dtype", "kind", "change", "said"),
    [
        ("tanh", "float32", "forward", lambda x: torch.tanh(x) * 1.0001, "values differ"),
        ("tanh", "float32", "forward", lambda x: torch.tanh(x).double(), "expected dtype float32, got float64"),
        ("tanh", "int64", "forward", lambda x: torch.tanh(x.double()), "expected dtype float32"),
        ("tanh", "float64", "forward", lambda x: torch.tanh(x)[None], "expected shape"),
        ("tanh", "float64", "forward", lambda x: torch.tanh(x.copy_(x + 1) - 1), "an input after the call"),
        ("tanh", "float64", "grad", lambda x: torch.tanh(x).detach(), "requires_grad is False"),
        ("tanh", "float64", "grad", lambda x: torch.tanh(x) + 0.001 * (x - x.detach()), "grad of input 0"),
        (
            "tanh",
            "float64",
            "noncontiguous",
            lambda x: torch.tanh(x).reshape(-1).flip(0).view(x.shape),
            "values differ",
        ),
        ("argmax", "float32", "forward", lambda x, *args, **kw: torch.argmin(x, *args, **kw), "values differ"),
        (
            "argsort",
            "int64",
            "forward",
            lambda x, *args, **kw: torch.argsort(x, *args, **kw).flip(0),
            "an index points",
        ),
        ("argsort", "int64", "forward", lambda x, *args, **kw: torch.argsort(x, *args, **kw) * 0, "an index"),
        ("roll", "int64", "forward", lambda x, *args, **kw: x, "values differ"),
        ("cat", "any", "error", lambda *args, **kw: torch.zeros(1), "where PyTorch raises"),
        ("split.list_args", "float32", "forward", lambda *args: torch.split(*args)[:-1], "results, got"),
    ],
)
def test_a_wrong_answer_is_caught(name: str, dtype: str, kind: str, change: Callable[..., Any], said: str) -> None:
    op = OPS[name]
    outcome = run(op, dtype, kind, Damaged(**{op.name: change}))
    assert outcome.failures
    assert said in outcome.failures[0]


def test_a_wrong_second_gradient_is_caught() -> None:
    op = OPS["pow"]
    wrong = Damaged(pow=lambda x, e: CubeGradient.apply(x) * torch.pow(x, e - 3))
    right = Damaged(pow=lambda x, e: x**3 * torch.pow(x, e - 3))
    assert len(run(op, "float64", "gradgrad", wrong).failures) > len(run(op, "float64", "gradgrad", right).failures)


def test_the_wrong_class_of_error_is_caught() -> None:
    def cat(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    outcome = run(OPS["cat"], "any", "error", Damaged(cat=cat))
    assert not outcome.compared
    assert "raises ZeroDivisionError" in outcome.failures[0]


def test_a_tie_may_fall_otherwise() -> None:
    def argsort(x: torch.Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> torch.Tensor:
        return torch.argsort(x, dim=dim, descending=descending, stable=True)

    assert not run(OPS["argsort"], "uint8", "forward", Damaged(argsort=argsort)).failures


def test_a_numpy_warning_is_caught() -> None:
    def log(x: torch.Tensor) -> torch.Tensor:
        import numpy as np

        return torch.from_numpy(np.asarray(np.log(x.numpy())))

    outcome = run(OPS["log"], "float32", "forward", Damaged(log=log))
    assert any("RuntimeWarning" in text for text in outcome.failures)


def test_a_skip_covers_its_samples_and_goes_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    skip = Skip("a reason", dtypes=("float32",))
    monkeypatch.setitem(SKIPS, ("tanh", "forward"), (skip,))
    wrong = Damaged(tanh=lambda x: torch.tanh(x) * 1.0001)
    assert not run(OPS["tanh"], "float32", "forward", wrong).failures
    assert run(OPS["tanh"], "float32", "forward", wrong).skipped["a reason"] > 0
    assert run(OPS["tanh"], "float64", "forward", wrong).failures
    assert "stale skip" in run(OPS["tanh"], "float32", "forward", torch).failures[0]
    monkeypatch.setitem(SKIPS, ("tanh", "forward"), (Skip("a reason", dtypes=("float32",), everywhere=False),))
    assert not run(OPS["tanh"], "float32", "forward", torch).failures
