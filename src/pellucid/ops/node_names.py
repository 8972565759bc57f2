"""What PyTorch calls the node of an application, `grad_fn`, where one op has several names there.

Each function takes the arguments and the attributes of an application and returns the name. The digit tells PyTorch's
overloads apart: `x.sum()` is SumBackward0, `x.sum(0)` is SumBackward1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.core import Tensor

Name = Callable[[tuple[Any, ...], dict[str, Any]], str]


def by_dim(name: str, whole: int = 0, along: int = 1) -> Name:
    """One overload for all elements, another for a dimension."""
    whole_name, along_name = f"{name}Backward{whole}", f"{name}Backward{along}"
    return lambda args, kwargs: whole_name if kwargs.get("dim") is None else along_name


def by_operand(name: str, number: int = 0, tensor: int = 1, position: int = 1) -> Name:
    """One overload for a Python number at `position`, another for a tensor."""

    def chosen(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        return f"{name}Backward{tensor if isinstance(args[position], Tensor) else number}"

    return chosen


def power(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    base, exponent = args
    return f"PowBackward{2 if not isinstance(base, Tensor) else 1 if isinstance(exponent, Tensor) else 0}"


def subtraction(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "SubBackward0" if isinstance(args[0], Tensor) else "RsubBackward1"


def division(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "DivBackward0" if isinstance(args[0], Tensor) else "MulBackward0"  # PyTorch multiplies by the reciprocal


def clamped(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return f"ClampBackward{0 if any(isinstance(bound, Tensor) for bound in args[1:]) else 1}"


def reshaped(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "ViewBackward0" if args[0].is_contiguous() else "UnsafeViewBackward0"


def subscript(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """PyTorch takes a key apart, entry by entry; the last that does something gives the name."""
    entries = [entry for entry in kwargs["key"] if entry is not ...]
    last = "SliceBackward0" if len(entries) == 1 else "AliasBackward0"  # `x[:]`, and `x[...]` or `x[:, :]`
    for entry in entries:
        if isinstance(entry, int):
            last = "SelectBackward0"
        elif entry is None:
            last = "UnsqueezeBackward0"
        elif isinstance(entry, slice) and entry != slice(None):
            last = "SliceBackward0"
    return last


def product(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Of `matmul`, by the ranks."""
    ranks = args[0]._array.ndim, args[1]._array.ndim
    if ranks[0] == 2 and ranks[1] > 2 and args[0].requires_grad:  # PyTorch multiplies the transposed, and turns back
        flat = 1 in (args[0].shape[0], args[1].shape[-1]) or 0 in (*args[0].shape, *args[1].shape)
        return "TransposeBackward0" if flat else "CloneBackward0"
    return {
        (1, 1): "DotBackward0", (2, 1): "MvBackward0", (1, 2): "SqueezeBackward4", (2, 2): "MmBackward0",
    }.get(ranks, "UnsafeViewBackward0")  # fmt: skip


