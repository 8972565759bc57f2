"""The report in a terminal: the verdict first, then the evidence, then how it was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pellucid.doctor.report import Finding, Report

VERDICTS = {
    "faults": "This program has a fault.",
    "healthy": "No fault was found.",
    "inconclusive": "It could not be told.",
}


def show(report: Report, console: Any) -> None:
    """Print a report on a rich console."""
    colour = {"faults": "bold red", "healthy": "bold green", "inconclusive": "bold yellow"}[report.status]
    console.print(VERDICTS[report.status], style=colour, markup=False)
    if report.reason:
        console.print(report.reason, markup=False)
    for finding in report.findings:
        console.print()
        for line in _finding(finding):
            console.print(line, markup=False)
    console.print()
    for line in facts(report.facts):
        console.print(line, style="dim", markup=False)
    console.print(f"{report.seconds:.1f} s", style="dim", markup=False)


def _finding(finding: Finding) -> list[str]:
    lines = [f"{finding.severity}: {finding.title}"]
    if finding.file and finding.line:
        lines.append(f"  {Path(finding.file).name}, line {finding.line}:    {finding.code}")
    lines.append(f"  {finding.explanation}")
    if finding.fix:
        lines.append(f"  Fix: {finding.fix}")
    lines.append(f"  {finding.evidence}")
    lines += [f"  Note: {note}" for note in finding.notes]
    curves = {name: values for name, values in finding.fork.items() if isinstance(values, list) and values}
    if curves:
        lines.append(f"  Tried in a fork ({finding.fork.get('what', 'loss')}):")
        for name, values in curves.items():
            lines.append(
                f"    {name}: {sparkline(values)} {_number(values[0])} → {_number(values[-1])} in {len(values)} passes"
            )
    return lines


def facts(found: dict[str, Any]) -> list[str]:
    """How the program was understood, one line a fact."""
    lines: list[str] = []
    if "loop" in found:
        loop = found["loop"]
        lines.append(f"Loop: {Path(loop['file']).name}, line {loop['line']}: {loop['code']}")
    if found.get("parameters"):
        lines.append("Parameters: " + ", ".join(f"{p['name']} {tuple(p['shape'])}" for p in found["parameters"]))
    if "loss" in found:
        lines.append(f"Loss: {found['loss']['title']} ({found['loss']['how']})")
    return lines


def sparkline(values: list[float | None], width: int = 40) -> str:
    """A curve in one line of text."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    picked = [
        values[i * (len(values) - 1) // max(1, min(width, len(values)) - 1)] for i in range(min(width, len(values)))
    ]
    marks = "▁▂▃▄▅▆▇█"
    return "".join("✕" if v is None else marks[int((v - low) / ((high - low) or 1.0) * 7)] for v in picked)


def _number(value: float | None) -> str:
    return "nan" if value is None else f"{value:.4g}"
