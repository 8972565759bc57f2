"""PyTorch's names for the default generator: its seed and its state."""

from __future__ import annotations

from collections.abc import Generator as Yields
from contextlib import contextmanager
from typing import Any

from ..core import Tensor, wrap
from ..declare import function
from .generator import Generator, default_generator


@function(method=False)
def manual_seed(seed: int) -> Generator:
    """Start the default generator's stream of `seed`, and return that generator.

    >>> import pellucid
    >>> _ = manual_seed(0)
    >>> pellucid.rand(2)
    tensor([0.4963, 0.7682])
    """
    return default_generator.manual_seed(seed)


@function(method=False)
def seed() -> int:
    """Start the default generator's stream of a seed from the operating system, and return that seed."""
    return default_generator.seed()


@function(method=False)
def initial_seed() -> int:
    """The seed of the default generator's stream."""
    return default_generator.initial_seed()


@function(method=False)
def get_rng_state() -> Tensor:
    """The state of the default generator, as a tensor of bytes."""
    return wrap(default_generator.get_state())


@function(method=False)
def set_rng_state(new_state: Any) -> None:
    """Continue from what `get_rng_state` returned."""
    default_generator.set_state(new_state._array if isinstance(new_state, Tensor) else new_state)


@contextmanager
def fork_rng(
    devices: Any = None, enabled: bool = True, _caller: str = "fork_rng", _devices_kw: str = "devices",
    device_type: str = "cuda",
) -> Yields[None]:  # fmt: skip
    """What is drawn within the `with` block changes nothing for what comes after it.

    >>> import pellucid
    >>> _ = manual_seed(0)
    >>> with fork_rng():
    ...     inside = pellucid.rand(1)
    >>> bool(pellucid.rand(1) == inside)
    True
    """
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)
