"""`torch.autograd.grad_mode`: whether ops are recorded."""

from pellucid.core.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from pellucid.torch_names import absent

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled"]


class set_multithreading_enabled:
    """Nothing: backward of the CPU runs in the thread that called it, as in PyTorch."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, *error: object) -> None:
        """Nothing."""


__getattr__ = absent(__name__)
