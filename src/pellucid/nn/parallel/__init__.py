"""Models on many devices, under PyTorch's names, where there is one: the batch goes to the model whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from pellucid.torch_names import absent

from ..modules.module import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


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


class DistributedDataParallel(DataParallel):
    """The model itself, as `module`: of one process, the mean of all gradients is its own gradient."""

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """A context that does nothing: no gradient is sent."""
        yield


def data_parallel(module: Module, inputs: Any, device_ids: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The model of the inputs."""
    return module(*inputs) if isinstance(inputs, tuple) else module(inputs)


__getattr__ = absent(__name__)
