"""Models in many processes, `DistributedDataParallel`; on many devices, of which there is one: `DataParallel`."""

from __future__ import annotations

from typing import Any

from pellucid.torch_names import absent

from ..modules.module import Module
from .distributed import DistributedDataParallel
from .scatter_gather import gather, scatter

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel", "gather", "scatter"]


class DataParallel(Module):
    """The model itself, as `module`: with one device there is nothing to divide a batch among.

    The names in its state dict begin with `module.`, as in PyTorch.
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0, **kwargs: Any
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(module: Module, inputs: Any, device_ids: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The model of the inputs."""
    return module(*inputs) if isinstance(inputs, tuple) else module(inputs)


__getattr__ = absent(__name__)
