"""The training that the page shows: the written program itself, driven a step at a time, and looked at in between."""

from __future__ import annotations

import importlib.util
import json
import math
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pellucid.core import no_grad
from pellucid.nn import Linear, Module
from pellucid.playground.mistakes import Mistake
from pellucid.playground.program import count, write
from pellucid.playground.settings import Settings
from pellucid.random import get_rng_state, set_rng_state
from pellucid.train.probes.landscape import loss_landscape

BOUNDARY, UNIT = 48, 20  # points along a side of the picture of the output, and of a unit
SURFACE, SURFACE_ROWS = 15, 100  # places along a direction of the loss surface, and rows that its losses are over
EPS = 1e-5  # of a central difference, in float64
TURN = threading.RLock()  # the random stream is the process's own: one training at a time draws from it


class Training:
    """A network that trains.

    Attributes:
        source: the program.
        program: it, loaded as a module: `model`, `loader`, `step`, `evaluate`, `predict`.
        epochs: for each epoch its number, the loss over the training points, and that over the test points.
        seen: steps made.
    """

    def __init__(self, settings: Settings, mistake: Mistake | None = None) -> None:
        self.settings = settings if mistake is None else mistake.adapted(settings)
        self.source = write(settings, mistake)
        with TURN:
            before = get_rng_state()
            try:
                self.program = _loaded(self.source)
                self.stream = get_rng_state()
            finally:
                set_rng_state(before)
        self.model: Module = self.program.model
        self.linears = [layer for layer in self.model.modules() if isinstance(layer, Linear)]
        self.epochs: list[tuple[int, float, float]] = []
        self.seen, self.loss = 0, math.nan
        self.batch: tuple[Any, Any] | None = None
        self._batches: Iterator[Any] | None = None
        self._before: list[np.ndarray] = []
        self._drawn: Any = None
        self._grid(self.program.points)
        with self._unseen():
            self.epochs.append((0, *self._losses()))

    # Training ---------------------------------------------------------------------------------------------------------

    def run(self, steps: int, seconds: float = math.inf) -> int:
        """Make at most `steps` steps in about `seconds` seconds; the number of steps that were made."""
        end, made = perf_counter() + seconds, 0
        with self._turn():
            while made < steps and perf_counter() < end:
                self._step()
                made += 1
        return made

    def _step(self) -> None:
        if self._batches is None:
            self._batches = iter(self.program.loader)
        batch = next(self._batches)
        self.batch = (batch[0], batch[1])
        self._before = [np.array(parameter.detach().numpy()) for parameter in self.model.parameters()]
        self._drawn = get_rng_state()
        self.loss = self.program.step(*self.batch)
        self.seen += 1
        if self.seen % len(self.program.loader) == 0:
            # The iterator may draw once more at its end, as it does in the program.
            for _ in self._batches:
                raise LookupError("the loader has more batches than its length says")
            self._batches = None
            self.epochs.append((len(self.epochs), *self._losses()))

    def _losses(self) -> tuple[float, float]:
        p = self.program
        return p.evaluate(p.x, p.y), p.evaluate(p.x_test, p.y_test)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The process's random stream as this training left it."""
        with TURN:
            before = get_rng_state()
            set_rng_state(self.stream)
            try:
                yield
            finally:
                self.stream = get_rng_state()
                set_rng_state(before)

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        """A look that leaves the stream and the modes as they were."""
        modes = [(module, module.training) for module in self.model.modules()]
        with self._turn():
            kept = get_rng_state()
            try:
                yield
            finally:
                set_rng_state(kept)
                for module, training in modes:
                    module.training = training

    # Looking ----------------------------------------------------------------------------------------------------------

    def begun(self) -> dict[str, Any]:
        """What stays the same while it trains: points, their classes or values, which are for training."""
        program, s = self.program, self.settings
        training = np.zeros(len(program.points), bool)
        training[program.train] = True
        return {
            "points": np.asarray(program.points, float).round(4).tolist(),
            "labels": np.asarray(program.labels, float).round(4).tolist(),
            "training": training.tolist(),
            "low": self.low.tolist(),
            "side": self.side,
            "regression": s.regression,
            "classes": s.classes,
            "sizes": [self.linears[0].in_features, *(layer.out_features for layer in self.linears)],
            "boundary": BOUNDARY,
            "unit": UNIT,
            "steps": len(program.loader),
            "count": count(s),
            "settings": s.to_dict(),
        }

    def frame(self, since: int = 0) -> bytes:
        """The training as it is now: `since` is the number of epochs that the page knows already.

        The length of a header in 4 bytes, the header as JSON, then at the next multiple of 4 the weights and the
        gradients (float32, for each layer its matrix by rows and its bias), the pictures of the units and that of the
        output (bytes).
        """
        with self._unseen():
            pictures, output = self._pictures()
        weights = [np.ravel(part.detach().numpy()) for layer in self.linears for part in (layer.weight, layer.bias)]
        gradients = [
            np.zeros(part.numel(), np.float32) if part.grad is None else np.ravel(part.grad.numpy())
            for layer in self.linears
            for part in (layer.weight, layer.bias)
        ]
        parts = [
            np.concatenate(weights).astype("<f4").tobytes(),
            np.concatenate(gradients).astype("<f4").tobytes(),
            pictures.tobytes(),
            output.tobytes(),
        ]
        header = json.dumps(
            {
                "step": self.seen,
                "epoch": len(self.epochs) - 1,
                "loss": finite(self.loss),
                "since": since,
                "epochs": [[n, finite(a), finite(b)] for n, a, b in self.epochs[since:]],
                "lengths": [len(part) for part in parts],
            }
        ).encode()
        header += b" " * (-len(header) % 4)
        return len(header).to_bytes(4, "little") + header + b"".join(parts)

    def _grid(self, points: Any) -> None:
        points = np.asarray(points, float)
        points = points[np.isfinite(points).all(axis=1)]
        low, high = points.min(axis=0), points.max(axis=0)
        self.side = float((high - low).max() * 1.1)
        self.low = (low + high) / 2 - self.side / 2
        self._places = {count: self._square(count) for count in (BOUNDARY, UNIT)}
        with np.errstate(invalid="ignore"):
            self._small = self.program.prepare(self._places[UNIT])

    def _square(self, count: int) -> np.ndarray:
        """The middles of count × count squares, from above and by rows, as pictures are drawn."""
        middles = (np.arange(count) + 0.5) / count * self.side
        across, up = np.meshgrid(self.low[0] + middles, self.low[1] + middles[::-1])
        return np.stack([across.ravel(), up.ravel()], axis=1)

    def _pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each hidden unit its value over the plane, 128 being 0; of the output what is predicted there."""
        self.model.eval()
        h, found = self._small, []
        with no_grad():
            for layer in self.model:  # type: ignore[attr-defined]
                if isinstance(layer, Linear) and layer is not self.linears[0]:
                    found.append(h.numpy().T)
                h = layer(h)
        output = self.program.predict(self._places[BOUNDARY]).numpy()
        if self.settings.regression:
            output = (output + 1) / 2
        output = np.clip(np.nan_to_num(output, nan=0.5), 0, 1)
        if not found:
            return np.zeros(0, np.uint8), (output * 255).astype(np.uint8)
        units = np.nan_to_num(np.concatenate(found), nan=0.0, posinf=1e30, neginf=-1e30)
        most = np.abs(units).max(axis=1, keepdims=True)
        scaled = units / np.where(most == 0, 1, most)
        return (scaled * 127 + 128).astype(np.uint8), (output * 255).astype(np.uint8)

    def surface(self) -> dict[str, Any]:
        """The loss of training points around the weights, along two directions, which stay the same."""
        program = self.program
        rows = slice(0, None, max(1, len(program.x) // SURFACE_ROWS))
        with self._unseen():
            found = loss_landscape(
                self.model, [(program.x[rows], program.y[rows])], program.loss_function, points=SURFACE, seed=0
            )
        return {"points": SURFACE, "losses": [[finite(loss) for loss in row] for row in found.losses.tolist()]}

    def weight(self, layer: int, unit: int, source: int) -> dict[str, Any]:
        """The numbers of one weight at the last step: before it, its gradient, and the loss's slope by differences.

        Args:
            layer: counted from 0, the first hidden one; `unit` in it; `source`, the unit below, or −1 for the bias.

        Raises:
            LookupError: there is no such weight.
        """
        if not 0 <= layer < len(self.linears):
            raise LookupError(f"there is no layer {layer + 1}; there are {len(self.linears)}")
        linear = self.linears[layer]
        if not (0 <= unit < linear.out_features and -1 <= source < linear.in_features):
            raise LookupError(
                f"layer {layer + 1} has {linear.out_features} units of {linear.in_features} inputs; "
                f"there is no weight from {source + 1} to {unit + 1}"
            )
        parameter = linear.bias if source < 0 else linear.weight
        place = (unit,) if source < 0 else (unit, source)
        now = float(parameter[place])
        result = {"layer": layer, "unit": unit, "source": source, "now": finite(now), "step": self.seen}
        if self.batch is None:
            return {**result, "before": None, "gradient": None, "checked": None}
        gradient = None if parameter.grad is None else float(parameter.grad[place])
        index = next(i for i, other in enumerate(self.model.parameters()) if other is parameter)
        return {
            **result,
            "before": finite(float(self._before[index][place])),
            "gradient": finite(gradient),
            "checked": finite(self._slope(index, place)),
        }

    def _slope(self, index: int, place: tuple[int, ...]) -> float:
        """Of the last batch's loss, at the weights as they were before that step, in float64."""
        parameters = list(self.model.parameters())
        kept = [np.array(parameter.detach().numpy()) for parameter in parameters]
        inputs, target = self.batch  # type: ignore[misc]
        inputs, target = inputs.double(), target.double() if target.is_floating_point() else target
        losses: list[float] = []
        with self._unseen(), no_grad():
            self.model.double()
            try:
                for parameter, before in zip(parameters, self._before, strict=True):
                    parameter.copy_(parameter.new_tensor(before))
                value = float(parameters[index][place])
                for moved in (value + EPS, value - EPS):
                    parameters[index][place] = moved
                    set_rng_state(self._drawn)
                    losses.append(float(self.program.loss_of(inputs, target)))
            finally:
                self.model.float()
                for parameter, array in zip(parameters, kept, strict=True):
                    parameter.copy_(parameter.new_tensor(array))
        return (losses[0] - losses[1]) / (2 * EPS)


def finite(number: float | None) -> float | None:
    """A number that JSON can hold."""
    return number if number is not None and math.isfinite(number) else None


def _loaded(source: str) -> Any:
    """The program as a module; its main part does not run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "playground.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("pellucid_playground_program", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path} cannot be loaded")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module
