"""The named tuples that some functions return: `values, indices = x.max(dim=0)`, or `x.max(dim=0).values`."""

from __future__ import annotations

import collections
from typing import Any

_FIELDS = {
    **dict.fromkeys(("max", "min", "median", "nanmedian", "mode", "sort", "topk", "kthvalue", "cummax", "cummin"),
                    "values indices"),
    **dict.fromkeys(("qr", "linalg_qr"), "Q R"), **dict.fromkeys(("slogdet", "linalg_slogdet"), "sign logabsdet"),
    **dict.fromkeys(("linalg_eig", "linalg_eigh"), "eigenvalues eigenvectors"),
    **dict.fromkeys(("linalg_lu", "lu_unpack"), "P L U"),
    **dict.fromkeys(("linalg_lu_factor_ex", "_lu_with_info"), "LU pivots info"),
    **dict.fromkeys(("histogram", "histogramdd"), "hist bin_edges"),
    "aminmax": "min max", "frexp": "mantissa exponent", "geqrf": "a tau", "svd": "U S V", "linalg_svd": "U S Vh",
    "linalg_cholesky_ex": "L info", "linalg_inv_ex": "inverse info", "linalg_solve_ex": "result info",
    "linalg_lu_factor": "LU pivots", "linalg_lstsq": "solution residuals rank singular_values",
    "triangular_solve": "solution cloned_coefficient",
}  # fmt: skip
_known: dict[str, Any] = {}


def return_type(name: str) -> Any:
    """The class `return_types.NAME`, a named tuple that prints each field on its own line, as PyTorch's."""
    if name not in _known:
        base: Any = collections.namedtuple(name, _FIELDS[name])  # pyright: ignore[reportUntypedNamedTuple]
        made: Any = type(name, (base,), {"__slots__": (), "__repr__": _text})
        made.__module__ = "pellucid.return_types"
        made.__doc__ = f"What `{name}` returns: {', '.join(made._fields)}."
        _known[name] = made
    return _known[name]


def _text(self: Any) -> str:
    body = ",\n".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{body})"


def known() -> dict[str, Any]:
    """The classes by name."""
    return {name: return_type(name) for name in _FIELDS}
