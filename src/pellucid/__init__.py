"""pellucid: a deep-learning library on NumPy that speaks PyTorch's names and shows what happens underneath."""

from . import core as _core
from . import ops as _ops
from .core import *  # noqa: F403
from .core import TABLE as _TABLE
from .core.dtypes import bool_ as bool  # noqa: A004
from .core.dtypes import (
    can_cast,
    double,
    finfo,
    float16,
    float32,
    float64,
    half,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    short,
    uint8,
)
from .core.dtypes import float_ as float  # noqa: A004
from .core.dtypes import int_ as int  # noqa: A004
from .version import __version__

globals().update({_name: _op for _name, _op in _TABLE.items() if _op.public})
globals().update(_core.FUNCTIONS)

from .core import Tensor, device, dtype  # noqa: E402
