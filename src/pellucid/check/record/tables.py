"""NumPy's functions by how they are recorded: which only move elements, which have no slope, which have a handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ALIASES: dict[str, str] = {
    "true_divide": "divide",
    "float_power": "power",
    "pow": "power",
    "fabs": "absolute",
    "abs": "absolute",
    "fmax": "maximum",
    "fmin": "minimum",
    "conjugate": "positive",
    "conj": "positive",
    "radians": "deg2rad",
    "degrees": "rad2deg",
    "mod": "remainder",
}

# Those that only move elements, and fill what they add with zeros.
MOVES = {
    *("reshape", "ravel", "transpose", "permute_dims", "matrix_transpose", "swapaxes", "moveaxis", "rollaxis"),
    *("expand_dims", "squeeze", "broadcast_to", "repeat", "tile", "roll", "flip", "fliplr", "flipud", "rot90"),
    *("take", "take_along_axis", "diag", "diagonal", "tril", "triu", "atleast_1d", "atleast_2d", "atleast_3d"),
    *("split", "array_split", "hsplit", "vsplit", "dsplit", "sliding_window_view", "compress", "delete", "diagflat"),
    *("as_strided", "unstack"),
}
# Those whose results have no slope.
PLAIN = {
    *("shape", "ndim", "size", "argmax", "argmin", "argsort", "nonzero", "any", "all", "isclose", "allclose"),
    *("array_equal", "count_nonzero", "unique", "searchsorted", "bincount", "around", "round", "isfinite", "isnan"),
    *(
        "array_repr",
        "array_str",
        "array2string",
        "result_type",
        "can_cast",
        "min_scalar_type",
        "iscomplexobj",
        "isreal",
    ),
    *(
        "argwhere",
        "flatnonzero",
        "histogram",
        "may_share_memory",
        "shares_memory",
        "isin",
        "argpartition",
        "array_equiv",
    ),
    *("common_type", "save", "savez", "savetxt"),
}
# Those whose Python text would lose the recording.
OPAQUE = {
    *("tensordot", "kron", "apply_along_axis", "vectorize", "interp", "convolve", "correlate"),
    *("percentile", "quantile", "median", "polyval", "select", "piecewise", "choose", "partition", "nan_to_num"),
    *("interp", "cumprod", "cross", "insert", "nanmedian", "nanpercentile", "nancumsum", "slogdet", "det", "pinv"),
    *("eigh", "eigvalsh", "cholesky", "svd", "qr", "lstsq", "cov", "corrcoef", "unwrap", "fft", "ifft", "rfft"),
}

HANDLERS: dict[str, Callable[..., Any]] = {}


def handles(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return register
