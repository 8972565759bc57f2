"""What `DataParallel` does with inputs and outputs: with one device there is one part, the whole."""

from __future__ import annotations

from typing import Any

__all__ = ["gather", "scatter", "scatter_kwargs"]


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> list[Any]:
    """The parts of the inputs, one for each device: the inputs themselves."""
    return [inputs]


def scatter_kwargs(inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, target_gpus: Any, dim: int = 0) -> Any:
    """The parts of positional arguments and of those by keyword."""
    return (inputs,), (kwargs or {},)


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """The outputs of all devices as one: those of the one.

    Raises:
        ValueError: there are several.
    """
    if len(outputs) != 1:
        raise ValueError(f"gather expects the output of one device, got {len(outputs)}; join them by torch.cat")
    return outputs[0]
