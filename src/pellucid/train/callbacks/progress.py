"""How far a run is: a line an epoch, below them a bar in a terminal; a bar and live curves in a notebook."""

from __future__ import annotations

import math
import sys
import time
import warnings
from importlib.util import find_spec
from typing import Any

from pellucid.train.callbacks.lines import Lines
from pellucid.train.loop import Callback, Loop
from pellucid.train.records.recorder import Recorder, scalars

# In 80 columns there is room for a loss, a validation loss and a metric.
UNDER_WAY = "{desc} {percentage:3.0f}%|{bar}| {remaining} left{postfix}"
AT_THE_END = "{desc} {percentage:3.0f}%|{bar}| in {elapsed}{postfix}"
BAR_SECONDS = 0.1  # ten times a second is as often as one can read it
PLOT_SECONDS = 1.0
PLOT_SHARE = 0.05  # of the time may go into drawing, which so becomes rarer as the curves grow


class Progress(Callback):
    """Shows epoch, step, loss and metrics, and the time left.

    In a terminal it is a bar of tqdm on the standard error stream, above which each epoch leaves a line. In a file or a
    pipe, and without tqdm, it is these lines, and one every ten seconds in a long epoch. In a notebook it is a bar
    (where ipywidgets is installed), and under it the curves of the run, drawn anew in their place about every second,
    with at most a twentieth of the time. It changes nothing in the run.

    Args:
        plot: whether to draw the curves in a notebook (this needs matplotlib, and a `Recorder` in the Learner).
    """

    observes = True
    order = 50

    def __init__(self, plot: bool = True) -> None:
        self.plot = plot
        self._bar: Any = None
        self._picture: LivePlot | None = None
        self._lines: Lines | None = None
        self._next = math.inf  # when to show something again: never, outside of a fit
        self._evaluation: dict[str, float] = {}

    def before_fit(self, learner: Loop) -> None:
        notebook = in_notebook()
        recorder = next((callback for callback in learner.callbacks if isinstance(callback, Recorder)), None)
        draws = notebook and self.plot and recorder is not None and find_spec("matplotlib") is not None
        self._picture = LivePlot(recorder) if draws else None
        # Without widgets, a bar in a notebook is a line of text that moves; the curves say the same in their title.
        if notebook and find_spec("ipywidgets") is None and draws:
            self._bar = None
        else:
            self._bar = make_bar(learner.steps, _done(learner)) if notebook or sys.stderr.isatty() else None
        self._lines = None if notebook else Lines(self._write, within=self._bar is None)
        if self._lines is not None:
            self._lines.before_fit(learner)
        self._evaluation = {}
        self._started, self._first = time.perf_counter(), _done(learner)
        self._next = 0.0 if self._bar is not None or draws else math.inf

    def after_batch(self, learner: Loop) -> None:
        if time.perf_counter() >= self._next:
            self._show(learner)
        if self._lines is not None:
            self._lines.after_batch(learner)

    def after_epoch(self, learner: Loop) -> None:
        self._evaluation = {
            name if name == "val_loss" else name.removeprefix("val_"): value
            for name, value in scalars(learner.evaluation).items()
        }
        if self._lines is not None:
            self._lines.after_epoch(learner)
        if time.perf_counter() >= self._next:
            self._show(learner)

    def after_fit(self, learner: Loop) -> None:
        if self._next < math.inf:
            self._show(learner, last=True)
        if self._bar is not None:
            self._bar.close()
        self._bar, self._picture, self._lines, self._next = None, None, None, math.inf

    def _write(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            sys.stderr.write(f"{line}\n")

    def _show(self, learner: Loop, last: bool = False) -> None:
        epoch = f"epoch {min(learner.epoch + 1, learner.epochs)}/{learner.epochs}"
        figures = {"loss": learner.train_loss, **self._evaluation}
        shown = ", ".join(f"{name} {value:.3g}" for name, value in figures.items() if value == value)
        done = _done(learner)
        if self._bar is not None:
            self._bar.n = done
            self._bar.bar_format = AT_THE_END if last else UNDER_WAY
            self._bar.set_description_str(epoch, refresh=False)
            self._bar.set_postfix_str(shown, refresh=False)
            self._bar.refresh()
        if self._picture is not None:
            spent = time.perf_counter() - self._started
            left = spent / max(done - self._first, 1) * (learner.steps - done)
            how_long = f"{_clock(left)} left" if done < learner.steps else f"in {_clock(spent)}"
            self._picture.update(f"{epoch}, loss {learner.train_loss:.4g}, {how_long}", force=last)
        self._next = time.perf_counter() + BAR_SECONDS


class LivePlot:
    """The curves of a `Recorder` in the output of a notebook's cell, drawn anew in the same place."""

    def __init__(self, recorder: Any) -> None:
        self.recorder, self._handle, self._next = recorder, None, 0.0

    def update(self, title: str, force: bool = False) -> None:
        """Draw, unless the last drawing was too short a time ago."""
        start = time.perf_counter()
        if start < self._next and not force:
            return
        from IPython.display import Image, display  # pyright: ignore[reportMissingImports] (a notebook has it)

        from pellucid.viz import curves

        figure = curves(self.recorder.rows, title=title)
        figure.dpi = 100 if not force else figure.dpi  # the last one stays: sharp
        content, size = figure._repr_png_()
        picture = Image(data=content, format="png", width=size["width"], height=size["height"])
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)
        now = time.perf_counter()
        self._next = now + max(PLOT_SECONDS, (now - start) / PLOT_SHARE)


def in_notebook() -> bool:
    """Whether this runs in a kernel of Jupyter, which shows pictures; IPython in a terminal does not."""
    ipython = sys.modules.get("IPython")  # where it was not imported, this is no notebook
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def make_bar(total: int, done: int) -> Any:
    """A bar of tqdm for a terminal or a notebook, or None where tqdm is not installed."""
    if find_spec("tqdm") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of missing widgets, and takes a bar of text instead
        from tqdm.auto import tqdm
    return tqdm(total=total, initial=done, dynamic_ncols=True, bar_format=UNDER_WAY)


def _done(learner: Loop) -> int:
    return round(learner.progress * learner.steps)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
