"""Fourier transforms. PyTorch's names are in `pellucid.fft`.

Three ops carry them all, and each is linear, so its rule is another of the three: complex to complex, whose matrix is
symmetric; real to half a spectrum; half a spectrum to real.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core import Tensor, called, get_default_dtype
from pellucid.declare import TABLE, function, op
from pellucid.errors import with_line

from .creation import attributes
from .dims import dim_of, dims_of
from .node_names import of_reals

Dims = tuple[int, ...]

_OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _transforms(xp: Any) -> Any:
    """The library's `fft`; NumPy's own is imported when it is first asked for."""
    return getattr(xp, "fft", None) or np.fft


@op(name="fourier", method=False, public=False, node="FftC2CBackward0")
def fourier(xp: Any, input: Any, *, dims: Dims, norm: str, inverse: bool) -> Any:
    """Xₖ = s Σⱼ xⱼ e^(∓2πi jk / n) along each of `dims`; the sign is + for the inverse, s is as `norm` says."""
    if 0 in input.shape or not dims:
        return input.copy()
    library = _transforms(xp)
    transform: Callable[..., Any] = library.ifftn if inverse else library.fftn
    return transform(input, axes=dims, norm=norm).astype(input.dtype, copy=False)


fourier.vjp(
    input=lambda m, g, dims, norm, inverse: m.fourier(g, dims=dims, norm=norm, inverse=inverse)  # its own transpose
)


@op(name="half_spectrum", method=False, public=False, node="FftR2CBackward0")
def half_spectrum(xp: Any, input: Any, *, dims: Dims, norm: str) -> Any:
    """The transform of real numbers, without the half along the last of `dims` that follows from the other."""
    kind = xp.result_type(input, xp.complex64)
    if 0 in input.shape:
        last = dims[-1]
        return xp.zeros((*input.shape[:last], input.shape[last] // 2 + 1, *input.shape[last + 1 :]), kind)
    return _transforms(xp).rfftn(input, axes=dims, norm=norm).astype(kind, copy=False)


def _half_rule(m: Any, g: Any, shape: Any, dims: Dims, norm: str) -> Any:
    """The whole transform of g with zeros for the other half, of which the engine takes the real part."""
    last = dims[-1]
    key = (slice(None),) * last + (slice(shape[last] // 2 + 1),)
    return m.fourier(m.part_embed(g, shape=tuple(shape), key=key), dims=dims, norm=norm, inverse=False)


half_spectrum.vjp(input=lambda m, g, input_shape, dims, norm: _half_rule(m, g, input_shape, dims, norm))


@op(name="from_half_spectrum", method=False, public=False, node="FftC2RBackward0", holomorphic=False)
def from_half_spectrum(xp: Any, input: Any, *, dims: Dims, n: int, norm: str) -> Any:
    """The inverse of `half_spectrum`: n real numbers along the last of `dims`."""
    if 0 in input.shape:
        last = dims[-1]
        return xp.zeros((*input.shape[:last], n, *input.shape[last + 1 :]), input.real.dtype)
    sizes = [*(input.shape[dim] for dim in dims[:-1]), n]
    return _transforms(xp).irfftn(input, sizes, axes=dims, norm=norm).astype(input.real.dtype, copy=False)


def _from_half_rule(m: Any, g: Any, shape: Any, dims: Dims, n: int, norm: str) -> Any:
    """The half spectrum of g, twice what stands for two: all but the first and, of an even n, the last."""
    half, last = n // 2 + 1, dims[-1]
    weight = np.full(half, 2, np.int8)
    weight[0] = 1
    if n % 2 == 0:
        weight[-1] = 1
    weight = weight.reshape((half,) + (1,) * (len(shape) - last - 1))
    return m.half_spectrum(g, dims=dims, norm=_OPPOSITE[norm]) * weight


from_half_spectrum.vjp(input=lambda m, g, input_shape, dims, n, norm: _from_half_rule(m, g, input_shape, dims, n, norm))


# --- what is asked ----------------------------------------------------------------------------------------------------


def _norm(norm: str | None) -> str:
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(with_line(f'Invalid normalization mode: "{norm}"; it is "backward", "ortho" or "forward"'))
    return norm or "backward"


def numbers_of(name: str, input: Tensor, complex: bool | None) -> Any:
    """`input` in a type that can be transformed: complex, or real where `complex` is False."""
    found: Any = input
    if not (found.is_floating_point() or found.is_complex()):
        found = found.to(get_default_dtype())
    if found.dtype.itemsize == 2:
        raise RuntimeError(with_line(f"Unsupported dtype {found.dtype!r} for fft.{name}; write .float()"))
    if complex is False and found.is_complex():
        raise RuntimeError(with_line(f"{name} expects a real input tensor, but got {found.dtype!r}; take .real of it"))
    return found.to(found.dtype.to_complex()) if complex else found


def _axes(input: Tensor, s: Any, dim: Any) -> tuple[Dims, list[int]]:
    """The dimensions that are transformed, and how long each is to be (-1 and None: as it is)."""
    s = None if s is None else [s] if isinstance(s, int) else list(s)
    if dim is None:
        if s is not None and len(s) > input.ndim:
            raise RuntimeError(
                with_line(f"Got shape with {len(s)} values but input tensor only has {input.ndim} dimensions.")
            )
        dims = tuple(range(input.ndim)) if s is None else tuple(range(input.ndim - len(s), input.ndim))
    else:
        given = (dim,) if isinstance(dim, int) else tuple(dim)
        if not input.ndim and given:
            dim_of(given[0], 0)
            raise IndexError(with_line(f"Dimension specified as {given[0]} but tensor has no dimensions"))
        dims = tuple(dim_of(axis, input.ndim) for axis in given)
        if len(set(dims)) < len(dims):
            raise RuntimeError(with_line("FFT dims must be unique"))
    if s is not None and len(s) != len(dims):
        raise RuntimeError(with_line("When given, dim and shape arguments must have the same length"))
    lengths = [input.shape[axis] for axis in dims]
    if s is not None:
        lengths = [known if wanted in (None, -1) else wanted for wanted, known in zip(s, lengths, strict=True)]
    return dims, lengths


def _refuse_empty(lengths: list[int]) -> None:
    for length in lengths:
        if length < 1:
            raise RuntimeError(with_line(f"Invalid number of data points ({length}) specified"))


def resized(input: Any, dims: Dims, lengths: list[int]) -> Any:
    """`input` cut off or filled up with zeros to these lengths."""
    for axis, length in zip(dims, lengths, strict=True):
        known = input.shape[axis]
        if length < known:
            input = input.narrow(axis, 0, length)
        elif length > known:
            shape = (*input.shape[:axis], length, *input.shape[axis + 1 :])
            input = TABLE["part_embed"](input, shape=shape, key=(slice(None),) * axis + (slice(known),))
    return input


def _complex(name: str, input: Tensor, s: Any, dim: Any, norm: str | None, inverse: bool) -> Tensor:
    found, norm = numbers_of(name, input, True), _norm(norm)
    dims, lengths = _axes(found, s, dim)
    _refuse_empty(lengths)
    return fourier(resized(found, dims, lengths), dims=dims, norm=norm, inverse=inverse)


def _to_half(name: str, input: Tensor, s: Any, dim: Any, norm: str | None) -> Tensor:
    found, norm = numbers_of(name, input, False), _norm(norm)
    dims, lengths = _axes(found, s, dim)
    if not dims:
        raise RuntimeError(with_line(f"{name} must transform at least one axis"))
    _refuse_empty(lengths)
    return half_spectrum(resized(found, dims, lengths), dims=dims, norm=norm)


def _from_half(name: str, input: Tensor, s: Any, dim: Any, norm: str | None) -> Tensor:
    found, norm = numbers_of(name, input, True), _norm(norm)
    dims, lengths = _axes(found, s, dim)
    if not dims:
        raise RuntimeError(with_line(f"{name} must transform at least one axis"))
    n = _last_length(found, dims, s)
    _refuse_empty([*lengths[:-1], n])
    lengths[-1] = n // 2 + 1
    return from_half_spectrum(resized(found, dims, lengths), dims=dims, n=n, norm=norm)


def _last_length(input: Any, dims: Dims, s: Any) -> int:
    wanted = s if s is None or isinstance(s, int) else s[-1]
    return 2 * (input.shape[dims[-1]] - 1) if wanted in (None, -1) else wanted


# --- PyTorch's names --------------------------------------------------------------------------------------------------


@function(method=False, public=False, name="fft.fft")
@called(of_reals("FftR2CBackward0"))
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Xₖ = Σⱼ xⱼ e^(-2πi jk / n) along `dim`, of `n` numbers (cut off, or filled up with zeros).

    `norm` says where 1/n goes: "backward" to the inverse, "forward" here, "ortho" its root to both.

    >>> import pellucid
    >>> fft(pellucid.tensor([1.0, 0.0, 0.0, 0.0]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _complex("fft", input, n, dim, norm, False)


@function(method=False, public=False, name="fft.ifft")
@called(of_reals("ConjBackward0"))
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `fft`: xⱼ = 1/n Σₖ Xₖ e^(2πi jk / n)."""
    return _complex("ifft", input, n, dim, norm, True)


