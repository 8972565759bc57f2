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

from . import declare as _declare
from . import ops as _ops
from . import printing as _printing
from . import torch_names as _torch_names
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
    bfloat16,
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
    uint16,
    uint32,
    uint64,
)
from .types.layouts import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    sparse_coo,
    sparse_csr,
    strided,
)
from .version import __version__

_LATER = {  # functions of rooms
    "save": "serialize", "load": "serialize", "record_graph": "nn.graph", "watch": "train",
    "explain": "derivation", "sparse_coo_tensor": "sparse", "spmm": "sparse",
    "summary": "viz.summary", "profile": "profiling",
}  # fmt: skip

globals().update({name: op for name, op in _declare.TABLE.items() if op.public})
globals().update(_declare.FUNCTIONS)
globals().update(float=_types.dtypes.float_, int=_types.dtypes.int_, bool=_types.dtypes.bool_)  # as PyTorch names them


def _graph(self: Tensor, backward: "_builtins.bool" = False, limit: "_builtins.int | None" = None) -> "_typing.Any":
    """What autograd recorded of how this tensor was computed, as a graph; see `record.tensor_graph`."""
    from .record import tensor_graph

    return tensor_graph(self, backward, limit)


def _to_sparse(self: "Tensor", *how: "_typing.Any", **named: "_typing.Any") -> "_typing.Any":
    """The numbers that are not zero, by their coordinates."""
    from .sparse import sparse_of

    return sparse_of(self)


def _to_sparse_csr(self: "Tensor", *how: "_typing.Any", **named: "_typing.Any") -> "_typing.Any":
    """The numbers of a matrix that are not zero, row by row."""
    from .sparse import sparse_of

    return sparse_of(self).to_sparse_csr()


def _sparse_mask(self: "Tensor", mask: "_typing.Any") -> "_typing.Any":
    """The numbers at the coordinates of a sparse tensor, sparse; a gradient flows through."""
    return mask._with(self[tuple(mask._indices().unbind())])


def _to_dense(self: "Tensor", *how: "_typing.Any", **named: "_typing.Any") -> "Tensor":
    """The tensor itself."""
    return self


Tensor.to_sparse = Tensor.to_sparse_coo = _to_sparse
Tensor.to_sparse_csr, Tensor.to_dense = _to_sparse_csr, _to_dense
Tensor.sparse_mask = _sparse_mask
Tensor.__graph__ = _graph  # here, since core does not know what watches it


class _Lacking:
    """An attribute of PyTorch's tensors that ours lack: reading it says so.

    A `__getattr__` of the class could say it of every name, but then Python looks up all attributes of all tensors
    slowly: twice the time of `x.shape`.
    """

    __slots__ = "name", "said"

    def __init__(self, name: str) -> None:
        self.name, self.said = name, ""

    def __get__(self, tensor: "_typing.Any", owner: "_typing.Any") -> "_typing.Any":
        if not self.said:  # once, since programs ask some things of each tensor, with hasattr
            there = {name for name in dir(Tensor) if not isinstance(vars(Tensor).get(name), _Lacking)}
            self.said = _torch_names.message("torch.Tensor", self.name, there)
        raise AttributeError(self.said, name=self.name)


def _dir(self: Tensor) -> "list[_builtins.str]":
    """The names of what it has."""
    return [name for name in object.__dir__(self) if not isinstance(vars(Tensor).get(name), _Lacking)]


Tensor.__dir__ = _dir

for _name in _torch_names.known().classes["torch.Tensor"]:
    if not _name.startswith("_") and not hasattr(Tensor, _name):
        setattr(Tensor, _name, _Lacking(_name))


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
