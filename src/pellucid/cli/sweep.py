"""`pellucid sweep DATASET`: runs with many settings, which may be cut off and gone on with, and what came of them."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pellucid import shell
from pellucid.cli.interrupt import Received, stop_on_signal
from pellucid.cli.options import of_config
from pellucid.experiments import pages
from pellucid.experiments.config import Options
from pellucid.experiments.errors import UsageError
from pellucid.experiments.search import Search, text
from pellucid.experiments.shared import SharedStudy, without_password
from pellucid.experiments.stored import readable
from pellucid.experiments.study import Study
from pellucid.experiments.trials import Task, TaskResult, Workers
from pellucid.train import write_atomically
from pellucid.train.files import run_lock
from pellucid.train.files.run import check_writable
from pellucid.viz import document

MANY = 100  # combinations: the size of a larger grid is printed
SHOWN = 10


@of_config()
def sweep(
    grid: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE,VALUE: all combinations are tried. May be repeated.", metavar="TEXT", show_default=False
        ),
    ] = None,
    random: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=VALUE,VALUE: settings are drawn. May be repeated.",
            metavar="TEXT",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="How many are drawn.", show_default="20")] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="random; or tpe, which draws where earlier trials were good (so what it draws depends on --jobs).",
            show_default="random",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What decides, as in summary.json, such as val_loss.", show_default="val_accuracy; val_r2 for numbers"
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Runs at the same time, each in a process of its own.")] = 1,
    threads: Annotated[int | None, typer.Option(help="BLAS threads of each run.", show_default="1")] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the sweep.", show_default="runs/sweep-…")] = None,
    resume: Annotated[Path | None, typer.Option(help="The folder of a sweep to go on with.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Search together with other machines: a database, postgresql://USER@HOST/NAME, or a journal, the path "
            "of a file that all see.",
            show_default=False,
        ),
    ] = None,
    study: Annotated[str | None, typer.Option(help="Name of the search in --storage.", show_default="sweep")] = None,
    grace: Annotated[
        float, typer.Option(help="Seconds without a sign of life after which another machine's trial is taken up.")
    ] = 60.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the command of the best run.")] = False,
    **fixed: Any,
) -> None:
    """Train on DATASET with many settings, and say which did best.

    --grid tries all combinations, --random draws some; every other option holds for all trials, as in pellucid train.

    Each trial is a run folder in the folder of the sweep. A trial that diverges is reported, and the sweep goes on.

    Ctrl-C saves: --resume FOLDER, or the same command with its --out, goes on.

    With --storage the same command may be given on many machines, which share the trials; each may come and go.

    Example: pellucid sweep digits --grid lr=0.01,0.1 --grid batch-size=16,64 --optimizer sgd --jobs 2
    """
    console = Console(highlight=False, markup=False, emoji=False, quiet=quiet)
    if grace <= 0:
        raise UsageError(f"--grace is {grace:g}; it must be a number of seconds above 0.")
    if study is not None and storage is None and resume is None:
        raise UsageError("--study names a search in --storage: give both.")
    if jobs < 1:
        raise UsageError(f"--jobs is {jobs}; it must be a whole number of at least 1.")
    if resume is not None:
        asked = {"--grid": grid, "--random": random, "--sampler": sampler, "--metric": metric, "--threads": threads}
        asked |= {"--out": out, "DATASET": fixed.pop("dataset", None)}
        asked |= {f"--{name.replace('_', '-')}": value for name, value in fixed.items()}
        wrong = next((name for name, value in asked.items() if value is not None and value != []), None)
        if wrong is not None:
            raise UsageError(
                f"--resume goes on with the settings of the sweep in {resume}; only --trials and --jobs go with it. "
                f"Leave {wrong} out."
            )
        search = Search.read(resume, trials)
        search.storage, search.study = storage or search.storage, study or search.study
    else:
        search = Search.new(fixed, grid or [], random or [], trials, sampler, metric, threads, out, storage, study)
    try:
        Sweep(search, console, grace).run(jobs)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; the trials that ended, and the last checkpoints of the others, are in {search.path}; to go "
            f"on: {_again(search)}"
        ) from None
    best = search.best()
    if quiet and best is not None:
        print(search.command(best))


class Sweep:
    """A search under way."""

    def __init__(self, search: Search, console: Console, grace: float = 60.0) -> None:
        self.search, self.console, self.grace = search, console, grace

    def run(self, jobs: int) -> None:
        """Do what is not done yet, then say what came of it all."""
        search = self.search
        if search.sampler == "grid" and search.trials > MANY:
            sizes = " × ".join(f"{name.replace('_', '-')} {len(v.values)}" for name, v in search.space.items())  # type: ignore[union-attr]
            print(f"pellucid: the grid has {search.trials:,} trials: {sizes}.", file=sys.stderr)
        try:
            check_writable(search.path)
            search.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"Cannot write to {search.path}: {error.strerror}. Give --out another folder.") from error
        with nullcontext() if search.storage else run_lock(search.path):  # a shared search may share its folder, too
            ended = self._run_all(jobs)
        self._tell(ended)

    def _run_all(self, jobs: int) -> int:
        search, console = self.search, self.console
        search.write()
        seed = search.fixed.get("seed", 0)
        with readable(search.path):
            study = self._open(seed)
            search.records = study.records()
        done = sum(record["state"] in ("complete", "diverged") for record in search.records)
        how = "grid" if search.sampler == "grid" else f"{search.sampler} search"
        before = f", {done} of them done before" if done else ""
        shared = f", shared in {without_password(search.storage)} as {search.study!r}" if search.storage else ""
        console.print(f"{how} of {search.trials} trials{before} in {search.path}{shared}", soft_wrap=True)
        alive = study if isinstance(study, SharedStudy) else nullcontext()
        with alive, Workers(min(jobs, max(search.trials - done, 1)), search.threads) as workers:
            ended = self._work(study, workers, done)
        search.records = [_with_summary(record, search.folder(record["index"])) for record in study.records()]
        self._write_results()
        return ended

    def _open(self, seed: int) -> Study | SharedStudy:
        search = self.search
        what = search.space, search.planned(), search.trials, search.maximise, seed
        if search.storage:
            return SharedStudy(search.storage, search.study, search.definition(), *what, grace=self.grace)
        return Study(search.path / "journal.log", *what)

    def _work(self, study: Study | SharedStudy, workers: Workers, done: int) -> int:
        """Give the trials to the workers, and enter what comes back: the exit code of a signal that ended it, or 0."""
        search = self.search
        params: dict[int, Options] = {}

        def tasks() -> Iterator[Task]:
            for index, chosen in study.give_out():
                params[index] = chosen
                yield Task(index, {**search.fixed, **chosen}, search.folder(index))

        columns = (TextColumn("trials"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeElapsedColumn())
        bar = Progress(*columns, console=self.console, expand=True, disable=not self.console.is_terminal)
        with stop_on_signal(workers.stop, self._ending) as received, bar:
            task = bar.add_task("", total=search.trials, completed=done)
            for outcome in self._outcomes(study, workers, tasks, received):
                value = outcome.summary.get(search.metric) if outcome.state == "complete" else None
                study.tell(outcome.index, outcome.state, value, outcome.message)
                if outcome.state != "stopped":
                    bar.advance(task)
                    self.console.print(f"{outcome.index:4d}  {self._line(outcome, value, params[outcome.index])}")
        return received.exit_code

    def _ending(self) -> str:
        path = self.search.path
        return f"finishing the steps under way, then saving to {path}; to go on: {_again(self.search)}"

    def _outcomes(
        self, study: Study | SharedStudy, workers: Workers, tasks: Callable[[], Iterator[Task]], received: Received
    ) -> Iterator[TaskResult]:
        """What comes of the trials, until none is left: in a shared search, also of those that others give up."""
        while True:
            yield from workers.run(tasks())
            if isinstance(study, Study) or received or study.settled():
                return
            time.sleep(min(1.0, self.grace / 5))

    def _line(self, outcome: TaskResult, value: float | None, params: Options) -> str:
        what = {
            "complete": f"{self.search.metric.replace('_', ' ')} {_figure(value)}",
            "diverged": "diverged",
        }.get(outcome.state, f"{outcome.state}: {outcome.message}")
        return f"{self.search.words(params)}: {what}"

    def _write_results(self) -> None:
        """sweep.csv and the page, and sweep.png where there is something to draw."""
        search = self.search
        if not search.records:
            return
        rows = [
            {
                "trial": record["index"],
                "state": record["state"],
                **record["params"],
                search.metric: record["value"],
                **{name: value for name, value in record["summary"].items() if name not in record["params"]},
                "folder": search.folder(record["index"]).relative_to(search.path).as_posix(),
                "message": record["message"],
            }
            for record in search.records
        ]
        names = list(dict.fromkeys(name for row in rows for name in row if name not in ("folder", "message")))
        table = io.StringIO()
        writer = csv.DictWriter(table, [*names, "folder", "message"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(search.path / "sweep.csv", table.getvalue())
        document.save(pages.of_sweep(search), search.path / "report.html")
        if search.best() is not None:
            from pellucid import viz

            names = {name: name.replace("_", " ") for name in (*search.space, search.metric)}
            points = [{**record["params"], search.metric: record["value"]} for record in search.ranked()]
            viz.sweep(
                [{names[name]: value for name, value in point.items()} for point in points],
                names[search.metric],
                parameters=[names[name] for name in search.space],
                best="max" if search.maximise else "min",
                save=search.path / "sweep.png",
            )

    def _tell(self, ended: int) -> None:
        search, console = self.search, self.console
        done = sum(record["state"] in ("complete", "diverged") for record in search.records)
        best = search.best()
        if best is not None:
            console.print(self._table())
        diverged = sum(record["state"] == "diverged" for record in search.records)
        if diverged:
            console.print(f"{diverged} of {search.trials} trials diverged: their loss was no longer a number.")
        if best is not None:
            console.print(f"Best: {search.command(best)}", soft_wrap=True)
            console.print(f"  (the same to the bit with OMP_NUM_THREADS={search.threads})")
            if search.is_here(best):
                console.print(f"Its run folder: {search.folder(best['index'])}", soft_wrap=True)
            else:
                console.print("It ran on another machine, and its run folder is there; the command repeats it.")
            console.print(f"All trials: {search.path / 'sweep.csv'}, {search.path / 'sweep.png'}", soft_wrap=True)
            console.print(f"Report: {search.path / 'report.html'}", soft_wrap=True)
        if done < search.trials:
            again = _again(search)
            why = "Stopped" if ended else "Some failed"
            console.print(
                f"{why}: {done} of {search.trials} trials are done.\nTo go on: {again}",
                soft_wrap=True,
            )
            raise typer.Exit(ended or 1)
        if best is None:
            console.print("No trial came to an end with a number. A smaller --lr often helps.")
            raise typer.Exit(1)

    def _table(self) -> Table:
        """The settings and what decides, and beside them as much as the terminal is wide enough for."""
        search = self.search
        ranked = [record for record in search.ranked() if record["value"] is not None]
        shown = ranked[:SHOWN]
        columns = {
            "trial": [str(record["index"]) for record in shown],
            **{name: [text(record["params"].get(name)) for record in shown] for name in search.space},
            search.metric: [_figure(record["value"]) for record in shown],
        }
        for name in ("val_loss", "train_loss", "seconds"):
            columns.setdefault(name, [_figure(record["summary"].get(name), name) for record in shown])
        headings = {name: name.replace("_", " ") for name in columns}
        widths = {name: max(map(len, [headings[name], *cells])) for name, cells in columns.items()}
        if self._too_wide(widths):  # then a heading breaks between its words
            widths = {name: max(map(len, [*headings[name].split(), *cells])) for name, cells in columns.items()}
        while self._too_wide(widths) and len(widths) > len(search.space) + 2:
            widths.popitem()
        result = Table(title=f"the best of {len(ranked)}" if len(ranked) > SHOWN else None, title_justify="left")
        for name, width in widths.items():
            style = "bold" if name == search.metric else ""
            result.add_column(headings[name], justify="right", width=width, style=style)
        for row in zip(*(columns[name] for name in widths), strict=True):
            result.add_row(*row)
        return result

    def _too_wide(self, widths: dict[str, int]) -> bool:
        return sum(width + 3 for width in widths.values()) + 1 > self.console.width  # with its lines and spaces


def _again(search: Search) -> str:
    return f"pellucid sweep --resume {shell.quote(search.path)}"


def _with_summary(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A record with what its run measured."""
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        summary = {}
    return {**record, "summary": summary if record["state"] == "complete" else {}}


def _figure(value: float | None, name: str = "") -> str:
    if value is None:
        return "–"
    if name == "seconds":
        return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"
