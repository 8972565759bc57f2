"""What `parity` asks of a side, whichever framework it is written in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Key = tuple[str, str]  # a kind of KINDS, and a name
Batch = Sequence[Array]  # the inputs, and last the target

# In the order of a step.
KINDS = {
    "input": "the input of layer",
    "output": "the output of layer",
    "loss": "the loss",
    "output gradient": "the gradient at the output of layer",
    "gradient": "the gradient of",
    "update": "the update of",
    "parameter": "the parameter",
    "buffer": "the buffer",
}
OF_LAYERS = frozenset({"input", "output", "output gradient"})


class Side(Protocol):
    """A model, its loss and its optimiser, on their own copy of the weights, in float32 or in float64."""

    framework: str
    takes_any_names: bool  # it has no parameters of its own yet, and takes those that `load` brings

    def parameters(self) -> dict[str, Array]:
        """The parameters by name, in order; copies."""
        ...

    def buffers(self) -> dict[str, Array]:
        """What else is kept from step to step and is no parameter: running means; copies."""
        ...

    def load(self, values: Mapping[str, Array]) -> None:
        """Take these values of parameters and buffers."""
        ...

    def run(self, batch: Batch, seed: int) -> dict[Key, Array]:
        """Forward and backward: every tensor of it, in the order in which the step comes to them."""
        ...

    def update(self) -> None:
        """The optimiser's step with the gradients of the last `run`."""
        ...

    def describe(self, kind: str, name: str) -> dict[str, Any]:
        """The settings that such a tensor depends on: of its layer, or of the optimiser."""
        ...


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The tensors of nested dicts, lists and tuples, each with its path, as they are.

    >>> [(name, one.shape) for name, one in leaves((np.ones(2), {"h": np.ones(3)}))]
    [('[0]', (2,)), ('[1][h]', (3,))]
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{name}[{key}]")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from leaves(item, f"{name}[{place}]")
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        yield name, value


def layer_of(name: str) -> str:
    """The layer that a place belongs to: an output may be one of several, and of a later call.

    >>> layer_of("encoder.attention[0], call 2")
    'encoder.attention'
    """
    return name.partition(", call ")[0].partition("[")[0]


def to_array(value: Any) -> Array:
    """Any framework's tensor, or number, as a NumPy array of its own memory."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if not isinstance(getattr(value, "dtype", None), np.dtype) and str(value.dtype).endswith("bfloat16"):
            value = value.float()  # which NumPy does not have
        value = value.numpy()
    return np.array(value)


def cast(array: Array, dtype: npt.DTypeLike) -> Array:
    """Floating numbers in `dtype`; whole numbers and truth values as they are."""
    return array.astype(dtype) if np.issubdtype(array.dtype, np.floating) else array


def batches_of(batches: Any, steps: int | None) -> list[Batch]:
    """The batches of `steps` steps, each a tuple of arrays; from the beginning again where there are fewer.

    Raises:
        TypeError, ValueError: they are no batches.
    """
    if steps is not None and steps < 1:
        raise ValueError(f"steps is how many training steps are compared, 1 or more; received {steps}.")
    found: list[Batch] = []
    if isinstance(batches, tuple) and len(batches) and hasattr(batches[0], "shape"):
        raise TypeError(
            "batches is an iterable of (inputs, target) pairs. For a single batch write [(inputs, target)]."
        )
    for batch in batches:
        if not isinstance(batch, list | tuple) or len(batch) < 2:
            raise TypeError(
                f"a batch is (inputs, target), or (first input, second input, …, target); received "
                f"{type(batch).__name__}"
                f"{f' of length {len(batch)}' if isinstance(batch, list | tuple) else ''}. "
                "Write batches=[(x, t), …] or a DataLoader over such pairs."
            )
        found.append(tuple(to_array(item) for item in batch))
        if steps is not None and len(found) == steps:
            break
    if not found:
        raise ValueError("batches is empty: there is nothing to compare the models on.")
    return [found[step % len(found)] for step in range(steps or len(found))]
