"""`pellucid check SCRIPT.py`: is the backward pass in it right, and if it is not, which mistake is it?"""

from __future__ import annotations

import contextlib
import inspect
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pellucid import check as checks
from pellucid.check import Report
from pellucid.experiments.errors import UsageError
from pellucid.shell import join


def check(
    script: Annotated[
        Path,
        typer.Argument(
            help="A Python file that defines params, loss and grads, or a model and a batch; or a directory of layers.",
            metavar="SCRIPT.py|DIR",
            show_default=False,
        ),
    ],
    json: Annotated[Path | None, typer.Option(help="Write the report to this file as JSON.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw true and given gradients and their difference to this PNG, SVG or PDF.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the points at which the gradients are compared.")] = 0,
) -> None:
    """Check the gradients of SCRIPT.py, or of the layers in DIR, and name the mistake where they are wrong.

    The script is run (so run only what you trust). It defines `params`, a dict of arrays; `loss(params)`, a number;
    and `grads(params)`, a dict of arrays by the same names. Or it defines `model`, a module of pellucid or PyTorch,
    what it is called with as `x` (and the target of the `loss` as `y`) or both as `batch`, and `loss`. Each file of a
    directory defines `forward`, `backward` and an example `x`. Exit code 0: right; 1: wrong, or it could not be told.

    Example: pellucid check backward.py --json report.json --picture report.png
    """
    report = examine(script, seed)
    if json is not None:
        report.save(json)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(str(report))
    if picture is not None:
        report.plot(save=picture)
        console.print(f"Picture: {picture}")
    if not report.ok:
        raise typer.Exit(1)


def examine(script: Path, seed: int = 0) -> Report:
    """Run the script, or those of a directory, and check what is defined there."""
    if script.is_dir():
        with contextlib.redirect_stdout(sys.stderr):
            try:
                return checks.layers(script, seed)
            except FileNotFoundError as error:
                raise UsageError(str(error)) from error
            except Exception as error:
                notes = " ".join(getattr(error, "__notes__", []))
                raise UsageError(f"{type(error).__name__}: {error} ({notes})") from error
    names = run(script)
    if "model" in names and "grads" not in names:
        with _at_home(script):
            return _guarded(script, lambda: _of_model(script, names, seed))
    missing = [name for name in ("params", "loss", "grads") if name not in names]
    if missing:
        have = ", ".join(sorted(name for name in names if not name.startswith("_"))) or "nothing"
        raise UsageError(
            f"{script} defines no {' and no '.join(missing)}. A script defines params (a dict of arrays), "
            f"loss(params) (a number) and grads(params) (a dict of arrays by the same names); it defines {have}. "
            f"Why a training script as it is does not learn, says {join(['pellucid', 'doctor', str(script)])}."
        )
    params, loss, grads = (names[name] for name in ("params", "loss", "grads"))
    if not isinstance(params, Mapping):
        raise UsageError(f"{script}: params is {type(params).__name__}; it must be a dict of arrays by name.")
    if not callable(loss):
        raise UsageError(f"{script}: loss is {type(loss).__name__}; it must be a function of params.")
    if not callable(grads) and not isinstance(grads, Mapping):
        raise UsageError(f"{script}: grads is {type(grads).__name__}; it must be a function of params, or a dict.")
    loss = _of_params(script, "loss", loss, names)
    grads = _of_params(script, "grads", grads, names) if callable(grads) else grads
    with _at_home(script):
        return _guarded(script, lambda: checks.backward(loss, grads, params, seed=seed))


def _of_params(script: Path, name: str, function: Callable[..., Any], names: dict[str, Any]) -> Callable[[Any], Any]:
    """A function of the parameters alone: what else it asks for is what the script defines by that name.

    One that asks for nothing reads `params` where the script defines it, so the values are put there.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return function
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if not positional and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        held = names["params"]

        def reading(params: Any) -> Any:
            held.update(params)
            return function()

        return reading
    more = [p.name for p in positional[1:] if p.default is p.empty]
    missing = [name for name in more if name not in names]
    if missing:
        raise UsageError(
            f"{script}: {name} asks for {', '.join(missing)} beside params, which the script does not define. Define "
            "it, or give it a default."
        )
    given = {name: names[name] for name in more}
    return (lambda params: function(params, **given)) if given else function


def _of_model(script: Path, names: dict[str, Any], seed: int) -> Report:
    """The gradients of a module at a batch, by its own library."""
    if "batch" in names and "x" not in names:
        batch = names["batch"]
        x, y = (batch[0], batch[1]) if isinstance(batch, tuple | list) and len(batch) == 2 else (batch, None)
    elif "x" in names:
        x, y = names["x"], names.get("y")
    else:
        raise UsageError(f"{script} defines a model and no batch: define x (and y), or batch = (x, y).")
    loss = names.get("loss")
    if loss is not None and not callable(loss):
        raise UsageError(f"{script}: loss is {type(loss).__name__}; it must be a function: loss(model(x), y).")
    return checks.gradients(names["model"], x, loss=loss, target=y if loss is not None else None, seed=seed)


def run(script: Path) -> dict[str, Any]:
    """What a script defines. Its `if __name__ == "__main__"` part does not run; what it prints goes to stderr."""
    if not script.is_file():
        raise UsageError(f"There is no file {script} to check.")
    with _at_home(script):
        return _guarded(script, lambda: runpy.run_path(str(script), run_name="__pellucid_check__"))


@contextlib.contextmanager
def _at_home(script: Path) -> Any:
    """Modules beside the script are found, and its output does not mix with the report."""
    folder = str(script.resolve().parent)
    sys.path.insert(0, folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _guarded(script: Path, function: Callable[[], Any]) -> Any:
    """The script's own failures, told as such with its line."""
    try:
        return function()
    except SystemExit as error:
        raise UsageError(f"{script} ended itself with exit code {error.code} while it was run.") from error
    except Exception as error:
        import traceback

        frames = [
            frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == script.name
        ]
        where = f"{script.name}, line {frames[-1].lineno}: {frames[-1].line}" if frames else str(script)
        raise UsageError(f"The script failed while it was run: {where}\n  {type(error).__name__}: {error}") from error
