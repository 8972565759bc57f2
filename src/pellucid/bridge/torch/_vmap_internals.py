"""`torch._vmap_internals`: `vmap` under the names it had before `torch.func`, which programs still call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.func import vmap as _of_func
from pellucid.torch_names import absent

__all__ = ["vmap"]


def vmap(func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0) -> Callable[..., Any]:
    """`torch.func.vmap`, whose two settings these are.

    >>> import pellucid
    >>> vmap(lambda row: row.sum())(pellucid.ones(2, 3))
    tensor([3., 3.])
    """
    return _of_func(func, in_dims, out_dims)


_vmap = vmap

__getattr__ = absent(__name__)
