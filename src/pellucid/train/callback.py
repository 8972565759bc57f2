"""What may be hung on the training loop: an object whose methods are called at named moments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.train.learner import Learner


class SkipBatch(Exception):
    """Raised by a hook: leave out what is left of this batch, up to `after_batch`."""


class SkipEpoch(Exception):
    """Raised by a hook: leave out what is left of this epoch and its evaluation, up to `after_epoch`."""


class StopFit(Exception):
    """Raised by a hook: end the fit at once. `learner.stop()` ends it after the step that is under way."""


class Callback:
    """Base class: every hook is here, and does nothing. Override those you need.

    `order` decides who is called first where several callbacks share a moment (small numbers first). `state_dict` and
    `load_state_dict` put what a callback must remember into the checkpoint.

    Any hook may `raise SkipBatch` (the verbs still to come are left out), `SkipEpoch` or `StopFit`. What a callback
    changes in the model, the optimiser or the learner it changes by `learner.replace(owner, name, value)`, or it says
    by `learner.at_end(function)` how to undo it: so it is undone when the fit ends, also when it fails.

    >>> class Constant(Callback):
    ...     def before_fit(self, learner):
    ...         for group in learner.optimizer.param_groups:
    ...             learner.replace(group, "lr", 0.1)  # until the end of this fit

    A method that looks like a hook and is none is refused when the class is defined, so that a misspelt one cannot be
    silently ignored:

    >>> class Wrong(Callback):
    ...     def after_epochs(self, learner): ...
    Traceback (most recent call last):
    ...
    TypeError: Wrong.after_epochs is no hook of the training loop. Did you mean after_epoch?
    """

    order: int = 0
    changes_step: bool = False  # whether it changes what a step computes, and so takes part in `lr_find`

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
        """The gradients are gone; `learner.step` counts this step already.

        Comes for a skipped batch too; `learner.loss` is then None if it was skipped before it had one.
        """

    def before_evaluate(self, learner: Learner) -> None:
        """Before the first batch of an evaluation, at the end of an epoch or when it is asked for; in `eval` mode."""

    def after_evaluate(self, learner: Learner) -> None:
        """After its last batch, also where one failed; still in `eval` mode."""

    def after_epoch(self, learner: Learner) -> None:
        """`learner.evaluation` holds the validation loss and metrics; `learner.epoch` counts this epoch already.

        Comes for a skipped epoch too, with nothing in `learner.evaluation`.
        """

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
