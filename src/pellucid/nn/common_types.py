"""The types of arguments that layers take: a number, or as many as there are dimensions."""

from __future__ import annotations

from typing import Optional, Union

from pellucid.core import Tensor

# Spelled as PyTorch spells them, since they are printed.
_scalar_or_tuple_any_t = Union[int, tuple[int, ...]]  # noqa: UP007
_scalar_or_tuple_1_t = Union[int, tuple[int]]  # noqa: UP007
_scalar_or_tuple_2_t = Union[int, tuple[int, int]]  # noqa: UP007
_scalar_or_tuple_3_t = Union[int, tuple[int, int, int]]  # noqa: UP007
_scalar_or_tuple_4_t = Union[int, tuple[int, int, int, int]]  # noqa: UP007
_scalar_or_tuple_5_t = Union[int, tuple[int, int, int, int, int]]  # noqa: UP007
_scalar_or_tuple_6_t = Union[int, tuple[int, int, int, int, int, int]]  # noqa: UP007

_size_any_t = _scalar_or_tuple_any_t
_size_1_t = _scalar_or_tuple_1_t
_size_2_t = _scalar_or_tuple_2_t
_size_3_t = _scalar_or_tuple_3_t
_size_4_t = _scalar_or_tuple_4_t
_size_5_t = _scalar_or_tuple_5_t
_size_6_t = _scalar_or_tuple_6_t

# For arguments that may leave a dimension to the input, as the output sizes of adaptive pooling may.
_size_any_opt_t = tuple[Optional[int], ...]  # noqa: UP045
_size_2_opt_t = tuple[Optional[int], Optional[int]]  # noqa: UP045
_size_3_opt_t = tuple[Optional[int], Optional[int], Optional[int]]  # noqa: UP045

_ratio_2_t = Union[float, tuple[float, float]]  # noqa: UP007
_ratio_3_t = Union[float, tuple[float, float, float]]  # noqa: UP007
_ratio_any_t = Union[float, tuple[float, ...]]  # noqa: UP007

_tensor_list_t = Union[Tensor, tuple[Tensor, ...]]  # noqa: UP007
_maybe_indices_t = Union[Tensor, tuple[Tensor, Tensor]]  # noqa: UP007
