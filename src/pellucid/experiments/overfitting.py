"""Whether a network learned its training samples by heart, and the weights that it had before it did.

Then the loss on the validation part has risen above its least value, by a fifth and by a twentieth of what an answer
gets that does not look at the input. The network that is kept is that of the least.

Source: Prechelt, Early Stopping — But When?, 1998.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.train import EMA, CheckpointError, EarlyStopping, load_checkpoint
from pellucid.train.loop import Loop

RISE = 1.2  # times its least value that the loss is at the end
SHARE = 0.05  # of the loss of chance, by which it is above its least value at least

Row = Mapping[str, Any]


def turning(epochs: Sequence[Row], chance_loss: float = 1.0) -> Row | None:
    """The row of the epoch with the least validation loss, where it rose much since then; else None.

    >>> rows = [{"epoch": k + 1, "val_loss": loss} for k, loss in enumerate((0.7, 0.4, 0.45, 0.6))]
    >>> turning(rows, 0.69)["epoch"], turning(rows[:3], 0.69)
    (2, None)
    """
    measured = [row for row in epochs if math.isfinite(row.get("val_loss", math.nan))]
    if not measured:
        return None
    least, last = min(measured, key=lambda row: row["val_loss"]), measured[-1]
    rise = last["val_loss"] - least["val_loss"]
    return least if rise > max((RISE - 1) * least["val_loss"], SHARE * chance_loss) else None


def told(summary: Mapping[str, Any], epochs: Sequence[Row]) -> str:
    """What is said of a run that learned by heart; empty of another."""
    best = turning(epochs, summary.get("chance_loss", 1.0))
    if best is None or summary.get("kept_epoch") != best["epoch"]:
        return ""
    last = epochs[-1]
    fell = (
        f", while the training loss fell from {best['train_loss']:.4g} to {last['train_loss']:.4g}"
        if last["train_loss"] < best["train_loss"]
        else ""
    )
    return (
        f"It overfitted, which is to say that it learned the training samples by heart: the validation loss was least "
        f"after epoch {best['epoch']}, {best['val_loss']:.4g}, and rose to {last['val_loss']:.4g} by epoch "
        f"{last['epoch']}{fell}. Kept, shown and used to predict is the network of epoch {best['epoch']}; its figures "
        "flatter a little, as it was chosen by them."
    )


def advice(best_epoch: int) -> str:
    """What to do about it."""
    return (
        f"To end in time: --callback early-stopping:patience=10,restore_best=true, or --epochs {best_epoch}. To get "
        "further: more rows, or a network that can keep less in mind: --model mlp:16, --dropout 0.3, or --optimizer "
        "adamw --weight-decay 0.1."
    )


def has_its_last_weights(learner: Loop) -> bool:
    """Whether the network of a fit that ended is that of its last epoch, and no better one or average was put there."""
    early = [callback for callback in learner.callbacks if isinstance(callback, EarlyStopping)]
    averaged = any(isinstance(callback, EMA) for callback in learner.callbacks)
    return not averaged and all(callback.kept_epoch is None for callback in early)


def weights_of_best(checkpoint: Path | None, epoch: int) -> dict[str, Any] | None:
    """The parameters and buffers that a checkpoint holds, where it is whole and of the end of this epoch."""
    try:
        state = None if checkpoint is None else load_checkpoint(checkpoint)
    except CheckpointError:
        return None
    return None if state is None or state.get("epoch") != epoch else state["model"]
