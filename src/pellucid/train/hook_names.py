"""Which names look like hooks of a training loop: ours, misspelt ones, and those of other libraries."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any

_BEFORE, _AFTER = (
    ("before", "begin", "start", "started", "pre"),
    ("after", "end", "ended", "finish", "completed", "post"),
)
# What the parts of a name speak of, the narrower first: `on_train_batch_end` is about a batch.
_THINGS = {
    "evaluate": ("evaluate", "eval", "evaluation", "validate", "validation", "val", "valid", "test"),
    "loss": ("loss",),
    "backward": ("backward", "zero"),
    "predict": ("predict", "prediction", "pred", "forward"),
    "step": ("optimizer", "update"),
    "batch": ("batch", "iteration", "step"),
    "epoch": ("epoch",),
    "fit": ("fit", "train", "training", "run"),
}


def looks_like_a_hook(name: str) -> bool:
    """Whether a method of this name is meant to be called at a moment of the training.

    >>> [looks_like_a_hook(name) for name in ("after_epochs", "on_epoch_end", "begin_fit", "epoch_end", "append_end")]
    [True, True, True, True, False]
    """
    if name.startswith(("before_", "after_", "on_")):
        return True
    words = name.split("_")
    moment = words[0] in (*_BEFORE, *_AFTER) or words[-1] in (*_BEFORE, *_AFTER)
    return moment and not name.startswith("_") and _thing(words) is not None


def nearest(name: str, hooks: Sequence[str]) -> str | None:
    """The hook of ours that a name most likely means.

    >>> ours = ["before_fit", "before_batch", "after_step", "after_batch", "after_epoch", "after_evaluate"]
    >>> [nearest(name, ours) for name in ("after_epochs", "on_train_batch_end", "begin_fit", "on_validation_end")]
    ['after_epoch', 'after_batch', 'before_fit', 'after_evaluate']
    """
    words = name.split("_")
    thing = _thing(words)
    when = "before" if any(word in _BEFORE for word in words) else "after"
    if f"{when}_{thing}" in hooks:
        return f"{when}_{thing}"
    # There is no moment before the loss, say: it is the one after what comes before it.
    instead = {"before_predict": "before_batch", "before_loss": "after_predict", "before_backward": "after_loss"}
    instead["before_step"] = "after_backward"
    if instead.get(f"{when}_{thing}") in hooks:
        return instead[f"{when}_{thing}"]
    close = difflib.get_close_matches(name, hooks, n=1)
    return close[0] if close else None


def check_hooks(owner: str, members: Iterable[tuple[str, Any]], hooks: Sequence[str], bound: bool) -> None:
    """Refuse members that would never be called as hooks, or not as they are written.

    Args:
        owner: what has the members, for the message.
        members: names and values.
        hooks: the hooks that there are.
        bound: whether functions among them are called as they are (those of an object), or with `self` before.

    Raises:
        TypeError: a function that looks like a hook and is none; a hook that is no function, is a coroutine or a
            generator (whose body would not run), or cannot be called with the learner alone.
    """
    for name, value in members:
        function = getattr(value, "__func__", value)
        if name not in hooks:
            if callable(function) and not isinstance(function, type) and looks_like_a_hook(name):
                near = nearest(name, hooks)
                hint = f"Did you mean {near}?" if near else f"The hooks are {', '.join(hooks)}."
                raise TypeError(f"{owner}.{name} is no hook of the training loop. {hint}")
            continue
        if not callable(function):
            raise TypeError(f"{owner}.{name} is {function!r}, and a hook is a method: def {name}(self, learner).")
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError(
                f"{owner}.{name} is a coroutine or a generator, whose body would never run: a hook is a plain method, "
                f"def {name}(self, learner)."
            )
        given = (None,) if bound or isinstance(value, staticmethod) else (None, None)
        try:
            signature = inspect.signature(value if bound else function)
        except (TypeError, ValueError):  # a function that is written in C does not say
            continue
        try:
            signature.bind(*given)
        except TypeError:
            raise TypeError(
                f"{owner}.{name}{signature} cannot be called with the learner alone, as hooks are: write "
                f"def {name}(self, learner)."
            ) from None


# What other libraries' loops call on the object that trains, and what is written here in its place.
_VERBS = {
    "training_step": "give the loss, Learner(model, data, loss, optimizer), or override forward or get_loss, which "
    "sets self.loss and self.loss_value from self.output and self.target",
    "validation_step": "give the validation data, Learner(model, (train, valid), …, metrics=[Accuracy]), or override "
    "evaluate",
    "test_step": "call learner.evaluate(batches)",
    "predict_step": "call learner.predict(batches), or override forward",
    "configure_optimizers": "give the optimizer, Learner(model, data, loss, optimizer), and a schedule as the callback "
    "Scheduler(scheduler)",
    "configure_callbacks": "give them, Learner(…, callbacks=[…])",
    "train_dataloader": "give the batches, Learner(model, (train, valid), loss, optimizer)",
    "val_dataloader": "give the batches, Learner(model, (train, valid), loss, optimizer)",
    "test_dataloader": "call learner.evaluate(batches)",
    "predict_dataloader": "call learner.predict(batches)",
    "optimizer_step": "override update",
    "optimizer_zero_grad": "override zero_grad",
    "train_step": "override forward, get_loss, backward or update",
    "compute_loss": "override get_loss, which sets self.loss and self.loss_value",
    "train_step_single": "override forward, get_loss, backward or update",
}
_VERBS |= {f"{name}_epoch_end": "write a Callback with after_epoch" for name in ("training", "validation", "test")}
VERBS = ("unpack", "forward", "get_loss", "backward", "update", "zero_grad", "evaluate", "predict", "fit", "fit_batch")


def check_verbs(owner: type, hooks: Sequence[str]) -> None:
    """Refuse a loop's methods that it would never call: those of other libraries' loops, and hooks of callbacks.

    A class that overrides a verb of the loop may call them itself.

    Raises:
        TypeError: with what is written here in its place.
    """
    own = vars(owner)
    if any(name in own for name in VERBS):
        return
    for name, value in own.items():
        if not callable(getattr(value, "__func__", value)) or isinstance(value, type):
            continue
        if name in _VERBS:
            raise TypeError(f"{owner.__name__}.{name} would never be called: a Learner has no {name}. {_said(name)}")
        if name in hooks or (name.startswith("on_") and _thing(name.split("_"))):
            hook = name if name in hooks else nearest(name, hooks)
            raise TypeError(
                f"{owner.__name__}.{name} would never be called: hooks are those of a callback. Write class "
                f"Mine(Callback) with def {hook}(self, learner), and Learner(…, callbacks=[Mine()])."
            )


def _said(name: str) -> str:
    text = _VERBS[name]
    return f"{text[0].upper()}{text[1:]}."


def _thing(words: list[str]) -> str | None:
    plain = [re.sub(r"(?<=[a-z]{3})s$", "", word) for word in words]
    if words[-1] == "step" and len(words) == 2 and words[0] in ("before", "after"):
        return "step"
    return next((thing for thing, names in _THINGS.items() if any(word in names for word in plain)), None)