@function(method=False, public=False, name="fft.fft2")
def fft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """`fft` along two dimensions, the last two by default."""
    return _complex("fft2", input, s, dim, norm, False)


@function(method=False, public=False, name="fft.ifft2")
def ifft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """The inverse of `fft2`."""
    return _complex("ifft2", input, s, dim, norm, True)


@function(method=False, public=False, name="fft.fftn")
def fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """`fft` along several dimensions, by default all, or the last as many as `s` has lengths."""
    return _complex("fftn", input, s, dim, norm, False)


@function(method=False, public=False, name="fft.ifftn")
def ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `fftn`."""
    return _complex("ifftn", input, s, dim, norm, True)


@function(method=False, public=False, name="fft.rfft")
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The first n // 2 + 1 numbers of `fft` of real numbers; the others are their conjugates.

    >>> import pellucid
    >>> rfft(pellucid.tensor([1.0, 2.0, 3.0, 4.0]))
    tensor([10.+0.j, -2.+2.j, -2.+0.j])
    """
    return _to_half("rfft", input, n, dim, norm)


@function(method=False, public=False, name="fft.irfft")
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `rfft`: n real numbers, 2 · (length - 1) by default."""
    return _from_half("irfft", input, n, dim, norm)


@function(method=False, public=False, name="fft.rfft2")
def rfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """`fft2` of real numbers, without the half along the last dimension that follows from the other."""
    return _to_half("rfft2", input, s, dim, norm)


@function(method=False, public=False, name="fft.irfft2")
def irfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """The inverse of `rfft2`."""
    return _from_half("irfft2", input, s, dim, norm)


@function(method=False, public=False, name="fft.rfftn")
def rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """`fftn` of real numbers, without the half along the last dimension that follows from the other."""
    return _to_half("rfftn", input, s, dim, norm)


@function(method=False, public=False, name="fft.irfftn")
def irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `rfftn`."""
    return _from_half("irfftn", input, s, dim, norm)


