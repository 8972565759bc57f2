"""Ops that move numbers without computing: dtype, device, copies, and the parts of a base that views are."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid import backend
from pellucid.core import Tensor
from pellucid.core import device as Device
from pellucid.core import dtype as DType
from pellucid.core.conversion import real_part
from pellucid.declare import op
from pellucid.reverse.vocabulary import sum_to
from pellucid.types.bfloat16 import converted, is_narrow, rounded, widened
from pellucid.types.devices import of_array
from pellucid.types.dtypes import OF_NUMPY, number_in

from .placing import add_at


@op(public=False, method=False, reference="torch.Tensor.to", node="ToCopyBackward0", any_dtype=True)
def cast(xp: Any, input: Any, *, dtype: DType) -> Any:
    """The same values in another dtype; floats become integers by truncation, as in C."""
    if input.dtype.kind == "c" and dtype.numpy.kind != "c":
        input = real_part(input)
    return converted(input, dtype.numpy)


# The engine casts a gradient back to the dtype of its input.
cast.vjp(input=lambda m, g: g)


@op(public=False, method=False, reference="torch.Tensor.to", any_dtype=True)
def to_device(xp: Any, input: Any, *, device: Device) -> Any:
    """The same values in another memory."""
    here = backend.of_array(input)
    return input if device.backend is here else device.backend.from_numpy(here.to_numpy(input))


to_device.vjp(input=lambda m, g, input: m.to_device(g, device=_where(input)))


def _where(input: Any) -> Device:
    return input.device if isinstance(input, Tensor) else of_array(input)


RANKS = {"channels_last": 4, "channels_last_3d": 5}  # of the tensors that have the format


@op(any_dtype=True)
def clone(xp: Any, input: Any, *, memory_format: Any = None) -> Any:
    """A copy whose dimensions lie in memory in the order of the original's; gradients pass through to it."""
    if memory_format in RANKS:
        if input.ndim != RANKS[memory_format]:
            raise RuntimeError(
                f"required rank {RANKS[memory_format]} tensor to use {memory_format} format, got rank {input.ndim}"
            )
        return xp.moveaxis(xp.ascontiguousarray(xp.moveaxis(input.copy(), 1, -1)), -1, 1)
    kept = memory_format in (None, "preserve") and 0 not in input.strides
    return input.copy(order="K" if kept else "C")


clone.vjp(input=lambda m, g: g)


@op(public=False, method=False, any_dtype=True)
def along(xp: Any, input: Any, other: Any) -> Any:
    """`input`, which depends on `other` with a derivative of 0: how a piecewise constant derivative is recorded."""
    return input.copy()


@op(public=False, method=False, view=True, piecewise=True)
def kinked(xp: Any, input: Any) -> Any:
    """`input` itself, for what is composed of ops and linear in pieces: its second derivative is recorded as zeros."""
    return input


kinked.vjp(input=lambda m, g: g)


along.vjp(
    input=lambda m, g: g,
    other=lambda m, g, other: zeros_of(m, other),
)


def zeros_of(m: Any, input: Any) -> Any:
    """A gradient of zeros, for an input that the derivative is 0 by."""
    return m.full(size=input.shape, fill_value=0, dtype=_kind(input), device=_where(input))


def _kind(input: Any) -> DType:
    return input.dtype if isinstance(input, Tensor) else OF_NUMPY[input.dtype]


@op(public=False, mutates=(0,), reference="torch.Tensor.copy_", node="CopyBackwards", any_dtype=True)
def copy_(xp: Any, input: Any, src: Any, *, non_blocking: bool = False) -> Any:
    """Store the values of `src`, broadcast and cast, in this tensor."""
    if isinstance(src, int | float):
        src = xp.asarray(number_in(src, input.dtype))
    input[...] = converted(src, input.dtype) if is_narrow(src) or is_narrow(input) else src
    return input


copy_.vjp(src=lambda m, g, src_shape: sum_to(m, g, src_shape))


@op(public=False, method=False, any_dtype=True, holomorphic=False)
def view_replay(xp: Any, input: Any, *, chain: Any) -> Any:
    """The part of `input` that a chain of view ops leads to (see core.views)."""
    for step, attributes in chain:
        input = step.forward(xp, input, **attributes)
    return input.copy()


@op(public=False, method=False, any_dtype=True, holomorphic=False)
def view_embed(xp: Any, input: Any, *, shape: Any, chain: Any) -> Any:
    """Zeros of `shape`, to which `input` is added where the chain of view ops leads to."""
    if is_narrow(input):
        return rounded(view_embed.forward(xp, widened(input), shape=shape, chain=chain))
    whole = xp.zeros(shape, _of_base(input.dtype, chain))
    if any(step.name in ("expand", "unfold") for step, _ in chain):  # several elements may share a place
        places = xp.arange(whole.size).reshape(shape)
        for step, attributes in chain:
            places = step.forward(xp, places, **attributes)
        add_at(xp, whole, places, input)
        return whole
    part = whole
    for step, attributes in chain:
        part = step.forward(xp, part, **attributes)
    part[...] = input
    return whole


def _of_base(kind: Any, chain: Any) -> Any:
    """The dtype of what a chain of view ops, which leads to numbers of a dtype, begins at."""
    for step, _ in reversed(chain):
        if step.name in ("view_as_real", "real", "imag"):
            kind = np.result_type(kind, np.complex64)
        elif step.name == "view_as_complex":
            kind = np.empty(0, kind).real.dtype
    return kind


@op(public=False, method=False, any_dtype=True, holomorphic=False)
def view_zero(xp: Any, input: Any, *, chain: Any) -> Any:
    """`input` with zeros where the chain of view ops leads to."""
    whole = input.copy()
    part = whole
    for step, attributes in chain:
        part = step.forward(xp, part, **attributes)
    part[...] = xp.zeros((), part.dtype)
    return whole


# Linear with real coefficients, they need no conjugation, and `view_as_real` would not bear it.
view_replay.vjp(input=lambda m, g, input_shape, chain: m.view_embed(g, shape=input_shape, chain=chain))
view_embed.vjp(input=lambda m, g, chain: m.view_replay(g, chain=chain))
view_zero.vjp(input=lambda m, g, chain: m.view_zero(g, chain=chain))
