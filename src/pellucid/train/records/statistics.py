"""What happens inside the network while it trains: numbers about activations, gradients and updates, step by step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core import is_grad_enabled

# Where the derivative of an activation has all but gone, or is zero: at and below the first number, at and above the
# second. A sigmoid or tanh counts as saturated in the outer 0.05 of its half range, where its slope is less than a
# tenth of the steepest; an ELU where its slope is less than 0.05.
from pellucid.train.loop import Loop
from pellucid.train.records.histogram import parts
from pellucid.train.records.hooks import Hooks, Where, select
from pellucid.train.records.series import Series

_SCALED_ALPHA = 1.0507009873554805 * 1.6732632423543772  # of SELU
_SATURATION: dict[str, Any] = {
    "Sigmoid": lambda layer: (0.025, 0.975),
    "Tanh": lambda layer: (-0.95, 0.95),
    "Softsign": lambda layer: (-0.95, 0.95),
    "Hardsigmoid": lambda layer: (0.0, 1.0),
    "Hardtanh": lambda layer: (layer.min_val, layer.max_val),
    "ReLU": lambda layer: (0.0, math.inf),
    "ReLU6": lambda layer: (0.0, 6.0),
    "ELU": lambda layer: (-0.95 * layer.alpha, math.inf),
    "CELU": lambda layer: (-0.95 * layer.alpha, math.inf),
    "SELU": lambda layer: (-0.95 * _SCALED_ALPHA, math.inf),
}
_UNCHANGING = {"Flatten", "Unflatten", "Identity"}  # hand on what came in: nothing to see that was not seen before


class ActivationStats(Series):
    """Statistics of what each layer puts out in training, at step 1 and at every multiple of `every`.

    Per layer and step, over all elements of the output (of all calls, where a layer is called several times in a step):

    * `mean`, `std`: of the finite elements; `std` divides by their number, √(Σ(x − mean)² / n).
    * `zeros`: share of elements that are exactly 0.
    * `saturated`: share of elements where the activation is flat. Sigmoid: outside (0.025, 0.975). Tanh and Softsign:
      outside (−0.95, 0.95). ReLU: at 0; Hardtanh, Hardsigmoid, ReLU6: at either end of their range. ELU, CELU, SELU:
      within 5 % of their lower limit. NaN for other layers, which do not saturate. Known by the name of the class.
    * `dead`: share of units that were 0 for the whole batch (and at every place of it). A unit is a feature of the last
      axis, after a convolution a channel.
    * `nonfinite`: share of elements that are NaN or infinite; these are in no other number.
    * `histogram`: counts of the finite elements in at most `bins` bins, with the same `edges` for all steps.

    Evaluation (`eval` mode, or `no_grad`) is not looked at. A step that is not due costs nothing: the hooks are hung up
    for the steps that are. An activation that is no layer of its own (`F.relu` in a `forward`) is not seen.

    Args:
        every: steps from one record to the next.
        bins: the most bins that a histogram may have.
        where: which layers, as in `Hooks`; by default those with no layers inside, except Flatten and Identity.

    Raises ValueError for `every` below 1 or `bins` below 2, and for a `where` that chooses no layer.

    >>> from pellucid import nn, ones, optim, zeros
    >>> from pellucid.train import Learner
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> stats = ActivationStats(every=2)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> learner = Learner(model, [(ones(4, 2), zeros(4, 1))] * 4, nn.MSELoss(), optimizer, callbacks=[stats])
    >>> learner.fit(1)
    >>> list(stats.record())
    ['0', '1', '2']
    >>> stats.record()["1"]["step"]
    array([1, 2, 4])
    """

    kind = "activations"
    label = "layer"
    numbers = ("mean", "std", "zeros", "saturated", "dead", "nonfinite")
    histograms = ("histogram",)

    def __init__(self, every: int = 50, bins: int = 64, where: Where = None) -> None:
        super().__init__(every, bins)
        self.where = where
        self._hooks: Hooks | None = None

    def before_fit(self, learner: Loop) -> None:
        where = _changing(learner.model) if self.where is None else self.where
        self._hooks = Hooks(learner.model, forward=self._see, where=where)
        self._model = learner.model
        self._seen: dict[str, _Pool] = {}

    def before_batch(self, learner: Loop) -> None:
        if self._hooks is not None and self.due(learner.step + 1):
            self._seen, self._convolved = {}, False
            self._hooks.attach()

    def after_batch(self, learner: Loop) -> None:
        if self._hooks is not None:
            self._hooks.remove()
        if self._seen:
            for name, pool in self._seen.items():
                self.append(name, learner.step, pool.numbers(), {"histogram": self.total(pool.counts)})
            self.recorded(learner.step)
            self._seen = {}

    def after_fit(self, learner: Loop) -> None:
        if self._hooks is not None:
            self._hooks.remove()
        self._hooks = None

    def _see(self, name: str, layer: Any, inputs: Any, output: Any) -> None:
        if not (self._model.training and is_grad_enabled()):
            return
        weight = getattr(layer, "weight", None)
        if weight is not None and len(weight.shape) > 1:
            self._convolved = len(weight.shape) > 2
        array = first_array(output)
        if array is not None and array.dtype.kind == "f" and array.size:
            self._classes[name] = type(layer).__name__
            pool = self._seen.setdefault(name, _Pool(saturation(layer)))
            pool.add(array, unit_axis=1 if self._convolved and array.ndim > 2 else -1)
            pool.counts.append(self.count(array))

    def plot(self, ax: Any = None, save: Any = None) -> Any:
        """The histogram of each layer over the steps, as a matplotlib figure; see `viz.activation_heatmap`."""
        from pellucid.viz import activation_heatmap

        return activation_heatmap(self.record(), ax=ax, save=save)


class GradientStats(Series):
    """Statistics of each parameter's gradient and update, at step 1 and at every multiple of `every`.

    Per parameter w, with the gradient g as the optimiser gets it (after clipping, where it is clipped):

    * `gradient_norm`: ‖g‖₂, in float64, over all elements: inf or NaN if one of them is.
    * `parameter_norm`: ‖w‖₂ before the update.
    * `update_ratio`: ‖Δw‖₂ / ‖w‖₂, by how much of itself the step changed the parameter; about 10⁻³ is usual. NaN where
      w was all zero.
    * `nonfinite`: share of the gradient's elements that are NaN or infinite.
    * `histogram`: counts of g's finite elements in at most `bins` bins, with the same `edges` for all steps;
      `parameter_histogram` and `parameter_edges`: the same of w before the update.

    A parameter without a gradient has no row for that step. Where the optimiser moves only every few batches, the
    record is made at the first move from the step on that is due. It costs a copy of the parameters in the steps that
    are recorded, and nothing in the others.

    Args:
        every: steps from one record to the next.
        bins: the most bins that a histogram may have.

    Raises ValueError for `every` below 1 or `bins` below 2.

    >>> from pellucid import nn, optim, tensor
    >>> from pellucid.train import Learner
    >>> model = nn.Linear(1, 1, bias=False)
    >>> nn.init.constant_(model.weight, 2.0).tolist()
    [[2.0]]
    >>> stats, batches = GradientStats(), [(tensor([[1.0]]), tensor([[0.0]]))]
    >>> Learner(model, batches, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.125), callbacks=[stats]).fit(1)
    >>> row = stats.record()["weight"]
    >>> row["gradient_norm"], row["parameter_norm"], row["update_ratio"]  # of (2 · 1 − 0)²: 4; 2; 0.125 · 4 / 2
    (array([4.]), array([2.]), array([0.25]))
    """

    kind = "gradients"
    label = "parameter"
    numbers = ("gradient_norm", "parameter_norm", "update_ratio", "nonfinite")
    histograms = ("histogram", "parameter_histogram")
    order = 20  # after what clips or adds to the gradients

    def __init__(self, every: int = 50, bins: int = 64) -> None:
        super().__init__(every, bins)
        self._before: list[tuple[str, Any, np.ndarray, dict[str, float], dict[str, Any]]] = []

    def before_fit(self, learner: Loop) -> None:
        self._before = []

    def after_backward(self, learner: Loop) -> None:
        if not self.due(learner.step + 1):
            return
        self._before = []
        for name, parameter in learner.model.named_parameters():
            if parameter.grad is not None:
                gradient, weight = to_numpy(parameter.grad), np.array(to_numpy(parameter))
                values = {
                    "gradient_norm": norm(gradient),
                    "parameter_norm": norm(weight),
                    "nonfinite": share_not_finite(gradient),
                }
                counts = {"histogram": self.count(gradient), "parameter_histogram": self.count(weight)}
                self._before.append((name, parameter, weight, values, counts))

    def after_step(self, learner: Loop) -> None:
        if not self._before:
            return
        step = learner.step + 1
        for name, parameter, weight, values, counts in self._before:
            change = norm(to_numpy(parameter), minus=weight)
            values["update_ratio"] = change / values["parameter_norm"] if values["parameter_norm"] else math.nan
            self.append(name, step, values, counts)
        self.recorded(step)
        self._before = []

    def plot(self, ax: Any = None, save: Any = None) -> Any:
        """Gradient norms and update ratios over the steps, as a matplotlib figure; see `viz.gradient_flow`."""
        from pellucid.viz import gradient_flow

        return gradient_flow(self.record(), ax=ax, save=save)


class _Pool:
    """What is known of the outputs of one layer in one step, which may come in several calls."""

    def __init__(self, limits: tuple[float, float] | None) -> None:
        self.limits = limits
        self.size = self.finite = self.zeros = self.saturated = self.units = self.dead = 0
        self.mean = self.squares = 0.0  # of the finite ones: the mean, and the sum of the squared deviations from it
        self.counts: list[Any] = []

    def add(self, array: np.ndarray, unit_axis: int) -> None:
        self.size += array.size
        self.zeros += array.size - int(np.count_nonzero(array))
        if self.limits is not None:
            low, high = self.limits
            self.saturated += int(np.count_nonzero(array <= low))
            if high < math.inf:
                self.saturated += int(np.count_nonzero(array >= high))
        if array.ndim > 1:
            alive = (array != 0).any(axis=tuple(i for i in range(array.ndim) if i != unit_axis % array.ndim))
            self.units, self.dead = self.units + alive.size, self.dead + alive.size - int(np.count_nonzero(alive))
        finite = array.reshape(-1)[np.isfinite(array).reshape(-1)].astype(np.float64)
        if finite.size:  # Chan, Golub and LeVeque's rule for the variance of two samples together
            mean = float(finite.mean())
            deviation = finite - mean
            both = self.finite + finite.size
            self.squares += float(deviation @ deviation) + (mean - self.mean) ** 2 * self.finite * finite.size / both
            self.mean += (mean - self.mean) * finite.size / both
            self.finite = both

    def numbers(self) -> dict[str, float]:
        return {
            "mean": self.mean if self.finite else math.nan,
            "std": math.sqrt(self.squares / self.finite) if self.finite else math.nan,
            "zeros": self.zeros / self.size,
            "saturated": math.nan if self.limits is None else self.saturated / self.size,
            "dead": self.dead / self.units if self.units else math.nan,
            "nonfinite": 1.0 - self.finite / self.size,
        }


def saturation(layer: Any) -> tuple[float, float] | None:
    """At and below which output, and at and above which, an activation is flat; None where it is nowhere.

    >>> from pellucid import nn
    >>> saturation(nn.Tanh())
    (-0.95, 0.95)
    """
    for kind in type(layer).__mro__:
        if kind.__name__ in _SATURATION:
            return _SATURATION[kind.__name__](layer)
    return None


def first_array(output: Any) -> np.ndarray | None:
    """The first tensor of what a layer returned, as an array; None where there is none."""
    if hasattr(output, "detach"):
        return to_numpy(output)
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return next((array for part in parts if (array := first_array(part)) is not None), None)


def to_numpy(tensor: Any) -> np.ndarray:
    """The numbers of a tensor, wherever it is; on the CPU the same memory."""
    return np.asarray(tensor.detach().cpu().numpy())


def share_not_finite(array: np.ndarray) -> float:
    return 1.0 - int(np.count_nonzero(np.isfinite(array))) / array.size if array.size else 0.0


def norm(array: np.ndarray, minus: np.ndarray | None = None) -> float:
    """‖x‖₂, or ‖x − minus‖₂, in float64, so that float32 numbers up to the largest do not overflow."""
    flat = parts(array.reshape(-1))
    if minus is not None:
        flat = (part - other for part, other in zip(flat, parts(minus.reshape(-1)), strict=True))
    return math.sqrt(sum(float(part @ part) for part in flat))


def _changing(model: Any) -> Where:
    """The layers that have no layers inside and do more than hand on."""
    layers = select(model)
    return [name for name, layer in layers.items() if type(layer).__name__ not in _UNCHANGING] or list(layers)
