"""Where in the user's program something was said."""

from __future__ import annotations

import ast
from pathlib import Path

from pellucid.doctor.sources import text_of
from pellucid.errors import user_frame

from .record import OpRecord, Place


def place() -> Place | None:
    """File and line of the user's, where this was called from."""
    frame = user_frame()
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


def is_own(kind: type) -> bool:
    """Whether a class is pellucid's own, which for a program of PyTorch's says that it is torch's."""
    return kind.__module__.startswith(("pellucid.", "torch."))


def called_by_hand(layers: list[OpRecord]) -> Place | None:
    """The line that calls the first of these layers, the last of the list, where one function of the program's calls
    each by its own name; None where that is done for it, as by nn.Sequential, or is not to be seen."""
    at = layers[-1].called
    if at is None or at == layers[-1].place:
        return None
    try:
        tree = ast.parse(text_of(Path(at[0])))
    except (OSError, SyntaxError, ValueError):
        return None
    around = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.lineno < at[1] <= (n.end_lineno or 0)]
    called = {ast.unparse(n.func) for n in ast.walk(around[-1]) if isinstance(n, ast.Call)} if around else set[str]()
    own = [name for name in called if name.startswith("self.")]
    return at if len(own) >= len({layer.weight for layer in layers}) else None
