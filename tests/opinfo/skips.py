"""Every known difference from PyTorch, with its reason: the one place where a sample may fail.

The samples named here are run like all others, and are expected to differ; if all of them agree, the entry is stale
and its test fails, so that the list stays true. Where PyTorch has other kernels for some processors, none has to.
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
    everywhere: bool = True  # False where PyTorch differs on some processors alone: then no sample has to

    def covers(self, dtype: str, sample: Any) -> bool:
        """Whether this entry speaks of the sample (a SampleInput)."""
        return (self.dtypes is None or dtype in self.dtypes) and (self.where is None or self.where(sample))


UNBOUND = Skip("PyTorch checks the self of an unbound method; in Python any object may stand there")


CANCELS = Skip("sums of both signs cancel, and both libraries lose the same digits", dtypes=("float32",))
NARROW_CANCELS = Skip("a gradient that cancels: PyTorch rounds each step to bfloat16", dtypes=("bfloat16",))
NARROW_TIES = Skip("of many equal numbers of bfloat16 each library takes another", dtypes=("bfloat16",))
HALF_POWERS = Skip("PyTorch's powers overflow in half precision, pellucid's are float64", dtypes=("float16",))
HALF_BINS = Skip("PyTorch finds the bin in half precision, pellucid in single", dtypes=("float16",))

SCATTERED = Skip("PyTorch gives the input the gradient of the elements that were replaced, and none of the others")

# Of a pole PyTorch gives a large number of rounding errors, of inf NaN.
FEW_DIGITS = "PyTorch's trigamma and polygamma have few digits near a pole and none at it or at infinity"
POLYGAMMA = Skip(FEW_DIGITS, ("float32", "float16", "int16", "int8"))
POLYGAMMA_0 = Skip(FEW_DIGITS, ("int16", "int8"))

NO_COMPLEX32 = Skip("half precision has no complex numbers: complex32 is refused", None)
COMPLEX32 = Skip("half precision has no complex numbers: complex32 is refused", ("float16",))
# Where the recurrence overflows, or cancels, in single precision.
RECURRENCES = Skip("PyTorch computes polynomials in float32, pellucid in float64", ("float32", "int64"))
EDGES = Skip("PyTorch computes these in float32, with few digits where sums cancel", ("float32", "int64"))
CANCEL_TOO = Skip("of two observations, the derivatives by a weight cancel to rounding", ("complex128",))
NEGATIVE = Skip("PyTorch's Airy function has four digits at some negative numbers", ("int64",))
WHOLE = Skip("PyTorch rounds an average of whole numbers once, pellucid once a dimension or not at all", ("int64",))
WINDOW = Skip("PyTorch asks for no gradient of a real window beside complex frames", ("complex128",))
IN_PLACE = Skip("whole numbers in place become floating numbers, which PyTorch refuses", ("int64",))
EMPTY = Skip("PyTorch refuses to pool images of no channels")
# By its kernels for AVX2; elsewhere it interpolates bytes as floating numbers.
FIXED_POINT = Skip("PyTorch interpolates bytes in fixed point, with other roundings", ("uint8",), everywhere=False)
POLYNOMIALS = [
    "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
    "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w",
]  # fmt: skip

# (the OpInfo's full name, kind) -> why. The kinds: forward, grad, gradgrad, noncontiguous, variants, error.
SKIPS: dict[tuple[str, str], tuple[Skip, ...]] = {
    ("__radd__", "error"): (UNBOUND,),
    ("__rand__", "error"): (UNBOUND,),
    ("__ror__", "error"): (UNBOUND,),
    ("__rxor__", "error"): (UNBOUND,),
    ("__rmul__", "error"): (UNBOUND,),
    ("logcumsumexp", "grad"): (CANCELS,),
    ("nn.functional.cosine_similarity", "grad"): (NARROW_CANCELS,),
    ("mode", "grad"): (NARROW_TIES,),
    ("polygamma.polygamma_n_0", "forward"): (POLYGAMMA_0,),
    **{(f"polygamma.polygamma_n_{n}", "forward"): (POLYGAMMA,) for n in range(1, 5)},
    ("histc", "forward"): (HALF_BINS,),
    **{("as_strided_scatter", kind): (SCATTERED,) for kind in ("grad", "gradgrad", "noncontiguous")},
    ("signal.windows.kaiser", "forward"): (
        Skip(
            "PyTorch's i0 overflows in float32 before its value does",
            ("float32",),
            lambda sample: sample.kwargs.get("beta") == 100,
        ),
    ),
    ("matrix_exp", "forward"): (HALF_POWERS,),
    **{("chalf", kind): (NO_COMPLEX32,) for kind in ("forward", "grad", "gradgrad", "noncontiguous", "variants")},
    ("complex", "forward"): (COMPLEX32,),
    ("view_as_complex", "forward"): (COMPLEX32,),
    **{(f"special.{name}", "forward"): (RECURRENCES,) for name in POLYNOMIALS},
    ("special.zeta", "forward"): (EDGES,),
    ("special.airy_ai", "forward"): (NEGATIVE,),
    ("cov", "gradgrad"): (CANCEL_TOO,),
    ("nn.functional.interpolate.bilinear", "forward"): (FIXED_POINT,),
    ("nn.functional.interpolate.bicubic", "forward"): (FIXED_POINT,),
    ("nn.functional.upsample_bilinear", "forward"): (FIXED_POINT,),
    ("special.polygamma.special_polygamma_n_0", "forward"): (POLYGAMMA_0,),
    **{("nn.functional.avg_pool3d", kind): (WHOLE,) for kind in ("forward", "noncontiguous")},
    **{("nn.functional.local_response_norm", kind): (WHOLE,) for kind in ("forward", "noncontiguous")},
    **{("istft", kind): (WINDOW,) for kind in ("grad", "gradgrad")},
    **{(f"mvlgamma.mvlgamma_p_{p}", "variants"): (IN_PLACE,) for p in (1, 3, 5)},
    ("nn.functional.max_pool3d", "error"): (EMPTY,),
}

# Tolerances wider than usual, by a factor. (What rounding does to a sum is measured: `tests.rounding`.)
SLACK: dict[str, float] = {
    "histogram": 8.0,  # PyTorch adds the weights of a bin in float32, one by one; pellucid in float64
}  # fmt: skip

# Ops that choose among equal values, with the place of `dim` among their arguments. PyTorch leaves open which index
# comes out of a tie, unless `stable` is asked for: the index must then point at an equal value.
TIES = {"sort": 0, "argsort": 0, "topk": 1, "kthvalue": 1, "mode": 0, "median": 0, "nanmedian": 0}

# Vectors whose signs (of complex numbers: phases) are open: PyTorch's samples say what of them is defined.
UP_TO_SIGNS = frozenset({"linalg.eigh", "linalg.eig", "linalg.svd", "pca_lowrank", "svd", "svd_lowrank"})

# Ops that PyTorch has for complex numbers and pellucid has not.
WITHOUT_COMPLEX = frozenset({
    "chalf", "corrcoef", "log_softmax.with_dtype", "logaddexp", "logcumsumexp", "logsumexp",
    "nn.functional.softmin.with_dtype", "normal.in_place", "rand_like", "randn", "randn_like",
    "softmax.with_dtype", "uniform",
})  # fmt: skip

# Ops whose values are not defined, so that shapes and dtypes alone are compared.
UNDEFINED_VALUES = frozenset({"empty", "empty_like", "new_empty"})
