"""`torch.utils.tensorboard`: `SummaryWriter` writes TensorBoard's files, by tensorboardX (`pellucid[experiments]`)."""

from __future__ import annotations

import functools
import warnings
from typing import Any

from ..core import Tensor

__all__ = ["SummaryWriter"]


_NUMBERS = {"add_scalar": "scalar_value", "add_histogram": "values", "add_image": "img_tensor"}


class SummaryWriter:
    """Writes scalars, histograms, pictures, texts and so on into a folder that TensorBoard shows.

    `add_scalar` and the other methods are tensorboardX's, whose names are PyTorch's; tensors are taken where numbers
    are.
    """

    def __init__(
        self, log_dir: Any = None, comment: str = "", purge_step: int | None = None, max_queue: int = 10,
        flush_secs: int = 120, filename_suffix: str = "",
    ) -> None:  # fmt: skip
        try:
            import tensorboardX
        except ImportError:
            raise ImportError(
                'SummaryWriter needs tensorboardX, which is not installed: pip install "pellucid[experiments]"'
            ) from None
        folder = None if log_dir is None else str(log_dir)
        self._writer = tensorboardX.SummaryWriter(folder, comment, purge_step, max_queue, flush_secs, filename_suffix)
        self.log_dir = self._writer.logdir

    def add_graph(self, model: Any, input_to_model: Any = None, verbose: bool = False, **kwargs: Any) -> None:
        """Nothing, with a warning: `pellucid.nn.graph` draws a model."""
        warnings.warn("add_graph writes nothing here: pellucid.record_graph draws a model", stacklevel=2)

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._writer, name)
        if not name.startswith("add_"):
            return found

        of_numbers = _NUMBERS.get(name)

        @functools.wraps(found)
        def add(*args: Any, **kwargs: Any) -> Any:
            given = kwargs.get(of_numbers, args[1] if len(args) > 1 else None) if of_numbers else None
            if isinstance(given, str):
                raise NotImplementedError(
                    f"Got {type(given)}, but numpy array or torch tensor are expected: {name}() of {given!r}"
                )
            return found(*map(_plain, args), **{key: _plain(value) for key, value in kwargs.items()})

        return add

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.close()


def _plain(value: Any) -> Any:
    """Arrays in the place of tensors."""
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
