"""The report in a terminal: the verdict first, then the line, the fix, the evidence, and how it was found."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from pellucid.doctor.finding import Examined, Finding, place
from pellucid.doctor.rules.update import said

VERDICTS = {
    "faults": "This program has a fault.",
    "healthy": "No fault was found.",
    "inconclusive": "It could not be told.",
}
NOT_RUN = "It could not be run."
COLOURS = {"faults": "bold red", "healthy": "bold green", "inconclusive": "bold yellow"}
WIDEST = 96
MARKS = "▁▂▃▄▅▆▇█"
STEEP = 50  # times; a curve that falls by more is drawn on a logarithmic scale
PARTED = 1.5  # marks; curves that lie so far from each other on the average are told apart at a glance


def show(report: Examined, console: Any) -> None:
    """Print a report on a rich console."""
    for line, style in _styled(report, min(console.width, WIDEST)):
        console.print(line, style=style, markup=False, soft_wrap=True)


def as_text(report: Examined, width: int = WIDEST) -> str:
    """What `show` prints, without colours."""
    return "\n".join(line for line, _ in _styled(report, width))


def _styled(report: Examined, width: int) -> Iterator[tuple[str, str]]:
    """Each line with its style."""
    yield headline(report), COLOURS[report.status]
    if report.reason:
        yield from _plain(_wrapped(report.reason, width))
    for finding in report.findings:
        yield "", ""
        yield f"{finding.severity}: {finding.title}", "bold" if finding.severity != "info" else "dim"
        yield from _plain(_finding(finding, width))
    if report.fix:
        yield "", ""
        yield from _fix(report.fix, width)
    yield "", ""
    yield from ((line, "dim") for fact in facts(report.facts) for line in _wrapped(fact, width, hang="  "))
    yield f"{report.seconds:.1f} s", "dim"


def headline(report: Examined) -> str:
    """The verdict in a sentence.

    >>> headline(Examined("healthy")), headline(Examined("inconclusive", facts={"error": "NameError: name 'x'"}))
    ('No fault was found.', 'It could not be run.')
    """
    return NOT_RUN if report.status == "inconclusive" and "error" in report.facts else VERDICTS[report.status]


def _plain(lines: list[str]) -> Iterator[tuple[str, str]]:
    return ((line, "") for line in lines)


def _wrapped(text: str, width: int, indent: str = "", hang: str = "") -> list[str]:
    lines: list[str] = []
    for part in text.splitlines() or [""]:
        made = textwrap.wrap(
            part, width, initial_indent=indent, subsequent_indent=indent + hang, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
        lines += made or [""]
    return lines


def _finding(finding: Finding, width: int) -> list[str]:
    lines: list[str] = []
    if finding.where:
        lines += [f"  {finding.where}:", f"      {finding.code}"]
    lines += _wrapped(finding.explanation, width, "  ")
    if finding.fix:
        lines += _wrapped(f"Fix: {finding.fix}", width, "  ", "     ")
    if changed := str(finding.fork.get("diff", "")):
        lines.append("  The change that was tried:")
        lines += [f"    {line}" for line in changed.splitlines()[2:] if line.startswith(("-", "+"))]
    lines += _wrapped(finding.evidence, width, "  ")
    for note in finding.notes:
        lines += _wrapped(f"Note: {last_line(note)}", width, "  ", "      ")
    return lines + _curves(finding.fork, width)


def last_line(note: str) -> str:
    """Of a traceback its last line, which says what happened."""
    lines = [line.strip() for line in note.strip().splitlines() if line.strip()]
    if len(lines) < 2 or "Traceback" not in note:
        return note.strip()
    return f"{lines[0].partition('Traceback')[0].strip()} {lines[-1]}".strip()


def compared(fork: dict[str, Any]) -> str:
    """What the curves of a fork show, and beside which other fix both of them were trained."""
    return str(fork.get("what", "loss")) + (f", with {fork['beside']} mended in both" if fork.get("beside") else "")


def _curves(fork: dict[str, Any], width: int) -> list[str]:
    """The curves of the fork below each other, on one scale."""
    curves = {name: values for name, values in fork.items() if isinstance(values, list) and values}
    if not curves:
        return []
    column = max(len(name) for name in curves)
    room = max(8, min(32, width - column - 34))
    drawn = [averaged(values, room) for values in curves.values()]
    low, high, logarithmic = _scale(drawn)
    known = [v for values in drawn for v in values if _finite(v)]
    beyond = [f"█ is {number(high)} and more"] if max(known, default=high) > high else []
    beyond += [f"▁ is {number(low)} and less"] if min(known, default=low) < low else []
    said = " (on a logarithmic scale)" if logarithmic else f" ({', '.join(beyond)})" if beyond else ""
    lines = [f"  Tried in a fork, {compared(fork)}{said}:"]
    for name, values in curves.items():
        went = f"{number(values[0])} → {number(values[-1])}"
        lines.append(f"    {name:{column}}  {sparkline(values, room, low, high, logarithmic):{room}}  {went}")
    return lines


def _scale(curves: list[list[float | None]]) -> tuple[float, float, bool]:
    """The least and the largest number of a scale, and whether it is logarithmic: one on which the curves part.

    The plain one where they do; where a leap at first, or a curve that runs away, would flatten them, another.
    """
    known = [v for values in curves for v in values if _finite(v)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    settled = [v for values in curves for v in values[len(values) // 4 :] if _finite(v)]
    scales = [(low, high, False)]
    if low > 0:
        scales.insert(0 if high / low > STEEP else 1, (low, high, True))
    if settled:
        scales.append((min(settled), max(settled), False))

    def apart(scale: tuple[float, float, bool]) -> float:
        levels = [[_level(v, *scale) if _finite(v) else len(MARKS) for v in values] for values in curves]
        gaps = [abs(a - b) for one, other in pairwise(levels) for a, b in zip(one, other, strict=False)]
        return sum(gaps) / max(len(gaps), 1)

    return next((scale for scale in scales if apart(scale) >= PARTED), max(scales, key=apart))


def _fix(fix: dict[str, Any], width: int) -> Iterator[tuple[str, str]]:
    if "path" not in fix:
        yield from _plain(_wrapped(fix.get("reason", ""), width))
        return
    yield f"{Path(fix['path']).name} was written: the doctor finds it healthy.", "bold green"
    yield from _plain(_wrapped(fix.get("seen", ""), width))
    for line in fix["diff"].splitlines():
        yield f"  {line}", "green" if re.match(r"\+(?!\+\+)", line) else "red" if re.match(r"-(?!--)", line) else ""


def facts(found: dict[str, Any]) -> list[str]:
    """How the program was understood, one line a fact."""
    lines: list[str] = []
    if "script" in found:
        lines.append(f"Program: {found['script']}")
    if "loop" in found:
        loop = found["loop"]
        where = place(loop["file"], loop["line"], loop.get("cell"), loop.get("line_in_cell"))
        lines.append(f"Loop: {where}: {loop['code']}")
    if found.get("parameters"):
        lines.append("Parameters: " + ", ".join(f"{p['name']} {tuple(p['shape'])}" for p in found["parameters"]))
    if "loss" in found:
        lines.append(f"Loss: {found['loss']['title']} ({found['loss']['how']})")
    if found.get("update"):
        lines.append(f"Update: {said(found['update'])}")
    return lines


def sparkline(
    values: list[float | None],
    width: int = 40,
    low: float | None = None,
    high: float | None = None,
    logarithmic: bool | None = None,
) -> str:
    """A curve in one line of text; between `low` and `high`, where several share a scale."""
    known = [value for value in values if _finite(value)]
    if not known:
        return "✕"
    low, high = min(known) if low is None else low, max(known) if high is None else high
    if logarithmic is None:
        logarithmic = low > 0 and high / low > STEEP
    picked = averaged(values, width)
    return "".join(MARKS[_level(v, low, high, logarithmic)] if _finite(v) else "✕" for v in picked)


def averaged(values: list[float | None], width: int) -> list[float | None]:
    """A long curve as the means of at most `width` parts."""
    count = min(width, len(values))
    return [mean(values[i * len(values) // count : (i + 1) * len(values) // count]) for i in range(count)]


def _level(value: float, low: float, high: float, logarithmic: bool) -> int:
    """Which of the marks stands for a number; the first and the last also for what lies beyond."""
    scale = math.log if logarithmic else float
    value = min(max(value, low), high)
    return int((scale(value) - scale(low)) / ((scale(high) - scale(low)) or 1.0) * (len(MARKS) - 1))


def _finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def mean(values: list[float | None]) -> float | None:
    """None where one of them is no number."""
    known = [value for value in values if _finite(value)]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def number(value: float | None) -> str:
    return "nan" if value is None or not math.isfinite(value) else f"{value:.4g}"
