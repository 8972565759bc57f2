"""`pellucid train TABLE --folds K`: the folds, as they are judged, and what is left where they are interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from pellucid import shell
from pellucid.cli.interrupt import stop_on_signal
from pellucid.cli.screen import table
from pellucid.experiments import folds, overfitting
from pellucid.experiments import options as settings
from pellucid.experiments import session as sessions
from pellucid.experiments.errors import UsageError
from pellucid.train import RunFolder


def cross_validation(given: dict[str, Any], out: Path | None, resume: Path | None) -> folds.CrossValidation | None:
    """The cross-validation that is asked for, from its beginning or where it was interrupted; None where none is."""
    if resume is not None:
        return folds.take_up(resume, given)
    if out is not None and (out / folds.UNFINISHED).is_file() and not RunFolder(out).config.exists():
        raise UsageError(
            f"{out} holds the first folds of a cross-validation that was interrupted. Go on with it: --resume "
            f"{shell.quote(out)}; or write elsewhere: --out another folder."
        )
    if not given.get("folds") or given.get("fold"):
        return None
    options = settings.check(given)
    return folds.CrossValidation(options, RunFolder(out if out is not None else sessions.default_folder(options)))


def judge(judging: folds.CrossValidation, console: Console) -> None:
    """Train for each fold, and show what came of it. Interrupted, it shows and keeps the folds that are done."""

    def tell(fold: folds.Fold) -> None:
        figures = ", ".join(f"{_spoken(name)} {fold[name]:.4f}" for name in fold if name.startswith("val_"))
        course = fold.get("course")
        best = ""
        if course and (turn := overfitting.turning(course, fold["chance_loss"])) is not None:
            best = f" (the loss was least after epoch {turn['epoch']}, {turn['val_loss']:.4f})"
        console.print(
            f"Fold {fold['fold']} of {judging.count}: {fold['train']:,} train, {fold['val']:,} validation; "
            f"{figures}{best}"
        )

    for fold in judging.done:
        tell(fold)
    path = judging.folder.path
    go_on = f"to go on: pellucid train --resume {shell.quote(path)}"

    def ending() -> str:
        kept = f"the folds before it are kept; {go_on}" if judging.done else "nothing is kept of the first"
        return f"finishing a step of fold {len(judging.done) + 1} of {judging.count}; {kept}"

    try:
        with stop_on_signal(judging.stop, ending) as received:
            whole = judging.run(tell)
    except KeyboardInterrupt:
        kept = f"; {len(judging.done)} of {judging.count} folds are in {path}; {go_on}" if judging.done else ""
        raise KeyboardInterrupt(f"interrupted{kept}") from None
    done = judging.done
    then = f" after epoch {done[0]['kept_epoch']}" if done and "kept_epoch" in done[0] else ""
    if len(done) > 1:
        rows = [(_spoken(name), f"{mean:.4f} ± {spread:.4f}") for name, mean, spread in folds.measured(done)]
        title = f"Over {len(done)}{'' if whole else f' of {judging.count}'} folds{then}, mean ± standard deviation"
        console.print(table(title, rows))
    if not whole:
        if done:
            console.print(f"Interrupted in fold {len(done) + 1} of {judging.count}; those before it are kept; {go_on}")
        else:
            console.print("Interrupted in the first fold: nothing is kept.")
        raise typer.Exit(received.exit_code)
    if "kept_epoch" in done[0]:
        epoch = done[0]["kept_epoch"]
        console.print(
            f"They overfitted: the mean of their losses was least after epoch {epoch}, and the figures are those of "
            f"then, which flatters a little, as it was chosen by them. With --epochs {epoch} the training ends there."
        )
    console.print(
        f"These are what to expect of new rows. Kept is the run of fold {folds.best(done)}{then}, the one with the "
        "least validation loss: its own figures flatter.\n"
    )


def _spoken(name: str) -> str:
    return name.replace("_", " ")
