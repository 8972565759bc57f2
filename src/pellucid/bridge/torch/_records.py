"""`torch.PyTorchFileReader`: a file that `torch.save` made, read record by record."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np

import pellucid
from pellucid.core import Tensor
from pellucid.core import dtype as DType

__all__ = ["PyTorchFileReader"]


class PyTorchFileReader:
    """The records of a file: `data.pkl`, and the numbers of each storage in `data/0`, `data/1`, …"""

    def __init__(self, name_or_buffer: Any) -> None:
        self._archive = zipfile.ZipFile(name_or_buffer)
        self._within = self._archive.namelist()[0].split("/")[0] + "/"

    def get_all_records(self) -> list[str]:
        """The names of all."""
        return [name.removeprefix(self._within) for name in self._archive.namelist()]

    def has_record(self, name: str) -> bool:
        """Whether there is one of this name."""
        return name in self.get_all_records()

    def get_record(self, name: str) -> bytes:
        """Its bytes."""
        return self._archive.read(self._within + name)

    def get_storage_from_record(self, name: str, numel: int, dtype: Any) -> Tensor:
        """An empty tensor of a dtype (or of bytes, for `UntypedStorage`), whose storage has the record's bytes."""
        numbers = pellucid.from_numpy(np.frombuffer(bytearray(self.get_record(name)), np.uint8))
        return (numbers.view(dtype) if isinstance(dtype, DType) else numbers)[:0]
