"""`torch.autograd.grad_mode`: whether ops are recorded."""

from pellucid.core.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from pellucid.core.tensor import replays
from pellucid.torch_names import absent

__all__ = [
    "enable_grad", "inference_mode", "is_multithreading_enabled", "is_view_replay_enabled", "no_grad",
    "set_grad_enabled",
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


def is_view_replay_enabled() -> bool:
    """What `_force_original_view_tracking` was last told."""
    return replays.on


class _force_original_view_tracking:
    """Whether the node of a view after a change of its base has the name of the view's op, from here on or for a block.

    The history is the same in any case: the view is found by its ops again.
    """

    def __init__(self, mode: bool) -> None:
        self.before, replays.on = replays.on, mode

    def __enter__(self) -> None:
        """Nothing more."""

    def __exit__(self, *error: object) -> None:
        replays.on = self.before


__getattr__ = absent(__name__)
