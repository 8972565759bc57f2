"""What a program does with its networks under `no_grad()`: whether in the right mode, and with what result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core import Tensor, no_grad
from pellucid.random import get_rng_state, set_rng_state

from .places import place
from .record import ModeRecord, ProgramRecord

NOISY = ("Dropout", "BatchNorm")


class EvaluationNotes:
    """Enters evaluations in a record."""

    def __init__(self, record: ProgramRecord, apart: Callable[[Callable[[], Any]], Any]) -> None:
        self.record, self.apart = record, apart
        self._modes: set[int] = set()
        self._last_input: tuple[Any, int] = (None, -1)  # of an evaluation, and at which step

    def note_mode(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> None:
        """Where a network is evaluated in train(), what difference that makes."""
        given = args[0] if args else None
        if not module.training or not isinstance(given, Tensor):
            return
        before, step = self._last_input
        if given is before and step == len(self.record.steps):
            self.record.evaluated.clear()  # the same once more, with no step in between: it is to be drawn at random
        self._last_input = (given, len(self.record.steps))
        if id(module) in self._modes:
            return
        layers = [type(m).__name__ for m in module.modules() if type(m).__name__.startswith(NOISY) and m.training]
        if not layers:
            return
        self._modes.add(id(module))
        at, names = place(), sorted(set(layers))
        differs = self.apart(lambda: _difference(call, module, args, kwargs))
        if differs is not None:
            self.record.evaluated.append(ModeRecord(at, names, differs))


def _difference(call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> float | None:
    """By how much, as a share of their spread, the outputs differ between the modes; None where it cannot be told."""
    noisy, still = _in_both_modes(call, module, args, kwargs)
    if not isinstance(noisy, Tensor) or not isinstance(still, Tensor):
        return None
    a, b = noisy.detach().numpy().astype(float), still.detach().numpy().astype(float)
    spread = float(np.abs(b - b.mean()).mean()) or 1.0
    return float(np.abs(a - b).mean()) / spread


def _in_both_modes(call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """What a network gives in train() and in eval(); modes, buffers and random numbers are put back."""
    with no_grad():
        kept = get_rng_state()
        modes = [(m, m.training) for m in module.modules()]
        buffers = [(b, b.detach().numpy().copy()) for b in module.buffers()]
        try:
            noisy = call(module, *args, **kwargs)
            for m, _ in modes:
                m.training = False
            return noisy, call(module, *args, **kwargs)
        finally:
            for m, training in modes:
                m.training = training
            for buffer, values in buffers:
                buffer._array[...] = values  # no change that backward would notice
            set_rng_state(kept)
