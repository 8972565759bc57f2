"""What a rule gives: a cause, what was seen of it, and what a fork would change to try it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .record import Place
from .treatments import Treatment


@dataclass
class Suspicion:
    """A cause that a record speaks for.

    Attributes:
        certain: the record alone proves it; the fork is only shown.
        strictly: a fork has to come very much further, as for hyperparameters.
        slightly: a fork has to come only somewhat further, beyond noise, as the record speaks for it clearly.
        same_loss: whether the losses of the fork and of the program are the same function.
        by_final: what counts is the accuracy, or the error, in eval() at the end.
        by_recall: what counts is how much of each class is recognised at the end, all classes alike.
        by_held_out: what counts is how well it does on the rows of its own evaluation.
        by_single: what counts, too, is the share of right answers where each row is given by itself.
        without: a term of the loss; what counts is what its other terms come to.
        curves: what the record itself proves, where that needs no fork: see `Finding.fork`.
        times: how many times as many steps a fork makes, which has to come far with them.
        direction, beyond: of a change of the learning rate, whether it is up or down, and whether by more than tenfold.
        measured: numbers that a repair needs, such as means and deviations of columns.
        otherwise: its severity where no fork confirms it; "" drops it.
    """

    cause: str
    evidence: str
    explanation: str
    fix: str
    place: Place | None = None
    treatments: list[Treatment] = field(default_factory=list)
    certain: bool = False
    strictly: bool = False
    slightly: bool = False
    same_loss: bool = True
    by_final: bool = False
    by_recall: bool = False
    by_held_out: bool = False
    by_single: bool = False
    without: tuple[str, int] | None = None
    times: int = 1
    direction: int = 0
    beyond: bool = False
    curves: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    otherwise: str = ""
    confidence: float = 0.9
