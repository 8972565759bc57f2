"""Undo what is drawn at random in a block: from the streams that a whole program shares, and from those named."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .generator import Generator

Stream = tuple[Callable[[], Any], Callable[[Any], Any]]  # read the state, set it


def global_streams() -> list[Stream]:
    """The streams that no argument names: pellucid's, Python's, NumPy's, and PyTorch's where it is loaded."""
    from .streams import program_streams  # which loads numpy.random

    found: list[Stream] = [
        (stream.getstate, stream.setstate) if hasattr(stream, "getstate") else (stream.get_state, stream.set_state)
        for stream in program_streams().values()
    ]
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "get_rng_state"):
        found.append((torch.get_rng_state, torch.set_rng_state))
    return found


@contextmanager
def undrawn(*generators: Generator) -> Iterator[None]:
    """After the block, it is as if nothing had been drawn in it from the global streams and from `generators`.

    >>> from pellucid.random import default_generator
    >>> _ = default_generator.manual_seed(0)
    >>> with undrawn():
    ...     inside = default_generator.uniform((2,))
    >>> bool((default_generator.uniform((2,)) == inside).all())
    True
    """
    streams = global_streams() + [(generator.get_state, generator.set_state) for generator in generators]
    states = [(put_back, read()) for read, put_back in streams]
    try:
        yield
    finally:
        for put_back, state in states:
            put_back(state)
