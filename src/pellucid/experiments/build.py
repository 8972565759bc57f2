"""From the words of a configuration to a model, a loss, metrics and an optimiser."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import nn, train
from pellucid.core import Tensor, from_data
from pellucid.datasets import DataSet
from pellucid.experiments import choices
from pellucid.experiments.config import Config
from pellucid.experiments.data import Loaders, classes_of
from pellucid.experiments.errors import UsageError
from pellucid.experiments.language import language_model
from pellucid.experiments.layers import cnn, mlp, resnet
from pellucid.experiments.models import hidden_sizes
from pellucid.random import default_generator


def learner(
    config: Config,
    data: DataSet,
    loaders: Loaders,
    callbacks: Sequence[train.Callback] = (),
    *,
    folder: Path = Path(),
    scheduled: bool = True,
) -> train.Learner:
    """The learner of a configuration: the same configuration and data give the same one, to the bit.

    Args:
        callbacks: what is hung on it beside the schedule and the callbacks that the configuration names.
        folder: where the callbacks that the configuration names keep their files.
        scheduled: False leaves out the schedule, for which the learning rate is still to be found.
    """
    classes = classes_of(data)
    default_generator.manual_seed(config.seed)
    random.seed(config.seed)  # somebody's data set or callback may draw from these two
    np.random.seed(config.seed % 2**32)  # noqa: NPY002
    network = model(config, data.sample_shape, classes).to(config.device)
    steps = optimizer(config, network, one_batch=len(loaders.train) == 1)
    schedule = choices.schedule(config.schedule, config.lr, steps) if scheduled else []
    if config.augment:
        callbacks = [*callbacks, train.Augment(flip=config.source == "folder")]
    asked = [choices.CALLBACKS.make(text, folder=folder) for text in config.callback]
    made = train.Learner(
        network,
        (loaders.train, loaders.val),
        loss(config, classes, data),
        steps,
        metrics(classes, data.facts.get("target_std", 1.0), balanced=config.class_weights == "balanced"),
        [*callbacks, *schedule, *asked],
        defaults=(),  # the command line has a screen of its own
        compile=bool(config.compile),
    )
    try:
        made.check_callbacks()
    except ValueError as error:
        raise UsageError(str(error)) from error
    return made


def model(config: Config, sample_shape: tuple[int, ...], classes: int | None) -> Any:
    """The network of `--model`; its parameters are drawn from the default generator.

    Shape: (N, *sample_shape) -> (N, outputs), with one output per class, or one where the target is a real number or
    where binary cross-entropy decides between two classes. Of text see `language`.
    """
    activation = choices.ACTIVATIONS[config.activation]
    if config.source == "text":
        return language_model(config.model, classes or 0, sample_shape[0], activation, config.dropout or 0.0)
    outputs, dropout = _outputs(config, classes), config.dropout
    if config.model == "cnn":
        layers = cnn(sample_shape, outputs, activation, 0.25 if dropout is None else dropout, bool(config.batch_norm))
    elif config.model == "resnet":
        layers = resnet(sample_shape, outputs, activation, dropout or 0.0)
    else:
        sizes = hidden_sizes(config.model) if config.model.startswith("mlp") else []
        how = {"batch_norm": bool(config.batch_norm), "residual": bool(config.residual)}
        layers = mlp(sample_shape, sizes, outputs, activation, dropout or 0.0, **how)
    if config.loss == "mse" and classes is not None:
        layers.append(nn.Sigmoid())  # the outputs are compared with 0 and 1
    return nn.Sequential(*layers)


def loss(config: Config, classes: int | None, data: DataSet | None = None) -> Callable[[Any, Any], Any]:
    """`loss(output, target)`, the mean over the batch; class numbers become what the formula compares with.

    `data` is what classes are weighed by, where the configuration asks for that.
    """
    if config.class_weights == "balanced" and data is not None and classes is not None:
        return nn.CrossEntropyLoss(weight=class_weights(data.y_train, classes).to(config.device))
    compare = choices.LOSSES[config.loss]()
    if classes is None or config.loss == "cross-entropy":
        return compare
    if _outputs(config, classes) == 1:
        return lambda output, target: compare(output, target.reshape(-1, 1).to(output.dtype))  # (N,) -> (N, 1)
    one_hot = nn.functional.one_hot
    return lambda output, target: compare(output, one_hot(target, classes).to(output.dtype))  # (N,) -> (N, classes)


def class_weights(y: np.ndarray, classes: int) -> Tensor:
    """N / (classes · N_k) for each class k: together, the samples of every class count the same. (classes,) float32.

    A class without a sample has the weight 0. Source: King and Zeng, Logistic Regression in Rare Events Data, 2001.
    """
    counts = np.bincount(y, minlength=classes)
    there = (counts > 0).sum()
    return from_data(np.where(counts > 0, len(y) / (there * np.maximum(counts, 1)), 0.0).astype(np.float32))


def metrics(classes: int | None, target_std: float = 1.0, *, balanced: bool = False) -> dict[str, Callable[[], Any]]:
    """What is measured on the validation data beside the loss; the first is the one shown while training."""
    if classes is None:  # the error in the units of the file, though the target was standardised
        return {"r2": train.R2, "mae": lambda: train.MeanAbsoluteError(scale=target_std)}
    if balanced:
        return {"accuracy": train.Accuracy, "balanced_accuracy": train.BalancedAccuracy}
    return {"accuracy": train.Accuracy}


def optimizer(config: Config, network: nn.Module, one_batch: bool = False) -> Any:
    """The optimiser of `--optimizer` over the parameters of a network; `one_batch` holds all samples, or not."""
    given = {name: getattr(config, name) for name in choices.OF_OPTIMIZERS}
    return choices.make_optimizer(choices.OPTIMIZERS, config.optimizer, network, one_batch, **given)


def _outputs(config: Config, classes: int | None) -> int:
    if classes is None or (classes == 2 and config.loss == "bce"):
        return 1
    return classes
