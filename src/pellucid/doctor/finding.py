"""What an examination found, as records: they can be written as JSON and shown as text and as a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SEVERITIES = ("error", "warning", "info")


@dataclass
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        cause: an id of the vocabulary of causes.
        severity: "error" (the program is broken), "warning" (it may well hold you back, confirmed), "info".
        confidence: from 0 to 1.
        evidence: what was measured, in numbers.
        explanation: what it means.
        fix: what to write instead.
        file, line: where; None where that is not known.
        code: what is written there; `around`: the lines near it.
        verified: whether a fork with the fix did better; None where it was not tried.
        fork: the curves of the fork: {"as it was": [...], "with the fix": [...], "what": ...}, and under "beside" which
            other causes both had mended.
        mistake: for `wrong-backward`, the kind of mistake.
        tensors: the tensors that it concerns, each with what is wrong about it.
    """

    cause: str
    severity: str
    confidence: float
    evidence: str
    explanation: str
    fix: str
    file: str | None = None
    line: int | None = None
    code: str = ""
    verified: bool | None = None
    fork: dict[str, Any] = field(default_factory=dict)
    mistake: str = ""
    tensors: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)  # of each tensor, what the autopsy says
    # {"old", "new"}: what to write in the line instead; or {"insert"}: what to write below the statement
    patch: dict[str, Any] | None = None
    around: list[tuple[int, str]] = field(default_factory=list)  # the lines near it, with their numbers
    cell: int | None = None  # of a notebook: the cell, from 1, and the line in it
    line_in_cell: int | None = None

    @property
    def where(self) -> str:
        """`train.py, line 12`; of a notebook, `book.ipynb, cell 3, line 2`; empty where it is not known."""
        return place(self.file, self.line, self.cell, self.line_in_cell) if self.file and self.line else ""

    @property
    def title(self) -> str:
        """The cause, and the mistake where one has a name."""
        return f"{self.cause}: {self.mistake}" if self.mistake not in ("", "unknown") else self.cause


@dataclass(repr=False)
class Examined:
    """What a report consists of.

    Attributes:
        status: "faults" (there is an error, or a confirmed warning), "healthy", "inconclusive".
        facts: what the doctor found out about the program: its loop, parameters, loss, update rule.
        overhead: seconds of the examination over those that the program itself ran, up to the pass that was examined.
    """

    status: str
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    overhead: float = 0.0
    fix: dict[str, Any] | None = None  # of `--fix`: "path" and "diff" of the patched copy, or the "reason" for none
    reason: str = ""  # of "inconclusive": what is missing, and what to type


def calmed(findings: list[Finding]) -> list[Finding]:
    """The findings about a program that has no fault: a warning that nothing confirms is no more than worth knowing.

    >>> [f.severity for f in calmed([Finding("noisy-labels", "warning", 0.4, "", "", "")])]
    ['info']
    """
    for finding in findings:
        finding.severity = "info"
    return findings


def place(file: str, line: int, cell: int | None = None, line_in_cell: int | None = None) -> str:
    """A line in words."""
    name = Path(file).name
    return f"{name}, line {line}" if cell is None else f"{name}, cell {cell}, line {line_in_cell}"
