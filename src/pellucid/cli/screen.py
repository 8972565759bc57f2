"""What is shown of a run: a line per epoch, below them in a terminal one that moves; a table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from pellucid.train import Callback, Learner
from pellucid.train.callbacks.lines import Lines

SECONDS = 0.5  # from one drawing to the next, which takes a millisecond
BESIDE = 26  # columns for a short bar, the percentage and the time left, with the gaps between them


class Screen(Callback):
    """A progress bar: epoch, loss, validation metric, samples per second, time left. Each epoch leaves a line above it.

    It is drawn on a terminal only: in a file or a pipe it would be noise, and the lines are enough.
    """

    order = 50

    def __init__(self, console: Console, metric: str) -> None:
        self.metric, self.evaluation = metric, {}
        self.lines = Lines(console.print, within=False)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            expand=True,
            auto_refresh=False,  # a thread that draws would take its time from the training, ten times a second
        )

    def before_fit(self, learner: Learner) -> None:
        self.steps = len(learner.loader)
        self.lines.before_fit(learner)
        self.progress.start()
        for task in self.progress.task_ids:
            self.progress.remove_task(task)  # of a fit before this one
        self.task = self.progress.add_task(
            "", total=learner.epochs * self.steps, completed=learner.step, figures="", start=True
        )
        self.since, self.samples, self.next = time.perf_counter(), 0, 0.0

    def after_batch(self, learner: Learner) -> None:
        self.samples += len(learner.target)
        if time.perf_counter() >= self.next:
            self.show(learner)

    def after_epoch(self, learner: Learner) -> None:
        self.evaluation = learner.evaluation
        self.lines.after_epoch(learner)
        if time.perf_counter() >= self.next:
            self.show(learner)

    def after_fit(self, learner: Learner) -> None:
        self.show(learner)
        self.progress.stop()

    def show(self, learner: Learner) -> None:
        speed = self.samples / max(time.perf_counter() - self.since, 1e-9)
        figures = [f"loss {learner.train_loss:.4f}"] if learner.samples else []
        if self.metric in self.evaluation:
            figures.append(f"val {self.metric} {self.evaluation[self.metric]:.4f}")
        figures.append(f"{speed:,.0f} samples/s")
        epoch = f"epoch {min(learner.epoch + 1, learner.epochs)}/{learner.epochs}"
        while len(figures) > 1 and len(epoch) + len("  ".join(figures)) + BESIDE > self.progress.console.width:
            figures.pop()  # a narrow terminal shows the more important ones whole
        self.progress.update(
            self.task,
            completed=learner.step,
            description=epoch,
            figures="  ".join(figures),
            refresh=True,
        )
        self.next = time.perf_counter() + SECONDS


def table(title: str, rows: Iterable[tuple[str, Any]]) -> Table:
    """The figures of a run, one a line."""
    result = Table(title=title, show_header=False, title_justify="left")
    result.add_column(style="bold")
    result.add_column(justify="right")
    for name, value in rows:
        result.add_row(name, f"{value:,}" if isinstance(value, int) else value)
    return result
