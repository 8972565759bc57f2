"""How far a run is, in lines: one after each epoch, for a log, a pipe, and what stays above a bar in a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from pellucid.train.loop import Callback, Loop
from pellucid.train.records.recorder import scalars

QUIET = 10.0  # seconds without a line after which one within the epoch shows that it goes on


class Lines(Callback):
    """A line after each epoch, and within an epoch that takes long, where nothing else shows that it goes on.

    Args:
        write: takes a line.
        within: whether there are lines within an epoch.
    """

    observes = True
    order = 50

    def __init__(self, write: Callable[[str], object], within: bool = True) -> None:
        self.write, self.within = write, within

    def before_fit(self, learner: Loop) -> None:
        self.since = self.said = time.perf_counter()

    def after_batch(self, learner: Loop) -> None:
        now = time.perf_counter()
        if not self.within or now - self.said < QUIET:
            return
        self.said = now
        epoch = f"epoch {learner.epoch + 1:{len(str(learner.epochs))}}/{learner.epochs}"
        batches = f"batch {learner.batch} of {len(learner.loader)}"
        self.write(f"{epoch}  {batches}  loss {learner.train_loss:.4f}  {now - self.since:.1f} s")

    def after_epoch(self, learner: Loop) -> None:
        figures = {"loss": learner.train_loss, **scalars(learner.evaluation)}
        rate = float(learner.optimizer.param_groups[0]["lr"])
        self.write(epoch_line(learner.epoch, learner.epochs, figures, rate, time.perf_counter() - self.since))
        self.said = time.perf_counter()


def epoch_line(epoch: int, epochs: int, figures: Mapping[str, float], rate: float, seconds: float) -> str:
    """What is said of an epoch in a line.

    >>> epoch_line(3, 10, {"loss": 0.5, "val_loss": 0.75}, 0.01, 2.0)
    'epoch  3/10  loss 0.5000  val loss 0.7500  lr 0.01  2.0 s'
    """
    shown = "  ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in figures.items())
    return f"epoch {epoch:{len(str(epochs))}}/{epochs}  {shown}  lr {rate:.3g}  {seconds:.1f} s"


def _figure(value: float) -> str:
    """Four places behind the point, and a power of ten where they would say nothing or too much.

    >>> _figure(0.25), _figure(0.000012), _figure(0.0), _figure(1.5e9)
    ('0.2500', '1.200e-05', '0.0000', '1.500e+09')
    """
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 or value != value else f"{value:.3e}"
