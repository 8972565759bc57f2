"""What can be chosen by name: each table gives the command line its help and its check, and a run its part.

The tables of optimisers, schedules and callbacks list nothing: a class is in them by being in the library.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pellucid import nn, optim, train
from pellucid.experiments.errors import UsageError
from pellucid.experiments.muon import MuonAndAdamW, groups_of
from pellucid.experiments.schedules import Scheduled
from pellucid.experiments.words import Words, dashed
from pellucid.optim import lr_scheduler
from pellucid.train import Callback, OneCycle, ParamScheduler
from pellucid.train.schedule import linear

ACTIVATIONS: dict[str, Callable[[], Any]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
}

LOSSES: dict[str, Callable[[], Any]] = {
    "cross-entropy": nn.CrossEntropyLoss,
    "mse": nn.MSELoss,
    "bce": nn.BCEWithLogitsLoss,
}
# Other names in use for the same thing.
LOSS_ALIASES = {"quadratic": "mse", "crossentropy": "cross-entropy", "cross_entropy": "cross-entropy"}

DEVICES = ("cpu", "cuda")


# Optimisers ---------------------------------------------------------------------------------------------------------


def _optimizers() -> dict[str, type]:
    """All that take the gradients of any layer; Muon, which takes matrices alone, together with AdamW."""
    return {name.lower(): kind for name, kind in optim.OPTIMIZERS.items()} | {"muon": MuonAndAdamW}


OF_OPTIMIZERS = ("lr", "momentum", "weight_decay")  # settings of a run that are arguments of an optimiser
OPTIMIZERS = Words(
    "optimizer",
    _optimizers,
    own=("params", *OF_OPTIMIZERS),
    refused={
        "sparseadam": "SparseAdam takes the sparse gradients of nn.Embedding(sparse=True) alone, and the networks of "
        "the command line and of pellucid.sklearn have none. Take adam."
    },
)
_RATES = {"sgd": 0.1}  # PyTorch's default of 0.001 is for no network of these
# What an optimiser has beside that unless its words say otherwise: L-BFGS at its rate of 1 needs a line search.
USUAL: dict[str, dict[str, Any]] = {"lbfgs": {"line_search_fn": "strong_wolfe"}}
# Where one batch holds all samples: one iteration a step, so that after each one can see whether new samples gain by it
# and stop; twenty overfit a small table in the first step. The search along a line keeps its evaluations.
USUAL_OF_ONE_BATCH: dict[str, dict[str, Any]] = {"lbfgs": {"max_iter": 1, "max_eval": 25}}


def optimizer_settings(text: str) -> dict[str, Any]:
    """What an optimiser takes of the settings of a run, with its own defaults."""
    takes = inspect.signature(OPTIMIZERS.kind(text)).parameters
    own = {name: float(takes[name].default) for name in OF_OPTIMIZERS if name in takes}
    name = text.partition(":")[0]
    return own | ({"lr": _RATES[name]} if name in _RATES else {})


def make_optimizer(words: Words, text: str, network: Any, one_batch: bool, **given: Any) -> Any:
    """The optimiser that the words ask for, over the parameters of a network; `one_batch` holds all samples, or not.

    Raises:
        UsageError: an argument makes no sense, or the network has nothing for this optimiser.
    """
    name = words.name(text)
    parameters = groups_of(network) if words.kind(text) is MuonAndAdamW else network.parameters()
    usual = USUAL.get(name, {})
    if one_batch and ":" not in text:
        usual = usual | USUAL_OF_ONE_BATCH.get(name, {})
    return words.make(text, parameters, **usual, **given)


def defaults_of(name: str) -> dict[str, float]:
    """The optimisers that take a setting, with the default of each."""
    every = {kind: optimizer_settings(kind) for kind in OPTIMIZERS}
    return {kind: own[name] for kind, own in every.items() if name in own}


def spoken_defaults(name: str) -> str:
    """The default of a setting in words, with the optimisers that have another: "0; adamw 0.01"."""
    defaults = defaults_of(name)
    values = list(defaults.values())
    usual = max(values, key=values.count)
    others = [f"{kind} {value:g}" for kind, value in defaults.items() if value != usual]
    return "; ".join([f"{usual:g}", *others])


# Schedules ----------------------------------------------------------------------------------------------------------

# Those that are spread over the whole run, each from the learning rate of `--lr`.
SPREAD: dict[str, Callable[[float, Any], Callback]] = {
    "cosine": lambda lr, optimizer: train.CosineDecay(lr),
    "linear": lambda lr, optimizer: ParamScheduler("lr", linear(lr, 0.0)),
    "one-cycle": lambda lr, optimizer: OneCycle(lr, cycle_momentum=_has_momentum(optimizer)),
}


def _has_momentum(optimizer: Any) -> bool:
    return bool({"momentum", "betas"} & optimizer.defaults.keys())


def _schedulers() -> dict[str, type]:
    kinds = [kind for kind in vars(lr_scheduler).values() if isinstance(kind, type)]
    return {
        dashed(kind.__name__): kind
        for kind in kinds
        if issubclass(kind, lr_scheduler.LRScheduler) and kind.__name__ not in ("LRScheduler", "_LRScheduler")
    }


SCHEDULERS = Words("schedule", _schedulers, own=("optimizer", "last_epoch"))


def schedules() -> list[str]:
    """Everything that `--schedule` can name."""
    return ["constant", *SPREAD, *SCHEDULERS]


def spread(text: str) -> bool:
    """Whether a schedule goes by the length of the whole run, so that a run with it cannot be made longer."""
    if text == "constant":
        return False
    return text in SPREAD or "total_steps" in inspect.signature(SCHEDULERS.kind(text)).parameters


def schedule(text: str, lr: float, optimizer: Any) -> list[Callback]:
    """What moves the learning rate over a run."""
    if text == "constant":
        return []
    if text in SPREAD:
        return [SPREAD[text](lr, optimizer)]
    return [Scheduled(lambda **more: SCHEDULERS.make(text, optimizer, **more), SCHEDULERS.kind(text))]


# Callbacks ----------------------------------------------------------------------------------------------------------

# Those that a run hangs on by itself or by another option.
OWN = {
    "Recorder",
    "Progress",
    "NaNGuard",
    "Checkpoint",
    "CosineDecay",
    "OneCycle",
    "ActivationStats",
    "GradientStats",
    "Tracker",
}


def _callbacks() -> dict[str, type]:
    kinds = [getattr(train, name) for name in train.__all__ if name not in OWN]
    return {
        dashed(kind.__name__): kind
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Callback) and kind is not Callback
    }


# TensorBoard calls a run by the folder of its files: by the run's own name where they lie in its own folder.
CALLBACKS = Words("callback", _callbacks, places={"tensor-board": "."})


def with_observers(own: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    """The callbacks `own` of a run when it goes on with `given` beside them, or in the place of those of that name.

    Only those that look on may be new or changed, as with another of the rest it would be another run: else UsageError.

    >>> with_observers(("time-limit:limit=9s", "gradient-clip:norm=1"), ("time-limit:limit=2h", "ema"))
    Traceback (most recent call last):
    ...
    pellucid.experiments.errors.UsageError: --callback ema changes what is computed, ...
    >>> with_observers(("time-limit:limit=9s", "gradient-clip:norm=1"), ("time-limit:limit=2h", "csv-logger"))
    ('gradient-clip:norm=1', 'time-limit:limit=2h', 'csv-logger')
    """
    fresh = [text for text in given if text not in own]
    for text in fresh:
        if not CALLBACKS.kind(text).observes:
            raise UsageError(
                f"--callback {text} changes what is computed, and the run that is to go on has "
                f"{', '.join(own) or 'none'}. Leave it out, or start a new run without --resume."
            )
    names = {CALLBACKS.name(text) for text in fresh}
    return (*(text for text in own if CALLBACKS.name(text) not in names), *fresh)
