"""What a loop goes through: batches; and data sets, whose items are samples and not batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pellucid.core import Tensor, from_data

AT_ONCE = 256  # samples of a data set that are computed together where nothing is learned from them


def is_dataset(data: object) -> bool:
    """Whether `data` holds samples by number, as a `Dataset` does, and is nothing to iterate over, as a loader is."""
    return not hasattr(data, "__iter__") and any(kind.__name__ == "Dataset" for kind in type(data).__mro__)


def batches_of(data: Any) -> Iterable[Any]:
    """The batches that `data` is; the samples of a data set in batches, in their order."""
    return _stacked(data) if is_dataset(data) else data


def _stacked(data: Any) -> Iterator[object]:
    for start in range(0, len(data), AT_ONCE):
        samples = [data[i] for i in range(start, min(start + AT_ONCE, len(data)))]
        if isinstance(samples[0], tuple | list):
            yield tuple(_stack(parts) for parts in zip(*samples, strict=True))
        else:
            yield _stack(samples)


def _stack(parts: Sequence[Tensor | np.ndarray | float]) -> Tensor:
    """(…) of each sample -> (N, …)."""
    arrays = [part.detach().cpu().numpy() if isinstance(part, Tensor) else np.asarray(part) for part in parts]
    whole = np.stack(arrays)
    if whole.dtype == np.float64 and not isinstance(parts[0], Tensor | np.ndarray):
        whole = whole.astype(np.float32)  # numbers of Python
    first = parts[0]
    return from_data(whole, device=first.device if isinstance(first, Tensor) else "cpu")


def not_ignored(loss: Any, output: Any, target: Any) -> tuple[Any, Any]:
    """Output and target for the metrics: without the places whose target the loss ignores (`ignore_index`).

    Shape: (N, C, ...) and (N, ...), as cross entropy takes them; where some are left out, (M, C) and (M,).
    """
    ignored = getattr(loss, "ignore_index", None)
    if ignored is None or not isinstance(target, Tensor) or target.is_floating_point():
        return output, target
    classes = target.detach().cpu().numpy()
    kept = classes != ignored
    if kept.all():
        return output, target
    scores = output.detach().cpu()._array
    return from_data(np.moveaxis(scores, 1, -1)[kept]), from_data(classes[kept])
