"""The report as a page: one HTML file that needs nothing else, runs no script, and is light or dark as is asked for."""

from __future__ import annotations

import base64
import hashlib
import math
from html import escape
from pathlib import Path
from typing import Any

from pellucid.doctor.report import Finding, Report
from pellucid.doctor.text import VERDICTS, facts
from pellucid.files import write_atomically

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --page: #ffffff; --box: #f4f6f8; --line: #d1d9e0;
  --bad: #b3261e; --good: #1a7f37; --was: #b3261e; --fixed: #0a58ca; --unsure: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b1; --page: #0d1117; --box: #161b22;
  --line: #30363d; --bad: #ff8078; --good: #56d364; --was: #ff8078; --fixed: #79b8ff; --unsure: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 4px; }
h1.faults { color: var(--bad); } h1.healthy { color: var(--good); } h1.inconclusive { color: var(--unsure); }
h2 { font-size: 1.15rem; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 8px 0; overflow-wrap: anywhere; }
section { border: 1px solid var(--line); border-radius: 10px; padding: 16px; margin: 20px 0; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.code { margin: 12px 0; }
.code > p { margin: 0 0 2px; color: var(--soft); font-size: .9rem; }
pre { margin: 0 0 8px; padding: 10px 12px; background: var(--box); border-left: 4px solid var(--line); overflow-x: auto;
  font: 14px/1.5 ui-monospace, monospace; }
pre.is { border-left-color: var(--bad); } pre.should { border-left-color: var(--good); }
pre.should { white-space: pre-wrap; overflow-wrap: anywhere; }
figure { margin: 14px 0 0; } svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.axis { stroke: var(--line); stroke-width: 1; } .curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.was { stroke: var(--was); } .fixed { stroke: var(--fixed); stroke-dasharray: 7 4; }
svg text.was { fill: var(--was); stroke: none; } svg text.fixed { fill: var(--fixed); stroke: none; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; } th, td { text-align: left; padding: 4px 10px 4px 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
"""


def save(report: Report, path: str | Path) -> Path:
    """Write the page; the file is whole or not there."""
    write_atomically(Path(path), render(report).encode())
    return Path(path)


def render(report: Report) -> str:
    """The page as text. Every text of the user's program is escaped."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    findings = "".join(_finding(finding) for finding in report.findings)
    reason = f"<p>{escape(report.reason)}</p>" if report.reason else ""
    understood = "".join(f"<p>{escape(line)}</p>" for line in facts(report.facts))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(_title(report))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1 class="{escape(report.status)}">{escape(_title(report))}</h1>\n{reason}{findings}'
        f"<section>\n<h2>How the program was understood</h2>\n{understood or '<p>No training loop was found.</p>'}"
        f'<p class="soft">Examined in {report.seconds:.1f} seconds by pellucid doctor.</p>\n</section>\n'
        "</main>\n</body>\n</html>\n"
    )


def _title(report: Report) -> str:
    return VERDICTS[report.status]


def _finding(finding: Finding) -> str:
    parts = [f"<section>\n<h2>{escape(finding.title)}</h2>\n<p>{escape(finding.explanation)}</p>\n"]
    if finding.code:
        where = finding.where
        parts.append(
            f'<div class="code"><p>What is written, {escape(where)}</p><pre class="is">{escape(finding.code)}</pre>'
        )
        should = (finding.patch or {}).get("new") or finding.fix
        if should:
            parts.append(f'<p>What it should be</p><pre class="should">{escape(str(should))}</pre>')
        parts.append("</div>\n")
    if finding.fix and (finding.patch or not finding.code):
        parts.append(f"<p><strong>Fix:</strong> {escape(finding.fix)}</p>\n")
    parts.append(f'<p class="soft">{escape(finding.evidence)}</p>\n')
    parts += [f"<p>Note: {escape(note)}</p>\n" for note in finding.notes]
    wrong = [t for t in finding.tensors if t.get("said")]
    if wrong:
        rows = "".join(f"<tr><td>{escape(str(t['name']))}</td><td>{escape(str(t['said']))}</td></tr>" for t in wrong)
        parts.append(
            f"<table><thead><tr><th>Parameter</th><th>Its updates</th></tr></thead><tbody>{rows}</tbody></table>\n"
        )
    parts.append(_proof(finding.fork))
    return "".join(parts) + "</section>\n"


WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 240, 62, 14, 40


def _proof(fork: dict[str, Any]) -> str:
    """The curves of the fork, as they are and with the fix, on one pair of axes."""
    curves = {name: values for name, values in fork.items() if isinstance(values, list) and len(values) > 1}
    finite = [v for values in curves.values() for v in values if v is not None and math.isfinite(v)]
    if not finite:
        return ""
    what = str(fork.get("what", "loss"))
    logarithmic = min(finite) > 0 and max(finite) / min(finite) > 50
    scale = math.log10 if logarithmic else float
    low, high = scale(min(finite)), scale(max(finite))
    span = (high - low) or 1.0
    drawn, legend, words = [], [], []
    for i, (name, values) in enumerate(curves.items()):
        kind = "was" if i == 0 else "fixed"
        points = [
            f"{LEFT + (WIDTH - LEFT - 12) * at / (len(values) - 1):.1f},"
            f"{TOP + (HEIGHT - TOP - BOTTOM) * (high - scale(value)) / span:.1f}"
            for at, value in enumerate(values)
            if value is not None and math.isfinite(value)
        ]
        drawn.append(f'<polyline class="curve {kind}" points="{" ".join(points)}"/>')
        last = values[-1]
        lasts = "no number" if last is None or not math.isfinite(last) else f"{last:.4g}"
        words.append(f"{name}: from {_short(values[0])} to {lasts}")
        x = LEFT + 250 * i
        legend.append(
            f'<line class="curve {kind}" x1="{x}" y1="{HEIGHT - 10}" x2="{x + 28}" y2="{HEIGHT - 10}"/>'
            f'<text class="{kind}" x="{x + 34}" y="{HEIGHT - 6}">{escape(name)}</text>'
        )
    bottom = HEIGHT - BOTTOM
    axes = (
        f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{WIDTH - 12}"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 9}" text-anchor="end">{max(finite):.3g}</text>'
        f'<text x="{LEFT - 6}" y="{bottom}" text-anchor="end">{min(finite):.3g}</text>'
        f'<text x="{WIDTH - 12}" y="{bottom + 14}" text-anchor="end">passes</text>'
    )
    said = f"{what}; " + "; ".join(words)
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said, quote=True)}">'
        f"{axes}{''.join(drawn)}{''.join(legend)}</svg>"
        f"<figcaption>Tried in a fork of the program: {escape(said)}{' (logarithmic scale)' if logarithmic else ''}."
        "</figcaption></figure>\n"
    )


def _short(value: float | None) -> str:
    return "no number" if value is None or not math.isfinite(value) else f"{value:.4g}"
