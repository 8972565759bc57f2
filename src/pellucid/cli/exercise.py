"""`pellucid exercise list|start NAME|check [FILE]`: exercises with hidden checks."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pellucid import shell
from pellucid.exercises import EXERCISES, ExerciseError, Outcome, check, exercise_of, progress, skeleton, solution
from pellucid.exercises.sheet import known
from pellucid.experiments.errors import UsageError

KINDS = {
    "backward": "Write this backward pass",
    "engine": "Write this engine",
    "optimiser": "Write this optimiser",
    "fault": "Find this fault",
}
MARKS = {"": " ", "begun": "·", "changed since it was right": "·", "right": "✓"}


class Action(StrEnum):
    """What is to be done."""

    LIST = "list"
    START = "start"
    CHECK = "check"


def exercise(
    action: Annotated[Action, typer.Argument(help="list them, start one, or check an answer.", show_default=False)],
    what: Annotated[
        str | None,
        typer.Argument(
            help="Of start: the exercise. Of check: the file; all answers of this folder where none is named.",
            metavar="[NAME|FILE]",
            show_default=False,
        ),
    ] = None,
    hint: Annotated[
        int, typer.Option("--hint", count=True, help="With check: a hint; given twice, or as --hint 2, two; and so on.")
    ] = 0,
    number: Annotated[str | None, typer.Argument(hidden=True)] = None,  # the 2 of `--hint 2`
    show: Annotated[bool, typer.Option("--solution", help="With check: print the solution instead.")] = False,
) -> None:
    """Write a backward pass, an engine, an optimiser, or find a fault; a hidden check says what is right.

    `start` writes NAME.py, with what is to be done and where; it never writes over a file. `check` runs the file (so
    check only what you trust) and says of each gradient whether it is right, which element is off, and which mistake it
    looks like. `list` shows what is right so far, and what comes next. Exit code 0: all of it is right; 1: it is not
    yet.

    Example: pellucid exercise start linear
    """
    if what is not None and what.isdecimal() and hint:  # --hint 2 mse.py
        what, number = number, what
    if number is not None:
        if not (hint and number.isdecimal() and int(number)):
            raise UsageError(
                f"what is {number!r}? One exercise or file can be named, and a number of hints after --hint: "
                f"pellucid exercise {action.value} {what} --hint 2"
            )
        hint = int(number)
    if (hint or show) and action is not Action.CHECK:
        asked = "--hint" if hint else "--solution"
        raise UsageError(f"{asked} goes with check: pellucid exercise check {what or 'NAME'} {asked}")
    try:
        if action is Action.LIST:
            _list()
        elif action is Action.START:
            _start(what)
        elif show:
            name = Path(what) if what else None
            print(solution(exercise_of(name) if name and name.suffix == ".py" else known(what or "")), end="")
        else:
            _check([_file(what)] if what else _answers(), hint)
    except ExerciseError as error:
        raise UsageError(str(error)) from error


def _list() -> None:
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    width = max(map(len, EXERCISES))
    states = progress.states(Path())
    for kind, title in KINDS.items():
        console.print(f"{title}:")
        for number, found in enumerate(EXERCISES.values(), 1):
            if found.kind == kind:
                mark = MARKS[states.get(found.name, "")]
                after = f" (after {', '.join(found.after)})" if found.after and found.name not in states else ""
                state = f" ({states[found.name]})" if found.name in states else ""
                console.print(f"{mark} {number:>2}  {found.name:<{width}}  {found.title}{after}{state}")
    right = list(states.values()).count("right")
    console.print(f"\nFrom easy to hard. Right in this folder: {right} of {len(EXERCISES)}.")
    _next(console)


def _next(console: Console) -> None:
    """The command that goes on from here."""
    states = progress.states(Path())
    following = progress.next_of(states)
    if following is not None:
        begun = following.name in states
        path = shell.quote(progress.file_of(Path(), following.name))
        console.print(f"Next: pellucid exercise {f'check {path}' if begun else f'start {following.name}'}")


def _start(name: str | None) -> None:
    if name is None:
        raise UsageError("Which one? pellucid exercise list shows them; then pellucid exercise start NAME.")
    chosen = known(name)
    path = Path(f"{chosen.name}.py")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(skeleton(chosen))
    except FileExistsError:
        raise UsageError(
            f"{path} is there already, and is not written over. Check it by pellucid exercise check "
            f"{shell.quote(path)}, or start in another folder."
        ) from None
    print(f"Written: {path}. What is to be done is at its head.")
    print(f"Then: pellucid exercise check {shell.quote(path)}")


def _file(what: str) -> Path:
    """The answer: its file, or that of the exercise of this name."""
    path = Path(what)
    if path.is_dir():
        raise UsageError(
            f"{path} is a folder. pellucid exercise check FILE checks one answer; without a name it checks all answers "
            "of the folder where it is run."
        )
    return path.with_suffix(".py") if what in EXERCISES and not path.exists() else path


def _answers() -> list[Path]:
    found = [Path(f"{name}.py") for name in EXERCISES if Path(f"{name}.py").is_file()]
    if not found:
        raise UsageError("No answer is in this folder: pellucid exercise start NAME writes one.")
    return found


def _check(paths: list[Path], hint: int) -> None:
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    right = True
    for path in paths:
        outcome = check(path)
        progress.note(path, outcome)
        right = right and outcome.right
        if len(paths) > 1:
            console.print(f"{path}: {'right' if outcome.right else _first(outcome)}")
            continue
        for line in outcome.lines:
            console.print(line)
        if outcome.right:
            _next(console)
        else:
            _hint(console, path, outcome, hint)
    if not right:
        raise typer.Exit(1)


def _first(outcome: Outcome) -> str:
    """The line that says most; one that ends in a colon only leads to the next."""
    return next((line for line in outcome.lines if not line.endswith(":") and not line.endswith("is right.")), "")


def _hint(console: Console, path: Path, outcome: Outcome, count: int) -> None:
    """As many hints as were asked for; the last is what to write, where that is known."""
    hints = [*exercise_of(path).hints, *([f"Write: {outcome.fix}"] if outcome.fix else [])]
    for number, text in enumerate(hints[:count], 1):
        console.print(f"Hint {number} of {len(hints)}: {text}")
    if count < len(hints):
        console.print(
            f"For {'a' if not count else 'the next'} hint: pellucid exercise check {shell.quote(path)}"
            f"{' --hint' * (count + 1)}"
        )
    elif count > len(hints) or count:
        console.print(f"That was the last; the solution: pellucid exercise check {shell.quote(path)} --solution")
