"""A figure of the run by its name in the history, and whether a new value of it is better than an old one."""

from __future__ import annotations

import re

from pellucid.train.loop import Loop

LESS_IS_BETTER = ("loss", "mae", "mse", "rmse", "error", "perplexity")
MORE_IS_BETTER = ("accuracy", "f1", "auc", "r2", "top", "precision", "recall")


def better_mode(monitor: str, mode: str | None) -> str:
    """ "min" or "max", by the name of the figure where it is not said.

    >>> better_mode("val_balanced_accuracy", None), better_mode("train_loss", None)
    ('max', 'min')
    """
    if mode in ("min", "max"):
        return mode
    if mode is not None:
        raise ValueError(
            f"mode is 'min' where less of {monitor} is better and 'max' where more is, but it is {mode!r}."
        )
    check_spelling(monitor)
    name = monitor.removeprefix("val_")
    if any(name == word or name.endswith(f"_{word}") for word in LESS_IS_BETTER):
        return "min"
    if any(name.startswith(word) or name.endswith(word) for word in MORE_IS_BETTER):
        return "max"
    raise ValueError(f"Is less or more of {monitor} better? Write mode='min' or mode='max'.")


def check_spelling(monitor: str) -> None:
    """Refuse a figure by the name that another library has for it: val/loss, valid_loss, Validation Loss.

    >>> check_spelling("val/loss")
    Traceback (most recent call last):
    ...
    ValueError: No figure is called 'val/loss': write 'val_loss', as it is in the history.
    """
    plain = re.sub(r"[/\-. ]+", "_", monitor.strip().lower())
    plain = re.sub(r"^(valid|validation|eval)_", "val_", plain)
    plain = {"val_acc": "val_accuracy", "acc": "accuracy", "training_loss": "train_loss"}.get(plain, plain)
    if plain != monitor:
        raise ValueError(f"No figure is called {monitor!r}: write {plain!r}, as it is in the history.")


def improves(value: float, best: float | None, mode: str, min_delta: float = 0.0) -> bool:
    """Whether `value` is better than `best` by more than `min_delta`; NaN is never better, anything is than None."""
    if value != value:
        return False
    if best is None:
        return True
    return best - value > min_delta if mode == "min" else value - best > min_delta


def monitored(learner: Loop, monitor: str) -> float | None:
    """The figure after an epoch: `train_loss`, `val_loss` or `val_<metric>` (or `<metric>`). None: it was skipped.

    Raises ValueError, with what there is, for a figure that this learner does not measure.
    """
    known = ["train_loss"]
    if learner.valid is not None:
        known += ["val_loss", *(f"val_{name}" for name in learner.metrics)]
    if monitor not in known and f"val_{monitor}" not in known:
        why = "" if learner.valid is not None else " It has no validation data: Learner(model, (train, valid), …)."
        raise ValueError(f"This learner does not measure {monitor!r}, but only {', '.join(known)}.{why}")
    if monitor == "train_loss":
        return learner.train_loss if learner.samples else None
    value = learner.evaluation.get(monitor.removeprefix("val_"))
    return None if value is None else float(value)
