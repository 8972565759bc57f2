"""The report as a page: one HTML file that needs nothing else, runs no script, and is light or dark as is asked for."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from html import escape
from pathlib import Path
from typing import Any

from pellucid.doctor.finding import Examined, Finding
from pellucid.doctor.text import compared, facts, headline, last_line, mean
from pellucid.files import write_atomically

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --page: #ffffff; --box: #f6f8fa; --line: #d1d9e0;
  --bad: #b3261e; --bad-box: #ffebe9; --good: #1a7f37; --good-box: #e6f6ea; --fixed: #0a58ca; --unsure: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b1; --page: #0d1117; --box: #161b22;
  --line: #30363d; --bad: #ff8078; --bad-box: #3c1618; --good: #56d364; --good-box: #12341d; --fixed: #79b8ff;
  --unsure: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 820px; margin: 0 auto; padding: 32px 16px 56px; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 4px; }
h1.faults { color: var(--bad); } h1.healthy { color: var(--good); } h1.inconclusive { color: var(--unsure); }
h2 { font-size: 1.2rem; line-height: 1.35; margin: 0 0 6px; overflow-wrap: anywhere; }
h3 { font-size: .95rem; margin: 20px 0 6px; color: var(--soft); font-weight: 600; }
p { margin: 8px 0; overflow-wrap: anywhere; }
section { border-top: 1px solid var(--line); padding: 20px 0 4px; margin: 20px 0 0; }
.lead { font-size: 1.05rem; margin: 4px 0 0; overflow-wrap: anywhere; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.mark { display: inline-block; border: 1px solid currentColor; border-radius: 999px; padding: 0 9px; margin-right: 8px;
  font-size: .8rem; font-weight: 600; vertical-align: 2px; color: var(--bad); }
.mark.warning { color: var(--unsure); } .mark.info { color: var(--soft); }
pre { margin: 0; padding: 10px 0; background: var(--box); border-radius: 8px;
  white-space: pre-wrap; overflow-wrap: anywhere;
  font: 13.5px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre > span { display: block; padding: 0 14px 0 3.4em; text-indent: -3.4em; border-left: 4px solid transparent; }
pre .is { background: var(--bad-box); border-left-color: var(--bad); font-weight: 600; }
pre .should { background: var(--good-box); border-left-color: var(--good); }
pre i { display: inline-block; width: 3.4em; padding-right: 1em; text-indent: 0; text-align: right; color: var(--soft);
  font-style: normal; font-weight: 400; user-select: none; }
pre.diff > span { padding-left: calc(12px + 2em); text-indent: -2em; }
.fix { padding: 10px 14px; background: var(--good-box); border-left: 4px solid var(--good); border-radius: 0 8px 8px 0;
  margin: 14px 0; overflow-wrap: anywhere; }
figure { margin: 18px 0 0; } figcaption { margin-top: 10px; }
svg { display: block; width: 100%; height: auto; max-width: 640px; }
svg text { font: 15px system-ui, sans-serif; fill: var(--soft); }
.axis { stroke: var(--line); stroke-width: 1; } .curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.was { stroke: var(--bad); } .fixed { stroke: var(--fixed); stroke-dasharray: 7 4; }
svg text.was { fill: var(--bad); stroke: none; } svg text.fixed { fill: var(--fixed); stroke: none; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin-top: 12px; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere;
  vertical-align: top; }
th { white-space: nowrap; }
@media (max-width: 640px) { svg text { font-size: 20px; } }
@media (max-width: 480px) { main { padding-top: 20px; } h1 { font-size: 1.45rem; } svg text { font-size: 24px; } }
"""


def save(report: Examined, path: str | Path) -> Path:
    """Write the page; the file is whole or not there."""
    write_atomically(Path(path), render(report).encode())
    return Path(path)


def render(report: Examined) -> str:
    """The page as text. Every text of the user's program is escaped."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(headline(report))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n{_content(report)}</main>\n</body>\n</html>\n"
    )


def fragment(report: Examined) -> str:
    """The page for the output of a notebook's cell, whose own elements its style leaves alone."""
    return (
        f"<style>{scoped(STYLE, '.pellucid-doctor')}</style>\n"
        f'<div class="pellucid-doctor"><main>\n{_content(report)}</main></div>\n'
    )


