"""The scores of the benchmark, as Markdown."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

from benchmarks.handwritten.__main__ import wilson

from .rivals import TOOLS

Row = dict[str, Any]


def share(rows: list[Row], key: str) -> str:
    return wilson(sum(bool(row[key]) for row in rows), len(rows))


def of_fixes(rows: list[Row], key: str) -> str:
    """How many fixes make up 90 % of the gap, of those where there is one."""
    tried = [row[key] for row in rows if row.get(key) is not None]
    return wilson(sum(value >= 0.9 for value in tried), len(tried))


def table(rows: list[Row]) -> str:
    """The scores of some rows."""
    faulty, sound = [row for row in rows if row["planted"]], [row for row in rows if not row["planted"]]
    pairs = [row for row in faulty if len(row["planted"]) > 1]
    if not rows:
        return "No case.\n"
    seconds, spent = [row["seconds"] for row in rows], [row["cpu"] for row in rows]
    overhead = [row["overhead"] for row in rows if row["overhead"]] or [0.0]
    lines = [
        "| | |",
        "|---|---|",
        f"| faulty programs detected | {share(faulty, 'detected')} |",
        f"| named at rank 1 | {share(faulty, 'rank1')} |",
        f"| named in the top three | {share(faulty, 'top3')} |",
        f"| of them two faults at once, one of them at rank 1 | {share(pairs, 'rank1')} |",
        f"| line right (within one) | {share(faulty, 'line right')} |",
        f"| forks with the fix that recover 90 % of the gap | {of_fixes(faulty, 'fork recovers')} |",
        f"| patches that recover 90 % of the gap, run | {of_fixes(faulty, 'patch recovers')} |",
        f"| false alarms on right programs | {share(sound, 'detected')} |",
        f"| right programs called healthy | {wilson(sum(r['status'] == 'healthy' for r in sound), len(sound))} |",
        f"| seconds, median and worst | {statistics.median(seconds):.1f}, {max(seconds):.1f} |",
        f"| processor seconds, median and worst | {statistics.median(spent):.1f}, {max(spent):.1f} |",
        f"| overhead, median and worst | {statistics.median(overhead):.1f}, {max(overhead):.1f} |",
    ]
    return "\n".join(lines) + "\n"


def rivals(rows: list[Row]) -> str:
    """The doctor beside the rules of published tools, on the same programs."""
    faulty, sound = [row for row in rows if row["planted"]], [row for row in rows if not row["planted"]]
    lines = ["| | detected | cause at rank 1 | cause in the top three | false alarms |", "|---|---|---|---|---|"]
    for tool in TOOLS:
        said = [(row, row["others"].get(tool, [])) for row in faulty]
        hit = sum(bool(found) and bool(set(found[0][1]) & set(row["accepted"])) for row, found in said)
        three = sum(any(set(causes) & set(row["accepted"]) for _, causes in found[:3]) for row, found in said)
        alarms = sum(bool(row["others"].get(tool)) for row in sound)
        lines.append(
            f"| {tool} | {wilson(sum(bool(f) for _, f in said), len(said))} | {wilson(hit, len(said))} "
            f"| {wilson(three, len(said))} | {wilson(alarms, len(sound))} |"
        )
    lines.append(
        f"| pellucid doctor | {share(faulty, 'detected')} | {share(faulty, 'rank1')} | {share(faulty, 'top3')} "
        f"| {share(sound, 'detected')} |"
    )
    return "\n".join(lines) + "\n"


def confusion(rows: list[Row]) -> str:
    """For each cause, what was said at rank 1."""
    lines = ["| planted | cases | named at rank 1 | said instead |", "|---|---|---|---|"]
    kinds = Counter(" + ".join(row["planted"]) or "nothing" for row in rows)
    for kind in sorted(kinds, key=lambda name: (" + " in name, name)):
        here = [row for row in rows if (" + ".join(row["planted"]) or "nothing") == kind]
        good = sum(row["rank1"] if row["planted"] else row["status"] == "healthy" for row in here)
        said = Counter((row["named"] or [row["status"]])[0] for row in here if not row["rank1"])
        if kind == "nothing":
            said.pop("healthy", None)
        lines.append(f"| {kind} | {len(here)} | {good} | {', '.join(f'{n} {c}' for n, c in said.most_common())} |")
    return "\n".join(lines) + "\n"


def missed(rows: dict[str, Row]) -> str:
    """The cases that are wrong, each with what was said."""
    lines: list[str] = []
    for name, row in sorted(rows.items()):
        if row["rank1"] if row["planted"] else row["status"] == "healthy":
            continue
        said = ", ".join(row["named"]) or row["reason"][:100].replace("\n", " ").replace("|", "/")
        lines.append(f"- `{name}`: {row['status']}{', ' + said if said else ''}")
    return "\n".join(lines) + "\n" if lines else "None.\n"
