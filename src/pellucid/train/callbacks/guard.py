"""Stop a run at the step where its numbers stop being numbers, and say which op was the first."""

from __future__ import annotations

import math
from pickle import dumps
from typing import Any

import numpy as np

from pellucid import backend
from pellucid.random.streams import find_streams, program_streams, set_stream_state, stream_state
from pellucid.record.anomaly import AnomalyError, detect_anomaly
from pellucid.train.loop import Callback, Loop


class NonFiniteError(ArithmeticError):
    """The loss or a gradient became NaN or infinite: `step` and `epoch` say when, `cause` names the first op."""

    def __init__(self, what: str, epoch: int, step: int, cause: str) -> None:
        super().__init__(f"{what} at step {step} (epoch {epoch}). {cause}")
        self.what, self.epoch, self.step, self.cause = what, epoch, step, cause


class NaNGuard(Callback):
    """Looks at the loss and at the gradients of every step, before the optimiser can spread what is wrong.

    The parameters are then still those that the step began with, so the step is repeated from the same random state,
    this time with every op watched, and the error names the first one whose output was not finite. The learner is left
    as it was before the step: what is saved then leads to the same failure again, which is what one wants to look at.
    """

    observes = True
    order = -100

    def before_epoch(self, learner: Loop) -> None:
        parts = {"model": learner.model, "loss": learner.loss_function}
        found = find_streams(parts, Loop)
        self._streams = [stream for stream in [*program_streams().values(), *found.values()] if _has_state(stream)]
        self._known = False  # which of the streams a step draws from is not known before the first
        self._parameters = list(learner.model.named_parameters())  # walking the model costs more than looking at it

    def before_batch(self, learner: Loop) -> None:
        # Reading a state costs 30 µs, so those alone are read that the step would change.
        self._states = [(stream, stream_state(stream)) for stream in self._streams]

    def after_loss(self, learner: Loop) -> None:
        # The mean over a batch in which every target is ignored is NaN, and the step does nothing.
        if not math.isfinite(learner.loss_value) and learner.weight():
            self._fail(learner, f"The loss became {learner.loss_value}")

    def after_backward(self, learner: Loop) -> None:
        for name, parameter in self._parameters:
            grad = parameter._grad  # a third of the time of the property, which looks whether this is a leaf
            if grad is not None and not finite(grad._array):
                self._fail(learner, f"The gradient of {name} is not finite")
        if not self._known:
            self._streams = [stream for stream, state in self._states if dumps(state) != dumps(stream_state(stream))]
            self._known = True

    def _fail(self, learner: Loop, what: str) -> None:
        learner.optimizer.zero_grad()
        self._rewind()
        cause = self._cause(learner)
        learner.optimizer.zero_grad()
        self._rewind()
        raise NonFiniteError(what, learner.epoch + 1, learner.step + 1, cause)

    def _rewind(self) -> None:
        for stream, state in self._states:
            set_stream_state(stream, state)

    def _cause(self, learner: Loop) -> str:
        bad = [name for name, parameter in self._parameters if not all_finite(parameter)]
        note = ""
        if bad:
            note = f"The update of the step before made these parameters infinite or NaN: {', '.join(bad)}.\n"
        try:
            with detect_anomaly():
                learner.forward()
                learner.get_loss()
                learner.backward()
        except AnomalyError as error:
            return note + str(error) + _layer(error, learner.model)
        return note + "Repeated under detect_anomaly, the step came out finite: some op is not deterministic."


def _has_state(stream: Any) -> bool:
    try:
        stream_state(stream)
    except TypeError:  # the numbers of random.SystemRandom never come again
        return False
    return True


def _layer(error: AnomalyError, model: Any) -> str:
    """In which layer the op was: the innermost module of the model among the calls that led to the error."""
    names = {id(module): name for name, module in model.named_modules() if name}
    found, traceback = "", error.__traceback__
    while traceback is not None:
        module = traceback.tb_frame.f_locals.get("self")
        if id(module) in names:
            found = f"\n  in the layer {names[id(module)]}: {type(module).__name__}"
        traceback = traceback.tb_next
    return found


def all_finite(tensor: Any) -> bool:
    """Whether every number of a floating tensor is finite."""
    return finite(tensor._array)


def finite(array: Any) -> bool:
    """Whether every number of a floating array is finite.

    One BLAS call, without a temporary array: the sum of their squares or, where they are many, of the products of the
    first half with the second, which reads each only once. A number that is not finite makes its product so (∞ · 0 is
    NaN), and a sum once not finite stays so: a finite result says that all numbers are. Where it is not finite it may
    just have overflowed, so only then each number is looked at.
    """
    if type(array) is not np.ndarray:
        array = backend.of_array(array).to_numpy(array)
    size = array.size
    if size < 1000:
        total = np.vdot(array, array)  # not dot, which would warn of the overflow
    else:
        flat = array.ravel("K")
        half = (size + 1) // 2  # of an odd count, the middle one is in both halves
        total = np.vdot(flat[:half], flat[size - half :])
    return math.isfinite(total) or bool(np.isfinite(array).all())
