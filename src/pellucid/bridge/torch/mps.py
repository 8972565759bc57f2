"""`torch.mps`: no GPU of Apple's is used here."""

from __future__ import annotations

from typing import Any, NoReturn


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator of a device to seed."""
    int(seed)


def _none(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError."""
    raise RuntimeError("Cannot execute this without MPS backend.")


synchronize = empty_cache = get_rng_state = set_rng_state = current_allocated_memory = driver_allocated_memory = _none
seed = recommended_max_memory = set_per_process_memory_fraction = compile_shader = _none
