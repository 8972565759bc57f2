"""Models every k steps of a run, to go back to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pellucid.train.files.model import read_model, write_model
from pellucid.train.loop import Callback, Loop

_NAME = re.compile(r"step-(\d+)\.safetensors")


class Snapshots(Callback):
    """Saves the model every `every` steps: parameters and buffers, as safetensors, with the step in the file's name.

    The first is that of step 0, before training. A snapshot is smaller than a `Checkpoint`, and not enough to go on
    with the run. When a fit begins at step n, files of later steps are removed: they are of another run, or will be
    made again.

    Args:
        folder: where the files go; made when the fit begins. `Snapshots(folder)` also reads those of an earlier run.
        every: steps from one snapshot to the next.

    Raises:
        ValueError: `every` is less than 1.

    >>> import tempfile
    >>> from pellucid import nn, optim, tensor
    >>> from pellucid.train import Learner
    >>> model = nn.Linear(1, 1)
    >>> batches = [(tensor([[1.0], [2.0]]), tensor([[3.0], [5.0]]))] * 4
    >>> snapshots = Snapshots(tempfile.mkdtemp(), every=3)
    >>> Learner(model, batches, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), callbacks=[snapshots]).fit(2)
    >>> snapshots.steps
    [0, 3, 6]
    >>> sorted(snapshots.load(6))
    ['bias', 'weight']
    """

    observes = True
    order = 80  # when everything that changes the model in this step has done so

    def __init__(self, folder: str | Path, every: int = 100) -> None:
        if every < 1:
            raise ValueError(f"Snapshots was given every={every}: it is the number of steps between two, at least 1.")
        self.folder, self.every = Path(folder), every

    @property
    def steps(self) -> list[int]:
        """The steps of which there is a snapshot, in order."""
        found = [_NAME.fullmatch(path.name) for path in self.folder.glob("step-*.safetensors")]
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """The file of a step."""
        return self.folder / f"step-{step:08d}.safetensors"

    def load(self, step: int, model: Any = None) -> Any:
        """The state dict of the model at `step`; with `model`, that model with this state loaded into it.

        Raises:
            KeyError: there is no snapshot of this step; the message lists the nearest that there are.
        """
        if not self.path(step).exists():
            steps = self.steps
            near = sorted(sorted(steps, key=lambda saved: abs(saved - step))[:4])
            there = f"the nearest are {', '.join(map(str, near))}" if near else "there is none"
            raise KeyError(f"There is no snapshot of step {step} in {self.folder}; {there}.")
        state = read_model(self.path(step))
        if model is None:
            return state
        model.load_state_dict(state)
        return model

    def before_fit(self, learner: Loop) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for step in self.steps:
            if step > learner.step:
                self.path(step).unlink(missing_ok=True)
        if learner.step == 0:
            self.save(learner)

    def after_batch(self, learner: Loop) -> None:
        if learner.step % self.every == 0:
            self.save(learner)

    def save(self, learner: Loop) -> None:
        """Save the model as it is now."""
        write_model(self.path(learner.step), learner.model.state_dict())