def _hermitian(name: str, input: Tensor, s: Any, dim: Any, norm: str | None) -> Tensor:
    found, norm = numbers_of(name, input, True), _norm(norm)
    dims, lengths = _axes(found, s, dim)
    if not dims:
        raise RuntimeError(with_line(f"{name} must transform at least one axis"))
    n = _last_length(found, dims, s)
    _refuse_empty([*lengths[:-1], n])
    lengths[-1] = n // 2 + 1
    found = resized(found, dims, lengths)
    if len(dims) > 1:
        found = fourier(found, dims=dims[:-1], norm=norm, inverse=False)
    return from_half_spectrum(TABLE["conj"](found), dims=dims[-1:], n=n, norm=_OPPOSITE[norm])


def _to_hermitian(name: str, input: Tensor, s: Any, dim: Any, norm: str | None) -> Tensor:
    found, norm = numbers_of(name, input, False), _norm(norm)
    dims, lengths = _axes(found, s, dim)
    if not dims:
        raise RuntimeError(with_line(f"{name} must transform at least one axis"))
    _refuse_empty(lengths)
    half = half_spectrum(resized(found, dims, lengths), dims=dims[-1:], norm=_OPPOSITE[norm])
    made = TABLE["conj"](half)
    return fourier(made, dims=dims[:-1], norm=norm, inverse=True) if len(dims) > 1 else made


