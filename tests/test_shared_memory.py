"""What shares memory with what, against PyTorch: each way to take a view, on contiguous, strided and empty tensors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid.core.views import memory_of
from pellucid.declare import TABLE
from tests import op_samples

VIEWS = (
    "x.as_strided((2,), (1,))", "x.as_strided((2,), (1,), 1)", "x.as_strided(x.shape, x.stride())", "x.diagonal()",
    "x.diagonal(1)", "x.diagonal(-1, 0, 1)", "x.diagonal(5)", "T.linalg.diagonal(x)", "x.expand(2, *x.shape)",
    "x.expand_as(x)", "x.expand(*x.shape)", "x.broadcast_to(2, *x.shape)", "T.broadcast_tensors(x, x)",
    "x.narrow(0, 1, 1)",
    "x.narrow(0, 0, 0)", "x.select(0, 0)", "x.select(-1, 0)", "x.unbind()", "x.unbind(-1)", "list(x)",
    # the order of dimensions
    "x.movedim(0, -1)", "x.moveaxis(0, -1)", "x.permute(*reversed(range(x.ndim)))", "x.t()", "x.transpose(0, 1)",
    "x.transpose(0, 0)", "x.swapaxes(0, 1)", "x.swapdims(-1, 0)", "x.T", "x.mT", "x.H", "x.mH", "x.adjoint()",
    "T.einsum('ij->ji', x)", "T.einsum('ij->ij', x)", "T.einsum('ii->i', x)", "T.einsum('...i->i...', x)",
    # the shape
    "x.squeeze()", "x.squeeze(0)", "x.squeeze(-1)", "x.squeeze((0, 1))", "x.unsqueeze(0)", "x.unsqueeze(-1)",
    "x.unflatten(0, (x.shape[0], 1))", "x.unflatten(-1, (1, -1))", "x.view(x.shape)", "x.view(-1)",
    "x.view(1, *x.shape)",
    "x.view_as(x)", "x.flatten()", "x.flatten(0, 0)", "x.flatten(-1)", "x.reshape(-1)", "x.reshape(x.shape)",
    "x.reshape(1, *x.shape)", "x.reshape_as(x)", "x.contiguous()", "x.t().contiguous()", "x.T.reshape(-1)",
    "T.atleast_1d(x)", "T.atleast_2d(x)", "T.atleast_3d(x)", "T.nn.Flatten()(x)",
    "x.expand(3, *x.shape).reshape(3, -1)",
    # windows, pieces
    "x.unfold(0, 1, 1)", "x.unfold(0, 2, 1)", "x.unfold(-1, 2, 2)", "x.unfold(0, 0, 1)", "x.split(1)", "x.split(2)",
    "x.split(1, -1)", "x.split([1, x.shape[0] - 1])", "x.split_with_sizes([1, x.shape[0] - 1])", "x.tensor_split(2)",
    "x.tensor_split((1,))", "x.hsplit(1)", "x.hsplit((1,))", "x.vsplit(1)", "x.dsplit(1)", "x.chunk(2)",
    "x.chunk(2, -1)",
    "x.unsafe_chunk(2)", "x.unsafe_split(1)", "x.unsafe_split_with_sizes([1, x.shape[0] - 1])",
    # other dtypes and histories
    "x.view(x.dtype)", "x.view(T.uint8)", "x.view(T.int16)", "T.view_as_real(x)", "T.view_as_complex(x)", "x.real",
    "T.real(x)", "x.imag", "x.detach()", "x.data", "x.to(x.dtype)", "x.type_as(x)", "x.float()", "x.cpu()",
    "T.asarray(x)",
    "T.as_tensor(x)", "x.resolve_conj()", "x.positive()", "x.requires_grad_(False)",
    # subscripts
    "x[0]", "x[-1]", "x[...]", "x[:]", "x[None]", "x[1:]", "x[::2]", "x[:, 0]", "x[:, None]", "x[..., -1]",
    "x[..., 0, None]",
    "x[:0]", "x[0, 0]", "x[..., 1:]", "x[()]", "x[True]", "x[[0]]", "x[T.tensor([0])]", "x[T.tensor(0)]",
)  # fmt: skip
COPIES = (
    "x.clone()", "x.diag()", "x.ravel()", "x.repeat(1, 1)", "x.tile(1)", "x.roll(0)", "x.flip(0)", "x.tril()",
    "T.cat([x])",
    "T.nn.functional.pixel_shuffle(x, 1)", "T.nn.functional.pixel_unshuffle(x, 1)", "T.channel_shuffle(x, 1)",
    "T.nn.functional.interpolate(x, scale_factor=1)", "T.diagonal_copy(x)", "x.cumsum(0)", "x.sum_to_size(x.shape)",
    "T.histogram(x.flatten(), x.flatten().sort()[0])", "x.to(x.dtype, copy=True)", "x.index_select(0, T.tensor([0]))",
    "T.nn.functional.pad(x, (0, 0))", "T.nn.functional.dropout(x, 0.5, False)", "x.round()", "T.block_diag(x)",
)  # fmt: skip

LAYOUTS: dict[str, Any] = {
    "(3, 4)": lambda T: T.arange(12.0).reshape(3, 4),
    "int64": lambda T: T.arange(12).reshape(3, 4),
    "bool": lambda T: T.arange(12).reshape(3, 4) > 3,
    "complex": lambda T: T.arange(12).reshape(3, 4).to(T.complex64),
    "float64 pairs": lambda T: T.arange(6.0, dtype=T.float64).reshape(3, 2),
    "transposed": lambda T: T.arange(12.0).reshape(4, 3).t(),
    "stepped": lambda T: T.arange(48.0).reshape(6, 8)[1::2, ::3],
    "columns": lambda T: T.arange(24.0).reshape(3, 8)[:, 2:6],
    "permuted": lambda T: T.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
    "expanded": lambda T: T.arange(3.0).reshape(3, 1).expand(3, 2),
    "(1, 3, 1)": lambda T: T.arange(3.0).reshape(1, 3, 1),
    "(1, 2, 2, 2)": lambda T: T.arange(8.0).reshape(1, 2, 2, 2),
    "stepped vector": lambda T: T.arange(10.0)[::2],
    "scalar": lambda T: T.tensor(2.0),
    "(0, 3)": lambda T: T.zeros(0, 3),
    "(3, 0)": lambda T: T.zeros(3, 0),
    "requires grad": lambda T: T.arange(12.0).reshape(3, 4).requires_grad_(),
}


def memory(x: Any) -> tuple[Any, int]:
    """The memory that a tensor is a part of, and where its elements begin."""
    if isinstance(x, torch.Tensor):
        return x.untyped_storage().data_ptr(), x.data_ptr()
    whole = memory_of(x._array)
    return whole.__array_interface__["data"][0], x._array.__array_interface__["data"][0]


def taken(T: Any, expression: str, x: Any) -> Any:
    """For each result: its shape, how far into `x` it begins (None: a copy), whether it is `x`, and a view of it."""
    try:
        result = eval(expression, {"T": T, "x": x})  # noqa: S307
    except Exception:
        return "refused"
    found = []
    for part in result if isinstance(result, tuple | list) else [result]:
        (whole, start), (mine, own) = memory(part), memory(x)
        offset = start - own if part.numel() and x.numel() and whole == mine else None
        found.append((tuple(part.shape), offset, part is x, part._base is x if x._base is None else None))
    return found


@pytest.mark.parametrize("expression", [*VIEWS, *COPIES])
def test_what_shares_memory(expression: str) -> None:
    met = False
    for name, layout in LAYOUTS.items():
        if name == "complex" and expression in ("x.H", "x.mH", "x.adjoint()"):
            continue  # conjugates are computed at once here, into memory of their own
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs, ours = taken(torch, expression, layout(torch)), taken(pellucid, expression, layout(pellucid))
        if theirs != "refused":
            assert ours == theirs, name
            met = True
    assert met


# What rules alone ask for, on arrays: no change in place can come between.
OF_RULES = {"cast_like", "conj", "spread", "to_device"}


def test_ops_that_are_no_views_have_memory_of_their_own() -> None:
    """An op whose result shares memory that autograd does not know of would let a change in place go unseen."""
    op_samples.load()
    ran, sharing = 0, set()
    for name, rows in op_samples.SAMPLES.items():
        op: Any = TABLE.get(name)
        if op is None or op.view or op.mutates:
            continue
        for row in rows:
            given = [pellucid.tensor(value) if isinstance(value, np.ndarray) else value for value in row.args]
            try:
                result = op(*given, **row.attributes)
            except Exception:
                continue
            ran += 1
            outputs = result if isinstance(result, tuple) else (result,)
            arrays = [tensor for tensor in given if isinstance(tensor, pellucid.Tensor) and tensor.numel()]
            if any(np.shares_memory(out._array, tensor._array) for out in outputs for tensor in arrays):
                sharing.add(name)
    assert ran > 400
    assert sharing == OF_RULES
    x = pellucid.ones(2)
    assert x.to("cpu") is x
    assert x.conj() is x
