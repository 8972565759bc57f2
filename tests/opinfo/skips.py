"""Every known difference from PyTorch, with its reason: the one place where a sample may fail.

The samples named here are run like all others, and are expected to differ; if all of them agree, the entry is stale
and its test fails, so that the list stays true.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Skip:
    """Why samples may differ; of which dtypes (all, if not said) and which of them (all, if not said)."""

    reason: str
    dtypes: tuple[str, ...] | None = None
    where: Callable[[Any], bool] | None = None

    def covers(self, dtype: str, sample: Any) -> bool:
        """Whether this entry speaks of the sample (a SampleInput)."""
        return (self.dtypes is None or dtype in self.dtypes) and (self.where is None or self.where(sample))


UNBOUND = Skip("PyTorch checks the self of an unbound method; in Python any object may stand there")

# (the OpInfo's full name, kind) -> why. The kinds: forward, grad, gradgrad, noncontiguous, variants, error.
SKIPS: dict[tuple[str, str], tuple[Skip, ...]] = {
    ("__radd__", "error"): (UNBOUND,),
    ("__rmul__", "error"): (UNBOUND,),
}

# Tolerances wider than usual, by a factor. A sum of products rounds in the order that the BLAS at hand chooses.
SUM_OF_PRODUCTS = 8.0
SLACK: dict[str, float] = {"matmul": SUM_OF_PRODUCTS, "__rmatmul__": SUM_OF_PRODUCTS}

# Ops that choose among equal values, with the place of `dim` among their arguments. PyTorch leaves open which index
# comes out of a tie, unless `stable` is asked for: the index must then point at an equal value.
TIES = {"sort": 0, "argsort": 0, "topk": 1, "kthvalue": 1, "mode": 0, "median": 0, "nanmedian": 0}

# Ops whose values are not defined, so that shapes and dtypes alone are compared.
UNDEFINED_VALUES = frozenset(
    {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
)
