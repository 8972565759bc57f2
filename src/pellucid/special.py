"""Special functions under PyTorch's name, `pellucid.special`: the ops whose declaration refers to `torch.special`."""

from .declare import FUNCTIONS as _FUNCTIONS
from .declare import TABLE as _TABLE
from .ops import special as _special  # noqa: F401  declares them

_NAMES = {  # under other names in `pellucid` itself
    **{name: name for name in ("digamma", "erf", "erfc", "erfinv", "exp2", "expm1", "i0", "log1p", "log_softmax",
                               "logit", "logsumexp", "polygamma", "round", "sinc", "softmax", "xlogy")},
    "expit": "sigmoid", "gammainc": "igamma", "gammaincc": "igammac", "gammaln": "lgamma", "multigammaln": "mvlgamma",
    "psi": "digamma",
}  # fmt: skip
_PREFIX = "torch.special."

globals().update(
    {op.reference.removeprefix(_PREFIX): op for op in _TABLE.values() if op.reference.startswith(_PREFIX)},
    **{name: _FUNCTIONS.get(ours) or _TABLE[ours] for name, ours in _NAMES.items()},
)

__all__ = sorted(name for name in globals() if not name.startswith("_"))  # pyright: ignore[reportUnsupportedDunderAll]