def scoped(style: str, scope: str) -> str:
    """A style sheet for what is within `scope` alone, which takes the place of the page and its body.

    >>> scoped("body { margin: 0; } @media print { h1, p > b { color: red; } }", ".x")
    '.x { margin: 0; } @media print { .x h1, .x p > b { color: red; } }'
    """

    def own(match: re.Match[str]) -> str:
        before, selectors = match[1], match[2]
        if selectors.startswith("@"):
            return match[0]
        names = [name.strip() for name in selectors.split(",")]
        return before + ", ".join(scope if name in (":root", "body") else f"{scope} {name}" for name in names) + " {"

    return re.sub(r"(\s*)([^\s{}][^{}]*?)\s*\{", own, style)


def _content(report: Examined) -> str:
    findings = "".join(_finding(finding) for finding in report.findings)
    reason = f'<p class="lead">{escape(report.reason)}</p>' if report.reason else ""
    understood = "".join(_fact(line) for line in facts(report.facts))
    return (
        f'<h1 class="{escape(report.status)}">{escape(headline(report))}</h1>\n{reason}{_lead(report)}{findings}'
        f"{_patch(report.fix)}"
        "<section>\n<h2>How the program was understood</h2>\n"
        + (
            f'<table aria-label="How the program was understood"><tbody>{understood}</tbody></table>\n'
            if understood
            else "<p>No training loop was found.</p>\n"
        )
        + f'<p class="soft">Examined in {report.seconds:.1f} seconds by pellucid doctor.</p>\n</section>\n'
    )


def _fact(line: str) -> str:
    name, _, said = line.partition(": ")
    return f"<tr><th>{escape(name)}</th><td>{escape(said)}</td></tr>"


def _lead(report: Examined) -> str:
    """One line below the verdict: where."""
    if not report.findings:
        return ""
    first = report.findings[0]
    said = f"{first.where}: {first.code}" if first.where else first.explanation
    return f'<p class="lead">{escape(said)}</p>\n'


def _finding(finding: Finding) -> str:
    mark = f'<span class="mark {escape(finding.severity)}">{escape(finding.severity)}</span>'
    parts = [f"<section>\n<h2>{mark}{escape(finding.title)}</h2>\n<p>{escape(finding.explanation)}</p>\n"]
    if finding.code:
        parts.append(f"<h3>{escape(finding.where)}</h3>\n{_listing(finding)}")
    new = str((finding.patch or {}).get("new", ""))
    if new and new not in finding.fix:
        parts.append(f'<h3>What it should be</h3>\n<pre><span class="should"><i></i>{escape(new)}</span></pre>\n')
    if finding.fix:
        parts.append(f'<p class="fix"><strong>Fix:</strong> {escape(finding.fix)}</p>\n')
    if changed := str(finding.fork.get("diff", "")):
        lines = "\n".join(changed.splitlines()[2:])  # without the names of the files
        parts.append(f"<h3>The change that was tried</h3>\n{_diff(lines)}")
    parts.append(f"<h3>Evidence</h3>\n<p>{escape(finding.evidence)}</p>\n")
    parts += [f'<p class="soft">Note: {escape(last_line(note))}</p>\n' for note in finding.notes]
    wrong = [t for t in finding.tensors if t.get("said")]
    if wrong:
        rows = "".join(f"<tr><td>{escape(str(t['name']))}</td><td>{escape(str(t['said']))}</td></tr>" for t in wrong)
        heads = "<tr><th>Parameter</th><th>Its updates</th></tr>"
        parts.append(
            f'<table aria-label="Parameters and their updates"><thead>{heads}</thead><tbody>{rows}</tbody></table>\n'
        )
    parts.append(_proof(finding.fork))
    return "".join(parts) + "</section>\n"


def _listing(finding: Finding) -> str:
    """The user's lines, the wrong one marked."""
    line = finding.line if finding.cell is None else finding.line_in_cell
    lines = finding.around or [(line or 0, finding.code)]
    mark = {True: ' class="is"', False: ""}
    shown = [f"<span{mark[number == line]}><i>{number}</i>{escape(text) or ' '}</span>" for number, text in lines]
    return f"<pre>{''.join(shown)}</pre>\n"


def _patch(fix: dict[str, Any] | None) -> str:
    """The diff of `--fix`, or why there is none."""
    if not fix:
        return ""
    if "path" not in fix:
        return f"<section>\n<h2>Patched copy</h2>\n<p>{escape(str(fix.get('reason', '')))}</p>\n</section>\n"
    name = escape(Path(str(fix["path"])).name)
    return (
        f"<section>\n<h2>{name}</h2>\n<p>This copy was written beside the program. The doctor finds it healthy. "
        f"{escape(str(fix.get('seen', '')))}</p>\n"
        f"{_diff(str(fix['diff']))}</section>\n"
    )


