"""`pellucid explain OP_OR_FILE`: the derivation of an op in the terminal, or of a program's computation as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli.check import run
from pellucid.cli.options import check_file
from pellucid.derivation import Derivation, Walk
from pellucid.experiments.errors import UsageError


def explain(
    what: Annotated[
        str,
        typer.Argument(
            help="An op, a function or a layer (tanh, matmul, nn.Linear); or a Python file.",
            metavar="OP_OR_FILE",
            show_default=False,
        ),
    ],
    shape: Annotated[
        list[str] | None,
        typer.Option(help="The shape of a tensor of the example, such as 2,3; once for each tensor, in order."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write a page, .html, or the record, .json.", show_default="text"),
    ] = None,
) -> None:
    """Show how the gradient of an operation follows: formula, Jacobian, vector-Jacobian product, differences, source.

    A file is run (so run only what you trust), and what it made by `pellucid.explain(…)` is shown. Where it made
    nothing, its Module `model` with a batch `x` (and `y` and `loss`), or its function `loss()`, is walked through,
    forward and backward, one operation at a time.

    Example: pellucid explain matmul --shape 2,3 --shape 3,2
    """
    check_file("--out", out, (".html", ".json"))
    shapes = [_shape(text) for text in shape or []]
    if what.endswith(".py") or (Path(what).is_file() and "/" in what):
        if shapes:
            raise UsageError("--shape is for the example of an op; a file has its own tensors.")
        made = _of_file(Path(what))
    else:
        made = _of_name(what, shapes)
    if out is None:
        print(made)
    elif out.suffix.lower() == ".html":
        made.save(out)
        print(f"Page: {out}")
    else:
        _write_json(made, out)
        print(f"Record: {out}")


def _shape(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--shape {text}: a shape is whole numbers between commas. Write --shape 2,3.") from None
    if any(length < 1 for length in found):
        raise UsageError(f"--shape {text}: each length is 1 or more. Write --shape 2,3.")
    return found


def _of_name(name: str, shapes: list[tuple[int, ...]]) -> Derivation | Walk:
    from pellucid.declare import Op
    from pellucid.derivation.call import explain as make
    from pellucid.derivation.call import resolve

    try:
        what = resolve(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if shapes and not isinstance(what, Op):
        raise UsageError(f"--shape is for the ops of the table, {name} is composed of several. Leave it out.")
    try:
        return make(what, shapes=shapes or None)
    except (ValueError, LookupError, RuntimeError) as error:
        raise UsageError(f"{name} cannot be explained so: {error}") from None


def _of_file(path: Path) -> Derivation | Walk:
    from pellucid.core import Tensor
    from pellucid.derivation.call import explain as make

    names = run(path)
    held = [value for value in names.values() if isinstance(value, Derivation | Walk)]
    if held:
        return held[-1]
    model, loss = names.get("model"), names.get("loss")
    try:
        if callable(model) and "x" in names:
            if callable(loss) and "y" in names:
                return make(model, names["x"], names["y"], loss=loss)
            made = make(model, names["x"])
            if isinstance(loss, Tensor) and isinstance(made, Walk):
                made.notes.append(
                    "The loss of the file is a tensor, which does not say how it was made. To go through the loss too, "
                    "write `loss = nn.functional.mse_loss`, or whichever it is, and `y`."
                )
            return made
        if callable(loss):
            return make(loss)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"{path}: {error}") from None
    raise UsageError(
        f"{path} holds nothing to explain. Give it a variable made by pellucid.explain(…); or a Module `model` with a "
        "batch `x` (and `y` and a function `loss`); or a function `loss()`."
    )


def _write_json(made: Derivation | Walk, path: Path) -> None:
    import json
    import math

    from pellucid.files import write_atomically

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value

    write_atomically(path, json.dumps(plain(made.to_dict()), indent=2, allow_nan=False).encode())
