"""The run in TensorBoard: scalars, and histograms of parameters and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pellucid import shell
from pellucid.train.files.extras import need
from pellucid.train.loop import Loop
from pellucid.train.records.tracker import Tracker


class TensorBoard(Tracker):
    """Writes event files to a folder, through tensorboardX. `tensorboard --logdir` with the folder above it shows them.

    Every `every` steps `train/loss` (of the batch) and the learning rates and changing hyperparameters as
    `hyperparameters/<name>`; after every epoch `train/epoch_loss` and the validation loss and metrics as `val/<name>`;
    every `histograms` steps each parameter, as it was before the step, and its gradient, as `parameters/<name>` and
    `gradients/<name>` (numbers that are not finite are left out). All by step.

    Each fit writes a file of its own. Where it goes on with a run, its file tells TensorBoard to forget what an
    earlier one has of later steps.

    Args:
        folder: where the event files go; made when the fit begins. A run wants a folder of its own.
        every: steps from one row of scalars to the next.
        histograms: steps from one set of histograms to the next; None makes none. They cost milliseconds each.

    Raises:
        ValueError: `every` or `histograms` is less than 1.
        ModuleNotFoundError: tensorboardX is not installed.
    """

    def __init__(self, folder: str | Path, every: int = 10, histograms: int | None = None) -> None:
        super().__init__(every)
        if histograms is not None and histograms < 1:
            raise ValueError(f"TensorBoard was given histograms={histograms}: it is a number of steps, at least 1.")
        need("tensorboardX", "experiments", "TensorBoard")
        self.folder, self.histograms = Path(folder), histograms
        self._writer: Any = None

    def begin(self, learner: Loop) -> None:
        tensorboardx = need("tensorboardX", "experiments", "TensorBoard")
        later = learner.step + 1 if learner.step else None
        # The files are named by the second; and TensorBoard reads them in the order of their names.
        count = len(list(self.folder.glob("*tfevents*"))) if self.folder.exists() else 0
        self._writer = tensorboardx.SummaryWriter(str(self.folder), purge_step=later, filename_suffix=f".{count:04d}")
        # TensorBoard calls a run by its path below the folder that it is given: by "." where that is the run's own.
        self.where = f"TensorBoard: tensorboard --logdir {shell.quote(self.folder.parent)}"

    def after_backward(self, learner: Loop) -> None:
        if self.histograms is None or (learner.step + 1) % self.histograms:
            return
        for name, parameter in learner.model.named_parameters():
            self._histogram(f"parameters/{name}", parameter, learner.step + 1)
            if parameter.grad is not None:
                self._histogram(f"gradients/{name}", parameter.grad, learner.step + 1)

    def log(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def after_epoch(self, learner: Loop) -> None:
        super().after_epoch(learner)
        self._writer.flush()

    def end(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _histogram(self, name: str, tensor: Any, step: int) -> None:
        array = tensor.detach().cpu().numpy()
        finite = array[np.isfinite(array)]
        if finite.size:
            self._writer.add_histogram(name, finite, step)
