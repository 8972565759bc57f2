"""The chi-squared distribution."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from . import constraints
from .gamma import Gamma

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The sum of the squares of ``df`` standard normal numbers."""

    arg_constraints = {"df": constraints.positive}  # noqa: RUF012

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return super().expand(batch_shape, self._get_checked_instance(Chi2, _instance))

    def _dims_of(self, name: str) -> int:
        return 0

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2
