"""One little program, run under PyTorch and under pellucid: `same` compares the answers, `both_raise` the errors.

A program is a function of the library: `lambda library: library.ones(3).sum()`. What it returns may be any nest of
tensors, numbers, strings and None.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import pellucid

LIBRARIES = (torch, pellucid)


def plain(value: Any) -> Any:
    """The answer without its library: a tensor as (dtype, shape, requires_grad, values)."""
    if isinstance(value, pellucid.Tensor | torch.Tensor):
        kind = str(value.dtype).split(".")[-1]
        return kind, tuple(value.shape), value.requires_grad, value.detach().numpy(force=True)
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, torch.dtype | pellucid.dtype):
        return str(value).split(".")[-1]
    return value


def assert_equal(got: Any, expected: Any, rtol: float = 1e-6, atol: float = 1e-7, where: str = "answer") -> None:
    """Equal in structure, dtypes, shapes and flags, and in values up to the tolerance."""
    if isinstance(expected, list):
        assert isinstance(got, list), where
        assert len(got) == len(expected), where
        for index, (value, other) in enumerate(zip(got, expected, strict=True)):
            assert_equal(value, other, rtol, atol, f"{where}[{index}]")
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys(), where
        for name, other in expected.items():
            assert_equal(got[name], other, rtol, atol, f"{where}[{name!r}]")
    elif isinstance(expected, tuple):
        assert isinstance(got, tuple), f"{where}: {got!r} instead of a tensor"
        assert got[:3] == expected[:3], f"{where}: (dtype, shape, requires_grad)"
        np.testing.assert_allclose(got[3], expected[3], rtol=rtol, atol=atol, err_msg=where)
    elif isinstance(expected, float):
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, err_msg=where)
        assert type(got) is type(expected), where
    else:
        assert got == expected, where
        assert type(got) is type(expected), where


def same(program: Callable[[Any], Any], rtol: float = 1e-6, atol: float = 1e-7) -> None:
    """The program answers alike under both libraries."""
    expected = plain(program(torch))
    assert_equal(plain(program(pellucid)), expected, rtol, atol)


def both_raise(program: Callable[[Any], Any], *words: str, kind: type[Exception] | None = None) -> str:
    """Both libraries refuse, ours with (a subclass of) PyTorch's exception and with `words` in the message."""
    with pytest.raises(Exception) as theirs:
        program(torch)
    with pytest.raises(kind or type(theirs.value)) as ours:
        program(pellucid)
    message = str(ours.value)
    for word in words:
        assert word in message, f"{word!r} is not in: {message}\nPyTorch says: {theirs.value}"
    return message
