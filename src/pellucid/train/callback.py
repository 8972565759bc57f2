"""What may be hung on the training loop: an object whose methods are called at named moments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.train.loop import Learner


class Callback:
    """Base class: every hook is here, and does nothing. Override those you need.

    `order` decides who is called first where several callbacks share a moment (small numbers first). `state_dict` and
    `load_state_dict` put what a callback must remember into the checkpoint.

    A method that looks like a hook and is none is refused when the class is defined, so that a misspelt one cannot be
    silently ignored:

    >>> class Wrong(Callback):
    ...     def after_epochs(self, learner): ...
    Traceback (most recent call last):
    ...
    TypeError: Wrong.after_epochs is no hook of the training loop. Did you mean after_epoch?
    """

    order: int = 0

    def before_fit(self, learner: Learner) -> None:
        """Once, before the first epoch of this call of `fit`."""

    def before_epoch(self, learner: Learner) -> None:
        """Before the first batch of an epoch (and before the first of the rest, in a resumed epoch)."""

    def before_batch(self, learner: Learner) -> None:
        """`learner.inputs` and `learner.target` are there."""

    def after_predict(self, learner: Learner) -> None:
        """`learner.output` is there."""

    def after_loss(self, learner: Learner) -> None:
        """`learner.loss` (a Tensor) and `learner.loss_value` (a float) are there."""

    def after_backward(self, learner: Learner) -> None:
        """Each parameter's `.grad` is there; the parameters are still those of before the step."""

    def after_step(self, learner: Learner) -> None:
        """The optimiser has moved the parameters; the gradients are still there."""

    def after_batch(self, learner: Learner) -> None:
        """The gradients are gone; `learner.step` counts this step already."""

    def after_epoch(self, learner: Learner) -> None:
        """`learner.evaluation` holds the validation loss and metrics; `learner.epoch` counts this epoch already."""

    def after_fit(self, learner: Learner) -> None:
        """Once, when `fit` ends: complete, stopped or failed."""

    def state_dict(self) -> dict[str, Any]:
        """What this callback must remember across a resume."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith(("before_", "after_")) and name not in HOOKS:
                import difflib

                close = difflib.get_close_matches(name, HOOKS, n=1)
                hint = f"Did you mean {close[0]}?" if close else f"The hooks are {', '.join(HOOKS)}."
                raise TypeError(f"{cls.__name__}.{name} is no hook of the training loop. {hint}")


HOOKS = tuple(name for name in vars(Callback) if name.startswith(("before_", "after_")))
