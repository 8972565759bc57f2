"""`out=` stores a result as PyTorch does: in the caller's tensor, cast, resized with a warning, without gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import pellucid

CALLS = (
    "T.add(x, 1, out=o)", "T.mul(x, x, out=o)", "T.exp(x, out=o)", "T.sum(x, 0, out=o)", "T.matmul(x, x.T, out=o)",
    "T.cat([x, x], out=o)", "T.stack([x, x], out=o)", "T.where(x > 1, x, -x, out=o)", "T.clamp(x, 1, 2, out=o)",
    "T.gather(x, 0, i, out=o)", "T.cumsum(x, 0, out=o)", "T.eq(x, x, out=o)", "T.mean(x, 1, out=o)", "T.i0(x, out=o)",
    "T.special.erfcx(x, out=o)", "T.index_select(x, 0, i[0], out=o)", "T.topk(x, 2, out=(o, oi))",
    "T.max(x, 0, out=(o, oi))", "T.sort(x, out=(o, oi))", "T.add(x, 1, out=None)",
    "T.nn.functional.normalize(x, out=o)", "T.nn.functional.normalize(x, p=1, dim=0, out=o)",
)  # fmt: skip


def run(call: str, T: Any, out: Any, **more: Any) -> Any:
    names = {"T": T, "x": T.arange(12.0).reshape(3, 4), "i": T.tensor([[0, 2, 1, 0]]), "o": out,
             "oi": T.empty(0, dtype=T.int64)}  # fmt: skip
    return eval(call, {**names, **more})  # noqa: S307


@pytest.mark.parametrize("call", CALLS)
def test_stored_as_in_torch(call: str) -> None:
    wide = call.startswith(("T.add", "T.mul", "T.exp", "T.cumsum", "T.eq", "T.i0"))
    for kind in ("float32", *["float64"] * wide):
        both = []
        for T in (torch, pellucid):
            out = T.empty(0, dtype=getattr(T, kind))
            result = run(call, T, out)
            both.append((repr(result).replace("_out(", "("), repr(out)))
            first = result if isinstance(result, T.Tensor) else result[0]
            assert first is out or "None" in call
        assert both[0] == both[1]


def test_what_is_refused_and_warned_of() -> None:
    for T in (torch, pellucid):
        x = T.ones(3)
        with pytest.raises(RuntimeError, match="automatic differentiation"):
            T.add(T.ones(3, requires_grad=True), 1, out=T.empty(3))
        with pytest.raises(RuntimeError, match="automatic differentiation"):
            T.add(x, 1, out=T.empty(3, requires_grad=True))
        with pytest.raises(RuntimeError, match="can't be cast"):
            T.add(x, 1.5, out=T.empty(3, dtype=T.int64))
        with pytest.warns(UserWarning, match="resized"):
            T.add(x, 1, out=T.empty(2))
        base = T.zeros(6)
        view = base[::2]
        T.add(x, 1, out=view)
        assert base.tolist() == [2, 0, 2, 0, 2, 0]
    with pytest.raises(TypeError, match="argument 'out' must be Tensor, not int"):
        pellucid.exp(pellucid.ones(3), out=3)
