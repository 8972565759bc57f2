"""The order of dimensions, and of what lies along them: transposition, flips, rolls."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called
from pellucid.declare import TABLE, function, op
from pellucid.errors import DimensionError, ShapeError, with_line

from .dims import dim_of, dims_of, said, sizes_of
from .shape import reshape_view

# --- views ------------------------------------------------------------------------------------------------------------


@op(name="permute", view=True, method=False, public=False)
def permute_dims(xp: Any, input: Any, *, dims: Any) -> Any:
    """A view with the dimensions in the order `dims`."""
    return input.transpose(dims)


permute_dims.vjp(input=lambda m, g, dims: m.permute(g, dims=_inverse(dims)))


def _inverse(dims: Any) -> tuple[int, ...]:
    rank = len(dims)
    return tuple(sorted(range(rank), key=lambda i: dims[i] % rank))


@function()
def permute(input: Tensor, *dims: Any, **given: Any) -> Tensor:
    """A view with the dimensions in the order `dims`.

    Raises RuntimeError where `dims` does not name each dimension once.

    >>> import pellucid
    >>> pellucid.zeros(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    order, rank = said("permute", dims, "dims", given), input.ndim
    if len(order) != rank:
        raise RuntimeError(
            with_line(
                "permute: number of dimensions in the tensor input does not match the length of the desired ordering "
                f"of dimensions i.e. input.dim() = {rank} is not equal to len(dims) = {len(order)}"
            )
        )
    known = tuple(dim_of(dim, rank) for dim in order)
    if len(set(known)) < rank:
        raise RuntimeError(with_line(f"permute(): duplicate dims are not allowed, got {order}"))
    return permute_dims(input, dims=known)


@op(view=True)
def transpose(xp: Any, input: Any, *, dim0: int, dim1: int) -> Any:
    """A view with two dimensions exchanged.

    >>> import pellucid
    >>> pellucid.zeros(2, 3, 4).transpose(0, 2).shape
    torch.Size([4, 3, 2])
    """
    if input.ndim == 0:
        dim_of(dim0, 0)
        dim_of(dim1, 0)
        return input[...]
    return input.swapaxes(dim0, dim1)


transpose.vjp(input=lambda m, g, dim0, dim1: m.transpose(g, dim0=dim0, dim1=dim1))


@function()
def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged; the same as `transpose`."""
    return transpose(input, dim0=dim0, dim1=dim1)


@function()
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """A view with two dimensions exchanged; the same as `transpose`."""
    return transpose(input, dim0=axis0, dim1=axis1)


@function()
@called("TBackward0")
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix, as a view; a vector or a 0-d tensor as it is."""
    if input.ndim > 2:
        raise RuntimeError(
            with_line(
                f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D; write .mT or .transpose(i, j)"
            )
        )
    return transpose(input, dim0=0, dim1=1) if input.ndim == 2 else permute_dims(input, dims=tuple(range(input.ndim)))


@function()
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged and the elements conjugated; of a real tensor a view."""
    return _conjugated(_matrix_transpose(input))


def _conjugated(tensor: Tensor) -> Tensor:
    return TABLE["conj"](tensor) if tensor.is_complex() else tensor


def _matrix_transpose(self: Tensor) -> Tensor:
    """A view with the last two dimensions exchanged; a tensor without dimensions itself."""
    if self.ndim == 0:
        return self
    if self.ndim < 2:
        raise RuntimeError(
            with_line(
                f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor; write "
                "x[:, None] for a column"
            )
        )
    return transpose(self, dim0=-2, dim1=-1)


@called("PermuteBackward0")
def _reversed_dims(self: Tensor) -> Tensor:
    """A view with the dimensions in the opposite order."""
    if self.ndim == 2:
        return transpose(self, dim0=0, dim1=1)
    return permute_dims(self, dims=tuple(range(self.ndim))[::-1])


@called("TransposeBackward0")
def _transposed_matrix(self: Tensor) -> Tensor:
    """The transpose of a matrix with its elements conjugated; of a real tensor a view."""
    if self.ndim not in (0, 2):
        raise RuntimeError(
            with_line(f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor; write .mT")
        )
    return _conjugated(_reversed_dims(self)) if self.ndim else self


setattr(Tensor, "T", property(_reversed_dims))  # noqa: B010 (the type checker knows no such attribute)
setattr(Tensor, "H", property(_transposed_matrix))  # noqa: B010
setattr(Tensor, "mT", property(_matrix_transpose))  # noqa: B010
setattr(Tensor, "mH", property(adjoint))  # noqa: B010


@function()
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """A view in which the dimensions `source` stand at `destination`, the others in their order.

    >>> import pellucid
    >>> pellucid.zeros(2, 3, 4).movedim(0, -1).shape
    torch.Size([3, 4, 2])
    """
    sources, targets = sizes_of((source,)), sizes_of((destination,))
    if len(sources) != len(targets):
        raise RuntimeError(
            with_line(
                f"movedim: Invalid source or destination dims: source ({list(sources)} dims) should contain the same "
                f"number of dims as destination ({list(targets)} dims)"
            )
        )
    rank = input.ndim
    for name, dims in (("source", sources), ("destination", targets)):
        if len({dim_of(dim, rank) for dim in dims}) < len(dims):
            raise RuntimeError(with_line(f"movedim: repeated dim in `{name}` ({list(dims)})"))
    if rank == 0:
        return permute_dims(input, dims=())
    where = {dim_of(to, rank): dim_of(origin, rank) for origin, to in zip(sources, targets, strict=True)}
    rest = iter(axis for axis in range(rank) if axis not in where.values())
    return permute_dims(input, dims=tuple(where[i] if i in where else next(rest) for i in range(rank)))


@function()
def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """The same as `movedim`."""
    return movedim(input, source, destination)


# --- copies -----------------------------------------------------------------------------------------------------------


@op(name="flip", method=False, public=False)
def flip_dims(xp: Any, input: Any, *, dims: tuple[int, ...]) -> Any:
    """The elements in the opposite order along `dims`."""
    return xp.flip(input, dims).copy()


flip_dims.vjp(input=lambda m, g, dims: m.flip(g, dims=dims))


@function()
def flip(input: Tensor, *dims: Any, **given: Any) -> Tensor:
    """A copy with the elements in the opposite order along `dims`.

    >>> import pellucid
    >>> pellucid.tensor([1, 2, 3]).flip(0)
    tensor([3, 2, 1])
    """
    known = said("flip", dims, "dims", given)
    return flip_dims(input, dims=dims_of(known, input.ndim) if input.ndim else ())


@function()
def fliplr(input: Tensor) -> Tensor:
    """A copy with the columns in the opposite order; needs two dimensions."""
    if input.ndim < 2:
        raise RuntimeError(with_line(f"Input must be >= 2-d, this one has shape {tuple(input.shape)}"))
    return flip_dims(input, dims=(1,))


@function()
def flipud(input: Tensor) -> Tensor:
    """A copy with the rows in the opposite order; needs one dimension."""
    if input.ndim < 1:
        raise RuntimeError(with_line("Input must be >= 1-d, this one has no dimensions"))
    return flip_dims(input, dims=(0,))


@op(name="roll", method=False, public=False)
def roll_dims(xp: Any, input: Any, *, shifts: tuple[int, ...], dims: tuple[int, ...] | None) -> Any:
    """Each element moved `shifts` places along `dims`; what leaves at one end enters at the other."""
    return xp.roll(input, shifts if dims is not None else shifts[0], dims)


roll_dims.vjp(input=lambda m, g, shifts, dims: m.roll(g, shifts=tuple(-shift for shift in shifts), dims=dims))


@function()
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Each element moved `shifts` places along `dims`; what leaves at one end enters at the other.

    Without `dims`, as if the tensor had one dimension.

    >>> import pellucid
    >>> pellucid.tensor([1, 2, 3]).roll(1)
    tensor([3, 1, 2])
    """
    by = sizes_of((shifts,))
    axes = () if dims is None else sizes_of((dims,))
    if not by:
        raise RuntimeError(with_line("`shifts` required"))
    if len(by) != len(axes) and not (len(by) == 1 and not axes):
        raise ShapeError(with_line(f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(axes)}"))
    if axes and input.ndim == 0:
        raise DimensionError(with_line(f"Dimension specified as {axes[0]} but tensor has no dimensions"))
    return roll_dims(input, shifts=by, dims=tuple(dim_of(axis, input.ndim) for axis in axes) or None)


@function()
@called("Rot90Backward0")
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """A copy rotated by k · 90° in the plane of two dimensions, from the first towards the second.

    >>> import pellucid
    >>> pellucid.tensor([[1, 2], [3, 4]]).rot90()
    tensor([[2, 4],
            [1, 3]])
    """
    axes = sizes_of((dims,))
    if len(axes) != 2:
        raise RuntimeError(with_line(f"expected total rotation dims == 2, but got dims = {len(axes)}"))
    if input.ndim < 2:
        raise RuntimeError(with_line(f"expected total dims >= 2, but got total dims = {input.ndim}"))
    if axes[0] == axes[1] or abs(axes[0] - axes[1]) == input.ndim:
        raise RuntimeError(
            with_line(f"expected rotation dims to be different, but got dim0 = {axes[0]} and dim1 = {axes[1]}")
        )
    first, second = (dim_of(axis, input.ndim) for axis in axes)
    turns = k % 4
    if turns == 0:
        return _copy(input)
    if turns == 2:
        return flip_dims(input, dims=(first, second))
    turned = flip_dims(input, dims=(second if turns == 1 else first,))
    return _copy(transpose(turned, dim0=first, dim1=second))


def _copy(input: Tensor) -> Tensor:
    return flip_dims(input, dims=())


# --- channels and pixels ----------------------------------------------------------------------------------------------


def _image(name: str, input: Tensor, least: int) -> tuple[tuple[int, ...], int, int, int]:
    shape = tuple(input.shape)
    if len(shape) < least:
        raise RuntimeError(
            with_line(
                f"{name} expects input to have at least {least} dimensions, but got input with "
                f"{len(shape)} dimension(s)"
            )
        )
    return shape[:-3], shape[-3], shape[-2], shape[-1]


def _rearranged(input: Tensor, apart: tuple[int, ...], dims: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """`input` under the shape `apart`, its last dimensions in the order `dims`, under `shape`."""
    lead = len(apart) - len(dims)
    order = (*range(lead), *(lead + dim for dim in dims))
    return reshape_view(_copied(permute_dims(reshape_view(input, shape=apart), dims=order)), shape=shape)


def _copied(tensor: Tensor) -> Tensor:
    return TABLE["clone"](tensor, memory_format="contiguous")


@function(public=False, method=False)
@called("PixelShuffleBackward0")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels spread over a finer grid of pixels: (…, C·r², H, W) -> (…, C, H·r, W·r) (arXiv:1609.05158).

    Raises RuntimeError where the number of channels is not divisible by r².
    """
    batch, channels, height, width = _image("pixel_shuffle", input, 3)
    r = upscale_factor
    if r <= 0:
        raise RuntimeError(with_line(f"pixel_shuffle expects a positive upscale_factor, but got {r}"))
    if channels % r**2:
        raise RuntimeError(
            with_line(
                "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
                f"upscale_factor, but input.size(-3)={channels} is not divisible by {r**2}"
            )
        )
    new = channels // r**2
    apart = (*batch, new, r, r, height, width)
    return _rearranged(input, apart, (0, 3, 1, 4, 2), (*batch, new, height * r, width * r))


@function(public=False, method=False)
@called("PixelUnshuffleBackward0")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The opposite of `pixel_shuffle`: (…, C, H·r, W·r) -> (…, C·r², H, W)."""
    batch, channels, height, width = _image("pixel_unshuffle", input, 3)
    r = downscale_factor
    if r <= 0:
        raise RuntimeError(with_line(f"pixel_unshuffle expects a positive downscale_factor, but got {r}"))
    if height % r or width % r:
        raise RuntimeError(
            with_line(
                "pixel_unshuffle expects height and width to be divisible by downscale_factor, but "
                f"({height}, {width}) is not divisible by {r}"
            )
        )
    apart = (*batch, channels, height // r, r, width // r, r)
    return _rearranged(input, apart, (0, 2, 4, 1, 3), (*batch, channels * r * r, height // r, width // r))


@function(method=False)
@called("ChannelShuffleBackward0")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of `groups` groups interleaved: channel i of each group, then i + 1 of each (arXiv:1707.01083).

    Shape: (N, C, …) -> the same. Raises RuntimeError where `groups` does not divide C.
    """
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise RuntimeError(
            with_line(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}")
        )
    if groups <= 0 or shape[1] % groups:
        raise RuntimeError(
            with_line(f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} groups.")
        )
    apart = (shape[0], groups, shape[1] // groups, *shape[2:])
    rest = range(3, len(apart))
    return reshape_view(_copied(permute_dims(reshape_view(input, shape=apart), dims=(0, 2, 1, *rest))), shape=shape)
