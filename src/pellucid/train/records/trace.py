"""Every tensor of a training step, one after the other, as the step comes to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pellucid.train.loop import Callback, Loop
from pellucid.train.records.divergence import named_arrays


class TensorPlace(NamedTuple):
    """Where in a run a tensor is.

    `step` and `epoch` count from 1 (step 0 is what there is before the first); `kind` is a word of KINDS; `name` says
    which of them, and `layer` what kind of layer it is.

    >>> print(TensorPlace(1, 3, "layer", "0", "Linear"))
    the output of layer 0 (Linear)
    """

    epoch: int
    step: int
    kind: str
    name: str = ""
    layer: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (KINDS[self.kind], self.name, f"({self.layer})" * bool(self.layer)) if part)


# In the order of a step.
KINDS = {
    "inputs": "the inputs of the batch",
    "target": "the targets of the batch",
    "layer": "the output of layer",
    "output": "the output of the model",
    "loss": "the loss",
    "gradient": "the gradient of",
    "parameter": "the parameter",
    "buffer": "the buffer",
    "optimizer": "the optimiser's",
    "random": "the random state of the generator",
    "callback": "what a callback keeps:",
}


class StepTrace(Callback):
    """Hands every tensor of every step to `sink(place, array)`, in the order in which the step comes to it.

    Inputs and targets, each layer's output, the model's output, the loss, each gradient (as the optimiser gets it),
    each parameter and buffer after the step, the optimiser's state, the random generators' states. The array is the
    run's own memory, which the next step overwrites: a sink that keeps it copies it.

    Args:
        sink: called with a `TensorPlace` and an array.
    """

    observes = True
    order = 1000  # last: it sees what the others have made of a batch or of the gradients

    def __init__(self, sink: Callable[[TensorPlace, np.ndarray], None]) -> None:
        self.sink = sink
        self._handles: list[Any] = []

    def before_fit(self, learner: Loop) -> None:
        self._training = False
        self._names = {id(parameter): name for name, parameter in learner.model.named_parameters()}
        for name, module in learner.model.named_modules():
            if not any(True for _ in module.children()):
                self._handles.append(module.register_forward_hook(self._hook(name)))

    def _hook(self, name: str) -> Callable[..., None]:
        def record(module: Any, inputs: Any, output: Any) -> None:
            if self._training:  # and not in evaluate
                self._calls[name] += 1
                call = f"{name}, call {self._calls[name]}," if self._calls[name] > 1 else name
                self._put("layer", output, call, type(module).__name__)

        return record

    def before_batch(self, learner: Loop) -> None:
        self._epoch, self._step = learner.epoch + 1, learner.step + 1
        self._training, self._calls = True, Counter[str]()
        self._put("inputs", learner.inputs)
        self._put("target", learner.target)

    def after_predict(self, learner: Loop) -> None:
        self._training = False
        self._put("output", learner.output)

    def after_loss(self, learner: Loop) -> None:
        self._put("loss", learner.loss)

    def after_backward(self, learner: Loop) -> None:
        for name, parameter in learner.model.named_parameters():
            if parameter.grad is not None:
                self._put("gradient", parameter.grad, name)

    def after_step(self, learner: Loop) -> None:
        for name, parameter in learner.model.named_parameters():
            self._put("parameter", parameter, name)
        for name, buffer in learner.model.named_buffers():
            self._put("buffer", buffer, name)
        for parameter, state in learner.optimizer.state.items():
            owner = self._names.get(id(parameter), str(parameter))
            for key, array in named_arrays(state):
                self._put("optimizer", array, f"{key} of {owner}")

    def after_batch(self, learner: Loop) -> None:
        self._training = False
        self._epoch, self._step = (
            learner.epoch + 1,
            learner.step,
        )  # a batch that was skipped has not passed before_batch
        for name, state in learner.random_state().items():
            self._put("random", state, name)

    def after_fit(self, learner: Loop) -> None:
        while self._handles:
            self._handles.pop().remove()

    def _put(self, kind: str, value: Any, name: str = "", layer: str = "") -> None:
        for path, array in named_arrays(value, name):
            self.sink(TensorPlace(self._epoch, self._step, kind, path, layer), array)
