"""What the doctor said, as steps that a page shows one after the other."""

from __future__ import annotations

from typing import Any

from pellucid.doctor import Report
from pellucid.playground.mistakes import Mistake

STATUS = {"faults": "There is a fault.", "healthy": "It is healthy.", "inconclusive": "It could not be told."}


def verdict(report: Report, planted: Mistake | None = None) -> dict[str, Any]:
    """`{"status", "causes", "found", "steps": [{"title", "text", "code"?, "curves"?}, …]}`.

    `found`: whether the planted mistake is among the causes that the doctor names; None where none was planted, or it
    is not to be seen.
    """
    steps = [_looked(report)]
    for finding in report.findings[:3]:
        steps.append({"title": f"Measured ({finding.cause})", "text": finding.evidence})
        place: dict[str, Any] = {"title": "What it means", "text": finding.explanation}
        if finding.line is not None:
            place["code"] = f"line {finding.line}:  {finding.code.strip()}"
        steps.append(place)
        curves = {name: values for name, values in finding.fork.items() if isinstance(values, list)}
        if curves:
            tried = "It learned with the fix." if finding.verified else "That did no better."
            steps.append(
                {
                    "title": "Tried in a fork of the program",
                    "text": f"{str(finding.fork.get('what', 'the loss')).capitalize()}, as it was and with the fix. "
                    + tried,
                    "curves": curves,
                }
            )
        steps.append({"title": "What to write", "text": finding.fix})
    said = STATUS[report.status] + (f" {report.reason}" if report.reason else "")
    steps.append({"title": "Verdict", "text": said + f" It took {report.seconds:.0f} seconds."})
    causes = [finding.cause for finding in report.findings]
    found = None if planted is None else not {planted.cause, *planted.also}.isdisjoint(causes)
    return {"status": report.status, "causes": causes, "found": found, "steps": steps}


def _looked(report: Report) -> dict[str, Any]:
    facts = report.facts
    parts: list[str] = []
    if loop := facts.get("loop"):
        parts.append(f"The loop that trains goes by line {loop['line']}, {loop['code'].strip()}.")
    if parameters := facts.get("parameters"):
        numbers = sum(row.get("elements", 0) for row in parameters)
        parts.append(f"It trains {numbers} numbers in {len(parameters)} tensors.")
    if loss := facts.get("loss"):
        parts.append(f"The loss is {loss['title']}.")
    if optimiser := facts.get("optimizer"):
        parts.append(f"The optimiser is {optimiser['name']}, with a rate of {optimiser.get('lr')}.")
    return {"title": "What the doctor saw", "text": " ".join(parts) or "No loop that trains was seen."}
