"""`GradScaler`: a loss is multiplied before backward, and the gradients divided before the step."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import pellucid
from pellucid.core import Tensor

__all__ = ["GradScaler"]


class GradScaler:
    """Scale a loss so that small gradients do not vanish in float16 (Micikevicius et al., https://arxiv.org/abs/1710.03740).

    With the device "cuda", which is not there, it is disabled with a warning, as in PyTorch: `scale` returns the loss
    itself, and `step` is the optimiser's. With "cpu" it works: a step whose gradients are not finite is left out, and
    the scale is multiplied by `backoff_factor`; after `growth_interval` good steps by `growth_factor`.
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        self._device = device
        if enabled and device == "cuda":
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            enabled = False
        if growth_factor <= 1.0 or backoff_factor >= 1.0:
            raise ValueError(
                "The growth factor must be > 1.0 and the backoff factor < 1.0, but got "
                f"growth_factor={growth_factor}, backoff_factor={backoff_factor}"
            )
        self._enabled = enabled
        self._scale, self._growth_tracker = init_scale, 0
        self._growth_factor, self._backoff_factor, self._growth_interval = (
            growth_factor,
            backoff_factor,
            growth_interval,
        )
        self._seen: dict[int, tuple[str, bool]] = {}  # optimiser -> how far it is, and were its gradients finite

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def get_scale(self) -> float:
        """The factor of the loss."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """By what the scale grows."""
        return self._growth_factor

    def get_backoff_factor(self) -> float:
        """By what it shrinks."""
        return self._backoff_factor

    def get_growth_interval(self) -> int:
        """After how many good steps it grows."""
        return self._growth_interval

    def scale(self, outputs: Tensor | Iterable[Tensor]) -> Any:
        """The loss, or losses, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):  # a tensor is an iterable, too
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            scaled = [self.scale(output) for output in outputs]
            return tuple(scaled) if isinstance(outputs, tuple) else scaled
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimiser's parameters by the scale."""
        if not self._enabled:
            return
        stage = self._seen.get(id(optimizer), ("ready", True))[0]
        if stage == "unscaled":
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if stage == "stepped":
            raise RuntimeError("unscale_() is being called after step().")
        finite = True
        with pellucid.no_grad():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.grad.mul_(1.0 / self._scale)
                        finite = finite and bool(pellucid.isfinite(parameter.grad).all())
        self._seen[id(optimizer)] = ("unscaled", finite)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimiser's step, with gradients that are divided by the scale; none where they are not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        stage = self._seen.get(id(optimizer), ("ready", True))[0]
        if stage == "stepped":
            raise RuntimeError("step() has already been called since the last update().")
        if stage == "ready":
            self.unscale_(optimizer)
        finite = self._seen[id(optimizer)][1]
        self._seen[id(optimizer)] = ("stepped", finite)
        return optimizer.step(*args, **kwargs) if finite else None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Change the scale by what the steps since the last update have shown."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._seen:
            raise RuntimeError("No inf checks were recorded prior to update.")
        elif all(finite for _, finite in self._seen.values()):
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._scale *= self._growth_factor
                self._growth_tracker = 0
        else:
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
        self._seen.clear()

    def state_dict(self) -> dict[str, Any]:
        """What decides how it goes on."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale, "growth_factor": self._growth_factor, "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval, "_growth_tracker": self._growth_tracker,
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._scale, self._growth_tracker = state_dict["scale"], state_dict["_growth_tracker"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