def _diff(diff: str) -> str:
    lines: list[str] = []
    for line in diff.splitlines():
        head = line.startswith(("---", "+++"))
        kind = "" if head else {"+": ' class="should"', "-": ' class="is"'}.get(line[:1], "")
        lines.append(f"<span{kind}>{escape(line) or ' '}</span>")
    return f'<pre class="diff">{"".join(lines)}</pre>\n'


WIDTH, HEIGHT, TOP, BOTTOM = 640, 286, 16, 84
LETTER = 15  # of the labels of the axis, where they are largest: on a narrow screen
HIGHEST = 1e3  # times where the curves begin: a loss that goes beyond leaves the picture


def _proof(fork: dict[str, Any]) -> str:
    """The curves of the fork, as they are and with the fix, on one pair of axes."""
    whole = {name: values for name, values in fork.items() if isinstance(values, list) and len(values) > 1}
    curves = {name: averaged(values) for name, values in whole.items()}
    finite = [v for values in curves.values() for v in values if v is not None and math.isfinite(v)]
    if not finite:
        return ""
    what = compared(fork)
    starts = [v for values in curves.values() for v in values[:1] if v is not None and math.isfinite(v)]
    limit = HIGHEST * max(map(abs, starts or finite))
    finite = [min(v, limit) for v in finite]
    logarithmic = min(finite) > 0 and max(finite) / min(finite) > 50
    scale = math.log10 if logarithmic else float
    low, high = scale(min(finite)), scale(max(finite))
    span = (high - low) or 1.0
    top, base = f"{max(finite):.3g}", f"{min(finite):.3g}"
    left = 10 + LETTER * max(len(top), len(base))
    drawn, legend, words = [], [], []
    for i, (name, values) in enumerate(curves.items()):
        kind = "fixed" if name.startswith("with") else "was"
        points = [
            f"{left + (WIDTH - left - 12) * at / (len(values) - 1):.1f},"
            f"{TOP + (HEIGHT - TOP - BOTTOM) * (high - scale(min(value, limit))) / span:.1f}"
            for at, value in enumerate(values)
            if value is not None and math.isfinite(value) and not _is_beyond(values, at, limit)
        ]
        drawn.append(f'<polyline class="curve {kind}" points="{" ".join(points)}"/>')
        first, last = whole[name][0], whole[name][-1]
        lasts = "no number" if last is None or not math.isfinite(last) else f"{last:.4g}"
        words.append(f"{name}: from {_short(first)} to {lasts}")
        y = HEIGHT - 40 + 28 * i
        legend.append(
            f'<line class="curve {kind}" x1="{left}" y1="{y}" x2="{left + 28}" y2="{y}"/>'
            f'<text class="{kind}" x="{left + 36}" y="{y + 7}">{escape(name)}</text>'
        )
    bottom = HEIGHT - BOTTOM
    axes = (
        f'<path class="axis" fill="none" d="M{left} {TOP}V{bottom}H{WIDTH - 12}"/>'
        f'<text x="{left - 6}" y="{TOP + 10}" text-anchor="end">{top}</text>'
        f'<text x="{left - 6}" y="{bottom}" text-anchor="end">{base}</text>'
        f'<text x="{WIDTH - 12}" y="{bottom + 22}" text-anchor="end">passes</text>'
    )
    said = f"{what}; " + "; ".join(words)
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said, quote=True)}">'
        f"{axes}{''.join(drawn)}{''.join(legend)}</svg>"
        f"<figcaption>Tried in a fork of the program: {escape(said)}{' (logarithmic scale)' if logarithmic else ''}."
        "</figcaption></figure>\n"
    )


def _is_beyond(values: list[float | None], at: int, limit: float) -> bool:
    """Whether a curve has left the picture before this point."""
    value, before = values[at], values[at - 1] if at else None
    return value is not None and before is not None and value > limit and before > limit


POINTS = 60


def averaged(values: list[float | None]) -> list[float | None]:
    """A long curve as means of some passes in a row each: what differs from batch to batch hides where it goes."""
    if len(values) <= 2 * POINTS:
        return values
    size = math.ceil(len(values) / POINTS)
    return [mean(values[i : i + size]) for i in range(0, len(values), size)]


def _short(value: float | None) -> str:
    return "no number" if value is None or not math.isfinite(value) else f"{value:.4g}"
