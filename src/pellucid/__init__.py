# ruff: noqa: F401  names are here to be imported by others
"""pellucid: a deep-learning library on NumPy that speaks PyTorch's names and shows what happens underneath.

    import pellucid as torch

runs PyTorch programs. `pellucid.NAME` is an op of the table, a function composed of ops, or one of the rooms below,
which are imported when they are first used.
"""

import builtins as _builtins
import importlib as _importlib
import typing as _typing
from importlib.util import find_spec as _find_spec

from . import core as _core
from . import ops as _ops
from . import printing as _printing
from . import types as _types
from .core import (
    Size,
    Tensor,
    device,
    dtype,
    enable_grad,
    get_default_dtype,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    result_type,
    set_default_dtype,
    set_grad_enabled,
)
from .random import Generator, default_generator
from .types.dtypes import (
    can_cast,
    cdouble,
    cfloat,
    complex64,
    complex128,
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
from .version import __version__

_LATER = {  # functions of rooms
    "save": "serialize", "load": "serialize", "record_graph": "nn.graph", "watch": "train",
    "explain": "derivation", "sparse_coo_tensor": "sparse", "spmm": "sparse",
    "summary": "viz.summary",
}  # fmt: skip

globals().update({name: op for name, op in _core.TABLE.items() if op.public})
globals().update(_core.FUNCTIONS)
globals().update(float=_types.dtypes.float_, int=_types.dtypes.int_, bool=_types.dtypes.bool_)  # as PyTorch names them
strided, contiguous_format, preserve_format, channels_last = "strided", "contiguous", "preserve", "channels_last"


def _graph(self: Tensor, backward: "_builtins.bool" = False, limit: "_builtins.int | None" = None) -> "_typing.Any":
    """What autograd recorded of how this tensor was computed, as a graph; see `record.tensor_graph`."""
    from .record import tensor_graph

    return tensor_graph(self, backward, limit)


Tensor.__graph__ = _graph  # here, since core does not know what watches it


_said: "dict[str, str]" = {}  # programs ask some things of each tensor, with hasattr


def _absent(self: Tensor, name: str) -> "_typing.Any":
    """Say what of PyTorch's a tensor does not have."""
    if name.startswith("_"):
        raise AttributeError(f"'Tensor' object has no attribute {name!r}", name=name, obj=self)
    if name not in _said:
        names = _importlib.import_module("pellucid.torch_names")
        _said[name] = names.message("torch.Tensor", name, dir(Tensor))
    raise AttributeError(_said[name], name=name)


Tensor.__getattr__ = _absent


def __getattr__(name):
    if name in _LATER:
        return getattr(_importlib.import_module(f"pellucid.{_LATER[name]}"), name)
    if name.startswith("__"):
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    if _find_spec(f"pellucid.{name}") is not None:
        return _importlib.import_module(f"pellucid.{name}")
    return _elsewhere(name)


def _elsewhere(name: str) -> "_typing.Any":
    """A name of PyTorch's that belongs to no room, or a module of its that has a place in `bridge` alone."""
    rest = _importlib.import_module("pellucid.bridge.torch")
    if name in vars(rest) and name in rest.__all__:
        return vars(rest)[name]
    if _find_spec(f"pellucid.bridge.torch.{name}") is not None:
        return _importlib.import_module(f"pellucid.bridge.torch.{name}")
    names = _importlib.import_module("pellucid.torch_names")
    raise names.lacking("torch", name, {*globals(), *rest.__all__}, depth=3)
