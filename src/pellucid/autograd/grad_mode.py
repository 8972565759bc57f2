"""`torch.autograd.grad_mode`: whether ops are recorded."""

from pellucid.core.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from pellucid.torch_names import absent

__all__ = [
    "enable_grad", "inference_mode", "is_multithreading_enabled", "no_grad", "set_grad_enabled",
    "set_multithreading_enabled",
]  # fmt: skip

_wanted = [True]


def is_multithreading_enabled() -> bool:
    """What `set_multithreading_enabled` was last told."""
    return _wanted[0]


class set_multithreading_enabled:
    """Remembers what was asked for, from here on or for a block: backward runs in the thread that called it anyway."""

    def __init__(self, mode: bool) -> None:
        self.before = _wanted[0]
        _wanted[0] = self.mode = mode

    def __enter__(self) -> None:
        """Nothing more."""

    def __exit__(self, *error: object) -> None:
        _wanted[0] = self.before


__getattr__ = absent(__name__)
