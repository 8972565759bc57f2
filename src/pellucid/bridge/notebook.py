"""The cells of a notebook, as code: what IPython alone understands is left out, and a note says so."""

from __future__ import annotations

import ast
import json
import linecache
import re
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any, cast

__all__ = ["code_of", "read", "source_of"]

_RUN_THE_REST = ("time", "timeit", "capture", "prun")  # magics of a cell whose body is Python
_SHELL = re.compile(r"^(\s*)([\w.\[\], ]+=\s*)?[%!]")
_TIMED = re.compile(r"^(\s*)%(?:time|timeit)\s+(?:-\w+\s*\d*\s+)*(?!-)(.+)")


class Shell:
    """What `get_ipython()` gives; nothing is done of what it is asked."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_named: None


def shown(*values: Any, **_: Any) -> None:
    """What `display` does: print."""
    for value in values:
        print(value)  # noqa: T201


NAMES = {"display": shown, "get_ipython": Shell}
"""What each notebook has by itself."""


def source_of(cell: dict[str, Any], note: list[str]) -> str:
    """The Python of a cell, line by line where it was; what was left out is added to ``note``.

    >>> notes = []
    >>> source_of({"source": ["%matplotlib inline\\n", "x = 1"]}, notes), notes
    ('pass\\nx = 1', ['%matplotlib inline'])
    >>> source_of({"source": "%time x = fit()\\nfiles = !ls"}, notes), notes[1:]
    ('x = fit()\\nfiles = []', ['%time x = fit()', 'files = !ls'])
    """
    text = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%"):
        note.append(first)
        if first[2:].split(" ")[0] not in _RUN_THE_REST:
            return ""
        lines = ["" if line is first else line for line in lines]
    try:
        ast.parse(text)
        return text  # a line that begins with % may go on from the line before
    except SyntaxError:
        pass
    for i, line in enumerate(lines):
        magic = _SHELL.match(line)
        if timed := _TIMED.match(line):
            note.append(line.strip())
            lines[i] = timed[1] + timed[2]
        elif magic and magic[2]:  # the lines that a command would give
            note.append(line.strip())
            lines[i] = f"{magic[1]}{magic[2].rstrip()} []"
        elif magic or line.rstrip().endswith("?") or line.lstrip().startswith("?"):
            note.append(line.strip())
            lines[i] = (magic[1] if magic else "") + "pass"
    return "\n".join(lines)


def read(path: str, data: str | bytes) -> dict[str, Any]:
    """What the file of a notebook says.

    Raises:
        ValueError: it is none.
    """
    try:
        found: object = json.loads(data)
    except ValueError as error:  # no JSON, or no text
        raise ValueError(f"{path} is not a notebook, which is JSON: {error}") from None
    if not isinstance(found, dict) or not ("cells" in found or "worksheets" in found):
        raise ValueError(f"{path} is not a notebook: it has no cells")
    return cast("dict[str, Any]", found)


def code_of(path: str, notebook: dict[str, Any]) -> Iterator[CodeType]:
    """The code of each cell, compiled when it is asked for. The value of its last line is printed, as notebooks do."""
    number = 0
    cells = notebook.get("cells") or [cell for sheet in notebook.get("worksheets", ()) for cell in sheet["cells"]]
    for cell in cells:
        if cell.get("cell_type") != "code":
            continue
        number += 1
        notes: list[str] = []
        source = source_of({"source": cell.get("source", cell.get("input", ""))}, notes)
        for note in notes:
            print(f"pellucid: left out, in cell {number}: {note}", file=sys.stderr)  # noqa: T201
        name = f"{path}, cell {number}"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        tree = ast.parse(source, name)
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";"):
            tree.body[-1] = _shown(tree.body[-1])
        yield compile(tree, name, "exec", dont_inherit=True)


def _shown(last: ast.Expr) -> ast.Expr:
    """An expression whose value is printed unless it is None."""
    show = ast.parse("__import__('sys').displayhook(None)").body[0]
    if not isinstance(show, ast.Expr) or not isinstance(show.value, ast.Call):
        return last
    show.value.args = [last.value]
    return ast.fix_missing_locations(ast.copy_location(show, last))
