"""The matrix product of the BLAS that NumPy itself has loaded, as an address that machine code can call.

NumPy's wheels carry OpenBLAS in a folder beside the package. Its functions have the names of CBLAS with the prefix
`scipy_` and the suffix `64_`, and take 64-bit integers. Where NumPy was built otherwise there is no address, and
`numpy.matmul` computes the products.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import numpy as np

ROW_MAJOR, PLAIN, TURNED = 101, 111, 112  # as CBLAS numbers them
TYPES = ("i32", "i32", "i32", "i64", "i64", "i64", "number", "ptr", "i64", "ptr", "i64", "number", "ptr", "i64")


@functools.cache
def gemm(type: str) -> int | None:
    """The address of `cblas_sgemm` or `cblas_dgemm`; `TYPES` are its parameters, `number` a float or a double."""
    name = {"float": "scipy_cblas_sgemm64_", "double": "scipy_cblas_dgemm64_"}.get(type)
    package = Path(np.__file__).parent
    if name is None:
        return None
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for file in sorted(folder.glob("libscipy_openblas64_*")):
            try:
                return ctypes.cast(getattr(ctypes.CDLL(str(file)), name), ctypes.c_void_p).value
            except (OSError, AttributeError):
                continue
    return None
