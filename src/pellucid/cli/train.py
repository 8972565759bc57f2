"""`pellucid train DATASET`: a network learns, and everything about the run is in a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pellucid import shell
from pellucid.cli.interrupt import stop_on_signal
from pellucid.cli.judging import cross_validation, judge
from pellucid.cli.options import of_config
from pellucid.cli.screen import Screen, table
from pellucid.experiments import choices, folds, overfitting
from pellucid.experiments import session as sessions
from pellucid.experiments.errors import UsageError
from pellucid.experiments.session import Diverged, RunSession
from pellucid.experiments.settings_file import read_settings
from pellucid.train import Tracker
from pellucid.train.callbacks.lines import Lines

MOST_COLUMNS = 40  # of a table that is shown whole


@of_config()
def train(
    out: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/DATASET-MODEL-TIME")] = None,
    resume: Annotated[Path | None, typer.Option(help="The folder of a run to go on with.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file with options, such as lr = 0.01; those of the command line win."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the run folder.")] = False,
    with_report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html, a page about the run, at its end.")
    ] = True,
    **given: Any,
) -> None:
    """Train a network on DATASET.

    The run folder gets config.json, environment.json, history.csv, checkpoints (the first, the newest, the best),
    model.safetensors, activations.npz and gradients.npz, summary.json; with --report loss.png, the curves, and
    report.html, a page that shows it all; of text written.json, too, what the network wrote after each epoch.
    Ctrl-C saves and says how to go on; a resumed run equals the uninterrupted one bit for bit.

    Example: pellucid train mnist --model cnn --epochs 3
    """
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=quiet)
    if config is not None:
        given = {**read_settings(config), **given}
    if resume is not None and out is not None:
        raise UsageError(f"--out and --resume exclude each other: a resumed run goes on in its own folder, {resume}.")
    judging = cross_validation(given, out, resume)
    if judging is not None:
        judge(judging, console)
        session = sessions.start({**judging.options, "fold": folds.best(judging.done)}, judging.folder.path, quiet)
        folds.write(session.folder, judging.done)
    elif resume is None:
        session = sessions.start(given, out, quiet)
    else:
        session = sessions.resume(resume, given, quiet)
    try:
        _run(session, console, with_report)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_interrupted(session)) from None
    if quiet:
        print(session.folder.path)


def _run(session: RunSession, console: Console, with_report: bool) -> None:
    """Train, and say before and afterwards what there is to say."""
    for note in session.notes:
        console.print(note)
    if session.data.facts.get("table"):
        console.print(_columns(session.data.facts["table"]))
    console.print(session.headline())
    if not console.quiet:
        session.learner.add(Screen(console, session.metric) if console.is_terminal else Lines(console.print))
        if session.written is not None:
            session.written.say = console.print
    try:
        with stop_on_signal(session.stop, partial(_ending, session)) as received:
            state = session.run()
    except Diverged:
        if with_report:
            _write_report(session, console)
        raise
    if state == "complete":
        console.print(_table(session))
        if session.unlearned:
            console.print(f"{session.unlearned} {_WHAT_TO_TRY}")
            console.print(f"To ask why: pellucid doctor {shell.quote(session.folder.path)}")
        elif told := session.overfitted:
            console.print(f"{told} {overfitting.advice(session.kept_epoch)}")
        if session.config.source == "csv" and len(session.data.x_val) < FEW and session.config.folds is None:
            rows = "1 row judges" if len(session.data.x_val) == 1 else f"{len(session.data.x_val)} rows judge"
            console.print(f"Only {rows} it, which leaves much to chance: with --folds 5 every row does, once.")
    reported = with_report and _write_report(session, console)
    console.print(_where(session, reported))
    if state == "stopped":
        raise typer.Exit(received.exit_code)


FEW = 30  # rows by which an accuracy is known to 10 in 100 at best
_WHAT_TO_TRY = (
    "Look at the curves first: where the loss does not move, another learning rate may (pellucid find-lr with the same "
    "options); where only the training loss falls, the inputs may say nothing about the target."
)


def _columns(rows: list[dict[str, Any]]) -> Table:
    """How each column of a table was understood. Of very many, the last and those with something to be said."""
    table = Table(box=None, pad_edge=False)
    for name in ("column", "role", "kind", "missing", "holds", "note"):
        table.add_column(name, justify="right" if name == "missing" else "left", overflow="fold")
    shown = (
        rows
        if len(rows) <= MOST_COLUMNS
        else [row for k, row in enumerate(rows) if k < 20 or row["role"] != "feature" or row["note"]]
    )
    for row in shown:
        table.add_row(row["name"], row["role"], row["kind"], str(row["missing"] or ""), row["holds"], row["note"])
    if len(shown) < len(rows):
        table.add_row(f"… and {len(rows) - len(shown)} more features")
    return table


def _ending(session: RunSession) -> str:
    """What a first Ctrl-C does, said before it is done: who presses it twice knows what to resume, too."""
    path = session.folder.path
    return (
        f"finishing step {session.learner.step + 1}, then saving to {path}; to go on: pellucid train --resume "
        f"{shell.quote(path)}"
    )


def _interrupted(session: RunSession) -> str:
    """What is left where nothing was waited for: after a second Ctrl-C, or one while the page was written."""
    path = session.folder.path
    if session.learner.epoch >= session.config.epochs:
        return f"interrupted; the run is whole in {path}. Its page: pellucid report {shell.quote(path)}"
    return (
        f"interrupted; what the last checkpoint holds is in {path}; to go on: pellucid train --resume "
        f"{shell.quote(path)}"
    )


def _write_report(session: RunSession, console: Console) -> bool:
    """Write the page about the run; whether it could be. The run is whole without it, so what goes wrong here is
    reported and no more."""
    try:
        with console.status("Writing report.html …"):
            session.write_report()
        return True
    except ImportError as error:
        console.print(f"No report.html was written: {error}")
    except Exception as error:  # noqa: BLE001
        console.print(
            f"No report.html was written ({type(error).__name__}: {error}). The run itself is whole. To try again: "
            f"pellucid report {shell.quote(session.folder.path)}"
        )
    return False


def _table(session: RunSession) -> Any:
    summary = session.summary()
    rows: list[tuple[str, Any]] = [
        (name.replace("_", " "), f"{value:.4f}")
        for name, value in summary.items()
        if name.startswith(("train_", "val_", "test_", "chance_"))
    ]
    best = session.history.best
    if best is not None:
        rows.append(("least val loss", f"{best['val_loss']:.4f} (epoch {best['epoch']})"))
    rows += [("epochs", summary["epochs"]), ("steps", summary["steps"]), ("seconds", f"{summary['seconds']:.1f}")]
    return table(session.config.title, [*rows, ("parameters", summary["parameters"])])


def _where(session: RunSession, reported: bool) -> str:
    """Where the files are and how to go on; `reported`: there is a page about the run as it is now."""
    learner, folder, epochs = session.learner, session.folder, session.config.epochs
    again = f"pellucid train --resume {shell.quote(folder.path)}"
    if not session.verdict and learner.epoch < epochs:
        limit, why = session.time_limit, ""
        if limit is not None:
            why = f"The time limit of {limit.limit:g} s is over. "
            again += f" --callback time-limit:limit={2 * limit.limit:g}s"
        return (
            f"{why}Stopped after step {learner.step} (epoch {learner.epoch + 1} of {epochs}); saved in {folder.path}.\n"
            f"To go on: {again}" + (f"\nReport: {folder.report}" if reported else "")
        )
    where = f"Run folder: {folder.path}"
    where += "".join(f"\n{each.where}" for each in learner.callbacks if isinstance(each, Tracker) and each.where)
    where += (
        f"\nLoss curves: {folder.curves}\nReport: {folder.report}"
        if reported
        else f"\nTo look at it: pellucid report {shell.quote(folder.path)}"
    )
    path = shell.quote(folder.path)
    if session.written is not None:
        where += f"\nTo have it write: pellucid sample {path}"
    else:
        where += f"\nTo predict: pellucid predict {path} FILE"
    if session.verdict:
        return f"{session.verdict}\n{where}"
    if not choices.spread(session.config.schedule) and session.kept_epoch == learner.epoch:
        where += f"\nTo train on: {again} --epochs {2 * epochs}"
    return where
