"""Names in `torch` of its compiled part, which its own functions wrap and some programs call."""

from __future__ import annotations

import pellucid
from pellucid.core import Tensor

PRIVATE = ["_VF", "_unique", "_unique2"]


class _VF:
    """The functions of PyTorch's compiled part under the name by which its own files know them."""

    @staticmethod
    def unique_dim(
        input: Tensor,
        dim: int,
        sorted: bool = True,
        return_inverse: bool = False,
        return_counts: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`unique` along a dimension: all three results, asked for or not."""
        return pellucid.unique(input, sorted, True, True, dim)


def _unique2(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """`unique`: all three results, those that were not asked for empty."""
    values, inverse, counts = pellucid.unique(input, sorted, True, True)
    empty = pellucid.empty(0, dtype=pellucid.int64)
    return values, inverse if return_inverse else empty, counts if return_counts else empty


def _unique(input: Tensor, sorted: bool = True, return_inverse: bool = False) -> tuple[Tensor, Tensor]:
    """The same without counts."""
    return _unique2(input, sorted, return_inverse)[:2]
