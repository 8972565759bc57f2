"""The two vocabularies in which a rule of the backward pass speaks: ops on raw arrays, and ops on Tensors."""

from __future__ import annotations

import functools
from typing import Any, cast

from pellucid.backend import Array

from .operation import TABLE, Op


class Raw:
    """The vocabulary of ops on raw arrays of one array library: what a first-order backward speaks."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    def __getattr__(self, name: str) -> Any:
        op = _named(name)
        kernel = functools.partial(op.forward, self._xp)
        if op.aux:
            kernel = functools.partial(_first, kernel)
        setattr(self, name, kernel)
        return kernel


def _first(kernel: Any, *arrays: Array, **attributes: Any) -> Any:
    return kernel(*arrays, **attributes)[0]


class Lifted:
    """The vocabulary of ops on Tensors: what a backward speaks that is itself differentiated or recorded."""

    def __getattr__(self, name: str) -> Any:
        op = _named(name)

        def call(*tensors: Any, **attributes: Any) -> Any:
            result: Any = op(*tensors, **attributes)
            return cast("tuple[Any, ...]", result)[0] if type(result) is tuple else result

        setattr(self, name, call)
        return call


def _named(name: str) -> Op:
    try:
        return TABLE[name]
    except KeyError:
        raise AttributeError(f"a backward rule asks for the op {name!r}, which is not in the table") from None


LIFTED = Lifted()