@function(method=False, public=False, name="fft.hfft")
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """`fft` of n numbers whose second half is the first one's conjugate, and left out: real numbers."""
    return _hermitian("hfft", input, n, dim, norm)


@function(method=False, public=False, name="fft.ihfft")
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `hfft`, of real numbers: half of `ifft`."""
    return _to_hermitian("ihfft", input, n, dim, norm)


@function(method=False, public=False, name="fft.hfft2")
def hfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """`fft2` of numbers whose second half along the last dimension is left out: real numbers."""
    return _hermitian("hfft2", input, s, dim, norm)


@function(method=False, public=False, name="fft.ihfft2")
def ihfft2(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None) -> Tensor:
    """The inverse of `hfft2`."""
    return _to_hermitian("ihfft2", input, s, dim, norm)


@function(method=False, public=False, name="fft.hfftn")
def hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """`fftn` of numbers whose second half along the last dimension is left out: real numbers."""
    return _hermitian("hfftn", input, s, dim, norm)


@function(method=False, public=False, name="fft.ihfftn")
def ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """The inverse of `hfftn`."""
    return _to_hermitian("ihfftn", input, s, dim, norm)


# --- frequencies ------------------------------------------------------------------------------------------------------


def _frequencies(whole: bool, n: int, d: float, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    known = attributes(dtype, device)
    count = n if whole else n // 2 + 1
    index: Any = TABLE["arange"](start=0, step=1, length=count, **known)
    if whole:
        index = TABLE["where"](index > (n - 1) // 2, index - n, index)
    made = index * (1.0 / (n * d))
    return made.requires_grad_() if requires_grad else made


@function(method=False, public=False, name="fft.fftfreq")
def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, layout: Any = None, device: Any = None,
            requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The frequencies of `fft` of n numbers that lie `d` apart: 0, 1, …, -2, -1, all over n · d.

    >>> fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    return _frequencies(True, n, d, dtype, device, requires_grad)


@function(method=False, public=False, name="fft.rfftfreq")
def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The frequencies of `rfft` of n numbers that lie `d` apart: 0, 1, …, n // 2, all over n · d."""
    return _frequencies(False, n, d, dtype, device, requires_grad)


def _shifted(input: Any, dim: Any, by: Callable[[int], int]) -> Tensor:
    dims = tuple(range(input.ndim)) if dim is None else dims_of(dim, input.ndim)
    return input.roll([by(input.shape[axis]) for axis in dims], list(dims)) if dims else input.clone()


@function(method=False, public=False, name="fft.fftshift")
def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The numbers in the order of their frequencies: 0 goes to the middle of each dimension."""
    return _shifted(input, dim, lambda length: length // 2)


@function(method=False, public=False, name="fft.ifftshift")
def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _shifted(input, dim, lambda length: (length + 1) // 2)