def layer(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Of `linear`."""
    rank, bias = args[0]._array.ndim, len(args) > 2 and args[2] is not None
    if bias:
        return "AddmmBackward0" if rank == 2 else "ViewBackward0"
    return {1: "SqueezeBackward4", 2: "MmBackward0"}.get(rank, "UnsafeViewBackward0")


def of_classes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Of `cross_entropy`, to which PyTorch adds what the other classes get under label smoothing."""
    if kwargs.get("label_smoothing"):
        return "AddBackward0"
    return "NllLossBackward0" if args[0]._array.ndim < 3 else "NllLoss2DBackward0"


def pooling(name: str) -> Name:
    return lambda args, kwargs: name.format(args[0]._array.ndim - 2)


def rounding(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return f"RoundBackward{int('decimals' in kwargs)}"


def scattered(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    number, reduce = not isinstance(args[2], Tensor), kwargs.get("reduce") is not None
    return f"ScatterBackward{int(number) + 2 * int(reduce)}"


def normal_numbers(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    given = [isinstance(arg, Tensor) for arg in args]
    return f"NormalBackward{3 if all(given) else 1 if given[0] else 2}"


def contraction(summed: set[str], operands: int) -> str:
    """Of `einsum`: a sum or another order of one operand, an elementwise or a batched product of several."""
    if operands == 1:
        return "SumBackward1" if summed else "PermuteBackward0"
    return "ViewBackward0" if summed else "MulBackward0"


# Of functions composed of ops (see `called`): these take the arguments of the function; None leaves the last op's name.


def by_rank(rank: int, name: str, otherwise: str | None = None) -> Callable[..., str | None]:
    """One name where the first argument has `rank` dimensions, another where it has not."""

    def chosen(input: Tensor, *_: Any, **__: Any) -> str | None:
        return name if input.ndim == rank else otherwise

    return chosen


def of_reals(name: str) -> Callable[..., str | None]:
    """Of a Fourier transform whose input has no imaginary part."""

    def chosen(input: Tensor, *_: Any, **__: Any) -> str | None:
        return None if input.is_complex() else name

    return chosen


def powers(input: Tensor, n: int) -> str | None:
    """Of `matrix_power`."""
    return None if n else "CopyBackwards"


def condition(A: Tensor, p: Any = None) -> str | None:
    """Of `cond`, a quotient of singular values or of norms."""
    return "SqueezeBackward1" if p in (None, 2, -2) else None


def differences(input: Tensor, n: int = 1, *_: Any, **__: Any) -> str | None:
    """Of `diff`."""
    return None if n else "CopyBackwards"


def strips(y: Tensor, x: Any = None, **_: Any) -> str:
    """Of `trapezoid`, with a step or with places."""
    return "MulBackward1" if x is None else "DivBackward1"


def running_strips(y: Tensor, x: Any = None, **_: Any) -> str | None:
    return None if x is None else "DivBackward1"


def with_dimensions(tensor: Tensor, rank: int) -> str | None:
    """Of `atleast_1d` and its like."""
    return "UnsqueezeBackward0" if tensor.ndim else None


def squeezed_copy(input: Tensor, *dims: Any, **named: Any) -> str:
    dim = next(iter((*dims, *named.values())), None)
    return f"SqueezeBackward{0 if dim is None else 2 if isinstance(dim, tuple | list) else 1}_copy"


def distances(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> str:
    """Of `cdist`: PyTorch finds Euclidean distances of many rows by a product of matrices."""
    many = max(x1.shape[-2], x2.shape[-2]) > 25 and compute_mode == "use_mm_for_euclid_dist_if_necessary"
    product = p == 2 and (many or compute_mode == "use_mm_for_euclid_dist")
    return "ViewBackward0" if product and x1.numel() and x2.numel() else "CdistBackward0"


def matrix_norms(A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, **_: Any) -> str | None:
    return "PermuteBackward0" if keepdim and ord in ("nuc", 2, -2) else None


def frames(input: Tensor, *args: Any, return_complex: bool | None = None, **_: Any) -> str:
    """Of `stft`."""
    if (args[8] if len(args) > 8 else return_complex) is False:
        return "ViewAsRealBackward0"
    return "SqueezeBackward4" if input.ndim == 1 else "TransposeBackward1"


def attended(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, *_: Any,
    **__: Any,
) -> str:  # fmt: skip
    """Of `scaled_dot_product_attention`: PyTorch has one op for it where all has heads and nothing is dropped."""
    plain = query.ndim == key.ndim == value.ndim == 4 and not dropout_p and query.shape[-1] == value.shape[-1]
    plain = plain and not (attn_mask is not None and attn_mask.requires_grad)
    return "ScaledDotProductFlashAttentionForCpuBackward0" if plain else "UnsafeViewBackward0"


def volume_means(input: Tensor, output_size: Any) -> str:
    ones = output_size == 1 or (not isinstance(output_size, int) and all(size == 1 for size in output_size))
    return "MeanBackward1" if ones else "AdaptiveAvgPool3DBackward0"


def padded(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> str | None:
    if mode == "circular":
        return "CopySlices"
    kind = {"reflect": "Reflection", "replicate": "Replication"}.get(mode)
    return kind and f"{kind}Pad{len(pad) // 2}DBackward0"
