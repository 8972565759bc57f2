"""A notebook as a program: its code cells in order, and lines by cell."""

from __future__ import annotations

import ast
import difflib
import json
import re
from pathlib import Path
from typing import Any

from pellucid.doctor.report import Report

PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun")  # magics over Python; other languages are left out


def is_notebook(path: Path) -> bool:
    return path.suffix == ".ipynb"


class Book:
    """A notebook file.

    Attributes:
        source: one program of all code cells; magics are comments there.
        places: for each line of the source, its cell and the line in that cell, from 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.places: list[tuple[int, int]] = []
        lines: list[str] = []
        for number, cell in enumerate(self.content.get("cells", []), 1):
            own = _lines(cell)
            pure = _is_python(own)  # a line that begins with % may go on from the line before
            for i, line in enumerate(own):
                self.places.append((number, i + 1))
                lines.append(line if pure else _python(line))
        self.source = "\n".join(lines) + "\n"

    def patched(self, before: str, changed: str) -> str:
        """The notebook with what was changed in its source changed in its cells."""
        content = json.loads(json.dumps(self.content))
        cells = content["cells"]
        old, new = before.splitlines(), changed.splitlines()
        edits = difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
        for kind, i, j, k, m in reversed(edits):
            if kind == "equal":
                continue
            number, first = self.places[min(i, len(self.places) - 1)]
            if i < j:
                lines = _all_lines(cells[number - 1])
                lines[first - 1 : first - 1 + (j - i)] = new[k:m]
            else:  # below the line before
                number, above = self.places[max(i - 1, 0)]
                lines = _all_lines(cells[number - 1])
                lines[above:above] = new[k:m]
            cells[number - 1]["source"] = [line + "\n" for line in lines[:-1]] + lines[-1:]
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _all_lines(cell: dict[str, Any]) -> list[str]:
    source = cell.get("source", "")
    text: str = "".join(source) if isinstance(source, list) else source
    return list[str](text.splitlines())


def _lines(cell: dict[str, Any]) -> list[str]:
    """The lines of a cell that is Python."""
    if cell.get("cell_type") != "code":
        return []
    lines = _all_lines(cell)
    head = next((line.strip() for line in lines if line.strip()), "")
    return [] if head.startswith("%%") and not head.startswith(PYTHON_CELLS) else lines


def _is_python(lines: list[str]) -> bool:
    try:
        ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return False
    return True


def _python(line: str) -> str:
    """A line without its magic.

    >>> _python("%time fit(X)"), _python("!pip install numpy"), _python("  files = !ls"), _python("w = fit(X)")
    ('fit(X)', 'pass  # !pip install numpy', '  files = []  # !ls', 'w = fit(X)')
    """
    bare = line.lstrip()
    indent = line[: len(line) - len(bare)]
    if given := re.match(r"([\w.\[\], ]+?)\s*=\s*([!%].*)", bare):
        return f"{indent}{given[1]} = []  # {given[2]}"
    timed = re.match(r"%(?:time|timeit)\s+(?:-\w+\s*\d*\s+)*(?!-)(.+)", bare)
    if timed and not bare.startswith("%%"):
        return indent + timed[1]
    if bare.startswith(("%", "!", "?")) or re.match(r"[\w.]+\?{1,2}$", bare):
        return f"{indent}pass  # {bare}"
    return line


class Shell:
    """What `get_ipython()` gives in a notebook; nothing is done of what it is asked."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_named: None


def by_cells(report: Report, path: Path) -> None:
    """Lines of the one program become lines of cells, wherever the report gives them."""
    book = Book(path)

    def place(line: int) -> tuple[int, int]:
        return book.places[min(max(line, 1), len(book.places)) - 1]

    def said(text: str) -> str:
        pattern = rf"(?:[^\s()]*/)?{re.escape(path.name)}(?::|, line )(\d+)"
        return re.sub(pattern, lambda m: "{}, cell {}, line {}".format(path.name, *place(int(m[1]))), text)

    for finding in report.findings:
        if finding.line is not None and finding.file is not None and Path(finding.file).name == path.name:
            finding.cell, finding.line_in_cell = place(finding.line)
            # Only what is in the same cell, by its lines.
            same = [(place(line), text) for line, text in finding.around if line <= len(book.places)]
            finding.around = [(at[1], text) for at, text in same if at[0] == finding.cell]
        finding.explanation, finding.evidence = said(finding.explanation), said(finding.evidence)
        finding.fix, finding.notes = said(finding.fix), [said(note) for note in finding.notes]
    report.reason = said(report.reason)
    loop = report.facts.get("loop")
    if loop and Path(loop["file"]).name == path.name:
        loop["cell"], loop["line_in_cell"] = place(loop["line"])
