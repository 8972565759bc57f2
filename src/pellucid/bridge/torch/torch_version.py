"""`torch.__version__`: a text that compares as a version."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["TorchVersion"]


class TorchVersion(str):
    """A version that compares with versions, texts and tuples of numbers, as PyTorch's.

    >>> TorchVersion("2.13.0+pellucid") >= "2.4", TorchVersion("2.13.0") < (2, 9)
    (True, False)
    """

    def _numbers(self, other: Any) -> tuple[int, ...]:
        if isinstance(other, str):
            release = re.match(r"v?(\d+(?:\.\d+)*)", other)
            other = release[1].split(".") if release else ()
        numbers = [int(part) for part in other if str(part).isdigit()]
        while numbers and numbers[-1] == 0:
            numbers.pop()
        return tuple(numbers)

    def __eq__(self, other: object) -> bool:
        return self._numbers(self) == self._numbers(other) if isinstance(other, str | tuple | list) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: Any) -> bool:
        return self._numbers(self) < self._numbers(other)

    def __le__(self, other: Any) -> bool:
        return self._numbers(self) <= self._numbers(other)

    def __gt__(self, other: Any) -> bool:
        return self._numbers(self) > self._numbers(other)

    def __ge__(self, other: Any) -> bool:
        return self._numbers(self) >= self._numbers(other)

    __hash__ = str.__hash__
