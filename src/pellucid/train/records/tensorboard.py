"""The run in TensorBoard: scalars, and histograms of parameters and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pellucid.train.files.extras import need
from pellucid.train.loop import Callback, Loop
from pellucid.train.records.hyperparameters import Hyperparameters
from pellucid.train.records.recorder import scalars


class TensorBoard(Callback):
    """Writes event files to a folder, for `tensorboard --logdir FOLDER`, through tensorboardX.

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

    observes = True
    order = 20

    def __init__(self, folder: str | Path, every: int = 10, histograms: int | None = None) -> None:
        for name, value in {"every": every, "histograms": 1 if histograms is None else histograms}.items():
            if value < 1:
                raise ValueError(f"TensorBoard was given {name}={value}: it is a number of steps, at least 1.")
        need("tensorboardX", "experiments", "TensorBoard")
        self.folder, self.every, self.histograms = Path(folder), every, histograms
        self._hyperparameters = Hyperparameters()
        self._writer: Any = None

    def before_fit(self, learner: Loop) -> None:
        tensorboardx = need("tensorboardX", "experiments", "TensorBoard")
        later = learner.step + 1 if learner.step else None
        # The files are named by the second; and TensorBoard reads them in the order of their names.
        count = len(list(self.folder.glob("*tfevents*"))) if self.folder.exists() else 0
        self._writer = tensorboardx.SummaryWriter(str(self.folder), purge_step=later, filename_suffix=f".{count:04d}")
        self._hyperparameters.watch(learner.optimizer.param_groups)

    def after_backward(self, learner: Loop) -> None:
        if self.histograms is None or (learner.step + 1) % self.histograms:
            return
        for name, parameter in learner.model.named_parameters():
            self._histogram(f"parameters/{name}", parameter, learner.step + 1)
            if parameter.grad is not None:
                self._histogram(f"gradients/{name}", parameter.grad, learner.step + 1)

    def after_batch(self, learner: Loop) -> None:
        if learner.step % self.every == 0 and learner.loss is not None:
            self._hyperparameters.look(learner.step)
            now = {f"hyperparameters/{name}": value for name, value in self._hyperparameters.current().items()}
            self._scalars({"train/loss": learner.loss_value, **now}, learner.step)

    def after_epoch(self, learner: Loop) -> None:
        values = {name.replace("val_", "val/", 1): value for name, value in scalars(learner.evaluation).items()}
        self._scalars({"train/epoch_loss": learner.train_loss, **values}, learner.step)
        self._writer.flush()

    def after_fit(self, learner: Loop) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def state_dict(self) -> dict[str, Any]:
        return {"hyperparameters": self._hyperparameters.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._hyperparameters.load_state_dict(state["hyperparameters"])

    def _scalars(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def _histogram(self, name: str, tensor: Any, step: int) -> None:
        array = tensor.detach().cpu().numpy()
        finite = array[np.isfinite(array)]
        if finite.size:
            self._writer.add_histogram(name, finite, step)
