"""Train on pictures that are a little other each time."""

from __future__ import annotations

import numpy as np

from pellucid.core import from_data
from pellucid.train.callbacks.drawing import Drawing
from pellucid.train.loop import Loop


class Augment(Drawing):
    """Shifts each picture of a batch at random, and mirrors half of them, left to right.

    Args:
        shift: the most by which a picture is moved, as a share of its sides; what comes in repeats its edge.
        flip: whether pictures are mirrored, which digits and letters do not bear.
        seed: of its own random stream; None takes one from the default generator when the first fit begins, so that
            `manual_seed` decides it.

    Shape: inputs (N, C, H, W). The validation data are as they are.

    Raises:
        ValueError: `shift` is not from 0 to below 1. TypeError, in the first batch, where the inputs are no pictures.

    Source: Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Networks, 2012, 4.1.
    """

    changes_step = True

    def __init__(self, shift: float = 0.1, flip: bool = False, seed: int | None = None) -> None:
        if not 0 <= shift < 1:
            raise ValueError(f"Augment: shift is a share of the sides from 0 to below 1, such as 0.1, not {shift}.")
        super().__init__(seed)
        self.shift, self.flip = shift, flip

    def before_batch(self, learner: Loop) -> None:
        inputs = learner.inputs
        shape: tuple[int, ...] = tuple(getattr(inputs, "shape", ()))
        if len(shape) != 4:
            raise TypeError(
                f"Augment takes pictures, inputs of shape (N, C, H, W), but received {shape or type(inputs).__name__}."
            )
        count, _, height, width = shape
        reach = (int(self.shift * height), int(self.shift * width))
        down, right = (self.random.integers(-most, most + 1, count)[:, None] for most in reach)  # (N, 1)
        rows = np.clip(np.arange(height) + down, 0, height - 1)  # (N, H)
        columns = np.clip(np.arange(width) + right, 0, width - 1)
        if self.flip:
            mirrored = self.random.random((count, 1)) < 0.5
            columns = np.where(mirrored, columns[:, ::-1], columns)
        where = np.arange(count)[:, None, None], slice(None), rows[:, :, None], columns[:, None, :]
        moved = inputs.detach().cpu().numpy()[where]  # (N, H, W, C)
        learner.inputs = from_data(np.ascontiguousarray(moved.transpose(0, 3, 1, 2)), device=inputs.device)
