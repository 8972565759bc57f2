"""`torch.nn.attention`: which kernel computes scaled dot-product attention; here there is one."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Sequence

from pellucid.torch_names import absent

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.IntEnum):
    """The kernels of PyTorch; all give the same numbers."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextlib.contextmanager
def sdpa_kernel(backends: SDPBackend | Sequence[SDPBackend], set_priority: bool = False) -> Iterator[None]:
    """A block in which attention is computed by one of `backends`: here by the one way that there is.

    Raises:
        AssertionError: something else than a `SDPBackend` or a sequence of them.
    """
    chosen = [backends] if isinstance(backends, SDPBackend) else list(backends)
    if not all(isinstance(backend, SDPBackend) for backend in chosen):
        raise AssertionError("Backend must be an instance of SDPBackend or a list of SDPBackend instances")
    yield


__getattr__ = absent(__name__)
