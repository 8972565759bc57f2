"""Averages of weights: stochastic weight averaging (SWA), and exponential moving averages (EMA)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import numpy as np

from ..core import Tensor, no_grad, wrap
from ..nn import Module
from ..nn.modules import batchnorm
from .lr_scheduler.base import LRScheduler, per_group
from .names import Rate
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """``decay`` · average + (1 - ``decay``) · current, as an ``avg_fn`` of `AveragedModel`."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """The mean of all so far, as an ``avg_fn`` of `AveragedModel`."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    """As `get_ema_avg_fn`, for lists of parameters that it changes in place."""
    return _each_in_place(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[[Iterable[Tensor], Iterable[Tensor], Any], None]:
    """As `get_swa_avg_fn`, for lists of parameters that it changes in place."""
    return _each_in_place(get_swa_avg_fn())


def _each_in_place(average: Callable[[Tensor, Tensor, Any], Tensor]) -> Callable[..., None]:
    @no_grad()
    def update(averaged_params: Iterable[Tensor], current_params: Iterable[Tensor], num_averaged: Any) -> None:
        for averaged, current in zip(averaged_params, current_params, strict=True):
            averaged.copy_(average(averaged, current, num_averaged))

    return update


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


class AveragedModel(Module):
    """A copy of a model whose parameters are an average of those that the model has had.

    ``update_parameters(model)`` takes one more into the average: the mean of all (SWA, arXiv:1803.05407), unless
    ``avg_fn(average, current, number)`` or ``multi_avg_fn(averages, currents, number)``, which changes its first
    argument in place, says otherwise. Buffers are averaged with ``use_buffers``, and copied without.

    Raises:
        AssertionError: both functions were given.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", wrap(np.zeros((), np.int64)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of ``model`` into the average; the first time they are copied."""
        own, theirs = _averaged(self.module, self.use_buffers), _averaged(model, self.use_buffers)
        if int(self.n_averaged) == 0:
            for mine, other in zip(own, theirs, strict=True):
                mine.copy_(other)
        elif self.avg_fn is not None:
            for mine, other in zip(own, theirs, strict=True):
                mine.copy_(self.avg_fn(mine.detach(), other, self.n_averaged))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(own, theirs, self.n_averaged)
        if not self.use_buffers:
            for mine, other in zip(self.module.buffers(), model.buffers(), strict=True):
                mine.copy_(other)
        self.n_averaged += 1


def _averaged(model: Module, use_buffers: bool) -> list[Tensor]:
    tensors = itertools.chain(model.parameters(), model.buffers() if use_buffers else ())
    return [tensor.detach() for tensor in tensors]


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Estimate the running statistics of all batch normalisations anew, by one pass over ``loader``.

    Each batch is a tensor, or a list or tuple that begins with one. Weights that were averaged fit no statistics that
    were gathered along the way.
    """
    norms = [module for module in model.modules() if isinstance(module, batchnorm._BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
    for batch in loader:
        input = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(input if device is None else input.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present learning rate to ``swa_lr`` within ``anneal_epochs`` epochs, and constant from there.

    The way is half a cosine (``anneal_strategy="cos"``) or a line (``"linear"``). To be used after another schedule.

    Raises:
        ValueError: another ``anneal_strategy``, or ``anneal_epochs`` that is no number of epochs.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for group, value in zip(optimizer.param_groups, per_group("swa_lr", optimizer, swa_lr), strict=True):
            group["swa_lr"] = value
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, part: float) -> float:
        """How much of the way has been gone, after a part of the epochs."""
        return (1 - math.cos(math.pi * part)) / 2 if self._anneal_strategy == "cos" else part

    def get_lr(self) -> list[Rate]:
        self._check_within_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        done, now = (self.anneal_func(max(0, min(1, count / max(1, self.anneal_epochs)))) for count in (step - 1, step))
        lrs = []
        for group in self.optimizer.param_groups:
            end = group["swa_lr"]
            start = end if done == 1 else (group["lr"] - done * end) / (1 - done)
            lrs.append(end * now + start * (1 - now))
        return lrs
